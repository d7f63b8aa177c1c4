package sched_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/sched"
)

// TestPolicies prints what each policy makes of a tenant that asks for twenty times
// what there is, beside one with one call at a time, of a higher priority: -v -run
// TestPolicies. What holds for Fair is tested elsewhere; here it must show.
func TestPolicies(t *testing.T) {
	shareCores(t)
	const loneCall, timeout = time.Millisecond, 200 * time.Millisecond
	t.Logf("two cores; lone calls of %v, 2 ms apart, with %v to their deadline", loneCall, timeout)
	t.Logf("%-9s %-20s %9s %9s %12s %11s %12s", "policy", "flood, 20 times", "lone p50", "lone p99", "in time", "lone fuel", "utilisation")
	for _, flooding := range []load{
		{name: "none"},
		{"10 ms each", timeout, always(10 * time.Millisecond)},
		{"0.15 ms each", timeout, always(150 * time.Microsecond)},
		{"one long in ten", timeout, mixed},
	} {
		for _, policy := range sched.Policies {
			var all tally
			var s *sched.Scheduler
			var part, utilisation float64
			synctest.Test(t, func(t *testing.T) {
				s = newScheduler(t, sched.Options{Policy: policy})
				ctx, cancel := context.WithTimeout(t.Context(), 2*timeout)
				defer cancel()
				var wg sync.WaitGroup
				if flooding.work != nil {
					flooding.come(&wg, s.Flow("flood", "a"), 20, 2*timeout, false)
				}
				flow := s.Flow("lone", "b")
				for ctx.Err() == nil {
					begun := time.Now()
					call, cancel := context.WithTimeout(t.Context(), timeout)
					err := guestOf(call, flow, loneCall, sched.Call{Priority: 5})
					cancel()
					all.add(time.Since(begun), loneCall, err)
					time.Sleep(2 * time.Millisecond)
				}
				stats := s.Stats()
				part = float64(statsOf(t, s, "lone", "b").Fuel) / float64(stats.Fuel)
				utilisation = stats.Utilisation(sched.Stats{})
				wg.Wait()
			})
			served := float64(all.good) / float64(all.good+all.late+all.refused)
			t.Logf("%-9s %-20s %6.2f ms %6.2f ms %10.1f %% %9.1f %% %10.1f %%", policy, flooding.name,
				all.quantile(0.5).Seconds()*1000, all.quantile(0.99).Seconds()*1000, 100*served, 100*part, 100*utilisation)
			if policy == sched.Fair && served < 1 {
				t.Errorf("%s: %.3f of the lone calls are served, want all", policy, served)
			}
			if flooding.work != nil && utilisation < 0.95 {
				t.Errorf("%s: the cores are used for %.3f of the time, want nearly all", policy, utilisation)
			}
		}
	}
}

func BenchmarkCall(b *testing.B) {
	for _, flows := range []int{1, 100} {
		s := newScheduler(b, sched.Options{})
		ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
		all := make([]*sched.Flow, flows)
		for i := range all {
			all[i] = s.Flow(fmt.Sprint(i%10), fmt.Sprint(i))
		}
		b.Run(fmt.Sprintf("flows=%d", flows), func(b *testing.B) {
			b.ReportAllocs()
			var turn sched.Turn
			i := 0
			for b.Loop() {
				if all[i].Begin(ctx, &turn, sched.Call{}) == nil {
					turn.End(5000)
				}
				if i++; i == flows {
					i = 0
				}
			}
		})
		cancel()
	}
}

// BenchmarkCallInParallel has as many callers as Ps, of which none waits while there
// are as many slots.
func BenchmarkCallInParallel(b *testing.B) {
	s := newScheduler(b, sched.Options{Cores: 64})
	flow := s.Flow("a", "p")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var turn sched.Turn
		for pb.Next() {
			if flow.Begin(b.Context(), &turn, sched.Call{}) == nil {
				turn.End(5000)
			}
		}
	})
}

func BenchmarkSlice(b *testing.B) {
	for _, waiting := range []int{0, 1, 100} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			s := newScheduler(b, sched.Options{Cores: 1, Policy: sched.FIFO}) // it goes on, whoever waits
			ctx, cancel := context.WithCancel(b.Context())
			flow := s.Flow("a", "p")
			var turn sched.Turn
			flow.Begin(ctx, &turn, sched.Call{})
			turn.Slice(1)
			var wg sync.WaitGroup
			for range waiting {
				wg.Go(func() {
					var turn sched.Turn
					if flow.Begin(ctx, &turn, sched.Call{}) == nil {
						turn.Slice(1)
						turn.End(0)
					}
				})
			}
			for s.Stats().Waiting < waiting {
				time.Sleep(time.Millisecond)
			}
			b.ReportAllocs()
			for b.Loop() {
				turn.Slice(100_000)
			}
			cancel()
			turn.End(0)
			wg.Wait()
		})
	}
}

// BenchmarkHandOver has guests of as many tenants give way to each other at each
// slice, so that each iteration is a slot handed to a goroutine that waits for it.
func BenchmarkHandOver(b *testing.B) {
	for _, tenants := range []int{2, 100} {
		b.Run(fmt.Sprintf("tenants=%d", tenants), func(b *testing.B) {
			s := newScheduler(b, sched.Options{Cores: 1})
			var wg sync.WaitGroup
			ctx, cancel := context.WithCancel(b.Context())
			for i := range tenants - 1 {
				wg.Go(func() {
					var turn sched.Turn
					if s.Flow(fmt.Sprint(i), "p").Begin(ctx, &turn, sched.Call{}) != nil {
						return
					}
					for ctx.Err() == nil && turn.Slice(100_000) == nil {
					}
					turn.End(0)
				})
			}
			var turn sched.Turn
			s.Flow("mine", "p").Begin(ctx, &turn, sched.Call{})
			b.ReportAllocs()
			for b.Loop() {
				turn.Slice(100_000)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(tenants), "ns/handover")
			cancel()
			turn.End(0)
			wg.Wait()
		})
	}
}

// BenchmarkRefusal is what a call costs that comes to a full line.
func BenchmarkRefusal(b *testing.B) {
	s := newScheduler(b, sched.Options{Cores: 1, Waiting: 1})
	flow := s.Flow("a", "p")
	ctx, cancel := context.WithCancel(b.Context())
	var held [2]sched.Turn
	for i := range held {
		flow.Begin(ctx, &held[i], sched.Call{})
	}
	var wg sync.WaitGroup
	wg.Go(func() { flow.Begin(ctx, new(sched.Turn), sched.Call{}) })
	for s.Stats().Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	b.ReportAllocs()
	var turn sched.Turn
	for b.Loop() {
		if flow.Begin(ctx, &turn, sched.Call{}) == nil {
			b.Fatal("it was not refused")
		}
	}
	cancel()
	wg.Wait()
}
