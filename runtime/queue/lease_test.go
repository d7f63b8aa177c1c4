package queue_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/store/volatile"
	"github.com/marketprism/prismrt/runtime/task"
)

func TestALeaseLastsAsLongAsTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo(time.Hour)).start()
		got := w.ends(w.submit(queue.Submission{})...)[0]
		if got.State != task.Succeeded || len(got.Attempts) != 1 {
			t.Errorf("after an hour it is %v with %d attempts; want it succeeded at the first", got.State, len(got.Attempts))
		}
	})
}

func TestALeaseThatRanOutIsHandedOutAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo(0))
		id := w.submit(queue.Submission{})[0]
		leaseAway(t, w, "p", time.Minute)
		w.start()
		from := time.Now()
		got := w.ends(id)[0]
		if got.State != task.Succeeded || len(got.Attempts) != 2 || !got.Attempts[0].CutOff {
			t.Errorf("it is %v with %+v; want it succeeded after an attempt that was cut off", got.State, got.Attempts)
		}
		if took := time.Since(from); took < time.Minute || took > time.Minute+10*time.Second {
			t.Errorf("it took %v; want a minute and a little", took)
		}
	})
}

func TestAnAttemptWhoseLeaseIsLostIsStoppedAndComesToNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stopped atomic.Int64
		w := newWorld(t, func(ctx context.Context, in task.Invocation) (task.Result, error) {
			select {
			case <-ctx.Done():
				stopped.Add(1)
				return task.Result{}, context.Cause(ctx)
			case <-time.After(time.Hour):
			}
			return task.Result{Output: []byte("of the lost one")}, nil
		})
		w.setPolicy("p", queue.Policy{Concurrency: 1})
		w.start()
		id := w.submit(queue.Submission{})[0]
		time.Sleep(time.Second)
		// Somebody whose clock is wrong takes it back, and another one has it.
		if n, err := w.store.Expire(t.Context(), time.Now().Add(time.Hour)); n != 1 || err != nil {
			t.Fatalf("expire: %d, %v", n, err)
		}
		got := w.ends(id)[0]
		if got.State != task.Succeeded || len(got.Attempts) != 2 || stopped.Load() != 1 {
			t.Errorf("it is %v after %d attempts, and %d were stopped; want it succeeded at the second, and the first stopped", got.State, len(got.Attempts), stopped.Load())
		}
		if n := w.Stats().Lost; n != 1 {
			t.Errorf("%d leases were lost; want 1", n)
		}
	})
}

func TestAClockThatIsSetBackOrForwardLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, set := range []time.Duration{-time.Hour, time.Hour} {
			var offset atomic.Int64
			w := newWorld(t, echo(2*time.Minute), func(o *queue.Options) {
				o.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
			}).start()
			running := w.submit(queue.Submission{})[0]
			soon := w.submit(queue.Submission{Delay: 10 * time.Minute})[0]
			time.Sleep(time.Minute)
			offset.Store(int64(set))
			later := w.submit(queue.Submission{Delay: 10 * time.Second})[0]
			from := time.Now()
			if got := w.ends(running)[0]; got.State != task.Succeeded || len(got.Attempts) != 1 {
				t.Errorf("set by %v, what was running is %v after %d attempts; want it succeeded at the first", set, got.State, len(got.Attempts))
			}
			w.ends(later)
			if took := time.Since(from); took > 3*time.Minute {
				t.Errorf("set by %v, what was to run in ten seconds ended after %v", set, took)
			}
			w.ends(soon)
			if took, most := time.Since(from), 12*time.Minute-min(0, set); took > most {
				t.Errorf("set by %v, what was to run ten minutes after its submission ended after %v", set, took)
			}
			w.stop()
		}
	})
}

func TestDelayedTasksRunWhenTheyAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo(0)).start()
		from := time.Now()
		far := w.submit(queue.Submission{Delay: time.Hour})[0]
		time.Sleep(time.Second)
		near := w.submit(queue.Submission{At: from.Add(3 * time.Second)})[0]
		past := w.submit(queue.Submission{At: from.Add(-time.Hour)})[0]
		if got := w.task(far); got.State != task.Scheduled {
			t.Errorf("one that is due in an hour is %v; want it scheduled", got.State)
		}
		for i, want := range map[task.ID]time.Duration{past: time.Second, near: 3 * time.Second, far: time.Hour} {
			got := w.ends(i)[0]
			if after := got.Attempts[0].Begun.Sub(from); after < want || after > want+20*time.Millisecond {
				t.Errorf("it was begun after %v; want %v", after, want)
			}
		}
	})
}

