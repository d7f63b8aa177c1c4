package storetest

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Errors of a Faulty store, besides store.ErrFull.
var (
	ErrRefused = errors.New("injected: the call was not made") // nothing happened, and the caller cannot know it
	ErrUnheard = errors.New("injected: the answer was lost")   // it happened
)

// Faults say what a Faulty store does. A zero field takes the default in brackets.
type Faults struct {
	Seed uint64

	// Share of the calls are at fault [0.1; at most 1]. Each is, with the same probability,
	// refused with store.ErrFull or with ErrRefused, made and answered with ErrUnheard, or
	// made and answered late.
	Share float64

	// Late is how late such a call is at most [5ms], before it is made or after it.
	Late time.Duration
}

// Faulty is a store whose calls fail now and then: before anything happened, or after all
// of it happened. Backlog, Arrived and Watch, which cannot fail, do not. It is safe for
// concurrent use; calls that follow each other fail by the seed alone.
type Faulty struct {
	store  Store
	faults Faults

	mu     sync.Mutex
	random *rand.Rand

	refused  atomic.Pointer[error]
	injected atomic.Int64
}

var _ Store = (*Faulty)(nil)

// NewFaulty wraps a store.
func NewFaulty(s Store, f Faults) *Faulty {
	f.Share, f.Late = cmp.Or(f.Share, 0.1), cmp.Or(f.Late, 5*time.Millisecond)
	return &Faulty{store: s, faults: f, random: rand.New(rand.NewPCG(f.Seed, 0))}
}

// Refuse has all calls fail with an error from now on, before anything happened; nil: no
// more than before.
func (f *Faulty) Refuse(err error) {
	if err == nil {
		f.refused.Store(nil)
		return
	}
	f.refused.Store(&err)
}

// Injected is how many faults there were, those of Refuse apart.
func (f *Faulty) Injected() int64 { return f.injected.Load() }

// fault is what happens to one call.
type fault int

const (
	none fault = iota
	full
	refused
	unheard
	lateCall
	lateAnswer
)

func (f *Faulty) next() (fault, time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.random.Float64() >= f.faults.Share {
		return none, 0
	}
	f.injected.Add(1)
	late := time.Duration(f.random.Int64N(int64(f.faults.Late)) + 1)
	switch f.random.IntN(4) {
	case 0:
		return full, 0
	case 1:
		return refused, 0
	case 2:
		return unheard, 0
	}
	return lateCall + fault(f.random.IntN(2)), late
}

