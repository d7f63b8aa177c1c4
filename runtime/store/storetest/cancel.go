package storetest

import (
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// canceled is what a store must know of a task that was canceled now.
func (b *bench) canceled(t store.Task, attempts ...store.Attempt) store.Record {
	r := record(t, task.Canceled)
	r.Attempts, r.Ended, r.Expires = attempts, b.now, b.now.Add(time.Hour)
	return r
}

var canceling = []trial{
	{"WhileItWaitsForItsTurn", func(b *bench) {
		tasks := b.add(2)
		b.same(b.cancel(tasks[0].ID), repeat[error](nil, 1), "cancel")
		b.same(b.read(tasks[0].ID), b.canceled(tasks[0]), "record")
		b.waits(lane, 1)
		b.same(idsLeased(b.lease(lane, 9)), []task.ID{tasks[1].ID}, "leased")
	}},
	{"WhileItWaitsForItsTime", func(b *bench) {
		t := b.add(1, b.dueIn(time.Second))[0]
		b.cancel(t.ID)
		b.same(b.read(t.ID), b.canceled(t), "record")
		b.later(time.Second)
		b.same(b.promoteNever(), 0, "promoted")
	}},
	{"WhileItWaitsToBeTriedAgain", func(b *bench) {
		t := b.add(1)[0]
		o := b.outcome(b.take(), task.Failed)
		b.finish(o)
		b.cancel(t.ID)
		b.same(b.read(t.ID), b.canceled(t, o.Last), "record")
		b.later(time.Minute)
		b.same(b.promoteNever(), 0, "promoted")
		b.waits(lane, 0)
	}},
	{"WhileItRuns", func(b *bench) {
		t := b.add(1)[0]
		l := b.take()
		b.same(b.cancel(t.ID), repeat[error](nil, 1), "cancel")
		b.same(b.read(t.ID), b.canceled(t, cutOff(1)), "record")
		b.refused(l)
		b.same(b.extend(time.Hour, held(l)), []task.ID{t.ID}, "lost")
		b.later(time.Minute)
		b.same(b.expire(), 0, "ran out")
		b.waits(lane, 0)
	}},
	{"WhatHasEndedOrIsNotThere", func(b *bench) {
		var ids []task.ID
		for _, s := range []task.State{task.Succeeded, task.Dead, task.Canceled} {
			ids = append(ids, b.add(1)[0].ID)
			b.end(b.take(), s)
		}
		ids = append(ids, b.add(1)[0].ID)
		b.cancel(ids[3])
		before, err := b.Read(b.ctx, ids, store.WithOutput)
		b.must(err, "read")
		b.later(time.Minute)
		b.same(b.cancel(append(ids, task.NewID(), "no id of ours", "")...), []error{
			store.ErrEnded, store.ErrEnded, store.ErrEnded, store.ErrEnded, store.ErrNotFound, store.ErrNotFound, store.ErrNotFound,
		}, "answers")
		after, err := b.Read(b.ctx, ids, store.WithOutput)
		b.must(err, "read")
		b.same(after, before, "records")
	}},
	{"ManyAndOneTwice", func(b *bench) {
		tasks := b.add(1000)
		ids := append(idsOf(tasks), tasks[0].ID)
		b.same(b.cancel(ids...), append(repeat[error](nil, 1000), store.ErrEnded), "answers")
		b.is(task.Canceled, ids...)
		b.same(b.Backlog(), []store.Backlog{}, "backlog")
	}},
}

var reviving = []trial{
	{"ADeadTaskIsSentAgain", func(b *bench) {
		t := b.add(1, b.dueIn(0))[0]
		b.promote()
		o := b.outcome(b.take(), task.Dead)
		b.finish(o)
		b.same(b.revive(t.ID), repeat[error](nil, 1), "revive")
		r := record(t, task.Queued)
		r.Attempts = []store.Attempt{o.Last}
		b.same(b.read(t.ID), r, "record")
		b.waits(lane, 1)
		l := b.take()
		b.same(l, store.Lease{Task: t, Attempt: 2, Past: []store.Attempt{o.Last}}, "lease")
		p := b.outcome(l, task.Succeeded)
		b.finish(p)
		r = b.read(t.ID)
		b.same(r.State, task.Succeeded, "state")
		b.same(r.Attempts, []store.Attempt{o.Last, p.Last}, "attempts")
		b.same(string(r.Output), string(p.Output), "output")
	}},
	{"ACanceledTaskIsSentAgain", func(b *bench) {
		tasks := b.add(2)
		lost := b.take()
		b.cancel(idsOf(tasks)...)
		b.same(b.revive(tasks[1].ID, tasks[0].ID), repeat[error](nil, 2), "revive")
		b.refused(lost)
		leases := b.lease(lane, 9)
		b.same(leases, []store.Lease{
			{Task: tasks[1], Attempt: 1},
			{Task: tasks[0], Attempt: 2, Past: []store.Attempt{cutOff(1)}},
		}, "leases")
		b.refused(lost)
		b.end(leases[0], task.Succeeded)
		b.end(leases[1], task.Succeeded)
	}},
	{"WithAnotherInputAndOtherTerms", func(b *bench) {
		t := b.add(1, b.whole)[0]
		at := store.Lane{Namespace: t.Namespace, Plugin: t.Plugin, Priority: t.Priority}
		send := func(input *[]byte, terms *task.Terms) {
			b.Helper()
			b.cancel(t.ID)
			answers, err := b.Revive(b.ctx, []store.Revival{{ID: t.ID, Input: input, Terms: terms}})
			b.must(err, "revive")
			b.same(answers, repeat[error](nil, 1), "revive")
			if input != nil {
				t.Input = *input
			}
			if terms != nil {
				t.Terms = *terms
			}
			b.same(b.read(t.ID), record(t, task.Queued), "record")
			leases := b.lease(at, 1)
			b.same(leases, []store.Lease{{Task: t, Attempt: 1}}, "lease")
			b.end(leases[0], task.Queued)
		}
		send(new([]byte("edited, and longer than it was")), nil)
		send(nil, &task.Terms{Function: "edited", Retries: new(9)})
		send(new([]byte{}), &task.Terms{})
		send(nil, nil)
		send(new(repeat[byte]('x', 1<<20)), nil)
		send(new([]byte("small again")), &task.Terms{Spent: 3})
	}},
	{"WhatIsNeitherDeadNorCanceled", func(b *bench) {
		ended := b.add(1)[0]
		b.end(b.take(), task.Succeeded)
		running := b.add(1)[0]
		b.take()
		failed := b.add(1)[0]
		b.end(b.take(), task.Failed)
		waiting, late := b.add(1)[0], b.add(1, b.dueIn(time.Second))[0]
		ids := []task.ID{ended.ID, running.ID, failed.ID, waiting.ID, late.ID}
		before, err := b.Read(b.ctx, ids, store.WithInput)
		b.must(err, "read")
		answers, err := b.Revive(b.ctx, each(append(ids, task.NewID(), "no id of ours"), func(id task.ID) store.Revival {
			return store.Revival{ID: id, Input: new([]byte("changed")), Terms: &task.Terms{Function: "changed"}}
		}))
		b.must(err, "revive")
		b.same(answers, append(repeat(store.ErrNotEnded, 5), store.ErrNotFound, store.ErrNotFound), "answers")
		after, err := b.Read(b.ctx, ids, store.WithInput)
		b.must(err, "read")
		b.same(after, before, "records")
		b.waits(lane, 1)
	}},
	{"OneTwiceIsRevivedOnce", func(b *bench) {
		t := b.add(1)[0]
		b.cancel(t.ID)
		b.same(b.revive(t.ID, t.ID), []error{nil, store.ErrNotEnded}, "answers")
		b.waits(lane, 1)
	}},
	{"AThousandInTheirOrder", func(b *bench) {
		tasks := b.add(1000)
		b.finish(each(b.lease(lane, 1000), func(l store.Lease) store.Outcome { return b.outcome(l, task.Dead) })...)
		ids := newestFirst(idsOf(tasks))
		b.same(b.revive(ids...), repeat[error](nil, 1000), "answers")
		b.same(idsLeased(b.lease(lane, 1000)), ids, "leased")
	}},
	{"WhatWasRevivedIsNotForgotten", func(b *bench) {
		t := b.add(1)[0]
		b.cancel(t.ID)
		b.revive(t.ID)
		b.later(1000 * time.Hour)
		b.same(b.forget(0, 10), 0, "forgotten")
		b.is(task.Queued, t.ID)
	}},
}
