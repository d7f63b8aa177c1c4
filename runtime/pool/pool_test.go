package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/pool"
)

// factory builds numbered instances and knows which are alive.
type factory struct {
	takes time.Duration
	fail  atomic.Pointer[error]

	mu    sync.Mutex
	next  int
	alive map[int]bool
	most  int
}

func (f *factory) build(ctx context.Context) (int, error) {
	select {
	case <-time.After(f.takes):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if err := f.fail.Load(); err != nil {
		return 0, *err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.alive == nil {
		f.alive = map[int]bool{}
	}
	f.next++
	f.alive[f.next] = true
	f.most = max(f.most, len(f.alive))
	return f.next, nil
}

func (f *factory) destroy(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.alive[n] {
		panic("an instance was destroyed that was not alive")
	}
	delete(f.alive, n)
}

func (f *factory) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.alive)
}

func (f *factory) pool(o pool.Options) *pool.Pool[int] { return pool.New(o, f.build, f.destroy) }

func acquire(t *testing.T, p *pool.Pool[int]) *pool.Loan[int] {
	t.Helper()
	loan, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return loan
}

func closePool(t *testing.T, p *pool.Pool[int]) {
	t.Helper()
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMinInstancesAreReadyBeforeTheyAreAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Second}
		p := f.pool(pool.Options{Min: 2, Max: 4, Waiting: 4})
		defer closePool(t, p)
		p.Warm()
		time.Sleep(time.Second)
		synctest.Wait()

		begun := time.Now()
		loan := acquire(t, p)
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("a warm pool made its caller wait %v", waited)
		}
		loan.Discard()
		time.Sleep(time.Second)
		synctest.Wait()
		if s := p.Stats(); s.Ready != 2 || s.Births.Built != 3 || s.Births.Time != 3*time.Second {
			t.Errorf("after one call %+v, want two ready of three built in three seconds", s)
		}
	})
}

func TestNoInstanceIsLentTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.pool(pool.Options{Min: 1, Max: 2, Waiting: 10})
		defer closePool(t, p)
		seen := map[int]bool{}
		for range 20 {
			loan := acquire(t, p)
			if seen[loan.Instance] {
				t.Fatalf("instance %d was lent again", loan.Instance)
			}
			seen[loan.Instance] = true
			loan.Discard()
		}
	})
}

func TestTheLineIsServedInOrderOfArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Second}
		p := f.pool(pool.Options{Max: 1, Waiting: 10})
		defer closePool(t, p)
		order := make(chan int, 5)
		var wg sync.WaitGroup
		defer wg.Wait()
		for n := range 5 {
			wg.Go(func() {
				loan := acquire(t, p)
				order <- n
				loan.Discard()
			})
			synctest.Wait()
		}
		for want := range 5 {
			if got := <-order; got != want {
				t.Errorf("place %d went to caller %d", want, got)
			}
		}
	})
}

func TestAcquireCancelledWhileWaitingLeavesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.pool(pool.Options{Max: 1, Waiting: 10})
		defer closePool(t, p)
		loan := acquire(t, p)
		cause := errors.New("gone home")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		if _, err := p.Acquire(ctx); err != cause {
			t.Errorf("error %v, want the context's cause", err)
		}
		if s := p.Stats(); s.Waiting != 0 {
			t.Errorf("%d still wait", s.Waiting)
		}
		loan.Discard()
		acquire(t, p).Discard()
	})
}

func TestAcquireCancelledWhileBuildingLeavesTheInstanceToAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Minute}
		p := f.pool(pool.Options{Max: 1, Waiting: 10})
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
		loan.Discard()
	})
}