// through makes a call, or not.
func through[T any](ctx context.Context, f *Faulty, call func() (T, error)) (answer T, err error) {
	if refusal := f.refused.Load(); refusal != nil {
		return answer, *refusal
	}
	var nothing T
	which, late := f.next()
	switch which {
	case full:
		return nothing, store.ErrFull
	case refused:
		return nothing, ErrRefused
	case lateCall:
		if err := wait(ctx, late); err != nil {
			return nothing, err
		}
	}
	answer, err = call()
	switch {
	case err != nil:
	case which == unheard:
		return nothing, ErrUnheard
	case which == lateAnswer:
		if err := wait(ctx, late); err != nil {
			return nothing, err
		}
	}
	return answer, err
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// done makes a call that answers an error alone.
func done(ctx context.Context, f *Faulty, call func() error) error {
	_, err := through(ctx, f, func() (struct{}, error) { return struct{}{}, call() })
	return err
}

// some is what is there, and when there is more.
type some[T any] struct {
	Value T
	Next  time.Time
}

// Submit is that of store.Tasks, as all that follow are of it, of Schedules or Callbacks.
func (f *Faulty) Submit(ctx context.Context, tasks []store.Task) ([]store.Receipt, error) {
	return through(ctx, f, func() ([]store.Receipt, error) { return f.store.Submit(ctx, tasks) })
}

// Last may fail.
func (f *Faulty) Last(ctx context.Context) (task.ID, error) {
	return through(ctx, f, func() (task.ID, error) { return f.store.Last(ctx) })
}

// Backlog does not fail.
func (f *Faulty) Backlog() []store.Backlog { return f.store.Backlog() }

// Arrived does not fail.
func (f *Faulty) Arrived() <-chan struct{} { return f.store.Arrived() }

// Lease may fail: then nobody knows of leases that were made, until they run out.
func (f *Faulty) Lease(ctx context.Context, wants []store.Want, until time.Time) ([]store.Lease, error) {
	return through(ctx, f, func() ([]store.Lease, error) { return f.store.Lease(ctx, wants, until) })
}

// Extend may fail.
func (f *Faulty) Extend(ctx context.Context, leases []store.Held, until time.Time) ([]task.ID, error) {
	return through(ctx, f, func() ([]task.ID, error) { return f.store.Extend(ctx, leases, until) })
}

// Finish may fail.
func (f *Faulty) Finish(ctx context.Context, outcomes []store.Outcome) ([]error, error) {
	return through(ctx, f, func() ([]error, error) { return f.store.Finish(ctx, outcomes) })
}

// Expire may fail.
func (f *Faulty) Expire(ctx context.Context, now time.Time) (int, error) {
	return through(ctx, f, func() (int, error) { return f.store.Expire(ctx, now) })
}

// Promote may fail.
func (f *Faulty) Promote(ctx context.Context, now time.Time, most int) (int, time.Time, error) {
	moved, err := through(ctx, f, func() (s some[int], err error) {
		s.Value, s.Next, err = f.store.Promote(ctx, now, most)
		return s, err
	})
	return moved.Value, moved.Next, err
}

// Cancel may fail.
func (f *Faulty) Cancel(ctx context.Context, ids []task.ID, at, expires time.Time) ([]error, error) {
	return through(ctx, f, func() ([]error, error) { return f.store.Cancel(ctx, ids, at, expires) })
}

// Revive may fail.
func (f *Faulty) Revive(ctx context.Context, revivals []store.Revival) ([]error, error) {
	return through(ctx, f, func() ([]error, error) { return f.store.Revive(ctx, revivals) })
}

// Read may fail.
func (f *Faulty) Read(ctx context.Context, ids []task.ID, parts store.Parts) ([]store.Record, error) {
	return through(ctx, f, func() ([]store.Record, error) { return f.store.Read(ctx, ids, parts) })
}

// Page may fail.
func (f *Faulty) Page(ctx context.Context, q store.Query) ([]store.Record, error) {
	return through(ctx, f, func() ([]store.Record, error) { return f.store.Page(ctx, q) })
}

// Watch does not fail.
func (f *Faulty) Watch(id task.ID) (changed <-chan struct{}, stop func()) { return f.store.Watch(id) }

// Forget may fail.
func (f *Faulty) Forget(ctx context.Context, now time.Time, keep int64, most int) (int, error) {
	return through(ctx, f, func() (int, error) { return f.store.Forget(ctx, now, keep, most) })
}

// Counts may fail.
func (f *Faulty) Counts(ctx context.Context) ([]store.Count, error) {
	return through(ctx, f, func() ([]store.Count, error) { return f.store.Counts(ctx) })
}

// Schedules may fail.
func (f *Faulty) Schedules(ctx context.Context) ([]store.Schedule, error) {
	return through(ctx, f, func() ([]store.Schedule, error) { return f.store.Schedules(ctx) })
}

// PutSchedule may fail.
func (f *Faulty) PutSchedule(ctx context.Context, s store.Schedule) error {
	return done(ctx, f, func() error { return f.store.PutSchedule(ctx, s) })
}

// Fire may fail.
func (f *Faulty) Fire(ctx context.Context, namespace, name string, at time.Time, id task.ID) error {
	return done(ctx, f, func() error { return f.store.Fire(ctx, namespace, name, at, id) })
}

// DeleteSchedule may fail.
func (f *Faulty) DeleteSchedule(ctx context.Context, namespace, name string) error {
	return done(ctx, f, func() error { return f.store.DeleteSchedule(ctx, namespace, name) })
}

// Callbacks may fail.
func (f *Faulty) Callbacks(ctx context.Context, now time.Time, most int) ([]store.Callback, time.Time, error) {
	due, err := through(ctx, f, func() (s some[[]store.Callback], err error) {
		s.Value, s.Next, err = f.store.Callbacks(ctx, now, most)
		return s, err
	})
	return due.Value, due.Next, err
}

// RetryCallbacks may fail.
func (f *Faulty) RetryCallbacks(ctx context.Context, callbacks []store.Callback) error {
	return done(ctx, f, func() error { return f.store.RetryCallbacks(ctx, callbacks) })
}

// DropCallbacks may fail.
func (f *Faulty) DropCallbacks(ctx context.Context, callbacks []store.Callback) error {
	return done(ctx, f, func() error { return f.store.DropCallbacks(ctx, callbacks) })
}
