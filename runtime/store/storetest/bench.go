package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// bench is a store on trial. Its methods in small letters fail the test where the store's
// own answer an error.
type bench struct {
	*testing.T
	Store
	ctx  context.Context
	with wiring
	now  time.Time // of the trial's own clock
	made int       // tasks
}

func newBench(t *testing.T, with wiring) *bench {
	return &bench{T: t, Store: with.open(t), ctx: t.Context(), with: with, now: time.Date(2026, 11, 29, 12, 0, 0, 123456000, time.UTC)}
}

// reopen has the store's process end and come back, and skips the test of a store that
// does not survive that.
func (b *bench) reopen() {
	b.Helper()
	if b.with.again == nil {
		b.Skip("this store does not survive")
	}
	b.Store = b.with.again(b.T, b.Store)
}

// later sets the clock forward.
func (b *bench) later(d time.Duration) { b.now = b.now.Add(d) }

// tasks makes new ones, each with an input of its own.
func (b *bench) tasks(n int, with ...func(*store.Task)) []store.Task {
	made := make([]store.Task, n)
	for i := range made {
		b.made++
		made[i] = store.Task{
			ID: task.NewID(), Namespace: lane.Namespace, Plugin: lane.Plugin, Priority: lane.Priority,
			Created: b.now, Input: fmt.Appendf(nil, "input %d", b.made),
		}
		for _, w := range with {
			w(&made[i])
		}
	}
	return made
}

func (b *bench) submit(tasks ...store.Task) []store.Receipt {
	b.Helper()
	receipts, err := b.Submit(b.ctx, tasks)
	b.must(err, "submit")
	if len(receipts) != len(tasks) {
		b.Fatalf("%d receipts for %d tasks", len(receipts), len(tasks))
	}
	return receipts
}

// add submits new tasks, and returns them as a store must keep them: without their keys.
func (b *bench) add(n int, with ...func(*store.Task)) []store.Task {
	b.Helper()
	made := b.tasks(n, with...)
	b.same(b.submit(made...), each(made, func(t store.Task) store.Receipt { return store.Receipt{ID: t.ID} }), "receipts")
	for i := range made {
		made[i].Key, made[i].Fingerprint, made[i].KeyUntil = "", "", time.Time{}
	}
	return made
}

// lease leases so many of a lane for a minute.
func (b *bench) lease(l store.Lane, most int) []store.Lease {
	b.Helper()
	leases, err := b.Lease(b.ctx, []store.Want{{Lane: l, Most: most}}, b.now.Add(time.Minute))
	b.must(err, "lease")
	return leases
}

// take leases exactly one of the trial's lane.
func (b *bench) take() store.Lease {
	b.Helper()
	leases := b.lease(lane, 1)
	if len(leases) != 1 {
		b.Fatalf("%d leases, want 1", len(leases))
	}
	return leases[0]
}

func (b *bench) finish(outcomes ...store.Outcome) []error {
	b.Helper()
	answers, err := b.Finish(b.ctx, outcomes)
	b.must(err, "finish")
	if len(answers) != len(outcomes) {
		b.Fatalf("%d answers to %d outcomes", len(answers), len(outcomes))
	}
	return answers
}

// end finishes a lease in a state.
func (b *bench) end(l store.Lease, s task.State) {
	b.Helper()
	b.same(b.finish(b.outcome(l, s)), repeat[error](nil, 1), "finishing as "+string(s))
}

// outcome is what a worker might make of a lease, in a state.
func (b *bench) outcome(l store.Lease, s task.State) store.Outcome {
	o := store.Outcome{ID: l.ID, Attempt: l.Attempt, State: s}
	if s == task.Queued {
		return o
	}
	o.Last = store.Attempt{
		Number: l.Attempt, Begun: b.now.Add(-time.Second), Ended: b.now, Version: 3, Digest: "sha256:abc",
		Fuel: 12345, Queue: 20 * time.Microsecond, Run: 1234567 * time.Nanosecond,
	}
	switch s {
	case task.Succeeded:
		o.Output = fmt.Appendf(nil, "output of %s", l.ID)
	case task.Failed:
		o.Due = b.now.Add(time.Second)
	}
	if s != task.Succeeded {
		o.Last.Kind, o.Last.Message = task.KindTrap, "the guest trapped: unreachable"
	}
	if s.Ended() {
		o.Expires = b.now.Add(time.Hour)
	}
	return o
}

func (b *bench) cancel(ids ...task.ID) []error {
	b.Helper()
	answers, err := b.Cancel(b.ctx, ids, b.now, b.now.Add(time.Hour))
	b.must(err, "cancel")
	return answers
}

