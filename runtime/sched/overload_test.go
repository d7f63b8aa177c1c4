package sched_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/sched"
)

// load is calls as they come.
type load struct {
	name    string
	timeout time.Duration
	work    func(*rand.Rand) time.Duration
}

var loads = []load{
	{"short calls", 2 * time.Millisecond, always(150 * time.Microsecond)},
	{"equal calls", 100 * time.Millisecond, always(5 * time.Millisecond)},
	{"unequal calls", 100 * time.Millisecond, exponential(5 * time.Millisecond)},
	{"about a slice", 10 * time.Millisecond, exponential(500 * time.Microsecond)},
	{"hardly time", 30 * time.Millisecond, exponential(5 * time.Millisecond)},
	{"one long in ten", 100 * time.Millisecond, mixed},
}

// mean is how much work a call is.
func (l load) mean() (mean time.Duration) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 10_000 {
		mean += l.work(random) / 10_000
	}
	return mean
}

// come has so many times as many calls come, by chance, as two cores can serve, until
// the time is over. They are the same for every policy. Who is to be patient does not
// tell its deadline.
func (l load) come(wg *sync.WaitGroup, flow *sched.Flow, times float64, length time.Duration, patient bool) *tally {
	all := new(tally)
	mean := float64(l.mean())
	random := rand.New(rand.NewPCG(2, 2))
	wg.Go(func() {
		for begun := time.Now(); time.Since(begun) < length; {
			time.Sleep(time.Duration(random.ExpFloat64() / (2 * times) * mean))
			need := l.work(random)
			wg.Go(func() {
				ctx, cancel := context.Background(), func() {}
				if !patient {
					ctx, cancel = context.WithTimeout(ctx, l.timeout)
				}
				defer cancel()
				begun := time.Now()
				err := guest(ctx, flow, need)
				took := time.Since(begun)
				if took > l.timeout {
					err = errors.Join(err, context.DeadlineExceeded)
				}
				all.add(took, need, err)
			})
		}
	})
	return all
}

// offer returns what part of the cores' time went to calls that ended in time.
func (l load) offer(t *testing.T, policy sched.Policy, times float64, patient bool) (goodput float64, all *tally) {
	t.Helper()
	shareCores(t)
	length := 30 * l.timeout
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Policy: policy, Waiting: 1000})
		var wg sync.WaitGroup
		all = l.come(&wg, s.Flow("a", "a"), times, length, patient)
		wg.Wait()
	})
	return all.work.Seconds() / 2 / length.Seconds(), all
}

func TestGoodputHoldsUnderOverload(t *testing.T) {
	for _, l := range loads {
		for _, policy := range []sched.Policy{sched.Fair, sched.FIFO} {
			peak := 0.0
			for _, times := range []float64{0.5, 1, 2, 5} {
				goodput, all := l.offer(t, policy, times, false)
				t.Logf("%-15s %-8s offered %3.1f: goodput %.3f; in time %5d, late %4d, refused %6d; p50 %.1fms, p99 %.1fms",
					l.name, policy, times, goodput, all.good, all.late, all.refused,
					all.quantile(0.5).Seconds()*1000, all.quantile(0.99).Seconds()*1000)
				if peak = max(peak, goodput); goodput < 0.9*peak {
					t.Errorf("%s, %s: of a peak of %.3f the goodput falls to %.3f when %.0f times what is possible is asked for", l.name, policy, peak, goodput, times)
				}
			}
		}
	}
}

func TestGoodputWouldCollapseIfDeadlinesWereNotKnown(t *testing.T) {
	for _, l := range loads[1:4] {
		goodput, _ := l.offer(t, sched.Fair, 2, true)
		t.Logf("%-15s offered 2.0 and nobody refused for being late: goodput %.3f", l.name, goodput)
		if goodput > 0.5 {
			t.Errorf("%s: the load is no overload: without deadlines goodput is %.3f", l.name, goodput)
		}
	}
}

func TestATenantWithinItsShareIsServedWhateverAnotherAsksFor(t *testing.T) {
	shareCores(t)
	l := loads[2]
	for _, policy := range []sched.Policy{sched.Fair, sched.FIFO} {
		for _, times := range []float64{1, 2, 5} {
			var modest, greedy *tally
			synctest.Test(t, func(t *testing.T) {
				s := newScheduler(t, sched.Options{Policy: policy})
				var wg sync.WaitGroup
				greedy = l.come(&wg, s.Flow("greedy", "a"), times, 3*time.Second, false)
				modest = l.come(&wg, s.Flow("modest", "a"), 0.3, 3*time.Second, false)
				wg.Wait()
			})
			served := float64(modest.good) / float64(modest.good+modest.late+modest.refused)
			goodput := (modest.work + greedy.work).Seconds() / 2 / 3
			t.Logf("%-5s one asks for 0.3 of the cores, of which %.3f is served (p99 %v), the other for %.0f; goodput of both %.3f",
				policy, served, modest.quantile(0.99).Round(time.Millisecond), times, goodput)
			if policy == sched.Fair && (served < 0.95 || goodput < 0.9) {
				t.Errorf("beside one that asks for %.0f times all, %.3f of a modest tenant's calls are served, and goodput is %.3f; want 0.95 and 0.9", times, served, goodput)
			}
		}
	}
}

