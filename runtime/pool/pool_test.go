package pool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/pool"
)

var errBroken = errors.New("no memory")

// factory builds numbered instances and knows which are alive.
type factory struct {
	takes time.Duration // to build
	lasts time.Duration // to destroy
	fail  atomic.Bool

	mu    sync.Mutex
	next  int
	begun int
	alive map[int]bool
	most  int
}

func (f *factory) build(ctx context.Context) (int, error) {
	f.mu.Lock()
	f.begun++
	f.mu.Unlock()
	select {
	case <-time.After(f.takes):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if f.fail.Load() {
		return 0, errBroken
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
	if f.lasts > 0 {
		time.Sleep(f.lasts)
	}
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

func (f *factory) tries() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.begun
}

func (f *factory) pool(o pool.Options[int]) *pool.Pool[int] { return pool.New(o, f.build, f.destroy) }

// running makes a pool that is looked after until the test ends, and is then closed.
func (f *factory) running(t *testing.T, o pool.Options[int]) *pool.Pool[int] {
	t.Helper()
	p := f.pool(o)
	f.keep(t, p)
	return p
}

// keep looks after a pool until the test ends, and then closes it.
func (f *factory) keep(t *testing.T, p *pool.Pool[int]) {
	t.Helper()
	ended := make(chan error)
	go func() { ended <- p.Run(t.Context()) }()
	t.Cleanup(func() {
		closePool(t, p)
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if n := f.count(); n != 0 {
			t.Errorf("%d are alive after Close", n)
		}
	})
	synctest.Wait()
}

func acquire(t *testing.T, p *pool.Pool[int]) pool.Loan[int] {
	t.Helper()
	loan, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return loan
}

func acquireN(t *testing.T, p *pool.Pool[int], n int) []pool.Loan[int] {
	t.Helper()
	loans := make([]pool.Loan[int], n)
	for i := range loans {
		loans[i] = acquire(t, p)
	}
	return loans
}

func release(loans ...pool.Loan[int]) {
	for _, l := range loans {
		l.Release(pool.Report{Calls: 1})
	}
}

func discard(loans ...pool.Loan[int]) {
	for _, l := range loans {
		l.Discard(pool.Report{Calls: 1})
	}
}

func closePool(t *testing.T, p *pool.Pool[int]) {
	t.Helper()
	if err := p.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

// inLine has n callers wait one after the other and tells what each got.
func inLine(t *testing.T, p *pool.Pool[int], n int, then func(caller int, loan pool.Loan[int], err error)) *sync.WaitGroup {
	var wg sync.WaitGroup
	for caller := range n {
		wg.Go(func() {
			loan, err := p.Acquire(t.Context())
			then(caller, loan, err)
		})
		synctest.Wait()
	}
	return &wg
}

func TestTheInstanceUsedLastIsLentFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.pool(pool.Options[int]{Max: 3})
		defer closePool(t, p)
		loans := acquireN(t, p, 3)
		release(loans[1], loans[2], loans[0])
		again := acquireN(t, p, 3)
		for i, want := range []int{0, 2, 1} {
			if got := again[i].Instance; got != loans[want].Instance {
				t.Errorf("borrower %d got instance %d, want %d", i, got, loans[want].Instance)
			}
		}
		release(again...)
	})
}

func TestAnInstanceIsLentAgainAndNotBuiltAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.pool(pool.Options[int]{Max: 4})
		defer closePool(t, p)
		for range 10 {
			release(acquire(t, p))
		}
		if n := f.tries(); n != 1 {
			t.Errorf("ten calls one after the other took %d builds", n)
		}
	})
}

func TestMinInstancesAreReadyBeforeTheyAreAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Second}
		p := f.pool(pool.Options[int]{Min: 2, Max: 4})
		defer closePool(t, p)
		p.Warm()
		time.Sleep(time.Second)
		synctest.Wait()
		begun := time.Now()
		loan := acquire(t, p)
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("a warm pool made its caller wait %v", waited)
		}
		discard(loan)
		time.Sleep(time.Second)
		synctest.Wait()
		if s := p.Stats(); s.Ready != 2 || s.Births.Built != 3 || s.Births.Time != 3*time.Second {
			t.Errorf("after one call %+v, want two ready of three built in three seconds", s)
		}
	})
}

func TestTheLineIsServedInOrderOfArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, end := range map[string]func(...pool.Loan[int]){"released": release, "discarded": discard} {
			f := &factory{takes: time.Second}
			p := f.pool(pool.Options[int]{Max: 1, Waiting: 10})
			var order []int
			inLine(t, p, 5, func(caller int, loan pool.Loan[int], err error) {
				if err != nil {
					t.Error(err)
				}
				order = append(order, caller) // one at a time: Max is 1
				end(loan)
			}).Wait()
			for place, caller := range order {
				if place != caller {
					t.Errorf("%s: place %d went to caller %d", name, place, caller)
				}
			}
			closePool(t, p)
		}
	})
}

// A pool that lets newcomers take what was just given back, because it is on top,
// keeps those who wait waiting for as long as newcomers come.
func TestAWaiterIsNotStarvedByNewcomers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.pool(pool.Options[int]{Max: 1, Waiting: 10})
		defer closePool(t, p)
		loan := acquire(t, p)
		served := false
		wait := inLine(t, p, 1, func(_ int, loan pool.Loan[int], err error) {
			served = true
			release(loan)
		})
		loan.Release(pool.Report{Calls: 1})
		release(acquire(t, p)) // it comes after the waiter, whichever goroutine runs first
		if !served {
			t.Error("a newcomer was lent the instance before the one in line")
		}
		wait.Wait()
	})
}

func TestADiscardedPlaceGoesToTheNextInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Second, lasts: time.Minute}
		p := f.pool(pool.Options[int]{Max: 1, Waiting: 10})
		defer closePool(t, p)
		loan := acquire(t, p)
		begun := time.Now()
		wait := inLine(t, p, 1, func(_ int, next pool.Loan[int], err error) {
			if err != nil || next.Instance == loan.Instance {
				t.Errorf("the next got instance %d, %v", next.Instance, err)
			}
			if took := time.Since(begun); took != 61*time.Second {
				t.Errorf("the next was served after %v, want a minute to destroy and a second to build", took)
			}
			release(next)
		})
		discard(loan)
		wait.Wait()
	})
}

func TestNothingIsBuiltWhileTheLastPlaceIsBeingFreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{lasts: time.Minute}
		p := f.pool(pool.Options[int]{Max: 1, Waiting: 10})
		defer closePool(t, p)
		loan := acquire(t, p)
		begun := time.Now()
		go discard(loan)
		synctest.Wait()
		release(acquire(t, p))
		if took := time.Since(begun); took != time.Minute || f.most != 1 {
			t.Errorf("the place was taken after %v, and %d were alive at once", took, f.most)
		}
	})
}

func TestAcquireCancelledWhileWaitingLeavesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for leaver := range 3 { // the first, one between and the last
			f := &factory{}
			p := f.pool(pool.Options[int]{Max: 1, Waiting: 3})
			loan := acquire(t, p)
			cause := errors.New("gone home")
			ctx, leave := context.WithCancelCause(t.Context())
			var served []int
			var wg sync.WaitGroup
			for caller := range 3 {
				wg.Go(func() {
					mine := t.Context()
					if caller == leaver {
						mine = ctx
					}
					loan, err := p.Acquire(mine)
					if caller == leaver {
						if err != cause {
							t.Errorf("error %v, want the context's cause", err)
						}
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					served = append(served, caller)
					release(loan)
				})
				synctest.Wait()
			}
			leave(cause)
			synctest.Wait()
			if s := p.Stats(); s.Waiting != 2 {
				t.Errorf("%d wait after one of three has left", s.Waiting)
			}
			release(loan)
			wg.Wait()
			if want := slices.DeleteFunc([]int{0, 1, 2}, func(n int) bool { return n == leaver }); !slices.Equal(served, want) {
				t.Errorf("when caller %d had left, served were %v", leaver, served)
			}
			closePool(t, p)
		}
	})
}

