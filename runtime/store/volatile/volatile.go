// Package volatile keeps tasks in memory, and forgets them with the process: for tests, and
// as the model that other stores are compared with. It is simple before it is fast.
package volatile

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Store keeps tasks, schedules and callbacks in memory. It is safe for concurrent use.
type Store struct {
	mu        sync.Mutex
	tasks     map[task.ID]*entry
	sorted    []*entry // all of them, by id
	last      task.ID
	lanes     map[store.Lane]*lane
	places    int64                 // that were given in lanes
	delayed   []*entry              // those that wait for a time, by that and by id
	keys      map[key]owner         // that are taken
	counts    map[store.Count]int64 // those with no Tasks, to how many they are
	arrived   chan struct{}         // closed at the next arrival
	watched   map[task.ID]*watch
	schedules map[name]store.Schedule
	callbacks map[task.ID]store.Callback
}

var (
	_ store.Tasks     = (*Store)(nil)
	_ store.Schedules = (*Store)(nil)
	_ store.Callbacks = (*Store)(nil)
)

// New makes a store that is empty.
func New() *Store {
	return &Store{
		tasks:     map[task.ID]*entry{},
		lanes:     map[store.Lane]*lane{},
		keys:      map[key]owner{},
		counts:    map[store.Count]int64{},
		arrived:   make(chan struct{}),
		watched:   map[task.ID]*watch{},
		schedules: map[name]store.Schedule{},
		callbacks: map[task.ID]store.Callback{},
	}
}

// key is one of the keys of a namespace, and owner the task that has it.
type (
	key   struct{ namespace, key string }
	owner struct {
		id          task.ID
		fingerprint string
		until       time.Time
	}
)

// Submit stores tasks.
func (s *Store) Submit(ctx context.Context, tasks []store.Task) ([]store.Receipt, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	receipts := make([]store.Receipt, 0, len(tasks))
	for _, t := range tasks {
		receipts = append(receipts, s.submitLocked(t))
	}
	return receipts, nil
}

func (s *Store) submitLocked(t store.Task) store.Receipt {
	if t.Key != "" {
		if has, taken := s.keys[key{t.Namespace, t.Key}]; taken {
			if has.fingerprint != t.Fingerprint {
				return store.Receipt{ID: has.id, Err: store.ErrConflict}
			}
			return store.Receipt{ID: has.id, Seen: true}
		}
		s.keys[key{t.Namespace, t.Key}] = owner{t.ID, t.Fingerprint, t.KeyUntil}
	}
	if s.tasks[t.ID] != nil {
		panic("volatile: a task was submitted with the id of another: " + string(t.ID))
	}
	e := &entry{task: kept(t), wake: exact(t.Due)}
	s.tasks[t.ID] = e
	s.last = max(s.last, t.ID)
	at, _ := slices.BinarySearchFunc(s.sorted, t.ID, (*entry).compareID)
	s.sorted = slices.Insert(s.sorted, at, e)
	if t.Due.IsZero() {
		s.enterLocked(e)
	} else {
		s.delayLocked(e, task.Scheduled)
	}
	return store.Receipt{ID: t.ID}
}

// Last is the greatest id that was ever stored.
func (s *Store) Last(ctx context.Context) (task.ID, error) {
	if err := ended(ctx); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, nil
}

// Backlog tells of every lane in which something waits, in no order.
func (s *Store) Backlog() []store.Backlog {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []store.Backlog
	for at, l := range s.lanes {
		if len(l.waiting) > 0 {
			all = append(all, store.Backlog{Lane: at, Waiting: int64(len(l.waiting))})
		}
	}
	return all
}

// Arrived returns a channel that is closed at the next arrival in a lane.
func (s *Store) Arrived() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.arrived
}

// Cancel ends tasks.
func (s *Store) Cancel(ctx context.Context, ids []task.ID, at, expires time.Time) ([]error, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answers := make([]error, len(ids))
	for i, id := range ids {
		e := s.tasks[id]
		switch {
		case e == nil:
			answers[i] = store.ErrNotFound
		case e.state.Ended():
			answers[i] = store.ErrEnded
		default:
			if e.state == task.Running {
				e.note(store.Attempt{Number: e.attempt, CutOff: true})
			}
			s.endLocked(e, task.Canceled, at, expires)
		}
	}
	return answers, nil
}

// Revive brings dead and canceled tasks back into their lanes.
func (s *Store) Revive(ctx context.Context, revivals []store.Revival) ([]error, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answers := make([]error, len(revivals))
	for i, r := range revivals {
		e := s.tasks[r.ID]
		switch {
		case e == nil:
			answers[i] = store.ErrNotFound
		case e.state != task.Dead && e.state != task.Canceled:
			answers[i] = store.ErrNotEnded
		default:
			if r.Input != nil {
				e.task.Input = body(*r.Input)
			}
			if r.Terms != nil {
				e.task.Terms = terms(*r.Terms)
			}
			e.ended, e.expires = time.Time{}, time.Time{}
			delete(s.callbacks, r.ID)
			s.enterLocked(e)
		}
	}
	return answers, nil
}

