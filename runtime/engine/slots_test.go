package engine

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
)

func TestSlotsGoToShortCallsFirstAndKeepNobodyWaitingForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slots{free: 1}
		if !s.enter(t.Context(), false) {
			t.Fatal("the first did not get the free slot")
		}
		var order []string
		wait := func(name string, short bool) {
			go func() {
				if s.enter(t.Context(), short) {
					order = append(order, name)
				}
			}()
			synctest.Wait() // they wait in this order
		}
		for _, name := range []string{"long 1", "long 2"} {
			wait(name, false)
		}
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			wait(name, true)
		}
		for range 7 {
			s.leave()
			synctest.Wait()
		}
		if want := []string{"a", "b", "c", "long 1", "d", "e", "long 2"}; !slices.Equal(order, want) {
			t.Errorf("they ran in the order %q, want %q", order, want)
		}
		if s.wanted() {
			t.Error("somebody still waits")
		}
		s.leave()
		if !s.enter(t.Context(), true) || s.free != 0 {
			t.Error("the slot did not come back")
		}
	})
}

func TestASlotIsNotLostToWhoGaveUpWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slots{free: 1}
		s.enter(t.Context(), true)
		ctx, giveUp := context.WithCancel(t.Context())
		got := make(chan bool, 2)
		go func() { got <- s.enter(ctx, true) }()
		synctest.Wait()
		go func() { got <- s.enter(t.Context(), true) }()
		synctest.Wait()
		giveUp()
		if <-got {
			t.Fatal("who gave up got a slot")
		}
		s.leave()
		if !<-got {
			t.Fatal("the slot went to who gave up")
		}

		// Giving up at the moment the slot comes: it is handed on.
		ctx, giveUp = context.WithCancel(t.Context())
		go func() { got <- s.enter(ctx, true) }()
		synctest.Wait()
		giveUp()
		s.leave()
		if <-got {
			s.leave()
		}
		if s.free != 1 {
			t.Errorf("%d slots are free, want 1", s.free)
		}
		if s.enter(ctx, true) {
			t.Error("a call that is over got a slot")
		}
	})
}