func TestAnInstanceServedToOneWhoLeavesInTheSameMomentIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.pool(pool.Options[int]{Max: 1, Waiting: 3})
		defer closePool(t, p)
		for range 200 {
			loan := acquire(t, p)
			ctx, leave := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() {
				if loan, err := p.Acquire(ctx); err == nil {
					release(loan)
				}
			})
			synctest.Wait()
			leave()
			release(loan)
			wg.Wait()
			if s := p.Stats(); s.Ready != 1 || s.Lent != 0 || s.Waiting != 0 {
				t.Fatalf("afterwards there is %+v, want one ready", s)
			}
		}
	})
}

func TestALineThatIsFullRefusesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Second}
		p := f.pool(pool.Options[int]{Max: 2, Waiting: 1})
		defer closePool(t, p)
		// Two are being built for, and one more may wait.
		wait := inLine(t, p, 3, func(_ int, loan pool.Loan[int], err error) {
			if err != nil {
				t.Error(err)
				return
			}
			time.Sleep(time.Second)
			release(loan)
		})
		if _, err := p.Acquire(t.Context()); err != pool.ErrFull {
			t.Errorf("error %v, want ErrFull", err)
		}
		wait.Wait()
	})
}

func TestNobodyWaitsForMoreThanABuildWhenNobodyMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Second}
		p := f.pool(pool.Options[int]{Max: 1})
		defer closePool(t, p)
		loan := acquire(t, p)
		if _, err := p.Acquire(t.Context()); err != pool.ErrFull {
			t.Errorf("error %v, want ErrFull", err)
		}
		release(loan)
		release(acquire(t, p))
	})
}

func TestMoreThanMaxAreNeverAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Second, lasts: 500 * time.Millisecond}
		p := f.pool(pool.Options[int]{Min: 1, Max: 3, Waiting: 100})
		defer closePool(t, p)
		inLine(t, p, 50, func(caller int, loan pool.Loan[int], err error) {
			if err != nil {
				t.Error(err)
				return
			}
			if s := p.Stats(); s.Ready+s.Lent+s.Building+s.Ending > 3 {
				t.Errorf("alive are %+v", s)
			}
			time.Sleep(time.Second)
			if caller%3 == 0 {
				discard(loan)
			} else {
				release(loan)
			}
		}).Wait()
		if f.most != 3 {
			t.Errorf("at most %d were alive at once, want Max, 3", f.most)
		}
	})
}

// What serves one call each is built while the one before still works.
func TestWhereEachCallTakesItsInstanceAnotherIsBuiltBesideIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Second}
		p := f.pool(pool.Options[int]{Max: 4})
		defer closePool(t, p)
		discard(acquire(t, p))
		begun := time.Now()
		for range 10 {
			loan := acquire(t, p)
			time.Sleep(time.Second)
			discard(loan)
		}
		if took := time.Since(begun); took > 12*time.Second {
			t.Errorf("ten calls of a second took %v: they waited for builds", took)
		}
	})
}

func TestEndingALoanTwicePanics(t *testing.T) {
	ends := map[string]func(...pool.Loan[int]){"Release": release, "Discard": discard}
	for first, end := range ends {
		for second, endAgain := range ends {
			f := &factory{}
			p := f.pool(pool.Options[int]{Max: 1})
			loan := acquire(t, p)
			end(loan)
			next := acquire(t, p) // perhaps the same instance, in other hands
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s after %s did not panic", second, first)
					}
				}()
				endAgain(loan)
			}()
			if s := p.Stats(); s.Lent != 1 {
				t.Errorf("after %s and %s %+v, want the next loan untouched", first, second, s)
			}
			release(next)
			closePool(t, p)
		}
	}
}

func TestOptionsOutOfBoundsAreAllNamed(t *testing.T) {
	defer func() {
		text := fmt.Sprint(recover())
		for _, field := range []string{"Min is -1", "Max is 0", "Waiting is -2", "Idle is -1s", "Age is -1s"} {
			if !strings.Contains(text, field) {
				t.Errorf("%q does not say that %s", text, field)
			}
		}
	}()
	(&factory{}).pool(pool.Options[int]{Min: -1, Waiting: -2, Idle: -time.Second, Age: -time.Second})
}
