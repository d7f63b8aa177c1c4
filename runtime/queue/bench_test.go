package queue_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/sqlite"
	"github.com/marketprism/prismrt/runtime/store/volatile"
	"github.com/marketprism/prismrt/runtime/task"
)

// idle is a Runner whose plugins do nothing.
type idle struct{}

func (idle) Series(ctx context.Context, in task.Invocation, next func(*task.Invocation) bool, done func(*task.Result, error)) error {
	output := make([]byte, 256)
	for next(&in) {
		done(&task.Result{Output: output, Timing: task.Timing{Run: time.Microsecond}}, nil)
	}
	return nil
}

func (idle) Limits(context.Context, string, string) (task.Limits, error) {
	return task.Limits{Input: 1 << 20}, nil
}

// What the queue costs: tasks of 256 bytes go all the way from Submit to their outcome.
func BenchmarkQueue(b *testing.B) {
	stores := map[string]func() store.Tasks{
		"volatile": func() store.Tasks { return volatile.New() },
		"sqlite": func() store.Tasks {
			db, err := sqlite.Open(context.Background(), filepath.Join(b.TempDir(), "tasks.db"), sqlite.Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { db.Close() })
			return db
		},
	}
	for _, name := range []string{"volatile", "sqlite"} {
		for _, how := range []struct{ submitters, batch int }{{256, 1}, {4, 256}} {
			b.Run(fmt.Sprintf("store=%s/submitters=%d/batch=%d", name, how.submitters, how.batch), func(b *testing.B) {
				w := newWorld(b, nil, func(o *queue.Options) { o.Store, o.Runner = stores[name](), idle{} })
				w.start()
				input := make([]byte, 256)
				b.ReportAllocs()
				b.ResetTimer()
				var left atomic.Int64
				left.Store(int64(b.N))
				var submitters sync.WaitGroup
				for range how.submitters {
					submitters.Go(func() {
						for {
							n := min(int64(how.batch), left.Add(-int64(how.batch))+int64(how.batch))
							if n <= 0 {
								return
							}
							of := make([]queue.Submission, n)
							for i := range of {
								of[i] = queue.Submission{Namespace: namespace, Plugin: "p", Input: input}
							}
							if _, err := w.Submit(b.Context(), of); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				submitters.Wait()
				for w.Waiting(namespace, "p") > 0 {
					time.Sleep(time.Millisecond)
				}
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
				s := w.Stats()
				b.ReportMetric(float64(s.Succeeded)/float64(s.LeaseLag.Calls), "tasks/lease")
				b.ReportMetric(float64(s.Succeeded)/float64(s.FinishLag.Calls), "tasks/finish")
				w.stop()
			})
		}
	}
}