func (b *bench) revive(ids ...task.ID) []error {
	b.Helper()
	answers, err := b.Revive(b.ctx, each(ids, func(id task.ID) store.Revival { return store.Revival{ID: id} }))
	b.must(err, "revive")
	return answers
}

func (b *bench) expire() int {
	b.Helper()
	n, err := b.Expire(b.ctx, b.now)
	b.must(err, "expire")
	return n
}

// promote promotes all that are due, and returns how many those are and when the next is.
func (b *bench) promote() (int, time.Time) {
	b.Helper()
	n, next, err := b.Promote(b.ctx, b.now, 10_000)
	b.must(err, "promote")
	return n, next
}

func (b *bench) forget(keep int64, most int) int {
	b.Helper()
	n, err := b.Forget(b.ctx, b.now, keep, most)
	b.must(err, "forget")
	return n
}

// read returns one record with its bodies.
func (b *bench) read(id task.ID) store.Record {
	b.Helper()
	records, err := b.Read(b.ctx, []task.ID{id}, store.WithInput|store.WithOutput)
	b.must(err, "read")
	if len(records) != 1 {
		b.Fatalf("%d records of one task", len(records))
	}
	return records[0]
}

func (b *bench) page(q store.Query) []store.Record {
	b.Helper()
	if q.Limit == 0 {
		q.Limit = 10_000
	}
	records, err := b.Page(b.ctx, q)
	b.must(err, "page")
	return records
}

// is checks where tasks stand.
func (b *bench) is(s task.State, ids ...task.ID) {
	b.Helper()
	records, err := b.Read(b.ctx, ids, 0)
	b.must(err, "read")
	b.same(each(records, func(r store.Record) task.State { return r.State }), repeat(s, len(ids)), "states")
}

// record is what a store must know of a task that nothing has happened to since it was
// submitted, with its bodies.
func record(t store.Task, s task.State) store.Record {
	return store.Record{Task: t, State: s, InputBytes: int64(len(t.Input))}
}

// waits checks how many wait in a lane.
func (b *bench) waits(l store.Lane, n int64) {
	b.Helper()
	var got int64
	for _, w := range b.Backlog() {
		if w.Lane == l {
			got += w.Waiting
		}
	}
	if got != n {
		b.Errorf("%d wait in %v, want %d", got, l, n)
	}
}

// owed returns all callbacks that are due.
func (b *bench) owed() []store.Callback {
	b.Helper()
	due, _, err := b.Callbacks(b.ctx, b.now, 10_000)
	b.must(err, "callbacks")
	return due
}

func (b *bench) must(err error, what string) {
	b.Helper()
	if err != nil {
		b.Fatalf("%s: %v", what, err)
	}
}

// same compares what a store answered with what it should: times as moments, errors by
// errors.Is, and no elements as none.
func (b *bench) same(got, want any, what string) {
	b.Helper()
	if d := difference(got, want); d != "" {
		b.Fatalf("%s: what is there too much (-), what is missing (+):\n%s", what, d)
	}
}

// bytesEqual compares bodies that are not both empty, as EquateEmpty does the others.
var bytesEqual = cmp.FilterValues(func(a, b []byte) bool { return len(a)+len(b) > 0 }, cmp.Comparer(bytes.Equal))

func difference(got, want any) string {
	if reflect.DeepEqual(got, want) {
		return "" // which is what nearly all are, and found much faster
	}
	return cmp.Diff(got, want, cmpopts.EquateEmpty(), bytesEqual, cmp.Comparer(func(a, b error) bool {
		return a == nil && b == nil || a != nil && b != nil && (errors.Is(a, b) || errors.Is(b, a))
	}))
}

// closed tells whether a channel is.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// closes waits for a channel to be closed.
func (b *bench) closes(c <-chan struct{}, what string) {
	b.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		b.Fatalf("%s: nobody was told", what)
	}
}

// patience is how long a trial waits for what must happen at once, on the slowest machine.
const patience = 30 * time.Second

// becomes waits until something holds.
func (b *bench) becomes(what string, holds func() bool) {
	b.Helper()
	for begun := time.Now(); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begun) > patience {
			b.Fatalf("it never came to be that %s", what)
		}
	}
}

// ids of tasks, leases and records.
func idsOf(tasks []store.Task) []task.ID {
	return each(tasks, func(t store.Task) task.ID { return t.ID })
}

func idsLeased(leases []store.Lease) []task.ID {
	return each(leases, func(l store.Lease) task.ID { return l.ID })
}

func idsRead(records []store.Record) []task.ID {
	return each(records, func(r store.Record) task.ID { return r.ID })
}

// newestFirst returns ids as a page has them.
func newestFirst(ids []task.ID) []task.ID {
	ids = slices.Sorted(slices.Values(ids))
	slices.Reverse(ids)
	return ids
}
