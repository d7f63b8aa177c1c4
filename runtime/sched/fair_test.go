package sched_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/sched"
)

// burner is a flow that always has guests in line.
type burner struct {
	namespace, plugin string
	guests            int
	work              func(*rand.Rand) time.Duration
	part              float64 // of all fuel, that it should get
}

// burn lets burners compete and compares what each burns with its part.
func burn(t *testing.T, o sched.Options, burners ...burner) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, o)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, b := range burners {
			flood(ctx, &wg, s.Flow(b.namespace, b.plugin), b.guests, b.work)
		}
		time.Sleep(200 * time.Millisecond)
		before := make([]int64, len(burners))
		for i, b := range burners {
			before[i] = statsOf(t, s, b.namespace, b.plugin).Fuel
		}
		from := s.Stats()
		time.Sleep(time.Second)
		now := s.Stats()
		all := float64(now.Fuel - from.Fuel)
		for i, b := range burners {
			part := float64(statsOf(t, s, b.namespace, b.plugin).Fuel-before[i]) / all
			t.Logf("%s/%s burns %.4f of all, its part is %.4f", b.namespace, b.plugin, part, b.part)
			if math.Abs(part/b.part-1) > 0.03 {
				t.Errorf("%s/%s burns %.4f of all, want %.4f and 3%% off at most", b.namespace, b.plugin, part, b.part)
			}
		}
		if u := now.Utilisation(from); u < 0.99 {
			t.Errorf("the cores are used for %.3f of the time, want all", u)
		}
		cancel()
		wg.Wait()
	})
}

func TestTenantsGetEqualFuelWhateverTheirCallsAreLike(t *testing.T) {
	for name, rival := range map[string]burner{
		"many equal calls": {guests: 200, work: always(5 * time.Millisecond)},
		"tiny calls":       {guests: 50, work: always(40 * time.Microsecond)},
		"short calls":      {guests: 50, work: always(150 * time.Microsecond)},
		"never ending":     {guests: 6, work: always(time.Hour)},
		"a bit of all":     {guests: 30, work: mixed},
		"about a slice":    {guests: 30, work: exponential(slice)},
	} {
		t.Run(name, func(t *testing.T) {
			one := burner{namespace: "one", plugin: "p", guests: 8, work: always(30 * time.Millisecond), part: 0.5}
			rival.namespace, rival.plugin, rival.part = "rival", "q", 0.5
			burn(t, sched.Options{}, one, rival)
		})
	}
}

func TestTenantsGetFuelByTheirWeights(t *testing.T) {
	weights := map[string]float64{"three": 3, "two": 2, "three/much": 4}
	burn(
		t, sched.Options{Weights: weights},
		burner{"one", "p", 300, always(time.Millisecond), 1. / 6},
		burner{"two", "p", 6, exponential(10 * time.Millisecond), 2. / 6},
		burner{"three", "much", 10, mixed, 3. / 6 * 4 / 5},
		burner{"three", "little", 50, always(3 * time.Millisecond), 3. / 6 / 5},
	)
}

func TestSharesHoldForRandomTenants(t *testing.T) {
	works := []func(*rand.Rand) time.Duration{
		always(50 * time.Microsecond), always(190 * time.Microsecond), always(210 * time.Microsecond), exponential(time.Millisecond),
		exponential(20 * time.Millisecond), mixed, always(time.Hour),
	}
	for seed := range uint64(8) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 3))
			o := sched.Options{Cores: 1 + random.IntN(3), Weights: make(map[string]float64)}
			var burners []burner
			all := 0.0
			for n := range 2 + random.IntN(3) {
				namespace := fmt.Sprint("n", n)
				weight := float64(1 + random.IntN(3))
				o.Weights[namespace] = weight
				all += weight
				plugins := 1 + random.IntN(3)
				for p := range plugins {
					// As many as there can be slots, so that it can use what it is due.
					burners = append(burners, burner{
						namespace, fmt.Sprint("p", p), 6 + random.IntN(60), works[random.IntN(len(works))], weight / float64(plugins),
					})
				}
			}
			for i := range burners {
				burners[i].part /= all
			}
			burn(t, o, burners...)
		})
	}
}

// beside has a tenant flood all there is and measures how long lone calls of another take.
func beside(t *testing.T, o sched.Options, flooding func(*rand.Rand) time.Duration, lone time.Duration) *tally {
	t.Helper()
	var all tally
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, o)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		if flooding != nil {
			flood(ctx, &wg, s.Flow("flood", "a"), 200, flooding)
		}
		flow := s.Flow("lone", "b")
		random := rand.New(rand.NewPCG(4, 4))
		for range 500 {
			time.Sleep(time.Duration(random.Int64N(int64(5 * time.Millisecond))))
			begun := time.Now()
			err := guest(t.Context(), flow, lone)
			all.add(time.Since(begun), lone, err)
		}
		cancel()
		wg.Wait()
	})
	return &all
}

func TestALoneCallBesideAFloodWaitsASliceAtMost(t *testing.T) {
	for name, flooding := range map[string]func(*rand.Rand) time.Duration{
		"long calls": always(time.Minute), "short calls": always(150 * time.Microsecond), "mixed": mixed, "about a slice": exponential(slice),
	} {
		const lone = 100 * time.Microsecond
		all := beside(t, sched.Options{}, flooding, lone)
		t.Logf("beside %s: p50 %v, longest %v", name, all.quantile(0.5), all.quantile(1))
		if longest := all.quantile(1); all.good != 500 || longest > lone+slice {
			t.Errorf("beside %s %d of 500 calls are served, and a call of %v takes %v at the longest, want a slice more at most", name, all.good, lone, longest)
		}
	}
}

