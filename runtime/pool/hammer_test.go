package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/pool"
)

func TestHammer(t *testing.T) {
	const most = 5
	for round := range 8 {
		f := &factory{}
		var held sync.Map
		// hold panics when an instance is in two hands at once.
		hold := func(n int) (let func()) {
			if _, twice := held.LoadOrStore(n, true); twice {
				t.Errorf("instance %d is in two hands", n)
			}
			return func() { held.Delete(n) }
		}
		p := pool.New(pool.Options[int]{
			Min: 2, Max: most, Cores: 2, Waiting: 50, Idle: time.Millisecond, Age: 3 * time.Millisecond, Beat: 50 * time.Microsecond,
			ProbeEvery: 100 * time.Microsecond, TrimAfter: 100 * time.Microsecond,
			Probe: func(_ context.Context, n int) error {
				defer hold(n)()
				if rand.IntN(4) == 0 {
					return errBroken
				}
				return nil
			},
			Trim: func(n int) { hold(n)() },
		}, func(ctx context.Context) (int, error) {
			if rand.IntN(10) == 0 {
				return 0, errBroken
			}
			return f.build(ctx)
		}, func(n int) {
			defer hold(n)()
			f.destroy(n)
		})
		var all sync.WaitGroup
		all.Go(func() {
			if err := p.Run(t.Context()); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		var callers sync.WaitGroup
		many := []int{16, 3}[round/2%2] // with and without a line
		for range many {
			callers.Go(func() {
				for range 4800 / many {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(300))*time.Microsecond)
					loan, err := p.Acquire(ctx)
					cancel()
					switch {
					case errors.Is(err, pool.ErrClosed):
						return
					case err == errBroken, errors.Is(err, context.DeadlineExceeded):
						continue
					case err != nil:
						t.Errorf("unexpected %v", err)
						continue
					}
					let := hold(loan.Instance)
					report := pool.Report{Calls: 1, Run: time.Duration(rand.IntN(100)), Host: time.Duration(rand.IntN(1000)), Fault: pool.Fault(rand.IntN(3))}
					if s := p.Stats(); s.Ready+s.Lent+s.Building+s.Probing+s.Ending > most {
						t.Errorf("alive are %+v, over Max", s)
					}
					let()
					if rand.IntN(8) == 0 {
						loan.Discard(report)
					} else {
						loan.Release(report)
					}
				}
			})
		}
		if round%2 == 0 { // close in the middle of it, more than once
			for range 2 {
				all.Go(func() {
					time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(200))*time.Microsecond)
					defer cancel()
					_ = p.Close(ctx)
				})
			}
		}
		callers.Wait()
		closePool(t, p)
		all.Wait()
		if f.most > most {
			t.Errorf("%d were alive at once, over Max", f.most)
		}
		s := p.Stats()
		if n := f.count(); n != 0 || int64(f.next) != s.Births.Built || s.Deaths.Total() != s.Births.Built {
			t.Errorf("%d alive after Close, %d were built and there is %+v", n, f.next, s)
		}
		if s.Ready+s.Building+s.Lent+s.Waiting+s.Probing+s.Ending != 0 {
			t.Errorf("after Close there is %+v", s)
		}
		if round%2 == 1 {
			t.Logf("%d callers: %d calls, %d births, deaths %v", many, s.Work.Calls, s.Births.Built, s.Deaths.By)
		}
	}
}
