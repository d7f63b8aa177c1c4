package queue_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/storetest"
	"github.com/marketprism/prismrt/runtime/store/volatile"
	"github.com/marketprism/prismrt/runtime/task"
)

// one submits one task and returns what became of it.
func (w *world) one(s queue.Submission) queue.Submitted {
	w.t.Helper()
	if s.Namespace == "" {
		s.Namespace = namespace
	}
	answers, err := w.Submit(context.Background(), []queue.Submission{s})
	if err != nil {
		w.t.Fatal(err)
	}
	return answers[0]
}

func TestWhatCannotBeIsRefusedWithASentence(t *testing.T) {
	w := newWorld(t, echo(0))
	w.runner.limit = 10
	now := time.Now()
	for _, c := range []struct {
		of   queue.Submission
		kind task.Kind
		says string
	}{
		{queue.Submission{Plugin: "none"}, task.KindNotFound, `"none"`},
		{queue.Submission{Plugin: "p", Input: make([]byte, 11)}, task.KindTooLarge, "limits.input is 10B"},
		{queue.Submission{Plugin: "p", Version: "old"}, task.KindInvalid, `"old"`},
		{queue.Submission{Plugin: "p", Version: "-1"}, task.KindInvalid, `"-1"`},
		{queue.Submission{Plugin: "p", Version: "8"}, task.KindNotFound, "no version 8"},
		{queue.Submission{Plugin: "p", Priority: ints(10)}, task.KindInvalid, "from 0 to 9"},
		{queue.Submission{Plugin: "p", Priority: ints(-1)}, task.KindInvalid, "from 0 to 9"},
		{queue.Submission{Plugin: "p", Delay: -time.Second}, task.KindInvalid, "-1s"},
		{queue.Submission{Plugin: "p", Delay: 9000 * time.Hour}, task.KindInvalid, "a year"},
		{queue.Submission{Plugin: "p", At: now.Add(9000 * time.Hour)}, task.KindInvalid, "a year"},
		{queue.Submission{Plugin: "p", At: now, Delay: time.Second}, task.KindInvalid, "one of them"},
		{queue.Submission{Plugin: "p", Key: strings.Repeat("k", 256)}, task.KindInvalid, "255 bytes"},
		{queue.Submission{Plugin: "p", Key: "\xff"}, task.KindInvalid, "text"},
		{queue.Submission{Plugin: "p", Terms: task.Terms{Retries: ints(101)}}, task.KindInvalid, "from 0 to 100"},
		{queue.Submission{Plugin: "p", Terms: task.Terms{Retries: ints(-1)}}, task.KindInvalid, "from 0 to 100"},
		{queue.Submission{Plugin: "p", Terms: task.Terms{Backoff: -1}}, task.KindInvalid, "backoff"},
		{queue.Submission{Plugin: "p", Terms: task.Terms{Timeout: 25 * time.Hour}}, task.KindInvalid, "timeout"},
		{queue.Submission{Plugin: "p", Terms: task.Terms{Keep: -1}}, task.KindInvalid, "keep"},
		{queue.Submission{Plugin: "p", Terms: task.Terms{Function: "\xff"}}, task.KindInvalid, "function"},
		{queue.Submission{Plugin: "p", Terms: task.Terms{Callback: "ftp://host/"}}, task.KindInvalid, "callback"},
		{queue.Submission{Plugin: "p", Terms: task.Terms{Callback: "/here"}}, task.KindInvalid, "callback"},
	} {
		got := w.one(c.of)
		if kind(got.Err) != c.kind || !strings.Contains(fmt.Sprint(got.Err), c.says) {
			t.Errorf("%+v: %v; want %s with %q", c.of, got.Err, c.kind, c.says)
		}
		c.of.Namespace = namespace
		if err := w.Check(t.Context(), c.of); kind(err) != c.kind || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%+v is checked: %v; want %s with %q", c.of, err, c.kind, c.says)
		}
	}
	if err := w.Check(t.Context(), queue.Submission{Namespace: namespace, Plugin: "p", Version: "pinned", Key: "k", Terms: task.Terms{Callback: "http://host/"}}); err != nil {
		t.Errorf("what can be submitted is checked: %v", err)
	}
	if n := w.Waiting(namespace, "p"); n != 0 {
		t.Errorf("%d of them wait", n)
	}
}

