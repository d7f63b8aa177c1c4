package storetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// ending adds a task and ends it, to expire after a time.
func (b *bench) ending(s task.State, expires time.Duration) task.ID {
	b.Helper()
	id := b.add(1)[0].ID
	o := b.outcome(b.take(), s)
	o.Expires = b.now.Add(expires)
	b.same(b.finish(o), repeat[error](nil, 1), "finish")
	return id
}

// left checks which of the tasks are still there.
func (b *bench) left(ids []task.ID, want ...task.ID) {
	b.Helper()
	b.same(idsRead(b.page(store.Query{})), newestFirst(want), "on the page")
	for _, id := range ids {
		if there := b.read(id).ID != ""; there != slices.Contains(want, id) {
			b.Errorf("%s can be read: %v", id, there)
		}
	}
}

var forgetting = []trial{
	{"WhatHasExpiredAndNotBefore", func(b *bench) {
		ids := []task.ID{b.ending(task.Succeeded, 2*time.Second), b.ending(task.Dead, time.Second), b.ending(task.Canceled, 3*time.Second)}
		b.later(time.Second - time.Microsecond)
		b.same(b.forget(0, 10), 0, "before")
		b.left(ids, ids...)
		b.later(time.Microsecond)
		b.same(b.forget(0, 10), 1, "at the time")
		b.left(ids, ids[0], ids[2])
		b.later(time.Hour)
		b.same(b.forget(0, 10), 2, "after")
		b.left(ids)
		b.same(b.forget(0, 10), 0, "once more")
	}},
	{"WhatHasNotEndedStays", func(b *bench) {
		ids := b.zoo()
		b.later(1000 * time.Hour)
		b.same(b.forget(1, 100), 3, "forgotten")
		b.left(ids, ids[:4]...)
		b.expire()
		b.promote()
		b.same(len(b.lease(lane, 9)), 4, "leased")
	}},
	{"TheOldestBeyondSoMany", func(b *bench) {
		var ids []task.ID
		for i := range 6 {
			ids = append(ids, b.ending([]task.State{task.Succeeded, task.Dead, task.Canceled}[i%3], time.Hour))
		}
		waits := b.add(1)[0].ID
		b.same(b.forget(6, 10), 0, "six of six")
		b.same(b.forget(0, 10), 0, "as many as there are")
		b.same(b.forget(4, 10), 2, "four of six")
		b.left(ids, append(ids[2:], waits)...)
		b.same(b.forget(1, 2), 2, "two at most")
		b.left(ids, append(ids[4:], waits)...)
		b.same(b.forget(1, 2), 1, "the rest")
		b.left(ids, ids[5], waits)
	}},
	{"ByAgeFirstAndSoManyAltogether", func(b *bench) {
		ids := []task.ID{
			b.ending(task.Succeeded, time.Hour), b.ending(task.Succeeded, time.Second), b.ending(task.Succeeded, time.Hour),
			b.ending(task.Succeeded, time.Second), b.ending(task.Succeeded, time.Hour),
		}
		b.later(time.Second)
		b.same(b.forget(1, 2), 2, "forgotten")
		b.left(ids, ids[0], ids[2], ids[4])
		b.same(b.forget(1, 1), 1, "forgotten")
		b.left(ids, ids[2], ids[4])
	}},
	{"AThousandPieceByPiece", func(b *bench) {
		tasks := b.add(1000)
		b.finish(each(b.lease(lane, 1000), func(l store.Lease) store.Outcome { return b.outcome(l, task.Succeeded) })...)
		b.later(time.Hour)
		for left := 1000; left > 0; {
			n := b.forget(0, 300)
			if n == 0 || n > 300 {
				b.Fatalf("%d forgotten at once, with %d left", n, left)
			}
			left -= n
		}
		b.left(idsOf(tasks))
	}},
	{"WhatIsForgottenIsNotFound", func(b *bench) {
		id := b.ending(task.Dead, 0)
		b.same(b.forget(0, 1), 1, "forgotten")
		b.same(b.cancel(id), []error{store.ErrNotFound}, "cancel")
		b.same(b.revive(id), []error{store.ErrNotFound}, "revive")
		b.same(b.finish(store.Outcome{ID: id, Attempt: 1, State: task.Queued}), []error{store.ErrLost}, "finish")
		b.counts()
	}},
}

