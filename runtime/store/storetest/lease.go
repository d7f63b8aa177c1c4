package storetest

import (
	"slices"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

func held(l store.Lease) store.Held { return store.Held{ID: l.ID, Attempt: l.Attempt} }

// extend makes leases last until the clock and a while, and returns those that are lost.
func (b *bench) extend(d time.Duration, leases ...store.Held) []task.ID {
	b.Helper()
	lost, err := b.Extend(b.ctx, leases, b.now.Add(d))
	b.must(err, "extend")
	return lost
}

// cutOff is what is known of an attempt that was.
func cutOff(n int) store.Attempt { return store.Attempt{Number: n, CutOff: true} }

// outcomes are all states that a worker can bring a task to.
var outcomes = []task.State{task.Succeeded, task.Failed, task.Dead, task.Canceled, task.Queued}

// refused checks that no outcome of a lease is stored.
func (b *bench) refused(l store.Lease) {
	b.Helper()
	before, waiting, owed := b.read(l.ID), b.Backlog(), b.owed()
	for _, s := range outcomes {
		b.same(b.finish(b.outcome(l, s)), []error{store.ErrLost}, "finishing a lost lease as "+string(s))
		b.same(b.read(l.ID), before, "what is known after that")
	}
	b.same(b.Backlog(), waiting, "backlog")
	b.same(b.owed(), owed, "callbacks")
}

var leasing = []trial{
	{"ALeaseHasAllOfItsTask", func(b *bench) {
		t := b.add(1, b.whole)[0]
		b.same(b.lease(store.Lane{Namespace: t.Namespace, Plugin: t.Plugin, Priority: t.Priority}, 1),
			[]store.Lease{{Task: t, Attempt: 1}}, "lease")
		r := record(t, task.Running)
		b.same(b.read(t.ID), r, "record")
		t = b.add(1, func(t *store.Task) { t.Due = b.now })[0]
		b.promote()
		b.same(b.take(), store.Lease{Task: t, Attempt: 1}, "lease of one that was due")
	}},
	{"WhatIsLeasedIsNotLeasedAgain", func(b *bench) {
		b.add(2)
		b.take()
		b.take()
		b.same(b.lease(lane, 1), []store.Lease{}, "leases")
	}},
	{"NothingWantedIsNothingLeased", func(b *bench) {
		b.add(1)
		leases, err := b.Lease(b.ctx, nil, b.now.Add(time.Minute))
		b.must(err, "lease")
		b.same(leases, []store.Lease{}, "leases")
		b.waits(lane, 1)
	}},
	{"ALeaseRunsOutAtItsTimeAndNotBefore", func(b *bench) {
		b.add(1)
		l := b.take()
		b.later(time.Minute - time.Microsecond)
		b.same(b.expire(), 0, "before")
		b.is(task.Running, l.ID)
		b.later(time.Microsecond)
		b.same(b.expire(), 1, "at the time")
		b.same(b.expire(), 0, "once more")
		b.is(task.Queued, l.ID)
	}},
	{"ALeaseThatRanOutIsOneUntilItIsTakenBack", func(b *bench) {
		b.add(2)
		extended, finished := b.take(), b.take()
		b.later(time.Hour)
		b.same(b.extend(time.Minute, held(extended)), []task.ID{}, "lost")
		b.end(finished, task.Succeeded)
		b.same(b.expire(), 0, "ran out")
		b.is(task.Running, extended.ID)
	}},
	{"ALeaseThatRanOutIsHandedOutAgain", func(b *bench) {
		t := b.add(1)[0]
		lost := b.take()
		b.later(time.Minute)
		b.expire()
		r := record(t, task.Queued)
		r.Attempts = []store.Attempt{cutOff(1)}
		b.same(b.read(t.ID), r, "what is known of it")
		next := b.take()
		b.same(next, store.Lease{Task: t, Attempt: 2, Past: []store.Attempt{cutOff(1)}}, "the next lease")
		b.refused(lost)
		b.same(b.extend(time.Hour, held(lost), held(next)), []task.ID{t.ID}, "lost")
		b.end(next, task.Succeeded)
		r = b.read(t.ID)
		b.same(each(r.Attempts, func(a store.Attempt) int { return a.Number }), []int{1, 2}, "attempts")
	}},
	{"ExtendingCanMakeALeaseShorter", func(b *bench) {
		b.add(1)
		b.same(b.extend(time.Second, held(b.take())), []task.ID{}, "lost")
		b.later(time.Second)
		b.same(b.expire(), 1, "ran out")
	}},
	{"ExtendTellsWhichAreLost", func(b *bench) {
		tasks := b.add(7)
		leases := b.lease(lane, 6)
		b.end(leases[1], task.Succeeded)
		b.end(leases[2], task.Failed)
		b.end(leases[3], task.Queued)
		b.cancel(leases[4].ID)
		none := task.NewID()
		lost := b.extend(time.Hour,
			store.Held{ID: none, Attempt: 1}, held(leases[4]), held(leases[0]), held(leases[3]), held(leases[1]), held(leases[2]),
			store.Held{ID: leases[5].ID, Attempt: 2}, store.Held{ID: tasks[6].ID, Attempt: 0}, store.Held{ID: tasks[6].ID, Attempt: 1})
		b.same(lost, []task.ID{none, tasks[4].ID, tasks[3].ID, tasks[1].ID, tasks[2].ID, tasks[5].ID, tasks[6].ID, tasks[6].ID}, "lost")
		b.later(time.Minute)
		b.same(b.expire(), 1, "ran out")
		b.is(task.Running, tasks[0].ID)
		b.is(task.Queued, tasks[5].ID)
	}},
	{"AnOutcomeOfNobodysLeaseIsRefused", func(b *bench) {
		waiting, ended := b.add(1, in(store.Lane{Namespace: "default", Plugin: "resize"}))[0], b.add(1)[0]
		late := b.add(1, func(t *store.Task) { t.Due = b.now.Add(time.Hour) })[0]
		b.end(b.take(), task.Succeeded)
		for _, t := range []store.Task{waiting, ended, late} {
			for attempt := range 3 {
				b.refused(store.Lease{Task: t, Attempt: attempt})
			}
		}
		b.refused(store.Lease{Task: store.Task{ID: task.NewID()}, Attempt: 1})
		b.refused(store.Lease{Task: store.Task{ID: "no id of ours"}, Attempt: 1})
	}},
	{"AnotherAttemptsOutcomeIsRefused", func(b *bench) {
		b.add(1)
		for n := range 3 {
			l := b.take()
			b.same(l.Attempt, n+1, "attempt")
			for _, other := range []int{-1, n, n + 2} {
				l.Attempt = other
				b.refused(l)
			}
			l.Attempt = n + 1
			b.end(l, task.Failed)
			b.refused(l)
			b.later(time.Second)
			b.promote()
			b.refused(l)
		}
	}},
	{"AnExtensionThatIsNotLostHolds", func(b *bench) {
		const n = 20
		for range 50 {
			b.add(n)
			leases := b.lease(lane, n)
			b.later(time.Minute)
			lost := make(chan []task.ID, 1)
			go func() {
				gone, err := b.Extend(b.ctx, each(leases, held), b.now.Add(time.Hour))
				if err != nil {
					b.Error(err)
				}
				lost <- gone
			}()
			out := b.expire()
			gone := <-lost
			b.same(out, len(gone), "as many ran out as were lost")
			for _, l := range leases {
				want := task.Running
				if slices.Contains(gone, l.ID) {
					want = task.Queued
				}
				b.is(want, l.ID)
			}
			b.cancel(idsLeased(leases)...)
		}
	}},
	{"ExpiringAThousandAndFinishingAThousand", func(b *bench) {
		tasks := b.add(1000)
		b.lease(lane, 1000)
		b.later(time.Minute)
		b.same(b.expire(), 1000, "ran out")
		leases := b.lease(lane, 1000)
		b.same(idsLeased(leases), idsOf(tasks), "leased")
		b.same(b.finish(each(leases, func(l store.Lease) store.Outcome { return b.outcome(l, task.Succeeded) })...), repeat[error](nil, 1000), "answers")
		b.is(task.Succeeded, idsOf(tasks)...)
	}},
}
