package event

import (
	"context"
)

// Reader follows a Log: it gets each event that passes its Filter once, in order, and
// instead of those that were not kept until it came to them, a Gap. It is for one
// goroutine at a time, and needs no closing.
type Reader struct {
	log    *Log
	filter Filter

	next      uint64 // the number of the event to fetch next
	restarted bool   // it goes on from an id of another life, which is yet to be told
	seen      ID     // of the last that was looked at

	space   [16]Event
	fetched []Event // of space, not looked at yet
}

// Follow returns a Reader of the events after one. After the zero ID it begins with the
// oldest that is kept. An id of another life is followed by all that is kept of this one,
// after a Gap.
func (l *Log) Follow(after ID, f Filter) *Reader {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &Reader{log: l, filter: f}
	switch {
	case after == ID{}:
		r.next = l.first
	case after.Life != l.life:
		r.next, r.restarted, r.seen = 1, true, after
		return r
	default:
		r.next = min(after.N, l.next-1) + 1 // a greater one was never given
	}
	r.seen = ID{l.life, r.next - 1}
	return r
}

// Seen returns the id that a Reader goes on from which is to get nothing again and miss
// nothing: that of the last event that was looked at, whether it passed the Filter or not.
func (r *Reader) Seen() ID { return r.seen }

// Next waits for an event. It returns ErrClosed when there will be none, and ctx's cause
// when the wait was given up.
func (r *Reader) Next(ctx context.Context) (Event, error) {
	for {
		e, ok, wait := r.take()
		switch {
		case ok:
			return e, nil
		case wait == nil:
			return Event{}, ErrClosed
		}
		wait.wait(ctx.Done())
		if ctx.Err() != nil {
			return Event{}, context.Cause(ctx)
		}
	}
}

// Take returns the next event if there is one.
func (r *Reader) Take() (Event, bool) {
	e, ok, _ := r.take()
	return e, ok
}

// take returns the next event, or what to wait for until there is one, nil: for nothing.
func (r *Reader) take() (e Event, ok bool, wait *round) {
	for {
		for len(r.fetched) > 0 {
			next := &r.fetched[0]
			r.fetched = r.fetched[1:]
			r.seen = next.ID
			if r.filter.takes(next) {
				return *next, true, nil
			}
		}
		if wait, ok = r.fetch(); !ok {
			return Event{}, false, wait
		}
	}
}

// fetch fetches some events, and holds the lock no longer than that takes. Without any it
// returns false and what to wait for.
func (r *Reader) fetch() (wait *round, ok bool) {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	r.fetched = r.space[:0]
	if missed := l.first - r.next; r.next < l.first || r.restarted {
		gap := Event{ID: ID{l.life, l.first - 1}, Type: Gap, Time: now(), Count: int64(missed)}
		if gap.Message = "events are missing here, which are not kept any more"; r.restarted {
			gap.Message = "the server was started anew; its events from before are not kept"
			gap.Data = Data(map[string]bool{"restarted": true})
		}
		r.fetched = append(r.fetched, gap)
		r.next, r.restarted = l.first, false
		return nil, true
	}
	for r.next < l.next && len(r.fetched) < len(r.space) {
		r.fetched = append(r.fetched, *l.at(r.next))
		r.next++
	}
	switch {
	case len(r.fetched) > 0:
		return nil, true
	case l.closed:
		return nil, false
	}
	return l.waitLocked(), false
}
