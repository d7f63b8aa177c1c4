package sched

import (
	"context"
	"time"
)

// Turn is one call's right to run. Its owner, one goroutine at a time, embeds it
// where it has room; only Flow.Begin sets it up, and it is not to be copied after that.
type Turn struct {
	flow     *Flow // nil: not begun, or ended
	ctx      context.Context
	priority int
	deadline time.Duration // on the scheduler's clock; 0: none, or nobody asked yet

	aside   bool // Call.Aside
	arrived bool // was in line
	entered bool // is past the door, with one of the flow's places unless it is aside
	held    bool
	begun   bool // has held a slot
	long    bool // has used up its first slice
	through bool // has got through the line of its class once, at throughAt
	paid    float64

	throughAt time.Duration
	arrival   uint64        // ticket of its begin
	since     time.Duration // when it last went in line
	lined     time.Duration // was in line, altogether
	at        int           // its place there
	ready     chan struct{} // gets a word when the wait is over; nil: nobody waits
	refused   *Refusal      // how it ended, where not with a slot
}

// leastFuel is the least that a slice or a call is charged: what it costs the
// process around the guest, a microsecond. Otherwise calls that do nothing would be
// free.
const leastFuel = 1_000

// firstPortion is what a flow's slice is taken for that has not had any.
const firstPortion = 100_000

func (t *Turn) place() *int { return &t.at }

func (t *Turn) before(than *Turn) bool {
	return t.priority > than.priority || t.priority == than.priority && t.arrival < than.arrival
}

func (t *Turn) class() class {
	if t.long {
		return long
	}
	return short
}

// Slice reports that the guest used up a slice, with the fuel it burnt since the
// last report, and gives way to who goes before it. While nobody waits it takes a
// few nanoseconds.
//
// After an error the turn holds no slot and the guest is to be ended: the context's
// cause when that ended meanwhile; after the first slice, from which on a call
// competes for fewer slots, it may be a *Refusal.
func (t *Turn) Slice(fuel int64) error {
	if !t.held {
		panic("sched: a slice was run without a slot")
	}
	f := t.flow
	s := f.scheduler
	f.fuel.Add(fuel)
	if t.long && t.paid == 0 && s.waiting.Load() == 0 {
		return nil
	}
	now := s.now()
	first := !t.long
	s.mu.Lock()
	s.slice.add(float64(fuel))
	t.settle(fuel)
	if s.waiting.Load() == 0 && (t.long || s.long < s.options.Cores) {
		if first {
			t.lengthen()
			s.long++
			t.through, t.throughAt = true, now
		}
		s.mu.Unlock()
		return nil
	}
	s.releaseLocked(t, now)
	if first {
		t.lengthen()
	}
	if first && !t.aside {
		t.readDeadline()
		t.refused = f.admitLocked(t, now)
	}
	if t.refused != nil {
		s.dispatchLocked(now)
		return t.waitAndUnlock()
	}
	s.joinLocked(t, now)
	if first && t.refused == nil && !t.held && !t.aside {
		if t.refused = f.crowdedLocked(t, now); t.refused != nil {
			s.quitLocked(t, now)
		}
	}
	return t.waitAndUnlock()
}

// Waited reports whether the turn was ever in line.
func (t *Turn) Waited() bool { return t.arrived }

// InLine is how long the turn was in line so far: to begin, to go on after a slice, and to
// come back from the host.
func (t *Turn) InLine() time.Duration { return t.lined }

// Contended reports whether Slice is likely to let another go before.
func (t *Turn) Contended() bool { return t.flow.scheduler.waiting.Load() > 0 }

// lengthen makes it a long one.
func (t *Turn) lengthen() {
	if !t.aside {
		t.flow.longs.add(1)
	}
	t.flow.queue.fresh--
	t.long, t.through = true, false
}

func (t *Turn) readDeadline() {
	if deadline, ok := t.ctx.Deadline(); ok {
		t.deadline = max(1, deadline.Sub(t.flow.scheduler.epoch))
	}
}