func TestACallbackIsLookedAtWhereverItComesFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, failing(task.KindTrap), func(o *queue.Options) {
			o.Callback = func(url string) error {
				if url != "https://allowed/" {
					return task.Faultf(task.KindForbidden, "%s is not allowed", url)
				}
				return nil
			}
		})
		if got := w.one(queue.Submission{Plugin: "p", Terms: task.Terms{Callback: "https://other/"}}); kind(got.Err) != task.KindForbidden {
			t.Errorf("submitted: %v", got.Err)
		}
		id := w.submit(queue.Submission{Plugin: "p", Terms: task.Terms{Callback: "https://allowed/"}}, queue.Submission{Plugin: "p"})[0]
		w.start()
		w.ends(id)
		for url, want := range map[string]task.Kind{"https://other/": task.KindForbidden, "https://allowed/": ""} {
			if err := w.Retry(t.Context(), namespace, id, queue.Edit{Terms: &task.Terms{Callback: url}}); kind(err) != want {
				t.Errorf("sent again with %s: %v", url, err)
			}
			w.ends(id)
		}
	})
}

func TestAKeyStandsForItsTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo(0))
		of := queue.Submission{Plugin: "p", Key: "k", Input: []byte("a"), Terms: task.Terms{Trace: "00-1-1-01"}}
		first := w.one(of)
		of.Terms.Trace = "00-2-2-01" // another request for the same
		second := w.one(of)
		if second.ID != first.ID || !second.Seen || second.State != task.Queued || first.Seen {
			t.Errorf("the same again is %+v; want %s, seen and queued", second, first.ID)
		}
		for what, other := range map[string]queue.Submission{
			"input":    {Plugin: "p", Key: "k", Input: []byte("b")},
			"priority": {Plugin: "p", Key: "k", Input: []byte("a"), Priority: ints(1)},
			"delay":    {Plugin: "p", Key: "k", Input: []byte("a"), Delay: 1},
			"time":     {Plugin: "p", Key: "k", Input: []byte("a"), At: time.Now().Add(time.Hour)},
			"terms":    {Plugin: "p", Key: "k", Input: []byte("a"), Terms: task.Terms{Retries: ints(3)}},
			"version":  {Plugin: "p", Key: "k", Input: []byte("a"), Version: "1"},
		} {
			if got := w.one(other); kind(got.Err) != task.KindConflict || got.ID != "" {
				t.Errorf("another %s with the same key: %+v; want a conflict", what, got)
			}
		}
		if got := w.one(queue.Submission{Namespace: "other", Plugin: "p", Key: "k", Input: []byte("b")}); got.Err != nil {
			t.Errorf("the key in another namespace: %v", got.Err)
		}
		w.start()
		w.ends(first.ID)
		if got := w.one(of); got.State != task.Succeeded || got.ID != first.ID {
			t.Errorf("after the end of its task it is %+v", got)
		}
		time.Sleep(25 * time.Hour)
		if got := w.one(of); got.ID == first.ID || got.Err != nil {
			t.Errorf("a day later it is %+v; want a new task", got)
		}
	})
}

func TestNoMoreTasksWaitThanMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo(time.Second), func(o *queue.Options) { o.MostWaiting, o.MostOfPlugin = 5, 3 })
		w.setPolicy("q", queue.Policy{Concurrency: 1})
		w.setPolicy("p", queue.Policy{Concurrency: 1})
		of := func(plugin string, n int) (ids []task.ID, full int) {
			batch := make([]queue.Submission, n)
			for i := range batch {
				batch[i] = queue.Submission{Namespace: namespace, Plugin: plugin, Delay: time.Duration(i) * time.Second}
			}
			answers, err := w.Submit(t.Context(), batch)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range answers {
				switch {
				case a.Err == nil:
					ids = append(ids, a.ID)
				case kind(a.Err) == task.KindBusy && task.FaultOf(a.Err).RetryAfter > 0:
					full++
				default:
					t.Errorf("a refusal is %v; want busy and when to try again", a.Err)
				}
			}
			return ids, full
		}
		first, full := of("p", 4)
		if len(first) != 3 || full != 1 {
			t.Errorf("of 4 tasks of one plugin %d were taken; want 3", len(first))
		}
		second, _ := of("q", 3)
		if len(second) != 2 {
			t.Errorf("of 3 tasks more %d were taken; want 2", len(second))
		}
		if err := w.Cancel(t.Context(), namespace, first[2]); err != nil {
			t.Error(err)
		}
		w.start()
		w.ends(first[0])
		if n := w.Waiting(namespace, "p"); n != 1 {
			t.Errorf("%d wait after one has ended and one was canceled; want 1", n)
		}
		if third, _ := of("p", 3); len(third) != 2 {
			t.Errorf("then %d more were taken; want 2", len(third))
		}
		// One that is dead or canceled is sent again only where there is room.
		if err := w.Retry(t.Context(), namespace, first[2], queue.Edit{}); kind(err) != task.KindBusy {
			t.Errorf("sending one again: %v; want busy", err)
		}
	})
}

