package queue_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/task"
)

// read reads events to the end of a task, as text, and how often progress was told.
func read(t *testing.T, r *queue.Reader) (said []string, ids []queue.EventID, progress int) {
	t.Helper()
	for {
		e, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return said, ids, progress
		}
		if err != nil {
			t.Fatal(err)
		}
		if e.Time.IsZero() {
			t.Errorf("%+v has no time", e)
		}
		switch e.Type {
		case queue.StateChanged:
			said = append(said, string(e.State))
		case queue.Logged:
			said = append(said, e.Level+":"+e.Message)
		case queue.Progressed:
			progress++
			continue
		}
		ids = append(ids, e.ID)
	}
}

func follow(t *testing.T, w *world, id task.ID, after queue.EventID) *queue.Reader {
	t.Helper()
	r, err := w.Follow(t.Context(), namespace, id, after)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// talkative fails twice and then succeeds, and says so.
func talkative() func(context.Context, task.Invocation) (task.Result, error) {
	n := 0
	return func(_ context.Context, in task.Invocation) (task.Result, error) {
		n++
		time.Sleep(time.Second)
		in.Listener.Logged("info", fmt.Sprint("begin ", n))
		in.Listener.Progressed(1, 2, "half")
		time.Sleep(time.Second)
		in.Listener.Logged("", fmt.Sprint("end ", n))
		if n < 3 {
			return task.Result{}, task.Faultf(task.KindInternal, "no %d", n)
		}
		return task.Result{}, nil
	}
}

func TestAFollowerGetsAllThatHappensAndThenTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, talkative())
		id := w.submit(queue.Submission{Delay: time.Second})[0]
		r := follow(t, w, id, queue.EventID{})
		w.start()
		said, ids, progress := read(t, r)
		want := []string{
			"scheduled", "running", "info:begin 1", ":end 1", "failed", "running", "info:begin 2", ":end 2", "failed", "running", "info:begin 3", ":end 3", "succeeded",
		}
		if !slices.Equal(said, want) || progress != 3 {
			t.Errorf("it was told %q and progress %d times; want %q and 3", said, progress, want)
		}
		// Afterwards the same is known, with the same ids.
		past, pastIDs, _ := read(t, follow(t, w, id, queue.EventID{}))
		if strings.Join(past, " ") != strings.NewReplacer("info:", ":info: ").Replace(strings.Join(want, " ")) || !slices.Equal(pastIDs, ids) {
			t.Errorf("afterwards it is told %q with ids %v; want the same with %v", past, pastIDs, ids)
		}
		// And from wherever somebody was cut off, it goes on: no state is missing or told twice.
		for i, after := range ids {
			rest, restIDs, _ := read(t, follow(t, w, id, after))
			states := func(ids []queue.EventID, said []string) (s []string) {
				for n, what := range said {
					if !strings.Contains(what, ":") {
						s = append(s, fmt.Sprint(ids[n], what))
					}
				}
				return s
			}
			if got, want := states(restIDs, rest), states(ids[i+1:], said[i+1:]); !slices.Equal(got, want) {
				t.Errorf("after %v it is told %q; want %q", after, got, want)
			}
		}
	})
}

func TestFollowersThatAreCutOffWhileItRunsMissNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, talkative()).start()
		id := w.submit(queue.Submission{})[0]
		var said []string
		var last queue.EventID
		for n := 0; ; n++ {
			// Each follower gets a few events, and the next one goes on from there.
			r := follow(t, w, id, last)
			for range 1 + n%3 {
				e, err := r.Next(t.Context())
				if errors.Is(err, io.EOF) {
					want := "queued running begin 1 end 1 failed running begin 2 end 2 failed running begin 3 end 3 succeeded"
					if got := strings.Join(said, " "); got != want {
						t.Errorf("they were told %q; want %q", got, want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				last = e.ID
				if e.Type != queue.Progressed {
					said = append(said, string(e.State)+e.Message)
					if e.Type == queue.StateChanged {
						said[len(said)-1] = string(e.State)
					}
				}
			}
		}
	})
}

