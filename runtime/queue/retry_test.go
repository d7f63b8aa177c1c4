package queue_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/task"
)

func TestARetryableFaultIsTriedAgainWithGrowingPausesAndThenTheTaskIsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, failing(task.KindInternal)).start()
		w.setPolicy("p", queue.Policy{Retries: ints(8), Backoff: time.Second, MostBackoff: 10 * time.Second})
		var ids []task.ID
		for range 200 {
			ids = append(ids, w.submit(queue.Submission{})...)
		}
		var sums [8]time.Duration // of the pauses before each retry
		for _, got := range w.ends(ids...) {
			if got.State != task.Dead || len(got.Attempts) != 9 {
				t.Fatalf("the task is %v after %d attempts; want it dead after 9", got.State, len(got.Attempts))
			}
			for i := range sums {
				pause := got.Attempts[i+1].Begun.Sub(got.Attempts[i].Ended)
				if most := min(time.Second<<i, 10*time.Second); pause > most+50*time.Millisecond {
					t.Fatalf("there were %v before retry %d; want %v at most", pause, i+1, most)
				}
				sums[i] += pause
			}
		}
		// Full jitter: pauses are spread over all of what they may be, half of it on average.
		for i, sum := range sums {
			half := min(time.Second<<i, 10*time.Second).Seconds() / 2
			if mean := sum.Seconds() / 200; math.Abs(mean-half) > half/4 {
				t.Errorf("before retry %d there were %.2fs on average; want about %.2fs", i+1, mean, half)
			}
		}
		w.stop()
		var dead, failed int64
		for _, e := range w.eventsOf(event.TaskDead) {
			dead += e.Count
		}
		for _, e := range w.eventsOf(event.TaskFailed) {
			failed += e.Count
		}
		if dead != 200 || failed != 200*8 {
			t.Errorf("events tell of %d dead tasks and %d failed attempts; want 200 and 1600", dead, failed)
		}
	})
}

func TestAFaultThatNoRetryHelpsMakesATaskDeadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, k := range task.Kinds {
			if k == task.KindBusy || k == task.KindCanceled {
				continue
			}
			w := newWorld(t, failing(k)).start()
			w.setPolicy("p", queue.Policy{Retries: ints(1), Backoff: time.Millisecond})
			got := w.ends(w.submit(queue.Submission{Input: []byte("it")})...)[0]
			want := 1
			if k.Retryable() {
				want = 2
			}
			if got.State != task.Dead || len(got.Attempts) != want || got.Attempts[0].Kind != k || string(got.Input) != "it" {
				t.Errorf("with %s the task is %v after %d attempts, the first of which ended with %q; want it dead after %d", k, got.State, len(got.Attempts), got.Attempts[0].Kind, want)
			}
			w.stop()
		}
	})
}

func TestTermsGoBeforeThePolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, failing(task.KindInternal)).start()
		none, two := w.submit(queue.Submission{Terms: task.Terms{Retries: ints(0)}})[0], w.submit(queue.Submission{Terms: task.Terms{Retries: ints(2), Keep: time.Hour}})[0]
		got := w.ends(none, two)
		if len(got[0].Attempts) != 1 || len(got[1].Attempts) != 3 {
			t.Errorf("without retries there were %d attempts, and with two %d; want 1 and 3", len(got[0].Attempts), len(got[1].Attempts))
		}
		if kept := got[1].Expires.Sub(got[1].Ended); kept != time.Hour {
			t.Errorf("it is kept for %v; want an hour", kept)
		}
		if kept := got[0].Expires.Sub(got[0].Ended); kept != 30*24*time.Hour {
			t.Errorf("a dead task is kept for %v; want 30 days", kept)
		}
	})
}

func TestAFaultThatSaysWhenToTryAgainIsHeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(context.Context, task.Invocation) (task.Result, error) {
			f := task.Faultf(task.KindUnavailable, "not now")
			f.RetryAfter = time.Minute
			return task.Result{Timing: task.Timing{Run: time.Millisecond}}, f
		}).start()
		got := w.ends(w.submit(queue.Submission{Terms: task.Terms{Retries: ints(1)}})...)[0]
		if pause := got.Attempts[1].Begun.Sub(got.Attempts[0].Ended); pause < time.Minute {
			t.Errorf("it was tried again after %v; want a minute at least", pause)
		}
	})
}

func TestARefusalIsNoAttemptAndLeavesThePluginAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fenced := true
		var tries int
		w := newWorld(t, nil)
		w.runner.run = func(ctx context.Context, in task.Invocation) (task.Result, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if !fenced || in.Plugin == "q" {
				return task.Result{Output: in.Input}, nil
			}
			tries++
			f := task.Faultf(task.KindBusy, "too many calls wait")
			if tries%2 == 0 {
				f = task.Faultf(task.KindBusy, "it is fenced")
				f.RetryAfter = 5 * time.Second
			}
			return task.Result{}, f
		}
		w.setPolicy("p", queue.Policy{Concurrency: 1})
		w.setPolicy("q", queue.Policy{})
		w.start()
		var ids []task.ID
		for i := range 30 {
			ids = append(ids, w.submit(queue.Submission{Input: []byte{byte(i)}, Terms: task.Terms{Retries: ints(0)}})...)
		}
		time.Sleep(10 * time.Second)
		w.mu.Lock()
		if tries == 0 || tries > 30 {
			t.Errorf("it was tried %d times in ten seconds; want some, and not more than a few in each pause", tries)
		}
		w.mu.Unlock()
		before := time.Now()
		w.ends(w.submit(queue.Submission{Plugin: "q"})...)
		if took := time.Since(before); took > 50*time.Millisecond {
			t.Errorf("a task of another plugin took %v meanwhile", took)
		}
		w.mu.Lock()
		fenced = false
		w.mu.Unlock()
		for i, got := range w.ends(ids...) {
			if got.State != task.Succeeded || len(got.Attempts) != 1 || got.Attempts[0].Number != 1 {
				t.Fatalf("task %d is %v after %d attempts; want it succeeded at the first", i, got.State, len(got.Attempts))
			}
		}
		// They went back to where they were: when they run, it is in order.
		var last byte
		for _, b := range w.runner.runs()[tries:] {
			if b.Plugin == "p" {
				if b.Input[0] < last {
					t.Errorf("%d ran after %d", b.Input[0], last)
				}
				last = b.Input[0]
			}
		}
	})
}