// Leave gives the slot back while the guest waits for the host. Without a slot it
// does nothing.
func (t *Turn) Leave() {
	if !t.held {
		return
	}
	s := t.flow.scheduler
	now := s.now()
	s.mu.Lock()
	s.releaseLocked(t, now)
	if s.waiting.Load() > 0 {
		s.dispatchLocked(now)
	}
	s.mu.Unlock()
}

// Enter waits for a slot again, with the flow's virtual time, and within it ahead of
// calls that came later. It fails only with the context's cause, and then holds none.
func (t *Turn) Enter() error {
	if t.held || t.flow == nil {
		panic("sched: a turn entered that holds a slot, or has ended")
	}
	if t.ctx.Err() != nil {
		return context.Cause(t.ctx)
	}
	s := t.flow.scheduler
	now := s.now()
	s.mu.Lock()
	if s.waiting.Load() == 0 && s.running < s.slots && (!t.long || s.long < s.options.Cores) {
		s.holdLocked(t, now)
		s.mu.Unlock()
		return nil
	}
	s.joinLocked(t, now)
	return t.waitAndUnlock()
}

// End ends the turn, with a slot or without one, and reports the fuel burnt since the
// last report.
func (t *Turn) End(fuel int64) { t.EndAt(fuel, time.Time{}) }

// EndAt is End at a moment that was just measured, which spares a look at the clock.
func (t *Turn) EndAt(fuel int64, at time.Time) {
	f := t.flow
	if f == nil {
		panic("sched: a turn ended that had not begun")
	}
	s := f.scheduler
	f.fuel.Add(fuel)
	now := s.at(at)
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.held || fuel > 0 {
		t.settle(fuel)
	}
	if !t.long {
		f.queue.fresh--
		if !t.aside {
			f.longs.add(0)
		}
	}
	if t.through && !t.aside {
		f.stay[t.class()].add((now - t.throughAt).Seconds())
		if t.long {
			f.queue.lines[long].departed(now)
		}
	}
	if t.held {
		s.releaseLocked(t, now)
	}
	f.displaceLocked(t, now)
	if s.waiting.Load() > 0 {
		s.dispatchLocked(now)
	}
	f.inside--
	t.flow, t.ctx = nil, nil
	s.forgetLocked(f)
}

// pay charges for what is about to be burnt, unless that was done. Expects the
// scheduler's mutex, as settle does.
func (t *Turn) pay() {
	if t.paid > 0 {
		return
	}
	t.paid = firstPortion
	if t.flow.portion.count > 0 {
		t.paid = t.flow.portion.mean
	}
	t.flow.queue.charge(t.paid)
}

// settle charges for what was burnt, if there was anybody who waited.
func (t *Turn) settle(fuel int64) {
	burnt := float64(max(fuel, leastFuel))
	t.flow.portion.add(burnt)
	if t.paid > 0 || t.flow.scheduler.waiting.Load() > 0 {
		t.flow.queue.charge(burnt - t.paid)
		t.paid = 0
	}
}

// waitAndUnlock waits, without the scheduler's mutex that it expects, until a turn in
// line has a slot, unless it was served already.
func (t *Turn) waitAndUnlock() error {
	s := t.flow.scheduler
	if t.held || t.refused != nil {
		s.mu.Unlock()
		return t.outcome()
	}
	t.ready = s.ready.Get().(chan struct{})
	s.mu.Unlock()

	select {
	case <-t.ready:
	case <-t.ctx.Done():
		s.mu.Lock()
		switch {
		case t.held || t.refused != nil: // it came at the same moment
			<-t.ready
		default:
			s.quitLocked(t, s.now())
		}
		s.mu.Unlock()
	}
	s.ready.Put(t.ready)
	t.ready = nil
	return t.outcome()
}

func (t *Turn) outcome() error {
	switch {
	case t.held:
		return nil
	case t.refused != nil:
		return t.refused
	}
	return context.Cause(t.ctx)
}

// wake tells who waits that the wait is over. The word is kept for it, so that
// nobody waits here.
func (t *Turn) wake() {
	if t.ready != nil {
		t.ready <- struct{}{}
	}
}
