package sched_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/sched"
)

// places counts who holds slots, as the guests see it.
type places struct {
	t             *testing.T
	cores, slots  int64
	running, long atomic.Int64
}

func (p *places) took(isLong bool) {
	if n := p.running.Add(1); n > p.slots {
		p.t.Errorf("%d guests run in %d slots", n, p.slots)
	}
	if isLong {
		if n := p.long.Add(1); n > p.cores {
			p.t.Errorf("%d long guests run on %d cores", n, p.cores)
		}
	}
}

func (p *places) left(isLong bool) {
	p.running.Add(-1)
	if isLong {
		p.long.Add(-1)
	}
}

// wander runs a guest that does everything a guest can do, in random order.
func (p *places) wander(ctx context.Context, flow *sched.Flow, random *rand.Rand, pause func(time.Duration)) error {
	var turn sched.Turn
	if err := flow.Begin(ctx, &turn, sched.Call{Priority: random.IntN(12) - 1}); err != nil {
		return err
	}
	isLong := false
	p.took(isLong)
	for range random.IntN(6) {
		pause(time.Duration(random.Int64N(int64(slice))))
		var err error
		p.left(isLong)
		if random.IntN(3) == 0 {
			turn.Leave()
			pause(time.Duration(random.Int64N(int64(slice))))
			err = turn.Enter()
		} else {
			err = turn.Slice(random.Int64N(int64(slice)))
			isLong = true
		}
		if err != nil {
			turn.End(0)
			return err
		}
		p.took(isLong)
	}
	p.left(isLong)
	if random.IntN(3) == 0 {
		turn.Leave()
	}
	turn.End(random.Int64N(int64(slice)))
	return nil
}

// hammer has guests of flows that come and go wander, and be given up at random, and
// then looks whether anything was left behind.
func hammer(t *testing.T, o sched.Options, guests, rounds int, pause func(time.Duration)) {
	t.Helper()
	o.Waiting, o.NamespaceWaiting, o.TotalWaiting = 10, 20, 35
	s := sched.New(o)
	p := places{t: t, cores: int64(o.Cores), slots: int64(o.Cores + o.Short)}
	var wg sync.WaitGroup
	var begun, refused atomic.Int64
	for g := range guests {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 5))
			for range rounds {
				flow := s.Flow(fmt.Sprint("n", random.IntN(3)), fmt.Sprint("p", random.IntN(3)))
				ctx, cancel := context.WithCancel(context.Background())
				switch random.IntN(3) {
				case 0:
					ctx, cancel = context.WithTimeout(ctx, time.Duration(random.Int64N(int64(3*slice))))
				case 1:
					time.AfterFunc(time.Duration(random.Int64N(int64(3*slice))), cancel)
				}
				err := p.wander(ctx, flow, random, pause)
				cancel()
				var refusal *sched.Refusal
				switch {
				case err == nil:
					begun.Add(1)
				case errors.As(err, &refusal):
					refused.Add(1)
				case !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
					t.Errorf("a guest ends with %v", err)
				}
				flow.Close()
			}
		})
	}
	wg.Wait()
	stats := s.Stats()
	t.Logf("%s: %d ended, %d refused; %+v", o.Policy, begun.Load(), refused.Load(), stats.Totals)
	if stats.Running != 0 || stats.Long != 0 || stats.Waiting != 0 || len(stats.Flows) != 0 {
		t.Errorf("afterwards there are left: %+v", stats)
	}
	if begun.Load() == 0 || refused.Load() == 0 || stats.Begun < begun.Load() || stats.Begun > int64(guests*rounds) {
		t.Errorf("%d guests ended and %d were refused, %d are said to have begun", begun.Load(), refused.Load(), stats.Begun)
	}

	// All slots are there again.
	flow := s.Flow("n", "p")
	for range o.Cores + o.Short {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if err := flow.Begin(ctx, new(sched.Turn), sched.Call{}); err != nil {
			t.Errorf("a slot was lost: %v", err)
		}
		cancel()
	}
}

