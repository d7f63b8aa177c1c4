package api_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/api"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/task"
)

// naming is a queue that gives each task an id, and stores nothing.
type naming struct{ api.Queue }

func (naming) Submit(_ context.Context, of []queue.Submission) ([]queue.Submitted, error) {
	all := make([]queue.Submitted, len(of))
	for n := range of {
		all[n] = queue.Submitted{ID: task.NewID(), State: task.Queued}
	}
	return all, nil
}

// benchServer serves the plugin p, and a queue that stores nothing.
func benchServer(b *testing.B) (url string, h http.Handler) {
	var o api.Options
	url, _ = serve(b, func(own *api.Options) { own.Queue = naming{}; o = *own })
	req, err := http.NewRequestWithContext(b.Context(), "PUT", url+"/v1/plugins/p", bytes.NewReader(telling(7)))
	if err != nil {
		b.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 201 {
		b.Fatal(resp, err)
	}
	resp.Body.Close()
	return url, api.New(o)
}

// A submission, from the router to the answer: what net/http does besides is not in it.
func BenchmarkSubmit(b *testing.B) {
	_, h := benchServer(b)
	input := strings.Repeat("a", 256)
	for name, header := range map[string]http.Header{
		"plain": {},
		"key":   {"Idempotency-Key": {"order-0000017"}, "Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				body := strings.NewReader(input)
				r := httptest.NewRequestWithContext(context.Background(), "POST", "http://localhost/v1/tasks?plugin=p&priority=5", body)
				r.Header = header
				w := &discarding{}
				for pb.Next() {
					body.Reset(input)
					w.header = make(http.Header)
					if h.ServeHTTP(w, r); w.status != http.StatusAccepted {
						b.Fatalf("answered %d", w.status)
					}
				}
			})
		})
	}
}

// discarding is where an answer goes that nobody reads.
type discarding struct {
	header http.Header
	status int
}

func (d *discarding) Header() http.Header         { return d.header }
func (d *discarding) Write(b []byte) (int, error) { return len(b), nil }
func (d *discarding) WriteHeader(status int)      { d.status = status }

// A stream of tasks of 256 bytes over a connection, client included: an op is a task.
func BenchmarkSubmitBatch(b *testing.B) {
	url, _ := benchServer(b)
	line := []byte(fmt.Sprintf(`{"plugin":"p","input":%q}`+"\n", strings.Repeat("a", 256)))
	many := bytes.Repeat(line, 100)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	body, input := io.Pipe()
	req, err := http.NewRequestWithContext(b.Context(), "POST", url+"/v1/tasks/batch", body)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", ndjson)
	b.ResetTimer()
	go func() {
		for left := b.N; left > 0; left -= 100 {
			if _, err := input.Write(many[:min(left, 100)*len(line)]); err != nil {
				b.Error(err)
			}
		}
		input.Close()
	}()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	answers := 0
	for in := bufio.NewReaderSize(resp.Body, 64<<10); ; answers++ {
		if _, err := in.ReadSlice('\n'); err != nil {
			break
		}
	}
	if answers != b.N {
		b.Errorf("%d answers to %d tasks", answers, b.N)
	}
}
