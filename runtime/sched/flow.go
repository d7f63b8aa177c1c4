package sched

import (
	"context"
	"sync/atomic"
	"time"
)

// Flow is the calls of one plugin.
type Flow struct {
	scheduler *Scheduler
	namespace *namespace
	name      string
	queue     *queue // where they wait; under FIFO and Priority it is everybody's

	fuel atomic.Int64 // burnt

	// Guarded by the scheduler's mutex.
	keepers          int // who asked for it and did not close it
	inside           int // turns that were asked for and have not ended
	places           map[any]int
	taken            int  // places, by turns that are through the door
	door             line // turns that have no place yet
	running, waiting int
	begun            int64
	refused          [reasons]int64
	waited           time.Duration

	// Its calls' habits.
	longs   average          // 1 for each that used up its first slice, 0 for each that did not
	portion average          // fuel between two reports
	stay    [classes]average // seconds from where the wait in the line of its class ended to its end
}

// Call is what is known of a call beforehand.
type Call struct {
	// Priority goes from 0 to MaxPriority, the highest. Only the policy Priority
	// looks at it.
	Priority int

	// At is when it came, a moment ago, of who knows that the context had not ended then.
	// Zero: now, and both are looked at.
	At time.Time

	// Aside is of a turn that serves no call, such as one in which an instance is made for
	// those who wait. It burns the flow's fuel and waits for a slot as others do, but needs
	// no place (Places), is not refused, and says nothing of how calls are.
	Aside bool
}

// Begin waits for a slot, for which ctx bounds the wait. Without an error t holds
// one, and is to be ended by End; t is to be a variable that nobody else uses,
// and is made anew.
//
// A *Refusal says that the call would have waited too long, or in vain; it comes at
// once, or, when things have got worse meanwhile, as soon as that is known. When ctx
// ends it is the cause of that. After Close it is ErrClosed.
func (f *Flow) Begin(ctx context.Context, t *Turn, c Call) error {
	if c.At.IsZero() && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s := f.scheduler
	*t = Turn{flow: f, ctx: ctx, aside: c.Aside}
	if s.options.Policy == Priority {
		t.priority = min(max(c.Priority, 0), MaxPriority)
	}
	now := s.at(c.At)
	s.mu.Lock()
	if f.keepers == 0 {
		s.mu.Unlock()
		t.flow = nil
		return ErrClosed
	}
	f.inside++
	t.arrival = s.ticketLocked()
	if s.waiting.Load() == 0 && s.running < s.slots && f.entersLocked(t) {
		s.holdLocked(t, now)
		s.mu.Unlock()
		return nil
	}
	if !t.aside {
		t.readDeadline()
		t.refused = f.admitLocked(t, now)
	}
	if t.refused == nil {
		s.joinLocked(t, now)
	}
	if t.refused == nil && !t.held && !t.aside {
		if t.refused = f.crowdedLocked(t, now); t.refused != nil {
			s.quitLocked(t, now)
		}
	}
	if err := t.waitAndUnlock(); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		f.inside--
		if f.displaceLocked(t, s.now()) {
			s.dispatchLocked(s.now())
		}
		s.forgetLocked(f)
		t.flow = nil
		return err
	}
	return nil
}

// Places says how many turns there may be at once that have begun and have not ended:
// as many as there are instances to run. Others wait at the door, by priority and arrival.
// Several may give places, each under a key of its own; 0 takes its places away. While
// nobody gives any, there is no bound.
func (f *Flow) Places(key any, n int) {
	s := f.scheduler
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.places == nil {
		f.places = make(map[any]int)
	}
	if f.places[key] = max(n, 0); n <= 0 {
		delete(f.places, key)
	}
	now := s.now()
	if f.letInLocked(now) {
		s.dispatchLocked(now)
	}
}

// fullLocked reports whether no place is free.
func (f *Flow) fullLocked() bool {
	if len(f.places) == 0 {
		return false
	}
	n := 0
	for _, places := range f.places {
		n += places
	}
	return f.taken >= n
}

// entersLocked lets a turn in, and gives it a place if it needs one, or reports false where
// it is to wait at the door.
func (f *Flow) entersLocked(t *Turn) bool {
	switch {
	case t.entered:
	case t.aside:
		t.entered = true
	case f.fullLocked():
		return false
	default:
		f.placeLocked(t)
	}
	return true
}

func (f *Flow) placeLocked(t *Turn) {
	t.entered = true
	f.taken++
}

// displaceLocked takes a turn's place, if it has one, and reports whether others were
// let in.
func (f *Flow) displaceLocked(t *Turn, now time.Duration) bool {
	if !t.entered || t.aside {
		return false
	}
	t.entered = false
	f.taken--
	return f.letInLocked(now)
}

// letInLocked lets in from the door as many as there are places, and reports whether
// there were any.
func (f *Flow) letInLocked(now time.Duration) (some bool) {
	for len(f.door.turns) > 0 && !f.fullLocked() {
		t := f.door.first()
		f.door.departed(now)
		f.door.remove(t)
		f.placeLocked(t)
		f.queue.push(t, f.scheduler.ticketLocked(), now)
		some = true
	}
	return some
}

// Close says that the one who asked for the flow is done with it. When all are, it
// takes no more calls, and is forgotten when those it has have ended.
func (f *Flow) Close() {
	s := f.scheduler
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.keepers--; f.keepers < 0 {
		panic("sched: a flow is closed more often than it was asked for")
	}
	s.forgetLocked(f)
}