func TestNothingIsLostWhateverGuestsDo(t *testing.T) {
	for _, policy := range sched.Policies {
		synctest.Test(t, func(t *testing.T) {
			hammer(t, sched.Options{Cores: 2, Short: 1, Policy: policy}, 60, 100, time.Sleep)
		})
	}
}

func TestNothingIsLostInTheRush(t *testing.T) {
	for _, policy := range sched.Policies {
		hammer(t, sched.Options{Cores: 1, Short: 1, Policy: policy}, 50, 100, func(d time.Duration) {
			if d < slice/4 {
				time.Sleep(d)
			} else {
				runtime.Gosched()
			}
		})
	}
}

// order has calls wait for the one core, of which each is let begin after the other,
// and returns in which order they do.
func order(t *testing.T, policy sched.Policy, calls map[string]sched.Call, arrive ...string) (served []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Cores: 1, Short: 1, Policy: policy})
		flow := s.Flow("a", "a")
		var held [2]sched.Turn
		for i := range held {
			flow.Begin(t.Context(), &held[i], sched.Call{})
		}
		held[0].Slice(1)
		var wg sync.WaitGroup
		var mu sync.Mutex
		for _, name := range arrive {
			wg.Go(func() {
				var turn sched.Turn
				if err := flow.Begin(t.Context(), &turn, calls[name]); err != nil {
					t.Error(err)
				}
				mu.Lock()
				served = append(served, name)
				mu.Unlock()
				time.Sleep(slice)
				turn.End(int64(slice))
			})
			synctest.Wait()
		}
		held[1].End(0)
		wg.Wait()
		held[0].End(0)
	})
	return served
}

func TestCallsOfAPluginAreServedByArrival(t *testing.T) {
	for _, policy := range []sched.Policy{sched.Fair, sched.FIFO} {
		calls := map[string]sched.Call{"b": {Priority: 9}}
		if got := order(t, policy, calls, "a", "b", "c", "d"); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
			t.Errorf("%s: they are served in the order %q", policy, got)
		}
	}
}

func TestPriorityGoesBeforeArrival(t *testing.T) {
	calls := map[string]sched.Call{"low": {Priority: -5}, "high": {Priority: 7}, "higher": {Priority: 100}, "as high": {Priority: 9}}
	want := []string{"higher", "as high", "high", "low", "zero"}
	if got := order(t, sched.Priority, calls, "low", "high", "zero", "higher", "as high"); !slices.Equal(got, want) {
		t.Errorf("they are served in the order %q, want %q", got, want)
	}
}

func TestALongGuestGivesWayToAHigherPriorityAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Cores: 1, Policy: sched.Priority})
		flow := s.Flow("a", "a")
		var wg sync.WaitGroup
		var mu sync.Mutex
		took := make(map[int]time.Duration)
		for _, priority := range []int{5, 5, 8} {
			wg.Go(func() {
				begun := time.Now()
				guestOf(t.Context(), flow, 10*time.Millisecond, sched.Call{Priority: priority})
				mu.Lock()
				defer mu.Unlock()
				took[priority] = max(took[priority], time.Since(begun))
			})
			time.Sleep(2 * time.Millisecond)
		}
		wg.Wait()
		if took[8] > 11*time.Millisecond {
			t.Errorf("the high priority takes %v, want hardly more than 10ms", took[8])
		}
		if took[5] < 27*time.Millisecond {
			t.Errorf("the last takes %v, want all the others' time, too", took[5])
		}
	})
}