// backlog has two flows share the cores, one of which has so many calls in line.
func backlog(t *testing.T, calls int, work func(*rand.Rand) time.Duration) (flow *sched.Flow, stop func()) {
	t.Helper()
	shareCores(t)
	s := newScheduler(t, sched.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	flow = s.Flow("a", "a")
	flood(ctx, &wg, flow, calls, work)
	flood(ctx, &wg, s.Flow("b", "b"), 20, always(300*time.Microsecond))
	time.Sleep(2 * time.Second) // to be measured
	return flow, func() { cancel(); wg.Wait() }
}

// within runs a guest that has so much time.
func within(t *testing.T, timeout time.Duration, flow *sched.Flow, need time.Duration) error {
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return guest(ctx, flow, need)
}

func isLate(err error) bool {
	var refusal *sched.Refusal
	return errors.As(err, &refusal) && refusal.Reason == sched.Late
}

func TestWhoWouldBeLateIsRefusedAtOnceAndToldWhenToComeAgain(t *testing.T) {
	for _, need := range []time.Duration{5 * time.Millisecond, 150 * time.Microsecond} {
		synctest.Test(t, func(t *testing.T) {
			flow, stop := backlog(t, 40, always(need))
			defer stop()
			begun := time.Now()
			err := within(t, 10*need, flow, need)
			var refusal *sched.Refusal
			if !errors.As(err, &refusal) || refusal.Reason != sched.Late {
				t.Fatalf("a call that would wait for 40 of %v and has time for 10 ends with %v, want a refusal", need, err)
			}
			if waited := time.Since(begun); waited > 0 {
				t.Errorf("it was refused after %v, want at once", waited)
			}

			// What the refusal says is what a call that has the time goes through.
			if err := guest(t.Context(), flow, need); err != nil {
				t.Fatal(err)
			}
			took := time.Since(begun) - need
			t.Logf("forecast %v, true %v", refusal.Wait, took)
			if off := refusal.Wait.Seconds()/took.Seconds() - 1; off < -0.15 || off > 0.15 {
				t.Errorf("the forecast was %v and it took %v: %.0f%% off, want at most 15", refusal.Wait, took, 100*off)
			}
			if refusal.RetryAfter != refusal.Wait {
				t.Errorf("retry after %v, want %v: when the line is done with", refusal.RetryAfter, refusal.Wait)
			}
		})
	}
}

func TestWhoHasTheTimeIsNotRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flow, stop := backlog(t, 40, always(5*time.Millisecond))
		defer stop()
		for range 10 {
			if err := within(t, 330*time.Millisecond, flow, 5*time.Millisecond); err != nil { // it takes 205, and half as much more is kept for what a forecast misses
				t.Errorf("a call with time enough ends with %v", err)
			}
		}
	})
}

func TestShortCallsAreNotJudgedByTheLongOnesOfTheirPlugin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flow, stop := backlog(t, 40, always(20*time.Millisecond))
		defer stop()
		for range 100 { // now most are short
			guest(t.Context(), flow, 50*time.Microsecond)
		}
		if err := within(t, 5*time.Millisecond, flow, 50*time.Microsecond); err != nil {
			t.Errorf("a short call ends with %v, want it served before the line of long ones", err)
		}
		begun := time.Now()
		err := within(t, 100*time.Millisecond, flow, 20*time.Millisecond)
		if took := time.Since(begun); !isLate(err) || took > 4*slice {
			t.Errorf("a long call that would be late ends with %v after %v, want a refusal when it turns out to be long", err, took)
		}
	})
}

// habit has a flow make calls beside another that always waits, and leaves one of its
// calls inside, with the host.
func habit(t *testing.T, need ...time.Duration) (flow *sched.Flow, stop func()) {
	t.Helper()
	flow, stopFlood := backlog(t, 0, nil)
	for range 20 {
		for _, d := range need {
			guest(t.Context(), flow, d)
		}
	}
	var inside sched.Turn
	flow.Begin(t.Context(), &inside, sched.Call{})
	inside.Leave()
	return flow, func() { inside.End(0); stopFlood() }
}

func TestACallThatCanBeginButNotEndInTimeIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flow, stop := habit(t, 5*time.Millisecond)
		defer stop()
		begun := time.Now()
		if err := within(t, 3*time.Millisecond, flow, 5*time.Millisecond); !isLate(err) || time.Since(begun) > 0 {
			t.Errorf("a call of a flow whose calls take more than 5 ms, with 3 ms, ends with %v after %v, want a refusal at once", err, time.Since(begun))
		}
	})
}

