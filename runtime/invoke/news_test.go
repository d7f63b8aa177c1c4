package invoke_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/task"
)

// published are the events of some types up to now.
func (w *watched) published(types ...event.Type) (events []event.Event) {
	r := w.events.Follow(event.ID{}, event.Filter{Types: types})
	for e, ok := r.Take(); ok; e, ok = r.Take() {
		events = append(events, e)
	}
	return events
}

func TestFaultsArePublishedAndThoseThatAreAlikeTogether(t *testing.T) {
	w := newWatched(t, health.Options{MinCalls: 1 << 20})
	ref := w.load(1, 'x', task.Health{})
	w.Route(ref)
	for range 100 {
		if a := w.answer("fine"); a != "1" {
			t.Fatalf("a call answered %q", a)
		}
	}
	if got := w.published(); len(got) != 0 {
		t.Fatalf("calls that went well are published: %+v", got)
	}
	id := task.NewID()
	in := task.Invocation{ID: id, Namespace: "default", Plugin: "count", Input: []byte("x")}
	if _, err := w.Invoke(t.Context(), in); err == nil {
		t.Fatal("it did not trap")
	}
	got := w.published()
	if len(got) != 1 || got[0].Type != event.CallFailed || got[0].Ref != ref || got[0].Kind != task.KindTrap || got[0].RequestID != id ||
		got[0].Count != 1 || !strings.HasPrefix(got[0].Message, "the guest trapped: unreachable") {
		t.Fatalf("a trap is published as %+v", got)
	}
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 50 {
				w.answer("x")
			}
			if _, err := series(t.Context(), w.Invoker, []task.Invocation{{Input: []byte("x")}, {Input: []byte("fine")}, {Input: []byte("x")}}, nil); err != nil {
				t.Error(err)
			}
			w.answer(strings.Repeat("x", 101))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := call(ctx, w.Invoker, task.Invocation{Input: []byte("x")}); err == nil {
				t.Error("a call of nobody was answered")
			}
		})
	}
	callers.Wait()
	if err := w.Close(t.Context()); err != nil { // tells what was only counted
		t.Fatal(err)
	}
	count := map[task.Kind]int64{}
	events := w.published("call")
	for _, e := range events {
		count[e.Kind] += e.Count
	}
	// What the caller gave up may have come as a trap, too.
	if n := count[task.KindTrap]; n < 1+8*52 || n > 1+8*53 || count[task.KindTooLarge] != 8 || len(count) != 2 {
		t.Errorf("published are %v", count)
	}
	if len(events) > 10 {
		t.Errorf("that is %d events", len(events))
	}
}

func TestAFenceAndItsEndArePublishedOnce(t *testing.T) {
	w := newWatched(t, health.Options{MinCalls: 5, Open: 50 * time.Millisecond})
	ref := w.load(1, 'x', task.Health{})
	w.Route(ref)
	for round := range 3 {
		w.trap()
		if a := w.answer(""); a != "unavailable" {
			t.Fatalf("a fenced version answered %q", a)
		}
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				for range 20 {
					for w.answer("") != "1" {
						time.Sleep(time.Millisecond)
					}
				}
			})
		}
		callers.Wait()
		got := w.published("version")
		if len(got) != 2*(round+1) {
			t.Fatalf("after round %d: %+v", round, got)
		}
		for n, e := range got {
			want := []event.Type{event.VersionFenced, event.VersionResumed}[n%2]
			if e.Type != want || e.Ref != ref || want == event.VersionFenced && !strings.Contains(e.Message, "calls failed within a second, the last of them with trap") {
				t.Errorf("event %d is %+v, want %s", n, e, want)
			}
		}
	}
	if got := w.published(event.CallRefused); len(got) == 0 || got[0].Kind != task.KindUnavailable || !strings.Contains(got[0].Message, "is fenced") {
		t.Errorf("refusals are published as %+v", got)
	}
}