func TestAGuestThatComesBackGoesBeforeThoseThatCameLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Cores: 1, Short: 1})
		flow := s.Flow("a", "a")
		var early, other, third sched.Turn
		flow.Begin(t.Context(), &early, sched.Call{})
		flow.Begin(t.Context(), &other, sched.Call{})
		early.Leave()
		early.Leave() // does nothing
		flow.Begin(t.Context(), &third, sched.Call{})
		var served []string
		var wg sync.WaitGroup
		wg.Go(func() {
			var late sched.Turn
			flow.Begin(t.Context(), &late, sched.Call{})
			served = append(served, "late")
			late.End(1)
		})
		synctest.Wait()
		wg.Go(func() {
			if err := early.Enter(); err != nil {
				t.Error(err)
			}
			served = append(served, "early")
			early.End(1)
		})
		synctest.Wait()
		other.End(1)
		wg.Wait()
		if !slices.Equal(served, []string{"early", "late"}) {
			t.Errorf("they run in the order %q", served)
		}
		third.End(1)
	})
}

func TestOneWhoGivesUpWhileItComesBackHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Cores: 1, Short: 1})
		flow := s.Flow("a", "a")
		cause := errors.New("went away")
		ctx, cancel := context.WithCancelCause(t.Context())
		var turn, other, third sched.Turn
		flow.Begin(ctx, &turn, sched.Call{})
		turn.Leave()
		flow.Begin(t.Context(), &other, sched.Call{})
		flow.Begin(t.Context(), &third, sched.Call{})
		time.AfterFunc(time.Second, func() { cancel(cause) })
		if err := turn.Enter(); !errors.Is(err, cause) {
			t.Errorf("it ends with %v, want the cause", err)
		}
		if err := turn.Enter(); !errors.Is(err, cause) {
			t.Errorf("the next time it ends with %v, want the cause", err)
		}
		turn.End(7)
		other.End(0)
		third.End(0)
		if err := flow.Begin(ctx, &turn, sched.Call{}); !errors.Is(err, cause) {
			t.Errorf("a call that is over begins with %v, want the cause", err)
		}
		if got := s.Stats(); got.Running != 0 || got.Waiting != 0 || got.Fuel != 7 {
			t.Errorf("there is left %+v", got)
		}
	})
}

func TestLongGuestsLeaveTheShortSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Cores: 2, Short: 2})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		flow := s.Flow("a", "a")
		flood(ctx, &wg, flow, 50, always(time.Hour))
		time.Sleep(100 * time.Millisecond)
		if got := s.Stats(); got.Running != 2 || got.Long != 2 || got.Waiting != 48 {
			t.Errorf("%d run, %d of them long, and %d wait, want 2, 2 and 48", got.Running, got.Long, got.Waiting)
		}
		begun := time.Now()
		guest(t.Context(), flow, slice/2)
		if took := time.Since(begun); took != slice/2 {
			t.Errorf("a short call of the same plugin takes %v, want %v", took, slice/2)
		}
	})
}

func TestAFlowIsForgottenWhenNobodyKeepsIt(t *testing.T) {
	s := newScheduler(t, sched.Options{})
	one, two := s.Flow("a", "p"), s.Flow("a", "p")
	if one != two {
		t.Error("a plugin has two flows")
	}
	one.Close()
	var turn sched.Turn
	if err := two.Begin(t.Context(), &turn, sched.Call{}); err != nil {
		t.Fatalf("a flow that is still kept answers %v", err)
	}
	two.Close()
	if err := two.Begin(t.Context(), new(sched.Turn), sched.Call{}); !errors.Is(err, sched.ErrClosed) {
		t.Errorf("a closed flow answers %v, want ErrClosed", err)
	}
	if n := len(s.Stats().Flows); n != 1 {
		t.Errorf("there are %d flows while the last call runs, want 1", n)
	}
	turn.End(100)
	if got := s.Stats(); len(got.Flows) != 0 || got.Fuel != 100 || got.Begun != 1 {
		t.Errorf("when it has ended there is %+v, want no flows and what was counted", got)
	}
	again := s.Flow("a", "p")
	if got := statsOf(t, s, "a", "p"); got.Fuel != 0 {
		t.Errorf("a new flow has burnt %d", got.Fuel)
	}
	again.Close()
}

func TestStatsTellWhatHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Cores: 2, Short: 1})
		flow := s.Flow("a", "p")
		var turns [3]sched.Turn
		flow.Begin(t.Context(), &turns[0], sched.Call{})
		time.Sleep(time.Second) // one of two cores
		flow.Begin(t.Context(), &turns[1], sched.Call{})
		flow.Begin(t.Context(), &turns[2], sched.Call{})
		var wg sync.WaitGroup
		wg.Go(func() { guest(t.Context(), flow, 0) })
		time.Sleep(time.Second) // both
		got := statsOf(t, s, "a", "p")
		if got.Running != 3 || got.Waiting != 1 || got.Begun != 3 {
			t.Errorf("%d run, %d wait, %d have begun; want 3, 1 and 3", got.Running, got.Waiting, got.Begun)
		}
		half := s.Stats()
		if u := half.Utilisation(sched.Stats{}); u != 0.75 {
			t.Errorf("the utilisation is %v, want 0.75", u)
		}
		for i := range turns {
			turns[i].End(1000)
		}
		wg.Wait()
		time.Sleep(time.Second)
		now := s.Stats()
		if u := now.Utilisation(half); u != 0 {
			t.Errorf("the utilisation is %v while nobody runs, want 0", u)
		}
		if now.Utilisation(now) != 0 {
			t.Error("there is utilisation in no time")
		}
		if got := statsOf(t, s, "a", "p"); got.Fuel != 3000 || got.Waited != time.Second {
			t.Errorf("burnt %d and waited %v, want 3000 and 1s", got.Fuel, got.Waited)
		}
	})
}

func TestDrainIsMeasuredWhileCallsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Cores: 2})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		flood(ctx, &wg, s.Flow("a", "p"), 20, always(10*time.Millisecond))
		time.Sleep(time.Second)
		if got := statsOf(t, s, "a", "p").Drain; got < 180 || got > 220 {
			t.Errorf("%v calls are done with a second, want about 200", got)
		}
		cancel()
		wg.Wait()
	})
}

func TestOptionsAreCheckedAllAtOnce(t *testing.T) {
	defer func() {
		said := fmt.Sprint(recover())
		for _, part := range []string{"Cores is 0", "Waiting is -1", `"lifo"`, `"a" is 0`} {
			if !strings.Contains(said, part) {
				t.Errorf("%q does not say %s", said, part)
			}
		}
	}()
	sched.New(sched.Options{Waiting: -1, Policy: "lifo", Weights: map[string]float64{"a": 0}})
}

func TestMisusePanics(t *testing.T) {
	s := newScheduler(t, sched.Options{})
	flow := s.Flow("a", "p")
	for what, do := range map[string]func(*sched.Turn){
		"a second end":           func(turn *sched.Turn) { turn.End(0) },
		"a slice without a slot": func(turn *sched.Turn) { flow.Begin(t.Context(), turn, sched.Call{}); turn.Leave(); turn.Slice(1) },
		"entering after the end": func(turn *sched.Turn) { turn.Enter() },
		"a slice after the end":  func(turn *sched.Turn) { turn.Slice(1) },
		"entering twice":         func(turn *sched.Turn) { flow.Begin(t.Context(), turn, sched.Call{}); turn.Enter() },
		"closing twice":          func(*sched.Turn) { f := s.Flow("b", "p"); f.Close(); f.Close() },
	} {
		t.Run(what, func(t *testing.T) {
			var turn sched.Turn
			flow.Begin(t.Context(), &turn, sched.Call{})
			turn.End(0)
			defer func() {
				if recover() == nil {
					t.Errorf("%s passes", what)
				}
			}()
			do(&turn)
		})
	}
}

func TestTheCommonCaseAllocatesNothing(t *testing.T) {
	s := newScheduler(t, sched.Options{})
	flow := s.Flow("a", "p")
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	var turn sched.Turn
	if n := testing.AllocsPerRun(100, func() {
		flow.Begin(ctx, &turn, sched.Call{})
		turn.Slice(1)
		turn.Leave()
		turn.Enter()
		turn.End(1)
	}); n != 0 {
		t.Errorf("a call allocates %v times", n)
	}
}