func TestAtItsEndTheQueueGivesBackWhatItHasNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := volatile.New()
		w := newWorld(t, echo(time.Second), func(o *queue.Options) { o.Store = s }).start()
		ids := w.submit(make([]queue.Submission, 50)...)
		time.Sleep(1500 * time.Millisecond)
		from := time.Now()
		if err := w.stop(); err != nil {
			t.Errorf("Run ended with %v", err)
		}
		if took := time.Since(from); took > time.Second {
			t.Errorf("it took %v; want no longer than the attempts under way", took)
		}
		for i, id := range ids {
			got := w.task(id)
			switch {
			case i < 8 && (got.State != task.Succeeded || len(got.Attempts) != 1):
				t.Errorf("task %d, which was begun, is %v", i, got.State)
			case i >= 8 && (got.State != task.Queued || len(got.Attempts) != 0):
				t.Errorf("task %d, which was not begun, is %v after %d attempts", i, got.State, len(got.Attempts))
			}
		}
		// The next one begins where this one ended.
		next := newWorld(t, echo(0), func(o *queue.Options) { o.Store = s })
		next.setPolicy("p", queue.Policy{Concurrency: 1})
		next.start()
		next.ends(ids...)
		for i, b := range next.runner.runs() {
			if b.ID != ids[8+i] {
				t.Fatalf("after the restart, start %d was of another task", i)
			}
		}
	})
}

func TestWhatIsLeasedAndNotBegunIsGivenBackAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo(5*time.Millisecond)).start()
		ids := w.submit(make([]queue.Submission, 500)...)
		time.Sleep(12 * time.Millisecond)
		if n := w.Stats().Leased; n <= 4 {
			t.Fatalf("%d are leased; the test is to have more than those that run", n)
		}
		w.stop()
		for i, id := range ids {
			got := w.task(id)
			if want := task.Succeeded; i >= len(w.runner.runs()) {
				if want = task.Queued; got.State != want || len(got.Attempts) != 0 {
					t.Fatalf("task %d, which was not begun, is %v after %d attempts", i, got.State, len(got.Attempts))
				}
			} else if got.State != want {
				t.Fatalf("task %d, which was begun, is %v", i, got.State)
			}
		}
	})
}

func TestAttemptsThatOutlastTheGraceAreStoppedAndGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo(time.Hour), func(o *queue.Options) { o.Grace = time.Minute }).start()
		id := w.submit(queue.Submission{})[0]
		time.Sleep(time.Second)
		from := time.Now()
		if err := w.stop(); err != nil {
			t.Errorf("Run ended with %v", err)
		}
		if took := time.Since(from); took < time.Minute || took > time.Minute+time.Second {
			t.Errorf("it took %v; want the grace period of a minute", took)
		}
		if got := w.task(id); got.State != task.Queued || len(got.Attempts) != 0 {
			t.Errorf("the task is %v after %d attempts; want it queued without any", got.State, len(got.Attempts))
		}
	})
}

func TestAnAttemptThatHangsDoesNotHoldTheEndForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := newWorld(t, func(context.Context, task.Invocation) (task.Result, error) {
			<-release
			return task.Result{}, nil
		}).start()
		w.submit(queue.Submission{})
		time.Sleep(time.Second)
		from := time.Now()
		err := w.stop()
		if took := time.Since(from); took > 30*time.Second {
			t.Errorf("it took %v", took)
		}
		if err == nil {
			t.Error("Run ended without an error")
		}
		close(release)
		synctest.Wait()
	})
}

func TestEndedTasksAreForgottenByAgeAndNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo(0), func(o *queue.Options) { o.KeepEnded = 1000 }).start()
		w.setPolicy("p", queue.Policy{Keep: time.Hour})
		ids := w.submit(make([]queue.Submission, 5000)...)
		w.ends(ids[len(ids)-1])
		time.Sleep(time.Minute)
		if n := w.count(task.Succeeded); n != 1000 {
			t.Errorf("a minute later %d are kept; want 1000", n)
		}
		time.Sleep(time.Hour)
		if n := w.count(task.Succeeded); n != 0 {
			t.Errorf("after more than the hour they are to be kept, there are %d", n)
		}
		if n := w.Stats().Forgotten; n != 5000 {
			t.Errorf("%d were forgotten by count; want 5000", n)
		}
		if _, err := w.wait(t.Context(), namespace, ids[0]); kind(err) != task.KindNotFound {
			t.Errorf("waiting for one that is forgotten: %v; want not_found", err)
		}
	})
}

func TestWaitingIsGivenUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo(time.Hour)).start()
		id := w.submit(queue.Submission{})[0]
		cause := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		if _, err := w.wait(ctx, namespace, id); !errors.Is(err, cause) {
			t.Errorf("the wait ended with %v; want the context's cause", err)
		}
		if _, err := w.wait(t.Context(), "other", id); kind(err) != task.KindNotFound {
			t.Errorf("waiting for a task of another namespace: %v; want not_found", err)
		}
		w.Cancel(t.Context(), namespace, id)
	})
}