func TestAFailedBuildTellsOneAndTheOthersStillGetTheirs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Second}
		broken := errors.New("no memory")
		f.fail.Store(&broken)
		p := f.pool(pool.Options{Min: 1, Max: 1, Waiting: 10})
		defer closePool(t, p)
		errs := make(chan error, 3)
		for range 3 {
			go func() {
				loan, err := p.Acquire(t.Context())
				if err == nil {
					loan.Discard()
				}
				errs <- err
			}()
			synctest.Wait()
		}
		if err := <-errs; err != broken {
			t.Errorf("the first got %v", err)
		}
		f.fail.Store(nil)
		for range 2 {
			if err := <-errs; err != nil {
				t.Errorf("one in line got %v", err)
			}
		}
	})
}

func TestWhatCannotBeBuiltIsNotTriedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Millisecond}
		broken := errors.New("no memory")
		f.fail.Store(&broken)
		p := f.pool(pool.Options{Min: 3, Max: 5, Waiting: 10})
		defer closePool(t, p)
		p.Warm()
		time.Sleep(time.Hour)
		synctest.Wait()
		if s := p.Stats(); s.Births.Failed != 3 {
			t.Errorf("%d builds failed in an hour, want the three of Warm", s.Births.Failed)
		}
	})
}

func TestALineThatIsFullRefusesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.pool(pool.Options{Max: 1, Waiting: 1})
		defer closePool(t, p)
		loan := acquire(t, p)
		var second sync.WaitGroup
		second.Go(func() { acquire(t, p).Discard() })
		synctest.Wait()
		if _, err := p.Acquire(t.Context()); err != pool.ErrFull {
			t.Errorf("error %v, want ErrFull", err)
		}
		loan.Discard()
		second.Wait()
	})
}

func TestCloseWhileLentWaitsForTheLoan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.pool(pool.Options{Min: 2, Max: 4, Waiting: 4})
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
		time.AfterFunc(time.Minute, loan.Discard)
		closePool(t, p)
		if n := f.count(); n != 0 {
			t.Errorf("%d alive after the last loan", n)
		}
	})
}

func TestCloseWhileBuildingEndsTheBuildAndTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Hour}
		p := f.pool(pool.Options{Max: 1, Waiting: 4})
		errs := make(chan error)
		go func() { _, err := p.Acquire(t.Context()); errs <- err }()
		synctest.Wait()
		begun := time.Now()
		go closePool(t, p)
		if err := <-errs; err != pool.ErrClosed {
			t.Errorf("who waited got %v", err)
		}
		closePool(t, p)
		if took := time.Since(begun); took != 0 {
			t.Errorf("Close waited %v for a build it had ended", took)
		}
	})
}

func TestEndingALoanTwicePanics(t *testing.T) {
	f := &factory{}
	p := f.pool(pool.Options{Max: 1, Waiting: 1})
	defer closePool(t, p)
	loan := acquire(t, p)
	loan.Discard()
	defer func() {
		if recover() == nil {
			t.Error("the second Discard did not panic")
		}
	}()
	loan.Discard()
}

func TestHammer(t *testing.T) {
	f := &factory{}
	p := f.pool(pool.Options{Min: 2, Max: 5, Waiting: 50})
	broken := errors.New("no memory")
	var lent sync.Map
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 500 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(300))*time.Microsecond)
				if rand.IntN(20) == 0 {
					f.fail.Store(&broken)
				} else {
					f.fail.Store(nil)
				}
				loan, err := p.Acquire(ctx)
				cancel()
				if err != nil {
					if err != broken && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("unexpected %v", err)
					}
					continue
				}
				if _, twice := lent.LoadOrStore(loan.Instance, true); twice {
					t.Errorf("instance %d was lent twice", loan.Instance)
				}
				loan.Discard()
			}
		})
	}
	wg.Wait()
	closePool(t, p)
	if f.most > 5 {
		t.Errorf("%d were alive at once, over Max", f.most)
	}
	if n := f.count(); n != 0 {
		t.Errorf("%d alive after Close", n)
	}
	if s := p.Stats(); s.Ready+s.Building+s.Lent+s.Waiting != 0 {
		t.Errorf("after Close there is %+v", s)
	}
}
