package event_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/event"
)

// told is what a Burst published, and when.
type told struct {
	mu     sync.Mutex
	events []event.Event
	at     []time.Duration
	begun  time.Time
}

func (t *told) publish(e event.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, e)
	t.at = append(t.at, time.Since(t.begun))
}

func (t *told) all() []event.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.events)
}

func (t *told) total() (n int64) {
	for _, e := range t.all() {
		n += e.Count
	}
	return n
}

func TestABurstTellsOfTheFirstAtOnceAndThenOfManyTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &told{begun: time.Now()}
		b := event.NewBurst(to.publish)
		n := 0
		say := func() event.Event { return event.Event{Message: string(rune('a' + n))} }
		for n = range 5 {
			b.Add(say)
		}
		if got := to.all(); len(got) != 1 || got[0].Count != 1 || got[0].Message != "a" {
			t.Fatalf("at once: %+v", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := to.all(); len(got) != 2 || got[1].Count != 4 || got[1].Message != "b" {
			t.Fatalf("after a second: %+v", got)
		}
		// A pause without any ends it, and the next is again told at once.
		time.Sleep(time.Minute)
		n = 7
		b.Add(say)
		if got := to.all(); len(got) != 3 || got[2].Count != 1 || got[2].Message != "h" {
			t.Errorf("later: %+v", got)
		}
		b.Add(say)
		b.End()
		if got := to.all(); len(got) != 4 || got[3].Count != 1 {
			t.Errorf("at the end: %+v", got)
		}
		b.Add(say)
		if got := to.all(); len(got) != 5 {
			t.Errorf("after the end: %+v", got)
		}
	})
}

func TestABurstThatGoesOnIsToldOfEverMoreRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &told{begun: time.Now()}
		b := event.NewBurst(to.publish)
		const each = 10 * time.Millisecond
		for range 10 * time.Minute / each {
			b.Add(func() event.Event { return event.Event{} })
			time.Sleep(each)
		}
		time.Sleep(time.Minute)
		if got, want := to.total(), int64(10*time.Minute/each); got != want {
			t.Errorf("%d were told of, want %d", got, want)
		}
		if n := len(to.all()); n < 60 || n > 70 {
			t.Errorf("%d events in ten minutes, want about six a minute", n)
		}
		for n, at := range []time.Duration{0, 1, 3, 7, 15, 25, 35} {
			to.mu.Lock()
			got := to.at[n]
			to.mu.Unlock()
			if got != at*time.Second {
				t.Errorf("event %d came after %v, want %v", n, got, at*time.Second)
			}
		}
	})
}

func TestABurstThatBeginsManyTimesAtOnceLosesNoCount(t *testing.T) {
	for round := range 20_000 {
		to := &told{}
		b := event.NewBurst(to.publish)
		start := make(chan struct{})
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				<-start
				for range 3 {
					b.Add(func() event.Event { return event.Event{} })
				}
			})
		}
		close(start)
		callers.Wait()
		b.End()
		if got := to.total(); got != 12 || len(to.all()) != 2 {
			t.Fatalf("round %d: %d were told of in %d events, want 12 in 2", round, got, len(to.all()))
		}
	}
}

func TestABurstLosesNoCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &told{begun: time.Now()}
		b := event.NewBurst(to.publish)
		var said atomic.Int64
		var callers sync.WaitGroup
		for n := range 8 {
			callers.Go(func() {
				for range 5000 {
					b.Add(func() event.Event { said.Add(1); return event.Event{} })
					if n == 0 {
						time.Sleep(time.Millisecond) // moves the clock, so that pauses end between
					}
				}
			})
		}
		callers.Wait()
		b.End()
		if got := to.total(); got != 40_000 {
			t.Errorf("%d were told of, want 40000", got)
		}
		if n := int64(len(to.all())); said.Load() != n {
			t.Errorf("the event was asked for %d times for %d events", said.Load(), n)
		}
	})
}
