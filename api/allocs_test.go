//go:build !race

// The race detector has sync.Pool lose at random what it keeps.

package api_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/marketprism/prismrt/api"
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
	ours, floors := allocations(t, api.New(o)), allocations(t, floor)
	t.Logf("%.0f allocations, of which the floor has %.0f", ours, floors)
	if ours-floors > most {
		t.Errorf("a call allocates %.0f times more than the floor, want %d at most", ours-floors, most)
	}
}

// allocations counts those of a call.
func allocations(t *testing.T, h http.Handler) float64 {
	body := bytes.NewReader([]byte("abcdefgh"))
	r := httptest.NewRequestWithContext(t.Context(), "POST", "http://localhost/v1/plugins/p/invoke", body)
	w := &answer{}
	return testing.AllocsPerRun(500, func() {
		body.Reset([]byte("abcdefgh"))
		w.header, w.status = make(http.Header), 0
		if h.ServeHTTP(w, r); w.status != http.StatusOK {
			t.Fatalf("answered %d", w.status)
		}
	})
}

// answer is where an answer goes that nobody reads.
type answer struct {
	header http.Header
	status int
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(b []byte) (int, error) { return len(b), nil }
func (a *answer) WriteHeader(status int)      { a.status = status }
