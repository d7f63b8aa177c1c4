package health_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/task"
)

// clocked is a breaker and the time that passes for it.
type clocked struct {
	*health.Breaker
	t   *testing.T
	now time.Time
}

func newBreaker(t *testing.T, o health.Options) *clocked {
	now := time.Now()
	return &clocked{health.New(o, now), t, now}
}

func (c *clocked) pass(d time.Duration) { c.now = c.now.Add(d) }

// call makes a call that must be let through, and returns what opened the breaker.
func (c *clocked) call(o health.Outcome) string {
	c.t.Helper()
	pass, wait := c.Allow(c.now)
	if wait > 0 {
		c.t.Fatalf("a call was refused for %v", wait)
	}
	return c.Record(c.now, pass, o)
}

func (c *clocked) calls(n int, o health.Outcome) {
	c.t.Helper()
	for i := range n {
		if why := c.call(o); why != "" {
			c.t.Fatalf("call %d of %d opened the breaker: %s", i+1, n, why)
		}
	}
}

func (c *clocked) opens(why string) {
	c.t.Helper()
	if got := c.call(health.Bad); got != why {
		c.t.Fatalf("the breaker says %q, want %q", got, why)
	}
	if got := c.Fenced(); got != why {
		c.t.Errorf("afterwards it says %q, want %q", got, why)
	}
}

func (c *clocked) refuses(wait time.Duration) {
	c.t.Helper()
	if _, got := c.Allow(c.now); got != wait {
		c.t.Fatalf("the breaker asks to wait %v, want %v", got, wait)
	}
}

func TestOutcomesAreTheVersionsOwnOrNot(t *testing.T) {
	want := map[task.Kind]health.Outcome{
		"": health.Good, task.KindGuest: health.Good,
		task.KindTrap: health.Bad, task.KindExit: health.Bad, task.KindMemory: health.Bad,
		task.KindFuel: health.Bad, task.KindInternal: health.Bad, task.KindDeadline: health.Bad,
	}
	for _, kind := range append(task.Kinds, "") {
		if got := health.Of(kind, true); got != want[kind] {
			t.Errorf("%q says %v, want %v", kind, got, want[kind])
		}
	}
	if got := health.Of(task.KindDeadline, false); got != health.Neither {
		t.Errorf("a deadline that passed in line says %v", got)
	}
}

func TestABreakerOpensWhenTooManyCallsOfASecondFailed(t *testing.T) {
	b := newBreaker(t, health.Options{})
	b.calls(19, health.Bad)
	b.opens("20 of 20 calls failed within a second")

	b = newBreaker(t, health.Options{})
	b.calls(30, health.Good)
	b.pass(900 * time.Millisecond)
	b.calls(29, health.Bad)
	b.opens("30 of 60 calls failed within a second")

	b = newBreaker(t, health.Options{Threshold: 0.1, MinCalls: 100})
	b.calls(98, health.Good)
	b.calls(1, health.Bad)
	b.calls(1, health.Neither) // which does not count
	for range 9 {
		b.calls(1, health.Bad)
	}
	b.opens("11 of 109 calls failed within a second")
}

func TestABreakerForgetsWhatIsOverASecondAgo(t *testing.T) {
	b := newBreaker(t, health.Options{})
	b.calls(1000, health.Good)
	b.pass(time.Second)
	b.calls(19, health.Bad)
	b.opens("20 of 20 calls failed within a second")

	b = newBreaker(t, health.Options{MinCalls: 20})
	for range 50 { // never ten faults in a second, never twenty in a row
		b.calls(9, health.Bad)
		b.calls(1, health.Good)
		b.pass(time.Second)
	}
}

