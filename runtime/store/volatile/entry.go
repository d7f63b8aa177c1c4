package volatile

import (
	"cmp"
	"slices"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// entry is a task and where it stands.
type entry struct {
	task     store.Task // without its key
	state    task.State
	place    int64     // in its lane, of those that were ever there
	wake     time.Time // of what waits for a time
	attempt  int       // the number of the attempt that was begun last
	until    time.Time // that its lease lasts
	attempts []store.Attempt
	ended    time.Time
	expires  time.Time
	output   []byte // nil: none
}

func (e *entry) compareID(id task.ID) int { return cmp.Compare(e.task.ID, id) }

func (e *entry) compareWake(other *entry) int {
	return compareDue(e.wake, e.task.ID, other.wake, other.task.ID)
}

func (e *entry) comparePlace(other *entry) int { return cmp.Compare(e.place, other.place) }

// holds tells whether an attempt has the task.
func (e *entry) holds(attempt int) bool {
	return e != nil && e.state == task.Running && e.attempt == attempt
}

// note remembers an attempt.
func (e *entry) note(a store.Attempt) {
	if len(e.attempts) == store.PastKept {
		e.attempts = slices.Delete(e.attempts, 1, 2)
	}
	e.attempts = append(e.attempts, attempt(a))
}

// past is a copy of what is remembered of attempts.
func (e *entry) past() []store.Attempt {
	var all []store.Attempt
	for _, a := range e.attempts {
		all = append(all, attempt(a))
	}
	return all
}

// copy is the task for somebody else.
func (e *entry) copy() store.Task {
	t := e.task
	t.Terms, t.Input = terms(t.Terms), nil
	if e.state == task.Failed {
		t.Due = e.wake
	}
	return t
}

// record is what is known of the task, with the bodies that are wanted.
func (e *entry) record(parts store.Parts) store.Record {
	r := store.Record{
		Task: e.copy(), State: e.state, Attempts: e.past(), Ended: e.ended, Expires: e.expires,
		InputBytes: int64(len(e.task.Input)), OutputBytes: int64(len(e.output)),
	}
	if parts&store.WithInput != 0 {
		r.Input = body(e.task.Input)
	}
	if parts&store.WithOutput != 0 && e.output != nil {
		r.Output = body(e.output)
	}
	return r
}

// attempt is a copy of an Attempt.
func attempt(a store.Attempt) store.Attempt {
	a.Begun, a.Ended = exact(a.Begun), exact(a.Ended)
	a.Stack, a.Log = append([]string(nil), a.Stack...), append([]string(nil), a.Log...)
	return a
}

// lane has what waits in it, by place.
type lane struct{ waiting []*entry }

func (l *lane) add(e *entry) {
	at, _ := slices.BinarySearchFunc(l.waiting, e, (*entry).comparePlace)
	l.waiting = slices.Insert(l.waiting, at, e)
}

func (l *lane) remove(e *entry) {
	at, _ := slices.BinarySearchFunc(l.waiting, e, (*entry).comparePlace)
	l.waiting = slices.Delete(l.waiting, at, at+1)
}

// first takes the first out, nil when there is none.
func (l *lane) first() *entry {
	if l == nil || len(l.waiting) == 0 {
		return nil
	}
	e := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	return e
}