func TestFollowersAreToldOfCancelingAndSendingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo(time.Hour)).start()
		id := w.submit(queue.Submission{})[0]
		time.Sleep(time.Second)
		r := follow(t, w, id, queue.EventID{})
		go func() {
			time.Sleep(time.Second)
			w.Cancel(context.Background(), namespace, id)
		}()
		said, ids, _ := read(t, r)
		if !slices.Equal(said, []string{"queued", "running", "canceled"}) {
			t.Errorf("it was told %q", said)
		}
		if err := w.Retry(t.Context(), namespace, id, queue.Edit{}); err != nil {
			t.Fatal(err)
		}
		said, _, _ = read(t, follow(t, w, id, ids[len(ids)-1]))
		if !slices.Equal(said, []string{"queued", "running", "succeeded"}) {
			t.Errorf("after it was sent again, it was told %q", said)
		}
		w.ends(id)
	})
}

func TestAFollowerGivesUpWithItsContextAndProgressIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, talkative()).start()
		id := w.submit(queue.Submission{})[0]
		time.Sleep(1500 * time.Millisecond)
		if p := w.task(id).Progress; p == nil || p.Done != 1 || p.Total != 2 || p.Message != "half" {
			t.Errorf("while it runs its progress is %+v", p)
		}
		r := follow(t, w, id, queue.EventID{Attempt: 1, N: 1})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		for {
			if _, err := r.Next(ctx); err != nil {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("it gave up with %v", err)
				}
				break
			}
		}
		w.ends(id)
		if p := w.task(id).Progress; p != nil {
			t.Errorf("after its end its progress is %+v", p)
		}
		if _, err := w.Follow(t.Context(), namespace, task.NewID(), queue.EventID{}); kind(err) != task.KindNotFound {
			t.Errorf("following a task that is not there: %v; want not_found", err)
		}
	})
}

func TestTheBeginningAndTheEndOfALongLogAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ context.Context, in task.Invocation) (task.Result, error) {
			for i := range 10_000 {
				in.Listener.Logged("", fmt.Sprint("line ", i))
			}
			in.Listener.Logged("warn", strings.Repeat("é", 5000))
			return task.Result{}, nil
		}).start()
		log := w.ends(w.submit(queue.Submission{})...)[0].Attempts[0].Log
		bytes := 0
		for _, l := range log {
			bytes += len(l)
		}
		if len(log) != 41 || bytes > 9<<10 || log[0] != "line 0" || log[20] != "(9961 lines are left out)" || log[39] != "line 9999" || !strings.HasPrefix(log[40], "warn: éé") {
			t.Errorf("%d lines of %d bytes are kept: %.40q", len(log), bytes, log)
		}
	})
}

func TestALiveFollowerMissesNoLineOfABurst(t *testing.T) {
	w := newWorld(t, func(_ context.Context, in task.Invocation) (task.Result, error) {
		for i := range 50 {
			for j := range 30 {
				in.Listener.Logged("", fmt.Sprint(i*30+j))
			}
			time.Sleep(time.Millisecond)
		}
		return task.Result{}, nil
	})
	id := w.submit(queue.Submission{})[0]
	r := follow(t, w, id, queue.EventID{})
	// It has begun to listen before the first line only if it waits when the attempt begins.
	first, err := r.Next(t.Context())
	if err != nil || first.State != task.Queued {
		t.Fatalf("%+v, %v", first, err)
	}
	w.start()
	said, _, _ := read(t, r)
	seen := 0
	for _, s := range said {
		if strings.HasPrefix(s, ":") {
			seen++
		}
	}
	if seen < 1400 {
		t.Errorf("%d of 1500 lines were told", seen)
	}
}

func FuzzParseEventID(f *testing.F) {
	for _, s := range []string{"0.0", "1.17", "1.1000000", "", ".", "1", "-1.2", "01.1", "1.+1", "9223372036854775808.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := queue.ParseEventID(s)
		if err != nil {
			if kind(err) != task.KindInvalid {
				t.Errorf("%q: %v; want invalid", s, err)
			}
			return
		}
		if id.String() != s {
			t.Errorf("%q is read as %v", s, id)
		}
	})
}