func TestABreakerOpensWhenCallsFailInARow(t *testing.T) {
	b := newBreaker(t, health.Options{})
	b.calls(1, health.Good)
	for range 19 {
		b.pass(2 * time.Second)
		b.calls(1, health.Bad)
	}
	b.pass(2 * time.Second)
	b.opens("20 calls in a row failed")

	b = newBreaker(t, health.Options{})
	for range 100 {
		b.pass(4 * time.Second) // twenty take over a minute
		b.calls(1, health.Bad)
	}
	for range 100 {
		b.calls(1, health.Good)
		for range 10 {
			b.pass(time.Second)
			b.calls(1, health.Bad)
		}
		b.pass(time.Second)
	}
}

func TestAnOpenBreakerIsTriedAgain(t *testing.T) {
	b := newBreaker(t, health.Options{MinCalls: 1})
	b.opens("1 of 1 calls failed within a second")
	b.refuses(5 * time.Second)
	b.pass(4999 * time.Millisecond)
	b.refuses(time.Millisecond)

	for _, open := range []time.Duration{10, 20, 40, 60, 60} {
		b.pass(time.Minute)
		b.opens("it failed again when it was tried")
		b.refuses(open * time.Second)
	}
	b.pass(time.Minute)
	var trials []health.Pass
	for range 3 {
		pass, wait := b.Allow(b.now)
		if wait > 0 {
			t.Fatalf("a trial was refused for %v", wait)
		}
		trials = append(trials, pass)
	}
	b.refuses(time.Second) // while they are under way
	b.Record(b.now, trials[0], health.Neither)
	if trials[0], _ = b.Allow(b.now); b.Fenced() == "" {
		t.Error("a trial that told nothing closed the breaker")
	}
	b.refuses(time.Second)
	for n, pass := range trials {
		if b.Fenced() == "" {
			t.Errorf("it is closed after %d trials", n)
		}
		b.Record(b.now, pass, health.Good)
	}
	if why := b.Fenced(); why != "" {
		t.Fatalf("it is still open: %s", why)
	}
	b.opens("1 of 1 calls failed within a second")
	b.refuses(5 * time.Second) // the time is that of the beginning again
}

func TestFaultsOfBeforeDoNotCountOnceItIsClosed(t *testing.T) {
	b := newBreaker(t, health.Options{MinCalls: 4, Open: 100 * time.Millisecond})
	b.calls(3, health.Bad)
	b.opens("4 of 4 calls failed within a second")
	b.pass(100 * time.Millisecond)
	b.calls(3, health.Good) // trials
	b.calls(2, health.Good)
	b.calls(1, health.Bad)
	b.opens("2 of 4 calls failed within a second")
}

func TestTrialsThatNeverEndMakeRoomForOthers(t *testing.T) {
	b := newBreaker(t, health.Options{MinCalls: 1})
	b.opens("1 of 1 calls failed within a second")
	b.pass(5 * time.Second)
	lost, _ := b.Allow(b.now)
	b.Allow(b.now)
	b.Allow(b.now)
	b.pass(4 * time.Second)
	b.refuses(time.Second)
	b.pass(time.Second)
	b.calls(2, health.Good)
	if why := b.Record(b.now, lost, health.Bad); why != "" {
		t.Errorf("a trial that was given up opened the breaker: %s", why)
	}
	b.calls(1, health.Good)
	if why := b.Fenced(); why != "" {
		t.Errorf("it is still open: %s", why)
	}
}

func TestCallsOfBeforeAreNotTrials(t *testing.T) {
	b := newBreaker(t, health.Options{MinCalls: 2})
	old, _ := b.Allow(b.now)
	b.calls(1, health.Bad)
	b.opens("2 of 2 calls failed within a second")
	if why := b.Record(b.now, old, health.Bad); why != "" {
		t.Errorf("a late fault opened it again: %s", why)
	}
	b.refuses(5 * time.Second)
	b.pass(5 * time.Second)
	b.calls(1, health.Good)
	for range 9 {
		b.Record(b.now, old, health.Good)
		b.Record(b.now, old, health.Bad)
	}
	b.calls(1, health.Good)
	if b.Fenced() == "" {
		t.Error("late answers closed it")
	}
	b.calls(1, health.Good)
	if why := b.Fenced(); why != "" {
		t.Errorf("late faults keep it open: %s", why)
	}
	if why := b.Record(b.now, old, health.Bad); why != "" || b.Fenced() != "" {
		t.Errorf("a fault of before it was closed opened it: %s", why)
	}
}