func TestATaskThatIsSentAgainHasAllItsRetriesAndWhatItIsToldAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.runner.run = func(_ context.Context, in task.Invocation) (task.Result, error) {
			if string(in.Input) == "good" {
				return task.Result{Output: in.Input}, nil
			}
			return task.Result{}, task.Faultf(task.KindInternal, "bad input")
		}
		w.start()
		ctx := t.Context()
		id := w.submit(queue.Submission{Input: []byte("bad"), Terms: task.Terms{Retries: ints(2)}})[0]
		w.ends(id)
		if err := w.Retry(ctx, namespace, id, queue.Edit{}); err != nil {
			t.Fatal(err)
		}
		if n := w.Waiting(namespace, "p"); n != 1 {
			t.Errorf("%d tasks wait after one was sent again", n)
		}
		got := w.ends(id)[0]
		if got.State != task.Dead || len(got.Attempts) != 6 || got.Attempts[5].Number != 6 {
			t.Errorf("sent again, it is %v after %d attempts; want it dead after 6", got.State, len(got.Attempts))
		}
		if err := w.Retry(ctx, namespace, id, queue.Edit{Input: new([]byte("good"))}); err != nil {
			t.Fatal(err)
		}
		got = w.ends(id)[0]
		if got.State != task.Succeeded || string(got.Output) != "good" {
			t.Errorf("with another input it is %v with %q", got.State, got.Output)
		}
		if err := w.Retry(ctx, namespace, id, queue.Edit{}); kind(err) != task.KindConflict {
			t.Errorf("sending a task again that succeeded: %v; want a conflict", err)
		}
		if err := w.Retry(ctx, namespace, task.NewID(), queue.Edit{}); kind(err) != task.KindNotFound {
			t.Errorf("sending a task again that is not there: %v; want not_found", err)
		}
		if err := w.Retry(ctx, "other", id, queue.Edit{}); kind(err) != task.KindNotFound {
			t.Errorf("sending a task of another namespace again: %v; want not_found", err)
		}
	})
}

func TestAllDeadTasksOfAPluginAreSentAgainTheOldestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, failing(task.KindTrap))
		w.setPolicy("p", queue.Policy{Concurrency: 1})
		w.setPolicy("q", queue.Policy{})
		w.start()
		var batch []queue.Submission
		for range 1234 {
			batch = append(batch, queue.Submission{})
		}
		ids := w.submit(batch...)
		other := w.submit(queue.Submission{Plugin: "q"})
		w.ends(append(ids, other...)...)
		w.runner.mu.Lock()
		w.runner.run, w.runner.begun = echo(0), nil
		w.runner.mu.Unlock()
		n, err := w.RetryAll(t.Context(), queueQuery("p", task.Dead))
		if n != 1234 || err != nil {
			t.Fatalf("%d tasks are sent again, %v; want 1234", n, err)
		}
		for _, got := range w.ends(ids...) {
			if got.State != task.Succeeded {
				t.Fatalf("a task is %v after it was sent again", got.State)
			}
		}
		if got := w.task(other[0]); got.State != task.Dead {
			t.Errorf("a task of another plugin is %v", got.State)
		}
		for i, b := range w.runner.runs() {
			if b.ID != ids[i] {
				t.Fatalf("run %d was of another task than the oldest that was left", i)
			}
		}
		if _, err := w.RetryAll(t.Context(), queueQuery("p", task.Succeeded)); kind(err) != task.KindConflict {
			t.Errorf("sending all again that succeeded: %v; want a conflict", err)
		}
	})
}

func TestATaskThatBringsTheServerDownIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo(0))
		id := w.submit(queue.Submission{Terms: task.Terms{Retries: ints(3)}})[0]
		// Four servers lease it and are not heard of again.
		for range 4 {
			cutOff(t, w, "p")
		}
		w.start()
		got := w.ends(id)[0]
		if got.State != task.Dead || len(w.runner.runs()) != 0 {
			t.Fatalf("it is %v after %d runs; want it dead without another", got.State, len(w.runner.runs()))
		}
		last := got.Attempts[len(got.Attempts)-1]
		if want := "it is not tried again: it has had its 4 attempts, of which 4 were cut off because the server ended or lost them"; last.Message != want {
			t.Errorf("the reason is %q; want %q", last.Message, want)
		}
		// Sent again, it has all its attempts.
		if err := w.Retry(t.Context(), namespace, id, queue.Edit{}); err != nil {
			t.Fatal(err)
		}
		if got := w.ends(id)[0]; got.State != task.Succeeded {
			t.Errorf("sent again, it is %v", got.State)
		}
	})
}