func TestAFewLongCallsDoNotSpeakAgainstTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ms := time.Millisecond
		flow, stop := habit(t, ms, ms, ms, ms, ms, ms, ms, ms, 300*ms, ms, ms)
		defer stop()
		if err := within(t, 50*ms, flow, ms); err != nil {
			t.Errorf("a call of a flow of which few are long ends with %v", err)
		}
	})
}

func TestWhoHasNobodyAheadIsNotJudgedByLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flow, stop := habit(t, slice/2)
		defer stop()
		time.Sleep(10 * time.Second)
		if err := within(t, 10*time.Millisecond, flow, slice/2); err != nil {
			t.Errorf("a call with nobody ahead ends with %v", err)
		}
	})
}

func TestALineThatDoesNotMoveIsNotJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Cores: 1})
		flow := s.Flow("a", "a")
		var held [2]sched.Turn
		for i := range held {
			flow.Begin(t.Context(), &held[i], sched.Call{})
		}
		var wg sync.WaitGroup
		wg.Go(func() { guest(t.Context(), flow, slice) })
		time.Sleep(time.Second)
		begun := time.Now()
		if err := within(t, time.Second/2, flow, slice); !isLate(err) || time.Since(begun) > 0 {
			t.Errorf("a call with half a second to a line that has stood for one ends with %v, want a refusal", err)
		}
		for i := range held {
			held[i].End(0)
		}
		wg.Wait()
	})
}

func TestALoneCallIsTriedWhateverWasMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		flow := s.Flow("a", "a")
		flood(ctx, &wg, s.Flow("b", "b"), 20, always(300*time.Microsecond))
		for range 100 {
			guest(t.Context(), flow, 20*time.Millisecond)
		}
		// The plugin became faster. If its past spoke against it, it would for ever.
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			if err := guest(ctx, flow, time.Millisecond); err != nil {
				t.Errorf("a call that takes 1 ms now and has 10 ends with %v", err)
			}
			cancel()
		}
	})
}

func TestWhoseDeadlinePassesInLineLeavesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Cores: 1})
		flow := s.Flow("a", "a")
		var held [2]sched.Turn
		for i := range held {
			if err := flow.Begin(t.Context(), &held[i], sched.Call{}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		if err := guest(ctx, flow, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a call whose deadline passed in line ends with %v", err)
		}
		if waited := time.Since(begun); waited != time.Second {
			t.Errorf("it left the line after %v, want at its deadline of 1s", waited)
		}
		if n := s.Stats().Waiting; n != 0 {
			t.Errorf("%d wait, want none", n)
		}
		for i := range held {
			held[i].End(0)
		}
		if n := s.Stats().Running; n != 0 {
			t.Errorf("%d run, want none", n)
		}
	})
}

func TestLinesAreBounded(t *testing.T) {
	for _, c := range []struct {
		options sched.Options
		reason  sched.Reason
		text    string
	}{
		{sched.Options{Waiting: 3}, sched.Full, "full"},
		{sched.Options{NamespaceWaiting: 3}, sched.NamespaceFull, "namespace_full"},
		{sched.Options{TotalWaiting: 3}, sched.TotalFull, "total_full"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newScheduler(t, c.options)
			flow := s.Flow("a", "a")
			var held [4]sched.Turn
			for i := range held {
				flow.Begin(t.Context(), &held[i], sched.Call{})
			}
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					if err := guest(t.Context(), flow, 0); err != nil {
						t.Errorf("one that may wait ends with %v", err)
					}
				})
			}
			synctest.Wait()
			var refusal *sched.Refusal
			if err := guest(t.Context(), flow, 0); !errors.As(err, &refusal) || refusal.Reason != c.reason || refusal.Reason.String() != c.text {
				t.Errorf("the fourth in a line of three ends with %v, want a refusal, %v", err, c.reason)
			}
			if got := statsOf(t, s, "a", "a").Refused[c.reason]; got != 1 {
				t.Errorf("%d refusals were counted, want 1", got)
			}
			for i := range held {
				held[i].End(0)
			}
			wg.Wait()
		})
	}
}

func TestLongCallsInLineAreBoundedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Waiting: 5})
		flow := s.Flow("a", "a")
		var wg sync.WaitGroup
		var all tally
		for range 100 {
			time.Sleep(slice) // each has a slot for its first slice
			wg.Go(func() { all.add(0, 0, guest(t.Context(), flow, time.Second)) })
		}
		synctest.Wait()
		if n := statsOf(t, s, "a", "a").Waiting; n > 5 {
			t.Errorf("%d calls wait to go on, want at most 5", n)
		}
		wg.Wait()
		if begun := statsOf(t, s, "a", "a").Begun; begun > 30 {
			t.Errorf("%d calls have begun, want few of those that were refused: it is known that they are long", begun)
		}
		if all.good < 7 || all.good+all.refused != 100 {
			t.Errorf("%d ended and %d were refused, want 7 or more, and 100 together", all.good, all.refused)
		}
	})
}
