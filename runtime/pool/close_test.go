package pool_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/pool"
)

func TestCloseWhileLentWaitsForTheLoan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, end := range map[string]func(...pool.Loan[int]){"released": release, "discarded": discard} {
			f := &factory{}
			p := f.pool(pool.Options[int]{Min: 2, Max: 4})
			p.Warm()
			synctest.Wait()
			loan := acquire(t, p)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Close beside a loan: %v", err)
			}
			if n := f.count(); n != 1 {
				t.Errorf("%d alive, want the one that is lent", n)
			}
			if _, err := p.Acquire(t.Context()); err != pool.ErrClosed {
				t.Errorf("Acquire after Close: %v", err)
			}
			time.AfterFunc(time.Minute, func() { end(loan) })
			closePool(t, p)
			if n := f.count(); n != 0 {
				t.Errorf("%s: %d alive after the last loan", name, n)
			}
			if _, err := p.Acquire(t.Context()); err != pool.ErrClosed {
				t.Errorf("Acquire when all are gone: %v", err)
			}
		}
	})
}

func TestWhatIsStillLentWhenCloseGivesUpIsDestroyedWhenItsLoanEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.pool(pool.Options[int]{Max: 1})
		loan := acquire(t, p)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.Close(ctx); err != context.Canceled {
			t.Errorf("Close: %v", err)
		}
		release(loan)
		if s := p.Stats(); f.count() != 0 || s.Deaths.By[pool.Closed] != 1 || s.Lent+s.Ready+s.Ending != 0 {
			t.Errorf("%d alive, %+v", f.count(), s)
		}
	})
}

func TestCloseWhileBuildingEndsTheBuildAndTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Hour}
		p := f.pool(pool.Options[int]{Max: 1, Waiting: 4})
		begun := time.Now()
		wait := inLine(t, p, 3, func(_ int, _ pool.Loan[int], err error) {
			if err != pool.ErrClosed {
				t.Errorf("who waited got %v", err)
			}
		})
		closePool(t, p)
		wait.Wait()
		if took := time.Since(begun); took != 0 {
			t.Errorf("Close waited %v for a build it had ended", took)
		}
	})
}

// A constructor may not look at its context.
func TestWhatIsBuiltAfterCloseIsDestroyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		destroyed := 0
		p := pool.New(pool.Options[int]{Max: 1}, func(context.Context) (int, error) {
			time.Sleep(time.Minute)
			return 7, nil
		}, func(int) { destroyed++ })
		wait := inLine(t, p, 1, func(_ int, _ pool.Loan[int], err error) {
			if err != pool.ErrClosed {
				t.Errorf("who waited got %v", err)
			}
		})
		begun := time.Now()
		closePool(t, p)
		wait.Wait()
		if took := time.Since(begun); destroyed != 1 || took != time.Minute {
			t.Errorf("%d destroyed when Close was back after %v", destroyed, took)
		}
	})
}

func TestCloseAtTheSameTimeWaitsInAllOfThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{lasts: time.Second}
		p := f.pool(pool.Options[int]{Min: 2, Max: 4})
		p.Warm()
		synctest.Wait()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				closePool(t, p)
				if n := f.count(); n != 0 {
					t.Errorf("%d alive after Close", n)
				}
			})
		}
		wg.Wait()
	})
}

func TestRunEndsWithItsContextAndWithThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.pool(pool.Options[int]{Min: 1, Max: 1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := p.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
		if n := f.count(); n != 1 {
			t.Errorf("%d alive after Run, want what Close is for", n)
		}
		closePool(t, p)

		p = f.pool(pool.Options[int]{Max: 1})
		time.AfterFunc(time.Minute, func() { closePool(t, p) })
		if err := p.Run(t.Context()); err != nil {
			t.Errorf("Run of a pool that was closed: %v", err)
		}
	})
}
