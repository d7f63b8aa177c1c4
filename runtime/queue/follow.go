package queue

import (
	"cmp"
	"context"
	"io"
	"slices"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Reader gets what happens to one task: each change of its state once, and what its guest
// says while it runs. That a task which failed, or was scheduled, waits for its turn now is no
// event. A Reader is for one goroutine at a time, and needs no closing.
type Reader struct {
	queue     *Queue
	namespace string
	id        task.ID

	last    EventID   // that was returned, or is not to be
	attempt *attempt  // that was listened to last
	told    *Progress // of it, returned last
	ready   []Event   // to be returned next
	over    bool      // there is no more after those
}

// Follow returns a Reader of what happens to a task after an event, and from the beginning
// after the zero EventID. What is past is made again from what is stored: all attempts and
// states, as far as they are remembered, and what is kept of the log. Its faults are
// not_found and unavailable.
func (q *Queue) Follow(ctx context.Context, namespace string, id task.ID, after EventID) (*Reader, error) {
	if _, err := q.read(ctx, namespace, id, 0); err != nil {
		return nil, err
	}
	return &Reader{queue: q, namespace: namespace, id: id, last: after}, nil
}

// Next waits for an event. It returns io.EOF after the end of the task, and ctx's cause when
// the wait was given up.
func (r *Reader) Next(ctx context.Context) (Event, error) {
	for len(r.ready) == 0 {
		if r.over {
			return Event{}, io.EOF
		}
		if err := r.look(ctx, true); err != nil {
			return Event{}, err
		}
	}
	return r.first(), nil
}

// Take is Next without waiting: ok false means that there is no event by now.
func (r *Reader) Take(ctx context.Context) (e Event, ok bool, err error) {
	if len(r.ready) == 0 && !r.over {
		if err := r.look(ctx, false); err != nil {
			return Event{}, false, err
		}
	}
	switch {
	case len(r.ready) > 0:
		return r.first(), true, nil
	case r.over:
		return Event{}, false, io.EOF
	}
	return Event{}, false, nil
}

// first takes the first of those that are ready.
func (r *Reader) first() Event {
	e := r.ready[0]
	r.ready = r.ready[1:]
	r.last = e.ID
	return e
}

// look gets what has happened, or waits until something may have, if it is to.
func (r *Reader) look(ctx context.Context, wait bool) error {
	changed, stop := r.queue.options.Store.Watch(r.id) // first: no change after the look is missed
	defer stop()
	record, err := r.queue.read(ctx, r.namespace, r.id, 0)
	if err != nil {
		if task.FaultOf(err).Kind == task.KindNotFound { // it was forgotten meanwhile
			r.over = true
			return nil
		}
		return err
	}
	events := past(&record)
	var handed <-chan struct{}
	if record.State == task.Running {
		number := 1
		if n := len(record.Attempts); n > 0 {
			number = record.Attempts[n-1].Number + 1
		}
		a, here, leave := r.queue.expect(r.id, number)
		defer leave()
		if handed = here; a != nil && a != r.attempt {
			r.attempt, r.told = a, nil
		}
		begun := Event{ID: EventID{number, placeBegun}, Time: r.queue.now(), Type: StateChanged, State: task.Running}
		if a != nil {
			begun.Time = r.queue.begun(a)
		}
		events = append(events, begun)
	}
	more := r.listen(&events)
	r.ready = slices.DeleteFunc(events, func(e Event) bool { return e.Type != Progressed && !r.last.before(e.ID) })
	slices.SortStableFunc(r.ready, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.ID.Attempt, b.ID.Attempt), cmp.Compare(a.ID.N, b.ID.N))
	})
	if r.over = record.State.Ended(); r.over || len(r.ready) > 0 || !wait {
		return nil
	}
	select {
	case <-changed:
	case <-handed:
	case <-more:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// expected is those who wait for an attempt that the store has handed out and that is not
// here yet.
type expected struct {
	here chan struct{} // closed when it is
	n    int           // who wait
}

// expect returns the attempt with a number at a task, or what is closed when another one is
// here. Who does not wait any more leaves.
func (q *Queue) expect(id task.ID, number int) (a *attempt, here <-chan struct{}, leave func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if a := q.held[id]; a != nil && a.Attempt == number {
		return a, nil, func() {}
	}
	e := q.expected[id]
	if e == nil {
		e = &expected{here: make(chan struct{})}
		q.expected[id] = e
	}
	e.n++
	return nil, e.here, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if e.n--; e.n == 0 && q.expected[id] == e {
			delete(q.expected, id)
		}
	}
}