func TestWhatWaitsIsKnownAfterARestart(t *testing.T) {
	s := volatile.New()
	before := newWorld(t, echo(0), func(o *queue.Options) { o.Store = s })
	before.submit(queue.Submission{}, queue.Submission{Delay: time.Hour})
	cutOff(t, before, "p")
	after := newWorld(t, echo(0), func(o *queue.Options) { o.Store, o.MostOfPlugin = s, 3 })
	if n := after.Waiting(namespace, "p"); n != 2 {
		t.Errorf("%d tasks wait after a restart; want 2", n)
	}
	after.submit(queue.Submission{})
	if got := after.one(queue.Submission{Plugin: "p"}); kind(got.Err) != task.KindBusy {
		t.Errorf("one too many: %v; want busy", got.Err)
	}
}

func TestAStoreThatIsFullRefusesAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storetest.NewFaulty(volatile.New(), storetest.Faults{Share: 1e-12})
		w := newWorld(t, echo(time.Millisecond), func(o *queue.Options) { o.Store = s }).start()
		ids := w.submit(make([]queue.Submission, 10)...)
		time.Sleep(2 * time.Millisecond)
		s.Refuse(store.ErrFull)
		_, err := w.Submit(t.Context(), []queue.Submission{{Namespace: namespace, Plugin: "p"}})
		if kind(err) != task.KindUnavailable || !strings.Contains(err.Error(), "the disk is full") || task.FaultOf(err).RetryAfter == 0 {
			t.Errorf("while the disk is full: %v; want unavailable, why, and when to try again", err)
		}
		if reasons := w.Unready(); len(reasons) != 1 || !strings.Contains(reasons[0], "the disk is full") {
			t.Errorf("it is not ready because of %q", reasons)
		}
		time.Sleep(10 * time.Minute)
		s.Refuse(nil)
		for _, got := range w.ends(ids...) {
			if got.State != task.Succeeded || len(got.Attempts) != 1 {
				t.Errorf("a task is %v after %d attempts; want it succeeded at the first", got.State, len(got.Attempts))
			}
		}
		w.ends(w.submit(queue.Submission{})...)
		if reasons := w.Unready(); len(reasons) != 0 {
			t.Errorf("it is still not ready because of %q", reasons)
		}
		if n := w.Waiting(namespace, "p"); n != 0 {
			t.Errorf("%d tasks wait at the end", n)
		}
		if f, r := len(w.eventsOf(event.StoreFailed)), len(w.eventsOf(event.StoreRecovered)); f != 1 || r != 1 {
			t.Errorf("%d events tell that the store failed and %d that it recovered; want one each", f, r)
		}
	})
}

func TestABrokenStoreIsSaidAndRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storetest.NewFaulty(volatile.New(), storetest.Faults{Share: 1e-12})
		w := newWorld(t, echo(time.Millisecond), func(o *queue.Options) { o.Store = s }).start()
		w.submit(make([]queue.Submission, 10)...)
		time.Sleep(2 * time.Millisecond)
		s.Refuse(store.ErrBroken)
		if _, err := w.Submit(t.Context(), []queue.Submission{{Namespace: namespace, Plugin: "p"}}); kind(err) != task.KindUnavailable {
			t.Errorf("while the disk is broken: %v; want unavailable", err)
		}
		time.Sleep(time.Hour)
		if reasons := w.Unready(); len(reasons) != 1 || !strings.Contains(reasons[0], "the disk failed") {
			t.Errorf("an hour later it is not ready because of %q", reasons)
		}
		from := time.Now()
		w.stop()
		if took := time.Since(from); took > 20*time.Second {
			t.Errorf("it took %v to end", took)
		}
	})
}

