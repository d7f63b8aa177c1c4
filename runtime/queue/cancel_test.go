package queue_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/volatile"
	"github.com/marketprism/prismrt/runtime/task"
)

func TestACanceledTaskIsNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(context.Context, task.Invocation) (task.Result, error) {
			f := task.Faultf(task.KindInternal, "it failed")
			f.RetryAfter = time.Hour
			return task.Result{}, f
		})
		queued, scheduled := w.submit(queue.Submission{})[0], w.submit(queue.Submission{Delay: time.Hour})[0]
		for _, id := range []task.ID{queued, scheduled} {
			if err := w.Cancel(t.Context(), namespace, id); err != nil {
				t.Error(err)
			}
			if err := w.Cancel(t.Context(), namespace, id); kind(err) != task.KindConflict {
				t.Errorf("canceling it again: %v; want a conflict", err)
			}
		}
		if err := w.Cancel(t.Context(), "other", queued); kind(err) != task.KindNotFound {
			t.Errorf("canceling a task of another namespace: %v; want not_found", err)
		}
		w.start()
		failed := w.submit(queue.Submission{})[0]
		time.Sleep(time.Second)
		if got := w.task(failed); got.State != task.Failed {
			t.Fatalf("it is %v; want it failed", got.State)
		}
		if err := w.Cancel(t.Context(), namespace, failed); err != nil {
			t.Error(err)
		}
		time.Sleep(3 * time.Hour)
		if n := len(w.runner.runs()); n != 1 {
			t.Errorf("there were %d runs; want the one before it was canceled", n)
		}
		for _, got := range w.ends(queued, scheduled, failed) {
			if got.State != task.Canceled || got.Expires.Sub(got.Ended) != 24*time.Hour {
				t.Errorf("it is %v and kept for %v; want it canceled and kept for a day", got.State, got.Expires.Sub(got.Ended))
			}
		}
		if n := w.Waiting(namespace, "p"); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}

func TestATaskThatRunsIsStoppedWhenItIsCanceledAndThoseAfterItGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stopped atomic.Int64
		w := newWorld(t, func(ctx context.Context, in task.Invocation) (task.Result, error) {
			select {
			case <-ctx.Done():
				stopped.Add(1)
				return task.Result{}, context.Cause(ctx)
			case <-time.After(time.Minute):
				return task.Result{Output: in.Input}, nil
			}
		})
		w.setPolicy("p", queue.Policy{Concurrency: 1})
		w.start()
		ids := w.submit(make([]queue.Submission, 5)...)
		time.Sleep(90 * time.Second) // the second one runs
		from := time.Now()
		for _, i := range []int{1, 3} {
			if err := w.Cancel(t.Context(), namespace, ids[i]); err != nil {
				t.Error(err)
			}
		}
		got := w.ends(ids...)
		for i, want := range []task.State{task.Succeeded, task.Canceled, task.Succeeded, task.Canceled, task.Succeeded} {
			if got[i].State != want {
				t.Errorf("task %d is %v; want %v", i, got[i].State, want)
			}
		}
		if n := len(w.runner.runs()); n != 4 || stopped.Load() != 1 {
			t.Errorf("there were %d runs, and %d were stopped; want 4 and 1", n, stopped.Load())
		}
		if took := got[4].Ended.Sub(from); took > 2*time.Minute+time.Second {
			t.Errorf("the rest took %v; want the two minutes that the other two take", took)
		}
	})
}

// slowLease is a store whose leases are long on their way.
type slowLease struct {
	store.Tasks
	begun chan struct{}
}

func (s *slowLease) Lease(ctx context.Context, wants []store.Want, until time.Time) ([]store.Lease, error) {
	leases, err := s.Tasks.Lease(ctx, wants, until)
	if len(leases) > 0 {
		s.begun <- struct{}{}
		time.Sleep(time.Second)
	}
	return leases, err
}

func TestATaskThatIsCanceledOnItsWayToAWorkerIsNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowLease{volatile.New(), make(chan struct{})}
		w := newWorld(t, echo(0), func(o *queue.Options) { o.Store = slow }).start()
		ids := w.submit(make([]queue.Submission, 3)...)
		<-slow.begun
		if err := w.Cancel(t.Context(), namespace, ids[1]); err != nil {
			t.Error(err)
		}
		for i, got := range w.ends(ids...) {
			if want := []task.State{task.Succeeded, task.Canceled, task.Succeeded}[i]; got.State != want {
				t.Errorf("task %d is %v; want %v", i, got.State, want)
			}
		}
		if n := len(w.runner.runs()); n != 2 {
			t.Errorf("there were %d runs; want 2", n)
		}
	})
}

// At the same moment, either the end counts or the cancellation does: both are told the same.
func TestCancelingAtTheEndIsOneOrTheOther(t *testing.T) {
	w := newWorld(t, echo(50*time.Microsecond)).start()
	for range 300 {
		id := w.submit(queue.Submission{})[0]
		canceled := w.Cancel(t.Context(), namespace, id)
		got := w.ends(id)[0]
		switch {
		case canceled == nil && got.State != task.Canceled:
			t.Fatalf("a task that was canceled is %v", got.State)
		case canceled != nil && (kind(canceled) != task.KindConflict || got.State != task.Succeeded):
			t.Fatalf("a task that was not canceled (%v) is %v", canceled, got.State)
		}
	}
}