// sortedCounts returns those of states that end a task, or the others.
func sortedCounts(all []store.Count, ended bool) []store.Count {
	all = slices.DeleteFunc(slices.Clone(all), func(c store.Count) bool { return c.State.Ended() != ended })
	slices.SortFunc(all, func(a, b store.Count) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Plugin, b.Plugin), cmp.Compare(a.State, b.State))
	})
	return all
}

// nothingAfterTheEnd calls everything with a context that has ended.
func (b *bench) nothingAfterTheEnd() {
	ids := b.zoo(func(t *store.Task) { t.Terms.Callback = "https://example.com" })
	l := store.Lease{Task: store.Task{ID: ids[slices.Index(task.States, task.Running)]}, Attempt: 1}
	dead := ids[slices.Index(task.States, task.Dead)]
	b.must(b.PutSchedule(b.ctx, store.Schedule{Namespace: "default", Name: "nightly", Spec: []byte("{}"), Created: b.now, Updated: b.now}), "put")
	before := b.all()

	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	long := b.now.Add(1000 * time.Hour)
	for what, call := range map[string]func() error{
		"Submit":         func() error { _, err := b.Submit(ctx, b.tasks(1)); return err },
		"Last":           func() error { _, err := b.Last(ctx); return err },
		"Lease":          func() error { _, err := b.Lease(ctx, []store.Want{{Lane: lane, Most: 1}}, long); return err },
		"Extend":         func() error { _, err := b.Extend(ctx, []store.Held{held(l)}, long); return err },
		"Finish":         func() error { _, err := b.Finish(ctx, []store.Outcome{b.outcome(l, task.Succeeded)}); return err },
		"Expire":         func() error { _, err := b.Expire(ctx, long); return err },
		"Promote":        func() error { _, _, err := b.Promote(ctx, long, 10); return err },
		"Cancel":         func() error { _, err := b.Cancel(ctx, ids, b.now, long); return err },
		"Revive":         func() error { _, err := b.Revive(ctx, []store.Revival{{ID: dead}}); return err },
		"Read":           func() error { _, err := b.Read(ctx, ids, 0); return err },
		"Page":           func() error { _, err := b.Page(ctx, store.Query{Limit: 1}); return err },
		"Forget":         func() error { _, err := b.Forget(ctx, long, 1, 10); return err },
		"Schedules":      func() error { _, err := b.Schedules(ctx); return err },
		"PutSchedule":    func() error { return b.PutSchedule(ctx, store.Schedule{Namespace: "default", Name: "other"}) },
		"Fire":           func() error { return b.Fire(ctx, "default", "nightly", b.now, dead) },
		"DeleteSchedule": func() error { return b.DeleteSchedule(ctx, "default", "nightly") },
		"Callbacks":      func() error { _, _, err := b.Callbacks(ctx, long, 10); return err },
		"RetryCallbacks": func() error {
			return b.RetryCallbacks(ctx, []store.Callback{{ID: dead, Ended: b.now, Tried: 9, Due: long}})
		},
		"DropCallbacks": func() error { return b.DropCallbacks(ctx, []store.Callback{b.owes(dead)}) },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			b.Errorf("%s with a context that has ended: %v", what, err)
		}
	}
	b.same(b.all(), before, "what is there")
	b.expire()
	b.is(task.Running, l.ID)
	b.end(l, task.Succeeded)
}

// everything is all that a store has, but for keys and the order within lanes.
type everything struct {
	Records   []store.Record
	Waiting   map[store.Lane]int64
	Schedules []store.Schedule
	Callbacks []store.Callback
	Last      task.ID
	Next      time.Time // that something is due to be promoted
}

func (b *bench) all() (e everything) {
	b.Helper()
	ids := idsRead(b.page(store.Query{}))
	var err error
	e.Records, err = b.Read(b.ctx, ids, store.WithInput|store.WithOutput)
	b.must(err, "read")
	e.Waiting = map[store.Lane]int64{}
	for _, w := range b.Backlog() {
		e.Waiting[w.Lane] += w.Waiting
	}
	e.Schedules, err = b.Schedules(b.ctx)
	b.must(err, "schedules")
	e.Callbacks, _, err = b.Callbacks(b.ctx, b.now.Add(1000*time.Hour), 100_000)
	b.must(err, "callbacks")
	e.Last, err = b.Last(b.ctx)
	b.must(err, "last")
	_, e.Next, err = b.Promote(b.ctx, time.Unix(0, 0), 1)
	b.must(err, "promote")
	return e
}
