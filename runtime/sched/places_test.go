package sched_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/sched"
)

// visit begins a turn, waits on the host for a while, and ends it.
func visit(ctx context.Context, f *sched.Flow, stay time.Duration, begun func()) error {
	var turn sched.Turn
	if err := f.Begin(ctx, &turn, sched.Call{}); err != nil {
		return err
	}
	begun()
	turn.Leave()
	time.Sleep(stay)
	turn.End(1)
	return nil
}

func TestNoMoreBeginThanThereArePlacesAndInOrder(t *testing.T) {
	for _, policy := range sched.Policies {
		synctest.Test(t, func(t *testing.T) {
			s := newScheduler(t, sched.Options{Cores: 8, Policy: policy})
			f := s.Flow("a", "p")
			f.Places("one", 1)
			f.Places("two", 1)
			var wg sync.WaitGroup
			var mu sync.Mutex
			var order []int
			for n := range 9 {
				wg.Go(func() {
					if err := visit(t.Context(), f, time.Second, func() {
						mu.Lock()
						defer mu.Unlock()
						order = append(order, n)
					}); err != nil {
						t.Error(err)
					}
				})
				synctest.Wait()
			}
			for want := 2; want <= 8; want += 2 {
				if len(order) != want || s.Stats().Waiting != 9-want {
					t.Fatalf("%s: %v have begun and %d wait, want %d to have", policy, order, s.Stats().Waiting, want)
				}
				time.Sleep(time.Second)
				synctest.Wait()
			}
			wg.Wait()
			for n, who := range order { // two begin at a time, in whatever order they wake
				if who/2 != n/2 {
					t.Errorf("%s: they began in the order %v", policy, order)
				}
			}
		})
	}
}

func TestPlacesThatComeAndGoAreUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Cores: 8})
		f := s.Flow("a", "p")
		f.Places("few", 1)
		var wg sync.WaitGroup
		begun := 0
		var mu sync.Mutex
		come := func() {
			wg.Go(func() {
				_ = visit(t.Context(), f, time.Hour, func() { mu.Lock(); begun++; mu.Unlock() })
			})
			synctest.Wait()
		}
		come()
		come()
		come()
		if begun != 1 {
			t.Errorf("%d have begun in one place", begun)
		}
		f.Places("few", 2)
		synctest.Wait()
		if begun != 2 {
			t.Errorf("%d have begun in two places", begun)
		}
		f.Places("few", 0)
		synctest.Wait()
		if begun != 3 {
			t.Errorf("%d have begun without a bound", begun)
		}
		wg.Wait()
	})
}

func TestWhoGivesUpAtTheDoorOrInPlaceKeepsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Cores: 1, Short: 1})
		f, other := s.Flow("a", "p"), s.Flow("b", "q")
		f.Places("one", 1)
		var held [2]sched.Turn // all slots
		for i := range held {
			if err := other.Begin(t.Context(), &held[i], sched.Call{}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 2 { // one in place, one at the door
			wg.Go(func() {
				if err := visit(ctx, f, 0, func() {}); !errors.Is(err, context.Canceled) {
					t.Errorf("who gave up got %v", err)
				}
			})
			synctest.Wait()
		}
		after := errors.New("has not ended")
		wg.Go(func() { after = visit(t.Context(), f, 0, func() {}) })
		synctest.Wait()
		cancel()
		synctest.Wait()
		for i := range held {
			held[i].End(0)
		}
		wg.Wait()
		if after != nil {
			t.Errorf("who came after them: %v", after)
		}
		if st := s.Stats(); st.Waiting != 0 || st.Running != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestTheWaitAtTheDoorIsForeseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Cores: 8})
		f := s.Flow("a", "p")
		f.Places("one", 1)
		const stay = 10 * time.Millisecond
		var wg sync.WaitGroup
		come := func(timeout time.Duration) (err error) {
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			return visit(ctx, f, stay, func() {})
		}
		for range 30 { // from which it learns
			wg.Go(func() { _ = come(time.Hour) })
		}
		time.Sleep(20*stay + stay/2) // nine wait, and one is half way through
		begun := time.Now()
		if err := come(8 * stay); !refusedAs(err, sched.Late) {
			t.Errorf("with time for eight and nine ahead: %v", err)
		}
		if waited := time.Since(begun); waited > 0 {
			t.Errorf("it learnt so after %v", waited)
		}
		if err := come(20 * stay); err != nil {
			t.Errorf("with time for twenty and nine ahead: %v", err)
		}
		wg.Wait()
	})
}

func refusedAs(err error, reason sched.Reason) bool {
	r, ok := errors.AsType[*sched.Refusal](err)
	return ok && r.Reason == reason
}

// What is done for those who wait is not kept behind them.
func TestATurnAsideNeedsNoPlaceAndIsNotRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Cores: 2, Waiting: 1})
		f := s.Flow("a", "p")
		f.Places("one", 1)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 2 { // one has the place, one waits at the door, and no other may wait
			wg.Go(func() { _ = visit(ctx, f, time.Hour, func() {}) })
			synctest.Wait()
		}
		if err := visit(ctx, f, 0, func() {}); !refusedAs(err, sched.Full) {
			t.Fatalf("a call that finds the line full: %v", err)
		}
		var turn sched.Turn
		if err := f.Begin(ctx, &turn, sched.Call{Aside: true}); err != nil {
			t.Fatalf("a turn aside: %v", err)
		}
		for range 100 { // slices, so that its flow would be one of long calls
			time.Sleep(slice)
			if err := turn.Slice(int64(slice)); err != nil {
				t.Fatal(err)
			}
		}
		turn.End(0)
		if st := s.Stats(); st.Running != 0 || st.Long != 0 || st.Waiting != 1 || st.Flows[0].Fuel != 100*int64(slice) {
			t.Errorf("after it there is %+v", st)
		}
		cancel()
		wg.Wait()
	})
}

func TestTurnsAsideSayNothingOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, sched.Options{Cores: 1, Short: 1})
		f := s.Flow("a", "p")
		for range 20 {
			var turn sched.Turn
			if err := f.Begin(t.Context(), &turn, sched.Call{Aside: true}); err != nil {
				t.Fatal(err)
			}
			for range 1000 {
				time.Sleep(slice)
				_ = turn.Slice(int64(slice))
			}
			turn.End(0)
		}
		for range 8 {
			if err := guest(t.Context(), f, slice/2); err != nil {
				t.Fatal(err)
			}
		}
		// Two long calls, of which one has the core, make the others no long ones.
		var running sched.Turn
		if err := f.Begin(t.Context(), &running, sched.Call{}); err != nil {
			t.Fatal(err)
		}
		_ = running.Slice(1)
		var wg sync.WaitGroup
		wg.Go(func() {
			var waits sched.Turn
			if err := f.Begin(t.Context(), &waits, sched.Call{}); err != nil {
				t.Error(err)
				return
			}
			_ = waits.Slice(1)
			waits.End(0)
		})
		time.Sleep(50 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := guest(ctx, f, slice/2); err != nil {
			t.Errorf("a short call: %v", err)
		}
		running.End(0)
		wg.Wait()
	})
}