func TestALongCallBesideAFloodRunsAsIfItHadACore(t *testing.T) {
	const lone = 10 * time.Millisecond
	all := beside(t, sched.Options{}, always(time.Minute), lone)
	if longest := all.quantile(1); longest > lone*5/4 {
		t.Errorf("a call of %v takes %v at the longest, want a quarter more at most", lone, longest)
	}
}

func TestIdlenessIsNotSavedUpAndPastUseIsNotPunished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Cores: 1})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		busy, idle := s.Flow("busy", "a"), s.Flow("idle", "b")
		defer wg.Wait()
		defer cancel()
		flood(ctx, &wg, busy, 5, always(time.Hour))
		time.Sleep(10 * time.Second)
		flood(ctx, &wg, idle, 5, always(time.Hour))
		before := s.Stats()
		busyBefore := statsOf(t, s, "busy", "a").Fuel
		time.Sleep(100 * time.Millisecond)
		part := float64(statsOf(t, s, "busy", "a").Fuel-busyBefore) / float64(s.Stats().Fuel-before.Fuel)
		if part < 0.45 || part > 0.55 {
			t.Errorf("a tenant that was alone for ten seconds gets %.3f of the fuel in the next tenth, want half", part)
		}
	})
}

func TestNobodyStarves(t *testing.T) {
	for _, policy := range []sched.Policy{sched.Fair, sched.FIFO} {
		synctest.Test(t, func(t *testing.T) {
			s := newScheduler(t, sched.Options{Cores: 1, Policy: policy})
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			for i := range 5 {
				flood(ctx, &wg, s.Flow(fmt.Sprint("short", i), "a"), 10, always(150*time.Microsecond))
				flood(ctx, &wg, s.Flow("mixed", fmt.Sprint(i)), 10, mixed)
			}
			begun := time.Now()
			if err := guestOf(t.Context(), s.Flow("mixed", "0"), 20*time.Millisecond, sched.Call{}); err != nil {
				t.Errorf("%s: the long call ends with %v", policy, err)
			}
			t.Logf("%s: %v", policy, time.Since(begun))
			if took := time.Since(begun); took > 20*time.Second {
				t.Errorf("%s: a call of 20 ms takes %v", policy, took)
			}
			cancel()
			wg.Wait()
		})
	}
}

func TestWhatWasPaidInAdvanceIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Cores: 1, Short: 1})
		var held [2]sched.Turn
		for i := range held {
			s.Flow("a", "p").Begin(t.Context(), &held[i], sched.Call{})
		}
		var wg sync.WaitGroup
		for _, namespace := range []string{"b", "c"} {
			wg.Go(func() {
				var turn sched.Turn
				s.Flow(namespace, "p").Begin(t.Context(), &turn, sched.Call{})
				if namespace == "b" {
					turn.Leave() // c is let in
					synctest.Wait()
					turn.Enter() // d waits for the host and is paid for once
				}
				time.Sleep(time.Second)
				turn.End(1_000_000)
			})
			synctest.Wait()
		}
		wg.Go(func() { guest(t.Context(), s.Flow("d", "p"), slice) })
		synctest.Wait()
		held[0].End(1)
		wg.Wait()
		b, c := statsOf(t, s, "b", "p").NamespaceLag, statsOf(t, s, "c", "p").NamespaceLag
		if b != c || b > -800_000 { // virtual time, too, may have gone ahead by what was paid
			t.Errorf("b and c have burnt 1000000 each and lag by %v and %v", b, c)
		}
		held[1].End(1)
	})
}

func TestNewTenantsAreServedByArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Cores: 1, Short: 1})
		var held [2]sched.Turn
		for i := range held {
			s.Flow("a", "p").Begin(t.Context(), &held[i], sched.Call{})
		}
		held[0].Slice(1)
		var mu sync.Mutex
		var served []string
		var wg sync.WaitGroup
		want := []string{"b", "c", "d", "e", "f"}
		for _, namespace := range want {
			wg.Go(func() {
				var turn sched.Turn
				s.Flow(namespace, "p").Begin(t.Context(), &turn, sched.Call{})
				mu.Lock()
				served = append(served, namespace)
				mu.Unlock()
				time.Sleep(slice / 2)
				turn.End(int64(slice / 2))
			})
			synctest.Wait()
		}
		held[1].End(1)
		wg.Wait()
		if !slices.Equal(served, want) {
			t.Errorf("they are served in the order %q", served)
		}
		held[0].End(1)
	})
}

func TestCallsThatBurnNothingKeepNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Cores: 1, Short: 1})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		flow := s.Flow("nothing", "p")
		for range 20 {
			wg.Go(func() {
				for ctx.Err() == nil {
					var turn sched.Turn
					if flow.Begin(t.Context(), &turn, sched.Call{}) == nil {
						time.Sleep(slice / 2)
						turn.End(0)
					}
				}
			})
		}
		time.Sleep(10 * slice)
		if err := within(t, time.Second, s.Flow("some", "p"), 5*time.Millisecond); err != nil {
			t.Errorf("another tenant's call ends with %v", err)
		}
		cancel()
		wg.Wait()
	})
}
