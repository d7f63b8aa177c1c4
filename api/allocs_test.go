//go:build !race

// The race detector has sync.Pool lose at random what it keeps.

package api_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/marketprism/prismrt/api"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/task"
)

// A call may allocate ten times besides what the same router does for any request.
func TestACallMakesFewAllocations(t *testing.T) {
	const most = 10
	var o api.Options
	url, _ := serve(t, func(own *api.Options) { o = *own })
	if status, answer := do(t, "PUT", url+"/v1/plugins/p", telling(7)); status != 201 {
		t.Fatal(status, answer)
	}
	// A server that does what every one must: read the body and answer.
	floor := chi.NewRouter()
	floor.Post("/v1/plugins/{name}/invoke", func(w http.ResponseWriter, r *http.Request) {
		var b [8]byte
		n, _ := io.ReadFull(r.Body, b[:])
		w.Header()["Content-Length"] = []string{strconv.Itoa(n)}
		w.Header()["Content-Type"] = []string{"application/octet-stream"}
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(b[:n])
	})
	const path = "/v1/plugins/p/invoke"
	ours, floors := allocations(t, api.New(o), path, http.StatusOK), allocations(t, floor, path, http.StatusOK)
	t.Logf("%.0f allocations, of which the floor has %.0f", ours, floors)
	if ours-floors > most {
		t.Errorf("a call allocates %.0f times more than the floor, want %d at most", ours-floors, most)
	}
}

// So may a submission, besides what the queue does.
func TestASubmissionMakesFewAllocations(t *testing.T) {
	const most = 10
	var o api.Options
	url, _ := serve(t, func(own *api.Options) { o = *own })
	if status, answer := do(t, "PUT", url+"/v1/plugins/p", telling(7)); status != 201 {
		t.Fatal(status, answer)
	}
	o.Queue = new(taking)
	floor := chi.NewRouter()
	floor.Post("/v1/tasks", func(w http.ResponseWriter, r *http.Request) {
		var b [8]byte
		n, _ := io.ReadFull(r.Body, b[:])
		w.Header()["Content-Length"] = []string{strconv.Itoa(n)}
		w.Header()["Content-Type"] = []string{"application/json"}
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(b[:n])
	})
	const path = "/v1/tasks?plugin=p&delay=5m"
	ours, floors := allocations(t, api.New(o), path, http.StatusAccepted), allocations(t, floor, path, http.StatusAccepted)
	t.Logf("%.0f allocations, of which the floor has %.0f", ours, floors)
	if ours-floors > most {
		t.Errorf("a submission allocates %.0f times more than the floor, want %d at most", ours-floors, most)
	}
}

// taking is a queue that takes one task after another, and stores nothing.
type taking struct {
	api.Queue
	one [1]queue.Submitted
}

func (t *taking) Submit(context.Context, []queue.Submission) ([]queue.Submitted, error) {
	t.one[0] = queue.Submitted{ID: "01KB0000000000000000000000", State: task.Queued}
	return t.one[:], nil
}

// allocations counts those of a request.
func allocations(t *testing.T, h http.Handler, path string, want int) float64 {
	body := bytes.NewReader([]byte("abcdefgh"))
	r := httptest.NewRequestWithContext(t.Context(), "POST", "http://localhost"+path, body)
	w := &discarding{}
	return testing.AllocsPerRun(500, func() {
		body.Reset([]byte("abcdefgh"))
		w.header, w.status = make(http.Header), 0
		if h.ServeHTTP(w, r); w.status != want {
			t.Fatalf("answered %d", w.status)
		}
	})
}