// Forget removes ended tasks and keys.
func (s *Store) Forget(ctx context.Context, now time.Time, keep int64, most int) (int, error) {
	if err := ended(ctx); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var gone, others []*entry
	for _, e := range s.sorted {
		switch {
		case !e.state.Ended():
		case e.expires.After(now):
			others = append(others, e)
		default:
			gone = append(gone, e)
		}
	}
	slices.SortStableFunc(gone, func(a, b *entry) int { return a.expires.Compare(b.expires) })
	if keep > 0 {
		gone = append(gone, others[:max(0, int64(len(others))-keep)]...)
	}
	gone = gone[:min(most, len(gone))]
	for _, e := range gone {
		s.countLocked(e, -1)
		delete(s.tasks, e.task.ID)
		delete(s.callbacks, e.task.ID)
	}
	s.sorted = slices.DeleteFunc(s.sorted, func(e *entry) bool { return s.tasks[e.task.ID] == nil })
	var ranOut []key
	for k, o := range s.keys {
		if !o.until.After(now) {
			ranOut = append(ranOut, k)
		}
	}
	slices.SortFunc(ranOut, func(a, b key) int { return s.keys[a].until.Compare(s.keys[b].until) })
	for _, k := range ranOut[:min(most, len(ranOut))] {
		delete(s.keys, k)
	}
	return len(gone), nil
}

// Counts tells how many tasks of each plugin there are in each state.
func (s *Store) Counts(ctx context.Context) ([]store.Count, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []store.Count
	for c, n := range s.counts {
		c.Tasks = n
		all = append(all, c)
	}
	return all, nil
}

// countLocked counts a task in or out of the state that it is in.
func (s *Store) countLocked(e *entry, by int64) {
	c := store.Count{Namespace: e.task.Namespace, Plugin: e.task.Plugin, State: e.state}
	if s.counts[c] += by; s.counts[c] == 0 {
		delete(s.counts, c)
	}
}

// changeLocked puts a task into a state.
func (s *Store) changeLocked(e *entry, to task.State) {
	if e.state != "" {
		s.countLocked(e, -1)
	}
	e.state = to
	s.countLocked(e, 1)
	if w := s.watched[e.task.ID]; w != nil {
		close(w.changed)
		delete(s.watched, e.task.ID)
	}
}

// enterLocked puts a task at the end of its lane.
func (s *Store) enterLocked(e *entry) {
	s.places++
	e.place = s.places
	s.returnLocked(e)
}

// returnLocked puts a task where it was in its lane: before all that came later.
func (s *Store) returnLocked(e *entry) {
	at := store.Lane{Namespace: e.task.Namespace, Plugin: e.task.Plugin, Priority: e.task.Priority}
	l := s.lanes[at]
	if l == nil {
		l = &lane{}
		s.lanes[at] = l
	}
	l.add(e)
	s.changeLocked(e, task.Queued)
	close(s.arrived)
	s.arrived = make(chan struct{})
}

// delayLocked has a task wait until it is to wake.
func (s *Store) delayLocked(e *entry, state task.State) {
	at, _ := slices.BinarySearchFunc(s.delayed, e, (*entry).compareWake)
	s.delayed = slices.Insert(s.delayed, at, e)
	s.changeLocked(e, state)
}

// endLocked ends a task wherever it is.
func (s *Store) endLocked(e *entry, state task.State, at, expires time.Time) {
	switch e.state {
	case task.Queued:
		s.lanes[store.Lane{Namespace: e.task.Namespace, Plugin: e.task.Plugin, Priority: e.task.Priority}].remove(e)
	case task.Scheduled, task.Failed:
		i, _ := slices.BinarySearchFunc(s.delayed, e, (*entry).compareWake)
		s.delayed = slices.Delete(s.delayed, i, i+1)
	}
	e.ended, e.expires = exact(at), exact(expires)
	if e.task.Terms.Callback != "" {
		s.callbacks[e.task.ID] = store.Callback{ID: e.task.ID, Ended: e.ended, Due: e.ended}
	}
	s.changeLocked(e, state)
}

// ended is why a call is not begun: its caller does not wait for it.
func ended(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// exact is a time as it is kept.
func exact(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// body is a copy of an input or output. It is never nil.
func body(b []byte) []byte { return append([]byte{}, b...) }

// terms is a copy of Terms.
func terms(t task.Terms) task.Terms {
	if t.Retries != nil {
		t.Retries = new(*t.Retries)
	}
	return t
}

// kept is a copy of a task, as its entry has it.
func kept(t store.Task) store.Task {
	t.Created, t.Due = exact(t.Created), exact(t.Due)
	t.Terms, t.Input = terms(t.Terms), body(t.Input)
	t.Key, t.Fingerprint, t.KeyUntil = "", "", time.Time{}
	return t
}

// compareDue sorts by a time and, at the same one, by id.
func compareDue(a time.Time, aID task.ID, b time.Time, bID task.ID) int {
	return cmp.Or(a.Compare(b), cmp.Compare(aID, bID))
}
