package queue_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/task"
)

func TestStatsCountWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo(100*time.Millisecond))
		w.setPolicy("p", queue.Policy{Concurrency: 2})
		leased := w.submit(queue.Submission{})
		leaseAway(t, w, "p", 10*time.Second)
		w.start()
		ids := w.submit(make([]queue.Submission, 100)...)
		if err := w.Cancel(t.Context(), namespace, ids[99]); err != nil {
			t.Error(err)
		}
		time.Sleep(2050 * time.Millisecond)
		s := w.Stats()
		if s.Submitted != 101 || s.Started != 42 || s.Running != 2 || s.Canceled != 1 || s.Succeeded != 40 {
			t.Errorf("of 101 tasks, one of them elsewhere and one canceled, after two seconds of twenty a second: %+v", s)
		}
		p := s.Plugins[0]
		if p.Plugin != "p" || p.Places != 2 || p.Running != 2 || p.Lag < 1900*time.Millisecond || p.Took < 90*time.Millisecond || p.Took > 110*time.Millisecond {
			t.Errorf("of its plugin: %+v", p)
		}
		w.ends(append(ids, leased...)...)
		time.Sleep(time.Second)
		s = w.Stats()
		if s.Expired != 1 || s.Succeeded != 100 || s.Leased != 0 || s.LeasedIn != 0 || s.Running != 0 {
			t.Errorf("at the end: %+v", s)
		}
		for _, c := range s.Tasks {
			if want := map[task.State]int64{task.Succeeded: 100, task.Canceled: 1}[c.State]; c.Tasks != want {
				t.Errorf("%d tasks are %s; want %d", c.Tasks, c.State, want)
			}
		}
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(w.Queue)
		problems, err := testutil.GatherAndLint(registry)
		if err != nil || len(problems) != 0 {
			t.Errorf("metrics: %v, %+v", err, problems)
		}
		if n, err := testutil.GatherAndCount(registry); n < 15 || err != nil {
			t.Errorf("there are %d metrics, %v", n, err)
		}
	})
}