func TestABreakerCanBeFencedFromOutside(t *testing.T) {
	b := newBreaker(t, health.Options{Open: time.Minute})
	if !b.Fence(b.now, "it was ill") || b.Fence(b.now, "it was ill again") || b.Openings() != 1 {
		t.Errorf("it was fenced %d times, want once", b.Openings())
	}
	if why := b.Fenced(); why != "it was ill" {
		t.Errorf("it says %q", why)
	}
	b.refuses(time.Minute)
}

func TestNoCallIsLostWhereStepsTurn(t *testing.T) {
	const callers, each, window = 4, 2, 10
	for range 300 {
		b := newBreaker(t, health.Options{})
		for range 2 * window { // all steps, and each of them again
			var wg sync.WaitGroup
			var ready atomic.Int64
			for range callers {
				wg.Go(func() {
					for ready.Add(1); ready.Load() < callers; { // at the same time
						runtime.Gosched()
					}
					for range each {
						pass, _ := b.Allow(b.now)
						b.Record(b.now, pass, health.Good)
					}
				})
			}
			wg.Wait()
			b.pass(100 * time.Millisecond)
		}
		b.pass(-100 * time.Millisecond)
		const good = window * callers * each
		b.calls(good-1, health.Bad)
		b.opens(fmt.Sprintf("%d of %d calls failed within a second", good, 2*good))
	}
}

func TestBreakerHammer(t *testing.T) {
	b := health.New(health.Options{Threshold: 0.1, MinCalls: 5, Open: 10 * time.Millisecond}, time.Now())
	var wg sync.WaitGroup
	var calls, opened, refused, fenced atomic.Int64
	begun := time.Now()
	for range 8 {
		wg.Go(func() {
			for range 3000 {
				n := calls.Add(1)
				now := begun.Add(time.Duration(n) * 50 * time.Microsecond)
				pass, wait := b.Allow(now)
				if wait > 0 {
					refused.Add(1)
					b.Fenced()
					continue
				}
				o := health.Good
				if n/4000%2 == 1 {
					o = health.Outcome(n % 3)
				}
				if b.Record(now, pass, o) != "" {
					opened.Add(1)
				}
				if n%8000 < 8 && b.Fence(now, "hammer") {
					fenced.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if opened.Load() == 0 || refused.Load() == 0 || fenced.Load() == 0 {
		t.Errorf("it opened %d times, was fenced %d times, and refused %d calls", opened.Load(), fenced.Load(), refused.Load())
	}
	later := time.Now().Add(time.Hour)
	for range 3 {
		pass, _ := b.Allow(later)
		b.Record(later, pass, health.Good)
	}
	if why := b.Fenced(); why != "" {
		t.Errorf("after all that it does not close: %s", why)
	}
}

func TestACallThatGoesWellAllocatesNothing(t *testing.T) {
	b := newBreaker(t, health.Options{})
	if n := testing.AllocsPerRun(1000, func() { b.call(health.Good) }); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
}

func BenchmarkBreaker(b *testing.B) {
	breaker := health.New(health.Options{}, time.Now())
	b.Run("callers=1", func(b *testing.B) {
		now := time.Now()
		b.ReportAllocs()
		for b.Loop() {
			pass, _ := breaker.Allow(now)
			breaker.Record(now, pass, health.Good)
		}
	})
	b.Run("callers=GOMAXPROCS", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			now := time.Now()
			for pb.Next() {
				pass, _ := breaker.Allow(now)
				breaker.Record(now, pass, health.Good)
			}
		})
	})
}
