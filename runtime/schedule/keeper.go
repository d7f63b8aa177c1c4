// Package schedule submits tasks again and again, on a cron line or at an interval: once
// for each moment, also where the server was killed right after it.
package schedule

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Schedule is what is known of one.
type Schedule struct {
	Namespace string
	Name      string
	Spec      Spec
	Created   time.Time
	Updated   time.Time
	Fired     time.Time // the moment that it last submitted a task for; zero: none yet
	Last      task.ID   // that task; "" likewise
	Next      time.Time // when it is due next; zero: it is paused, or never
	Failure   string    // why nothing was submitted last; "": it was

	table timetable
}

// NextN returns the moments that come next, at most so many, of one that is not paused.
func (s *Schedule) NextN(n int) (moments []time.Time) {
	for t := s.Next; !t.IsZero() && len(moments) < n; t = s.table.next(t) {
		moments = append(moments, t)
	}
	return moments
}

// Keeper keeps schedules. It is safe for concurrent use.
type Keeper struct {
	options Options
	changed chan struct{} // has one where a schedule came that may be due before all others

	commit sync.Mutex // held while what is stored and what is known change together

	mu    sync.Mutex
	known map[key]*entry
}

// key is what a schedule is known by.
type key struct{ namespace, name string }

// entry is a schedule under way. The Keeper's mutex guards what is not Namespace, Name,
// Spec, Created, Updated and table, which do not change.
type entry struct {
	Schedule
	seen  time.Time // moments up to then were dealt with
	wait  time.Time // after a failure: it is not tried before
	tries int       // failures in a row
}

// Open reads what is stored. Nothing is submitted before Run.
func Open(ctx context.Context, o Options) (*Keeper, error) {
	if err := o.fill(); err != nil {
		panic("schedule: " + err.Error())
	}
	k := &Keeper{options: o, changed: make(chan struct{}, 1), known: make(map[key]*entry)}
	stored, err := o.Store.Schedules(ctx)
	if err != nil {
		return nil, fmt.Errorf("read schedules: %w", err)
	}
	for _, s := range stored {
		k.known[key{s.Namespace, s.Name}] = k.enter(s)
	}
	return k, nil
}

// enter makes an entry of what is stored. One that cannot be read any more, by a server
// that knows less, stays where it is and is not due.
func (k *Keeper) enter(s store.Schedule) *entry {
	e := &entry{Schedule: Schedule{
		Namespace: s.Namespace, Name: s.Name, Created: s.Created, Updated: s.Updated, Fired: s.Fired, Last: s.Last,
	}}
	var err error
	if e.Spec, err = ParseSpec(s.Spec); err == nil {
		e.table, err = e.Spec.check(e.Created)
	}
	if err != nil {
		e.Failure = "it is stored and cannot be read: " + task.FaultOf(err).Message
		k.options.Log.Error("a schedule cannot be read", slog.String("namespace", s.Namespace), slog.String("schedule", s.Name), slog.Any("error", err))
		return e
	}
	// What a schedule would have been due for before it was changed was not missed.
	e.pass(later(e.Fired, e.Updated))
	return e
}

// pass notes that moments up to a time were dealt with.
func (e *entry) pass(until time.Time) {
	e.seen, e.wait, e.tries = until, time.Time{}, 0
	if e.Next = (time.Time{}); e.table != nil && !e.Spec.Paused {
		e.Next = e.table.next(until).UTC()
	}
}

// Put stores a schedule, in the place of the one that has its name, and tells whether there
// was none. What is as it was is not changed. Faults: invalid, conflict (there are too many)
// and what Options.Check finds.
func (k *Keeper) Put(ctx context.Context, namespace, name string, s Spec) (put Schedule, created bool, err error) {
	if err := CheckName(name); err != nil {
		return Schedule{}, false, err
	}
	now := exact(k.options.Now())
	if _, err := s.check(now); err != nil {
		return Schedule{}, false, err
	}
	if err := k.options.Check(ctx, s.submission(namespace, name, now)); err != nil {
		return Schedule{}, false, err
	}
	k.commit.Lock()
	defer k.commit.Unlock()
	at := key{namespace, name}
	k.mu.Lock()
	before, count := k.known[at], len(k.known)
	k.mu.Unlock()
	text := s.text()
	stored := store.Schedule{Namespace: namespace, Name: name, Spec: text, Created: now, Updated: now}
	switch {
	case before == nil && count >= k.options.Most:
		return Schedule{}, false, task.Faultf(task.KindConflict, "there are %d schedules, which is the most; delete one that is not needed", count)
	case before == nil:
	case bytes.Equal(before.Spec.text(), text):
		return k.copyOf(before), false, nil
	default:
		stored.Created = before.Created
	}
	if err := k.options.Store.PutSchedule(ctx, stored); err != nil {
		return Schedule{}, false, storeFault(err)
	}
	e := k.enter(stored)
	k.mu.Lock()
	if before != nil { // which may have been due meanwhile
		e.Fired, e.Last = before.Fired, before.Last
		e.pass(later(e.Fired, e.Updated))
	}
	k.known[at] = e
	put = e.Schedule
	k.mu.Unlock()
	k.wake()
	return put, before == nil, nil
}

// Get returns a schedule, or a not_found fault.
func (k *Keeper) Get(namespace, name string) (Schedule, error) {
	k.mu.Lock()
	e := k.known[key{namespace, name}]
	k.mu.Unlock()
	if e == nil {
		return Schedule{}, noSchedule(name)
	}
	return k.copyOf(e), nil
}

// List returns the schedules of a namespace, sorted by name.
func (k *Keeper) List(namespace string) []Schedule {
	var all []Schedule
	k.mu.Lock()
	for at, e := range k.known {
		if at.namespace == namespace {
			all = append(all, e.Schedule)
		}
	}
	k.mu.Unlock()
	slices.SortFunc(all, func(a, b Schedule) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Delete forgets a schedule, or answers a not_found fault. Tasks that it has submitted go on.
func (k *Keeper) Delete(ctx context.Context, namespace, name string) error {
	k.commit.Lock()
	defer k.commit.Unlock()
	err := k.options.Store.DeleteSchedule(ctx, namespace, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return storeFault(err)
	}
	k.mu.Lock()
	delete(k.known, key{namespace, name})
	k.mu.Unlock()
	if err != nil {
		return noSchedule(name)
	}
	return nil
}

func (k *Keeper) copyOf(e *entry) Schedule {
	k.mu.Lock()
	defer k.mu.Unlock()
	return e.Schedule
}

// entries are all there are.
func (k *Keeper) entries() []*entry {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Values(k.known))
}

// wake has Run look at once.
func (k *Keeper) wake() {
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// exact is as exact as the store keeps times.
func exact(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func noSchedule(name string) *task.Fault {
	return task.Faultf(task.KindNotFound, "there is no schedule %q", name)
}

func storeFault(err error) error {
	if errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrBroken) {
		return task.Faultf(task.KindUnavailable, "the schedule cannot be stored: %w; try again once there is room, or ask the operator", err)
	}
	return task.FaultOf(err)
}

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// CheckName returns a fault of kind invalid for what cannot name a schedule.
func CheckName(name string) error {
	if validName.MatchString(name) {
		return nil
	}
	return task.Faultf(task.KindInvalid, "%.80q cannot name a schedule: use 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit", name)
}
