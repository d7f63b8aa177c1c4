package pool_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/pool"
)

func TestAcquireCancelledWhileBuildingLeavesTheInstanceToAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Minute}
		p := f.pool(pool.Options[int]{Max: 1})
		defer closePool(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		begun := time.Now()
		loan := acquire(t, p)
		if took := time.Since(begun); took != 59*time.Second || loan.Instance != 1 {
			t.Errorf("instance %d after %v, want the first after the 59 s its build had left", loan.Instance, took)
		}
		release(loan)
	})
}

func TestWhatWasBuiltForNobodyBecomesReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Minute}
		p := f.pool(pool.Options[int]{Max: 1})
		defer closePool(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _ = p.Acquire(ctx)
		time.Sleep(time.Hour)
		if s := p.Stats(); s.Ready != 1 {
			t.Errorf("%+v, want one ready", s)
		}
	})
}

func TestAFailedBuildTellsOneAndTheOthersGetATry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Second}
		f.fail.Store(true)
		p := f.pool(pool.Options[int]{Max: 1, Waiting: 10})
		defer closePool(t, p)
		outcomes := make(chan error, 4)
		wait := inLine(t, p, 4, func(_ int, loan pool.Loan[int], err error) {
			outcomes <- err
			if err == nil {
				release(loan)
			}
		})
		for n := range 2 {
			if err := <-outcomes; err != errBroken {
				t.Errorf("number %d got %v", n, err)
			}
		}
		f.fail.Store(false)
		for range 2 {
			if err := <-outcomes; err != nil {
				t.Errorf("one got %v after builds went well again", err)
			}
		}
		wait.Wait()
		if n := f.tries(); n != 3 {
			t.Errorf("%d builds, want one for each who was told and one that went well", n)
		}
	})
}

func TestBuildsThatFailBesideEachOtherTellOneEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Second}
		f.fail.Store(true)
		p := f.pool(pool.Options[int]{Max: 3, Waiting: 10})
		defer closePool(t, p)
		inLine(t, p, 3, func(_ int, _ pool.Loan[int], err error) {
			if err != errBroken {
				t.Errorf("one got %v", err)
			}
		}).Wait()
		synctest.Wait()
		if n := f.tries(); n != 3 {
			t.Errorf("%d builds for three in line", n)
		}
	})
}

// That one more cannot be built says nothing to who can be served by those there are.
func TestAFailedBuildTellsNobodyWhileAnInstanceIsLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Millisecond}
		p := f.pool(pool.Options[int]{Max: 10, Waiting: 100})
		defer closePool(t, p)
		loan := acquire(t, p)
		f.fail.Store(true)
		wait := inLine(t, p, 50, func(_ int, loan pool.Loan[int], err error) {
			if err != nil {
				t.Errorf("one in line got %v", err)
				return
			}
			time.Sleep(time.Millisecond)
			release(loan)
		})
		time.Sleep(10 * time.Millisecond)
		if s := p.Stats(); s.Waiting != 50 || s.Births.Failed == 0 || s.Births.Err != errBroken {
			t.Errorf("%+v, want all in line after failed builds", s)
		}
		release(loan)
		wait.Wait()
		if n := p.Stats().Births.Failed; n > 10 {
			t.Errorf("%d builds failed in a tenth of a second", n)
		}
	})
}

func TestWhoWaitsGetsATryWhenTheLastLentIsDiscarded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Millisecond}
		p := f.pool(pool.Options[int]{Max: 2, Waiting: 100})
		defer closePool(t, p)
		loan := acquire(t, p)
		f.fail.Store(true)
		var told atomic.Int64
		wait := inLine(t, p, 3, func(_ int, loan pool.Loan[int], err error) {
			if err != errBroken {
				t.Errorf("one in line got %v", err)
			}
			told.Add(1)
		})
		time.Sleep(10 * time.Millisecond)
		discard(loan)
		wait.Wait()
		if n := told.Load(); n != 3 {
			t.Errorf("%d were told", n)
		}
	})
}

func TestWhatCannotBeBuiltIsTriedMoreAndMoreSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Millisecond}
		f.fail.Store(true)
		p := f.running(t, pool.Options[int]{Min: 3, Max: 5})
		time.Sleep(time.Hour)
		if n := f.tries(); n < 100 || n > 3*(150+20) {
			t.Errorf("%d builds failed in an hour, want three about every 30 s", n)
		}
		if _, err := p.Acquire(t.Context()); err != errBroken {
			t.Errorf("who asks got %v, want the outcome of a try", err)
		}
		f.fail.Store(false)
		time.Sleep(time.Minute)
		if s := p.Stats(); s.Ready != 3 || s.Births.Err != nil {
			t.Errorf("a minute after builds went well again %+v", s)
		}
		f.fail.Store(true)
		before := f.tries()
		discard(acquire(t, p))
		time.Sleep(2 * time.Second)
		if n := f.tries() - before; n < 2 {
			t.Errorf("%d builds in the two seconds after the first that failed again: the pause is still the long one", n)
		}
	})
}

func TestAConstructorThatPanicsOrExitsDoesNotLoseItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ways := []func(){func() { panic("index out of range") }, runtime.Goexit, func() {}}
		says := []string{"panicked: index out of range", "ended its goroutine", ""}
		n := -1
		p := pool.New(pool.Options[int]{Max: 1}, func(context.Context) (int, error) {
			n++
			ways[n]()
			return n, nil
		}, func(int) {})
		defer closePool(t, p)
		for way, want := range says {
			loan, err := p.Acquire(t.Context())
			if want == "" {
				if err != nil {
					t.Fatal(err)
				}
				release(loan)
				continue
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("way %d: error %v, want that it %s", way, err, want)
			}
		}
	})
}
