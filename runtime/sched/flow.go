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
}

// Begin waits for a slot, for which ctx bounds the wait. Without an error t holds
// one, and is to be ended by End; t is to be a variable that nobody else uses,
// and is made anew.
//
// A *Refusal says that the call would have waited too long, or in vain; it comes at
// once, or, when things have got worse meanwhile, as soon as that is known. When ctx
// ends it is the cause of that. After Close it is ErrClosed.
func (f *Flow) Begin(ctx context.Context, t *Turn, c Call) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s := f.scheduler
	*t = Turn{flow: f, ctx: ctx}
	if s.options.Policy == Priority {
		t.priority = min(max(c.Priority, 0), MaxPriority)
	}
	now := s.now()
	s.mu.Lock()
	if f.keepers == 0 {
		s.mu.Unlock()
		t.flow = nil
		return ErrClosed
	}
	f.inside++
	t.arrival = s.ticketLocked()
	if s.waiting.Load() == 0 && s.running < s.slots {
		s.holdLocked(t, now)
		s.mu.Unlock()
		return nil
	}
	t.readDeadline()
	t.refused = f.admitLocked(t, now)
	if t.refused == nil {
		s.joinLocked(t, now)
	}
	if t.refused == nil && !t.held {
		if t.refused = f.crowdedLocked(t, now); t.refused != nil {
			s.quitLocked(t, now)
		}
	}
	if err := t.waitAndUnlock(); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		f.inside--
		s.forgetLocked(f)
		t.flow = nil
		return err
	}
	return nil
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