func TestAPinnedTaskIsRunByItsVersionOrNotAtAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		anew := false
		w := newWorld(t, echo(0), func(o *queue.Options) {
			resolve := o.Resolve
			o.Resolve = func(namespace, plugin, version string) (int, task.Digest, error) {
				n, d, err := resolve(namespace, plugin, version)
				switch {
				case anew && n == 3:
					return 0, "", task.Faultf(task.KindNotFound, "there is no version 3")
				case anew && n == 7:
					d = task.DigestOf([]byte("another module"))
				}
				return n, d, err
			}
		})
		w.setPolicy("p", queue.Policy{Concurrency: 1})
		three := w.submit(queue.Submission{Version: "3"})[0]
		pinned := w.submit(queue.Submission{Version: "pinned"})[0]
		live := w.submit(queue.Submission{Version: "live"})[0]
		gone := w.submit(queue.Submission{Version: "3", Delay: time.Hour})[0]
		other := w.submit(queue.Submission{Version: "pinned", Delay: time.Hour})[0]
		w.start()
		w.ends(three, pinned, live)
		anew = true
		for i, got := range w.ends(gone, other) {
			if got.State != task.Dead || got.Attempts[0].Kind != task.KindNotFound {
				t.Errorf("pinned task %d is %v, %+v; want it dead with not_found", i, got.State, got.Attempts)
			}
		}
		runs := w.runner.runs()
		if len(runs) != 3 || runs[0].Version != 3 || runs[1].Version != 7 || runs[2].Version != 0 {
			t.Errorf("there were %d runs; want three, of versions 3, 7 and whichever is live", len(runs))
		}
	})
}

func TestWhatATaskIsRunWithIsWhatWasSubmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo(0), func(o *queue.Options) {
			o.Trace = func(parent string) *task.Trace { return &task.Trace{State: parent} }
		})
		w.setPolicy("p", queue.Policy{Concurrency: 1})
		var batch []queue.Submission
		for i := range 20 {
			batch = append(batch, queue.Submission{
				Input: fmt.Append(nil, i), Terms: task.Terms{Function: fmt.Sprint("f", i%3), Timeout: time.Duration(1+i/5) * time.Second, Trace: fmt.Sprint("t", i)},
			})
		}
		ids := w.submit(batch...)
		w.start()
		w.ends(ids...)
		for i, b := range w.runner.runs() {
			want := batch[i]
			if b.ID != ids[i] || !bytes.Equal(b.Input, want.Input) || b.Function != want.Terms.Function || b.Timeout != want.Terms.Timeout || b.Trace.State != want.Terms.Trace || b.Listener == nil {
				t.Errorf("run %d was of %+v", i, b.Invocation)
			}
		}
	})
}

// A client that breaks off says nothing of the store.
func TestACallerWhoLeavesIsNoTroubleOfTheStore(t *testing.T) {
	for name, cause := range map[string]error{"it broke off": io.ErrUnexpectedEOF, "it left": nil} {
		w := newWorld(t, echo(0))
		id := w.one(queue.Submission{Plugin: "p"}).ID
		ctx, leave := context.WithCancelCause(t.Context())
		leave(cause)
		_, err := w.Submit(ctx, []queue.Submission{{Namespace: namespace, Plugin: "p"}})
		for what, err := range map[string]error{"Submit": err, "Cancel": w.Cancel(ctx, namespace, id)} {
			if err == nil {
				t.Errorf("%s, %s: no error", name, what)
			}
		}
		if f := task.FaultOf(err); f.Kind != task.KindCanceled {
			t.Errorf("%s: %v", name, err)
		}
		if reasons := w.Unready(); len(reasons) > 0 {
			t.Errorf("%s: the queue is not ready: %q", name, reasons)
		}
	}
}