// metLocked tells those who wait for an attempt that it is here.
func (q *Queue) metLocked(id task.ID) {
	if len(q.expected) == 0 {
		return
	}
	if e := q.expected[id]; e != nil {
		close(e.here)
		delete(q.expected, id)
	}
}

// begun is when an attempt was begun, or now where it is about to be.
func (q *Queue) begun(a *attempt) time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	if a.begun.IsZero() {
		return q.now()
	}
	return a.begun
}

// listen adds what an attempt has said, instead of what is stored of it, and returns what is
// closed when it says more.
func (r *Reader) listen(events *[]Event) (more <-chan struct{}) {
	heard := -1 // the attempt of whose log some has been returned, or is to be from here
	if r.last.N > placeBegun {
		heard = r.last.Attempt
	}
	var lines []Event
	var progress *Progress
	if a := r.attempt; a != nil {
		var n int
		if r.last.Attempt == a.Attempt {
			n = r.last.N
		}
		lines, progress, more = a.after(n)
		*events = slices.DeleteFunc(*events, func(e Event) bool { return e.Type == Logged && e.ID.Attempt == a.Attempt })
		for i := range lines {
			lines[i].ID.Attempt = a.Attempt
		}
	}
	*events = slices.DeleteFunc(*events, func(e Event) bool { return e.Type == Logged && e.ID.Attempt == heard })
	*events = append(*events, lines...)
	if progress != nil && progress != r.told {
		// It takes the place of what was said last: who goes on from there misses no line.
		r.told = progress
		at := EventID{r.attempt.Attempt, placeBegun}
		if n := len(lines); n > 0 {
			at = lines[n-1].ID
		} else if at.before(r.last) {
			at = r.last
		}
		*events = append(*events, Event{ID: at, Time: progress.Time, Type: Progressed, Progress: progress})
	}
	return more
}

// past makes the events again that can be known from a record, in no order.
func past(r *store.Record) []Event {
	change := func(attempt, place int, state task.State) Event {
		return Event{ID: EventID{attempt, place}, Type: StateChanged, State: state}
	}
	first := change(0, placeBegun, task.Queued)
	if first.Time = r.Created; !r.Due.IsZero() && r.State != task.Failed {
		first.State = task.Scheduled
	}
	events := []Event{first}
	at, last := r.Created, 0 // the time that is known last, for events that have none
	for i := range r.Attempts {
		a := &r.Attempts[i]
		last = a.Number
		if at = a.Begun; at.IsZero() {
			at = events[len(events)-1].Time
		}
		begun := change(a.Number, placeBegun, task.Running)
		begun.Time = at
		events = append(events, begun)
		if !a.Ended.IsZero() {
			at = a.Ended
		}
		for n, line := range a.Log {
			events = append(events, Event{ID: EventID{a.Number, placeBegun + 1 + n}, Time: at, Type: Logged, Message: line})
		}
		ended := change(a.Number, placeEnded, task.Failed)
		ended.Time, ended.Kind, ended.Message = at, a.Kind, a.Message
		over := i == len(r.Attempts)-1 && r.State.Ended()
		switch {
		case a.CutOff && over && r.State == task.Canceled:
			continue
		case a.CutOff:
			ended.State, ended.Message = task.Queued, "the attempt was cut off: the server ended, or lost the task"
		case a.Kind == "":
			ended.State = task.Succeeded
		case a.Number == r.Terms.Spent, over && r.State == task.Dead:
			ended.State = task.Dead
		}
		events = append(events, ended)
	}
	if spent := r.Terms.Spent; spent > 0 {
		again := change(spent, placeSent, task.Queued)
		again.Time, again.Message = at, "it was sent again"
		events = append(events, again)
	}
	if r.State == task.Canceled {
		canceled := change(last, placeCanceled, task.Canceled)
		if canceled.Time = r.Ended; last > 0 && last == r.Terms.Spent {
			canceled.ID.N = placeSent + 1
		}
		events = append(events, canceled)
	}
	return events
}
