package storetest

import (
	"fmt"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

var finishing = []trial{
	{"ASuccessEndsTheTask", func(b *bench) {
		t := b.add(1)[0]
		o := b.outcome(b.take(), task.Succeeded)
		b.later(time.Hour) // the end of the attempt counts, not when it was stored
		b.same(b.finish(o), repeat[error](nil, 1), "finish")
		r := record(t, task.Succeeded)
		r.Attempts, r.Ended, r.Expires = []store.Attempt{o.Last}, o.Last.Ended, o.Expires
		r.Output, r.OutputBytes = o.Output, int64(len(o.Output))
		b.same(b.read(t.ID), r, "record")
		b.waits(lane, 0)
		b.same(b.promoteNever(), 0, "promoted")
	}},
	{"ADeadOrCanceledTaskKeepsItsInputAndItsFault", func(b *bench) {
		for _, s := range []task.State{task.Dead, task.Canceled} {
			t := b.add(1)[0]
			o := b.outcome(b.take(), s)
			o.Output = []byte("of no success")
			o.Last.Stack, o.Last.Log = []string{"inner", "outer"}, []string{"one", "two"}
			b.same(b.finish(o), repeat[error](nil, 1), "finish")
			r := record(t, s)
			r.Attempts, r.Ended, r.Expires = []store.Attempt{o.Last}, o.Last.Ended, o.Expires
			b.same(b.read(t.ID), r, "record")
			b.waits(lane, 0)
		}
	}},
	{"AFailedTaskWaitsToBeTriedAgain", func(b *bench) {
		t := b.add(1, func(t *store.Task) { t.Due = b.now.Add(-time.Second) })[0]
		b.promote()
		l := b.take()
		o := b.outcome(l, task.Failed)
		o.Output, o.Expires = []byte("of no success"), b.now
		b.same(b.finish(o), repeat[error](nil, 1), "finish")
		r := record(t, task.Failed)
		r.Attempts, r.Due = []store.Attempt{o.Last}, o.Due
		b.same(b.read(t.ID), r, "record")
		b.waits(lane, 0)
		b.same(b.lease(lane, 1), []store.Lease{}, "leases")
		b.same(b.forget(0, 10), 0, "forgotten")
		b.later(time.Second)
		b.promote()
		r.State, r.Due = task.Queued, t.Due
		b.same(b.read(t.ID), r, "record when it is its turn again")
		b.same(b.take(), store.Lease{Task: t, Attempt: 2, Past: []store.Attempt{o.Last}}, "the next lease")
	}},
	{"WhatIsGivenBackWasNeverLeased", func(b *bench) {
		t := b.add(1)[0]
		l := b.take()
		o := b.outcome(l, task.Queued)
		o.Last, o.Output, o.Expires = store.Attempt{Number: 1, Message: "not looked at"}, []byte("nor this"), b.now
		b.same(b.finish(o), repeat[error](nil, 1), "finish")
		b.same(b.read(t.ID), record(t, task.Queued), "record")
		b.same(b.take(), l, "the next lease")
		b.end(l, task.Failed)
		b.later(time.Second)
		b.promote()
		second := b.take()
		b.end(second, task.Queued)
		b.same(b.take(), second, "the one after a failure")
	}},
	{"AnAttemptIsKeptAsItWent", func(b *bench) {
		t := b.add(1)[0]
		o := b.outcome(b.take(), task.Failed)
		o.Last.Kind, o.Last.Message = task.KindDeadline, "the deadline passed"
		o.Last.Stack, o.Last.Log = []string{"f", "g"}, []string{"first", "", "last"}
		b.same(b.finish(o), repeat[error](nil, 1), "finish")
		b.later(time.Second)
		b.promote()
		p := b.outcome(b.take(), task.Succeeded)
		p.Last.Log = []string{"of a success, too"}
		b.same(b.finish(p), repeat[error](nil, 1), "finish")
		b.same(b.read(t.ID).Attempts, []store.Attempt{o.Last, p.Last}, "attempts")
	}},
	{"AnAttemptThatCameToNothingIsKept", func(b *bench) {
		t := b.add(1)[0]
		l := b.take()
		last := store.Attempt{Number: 1, Ended: b.now, Kind: task.KindNotFound, Message: "there is no such plugin any more"}
		b.same(b.finish(store.Outcome{ID: t.ID, Attempt: l.Attempt, State: task.Dead, Last: last, Expires: b.now.Add(time.Hour)}), repeat[error](nil, 1), "finish")
		b.same(b.read(t.ID).Attempts, []store.Attempt{last}, "attempts")
	}},
	{"TheFirstAttemptAndTheLastOnesAreRemembered", func(b *bench) {
		t := b.add(1)[0]
		var all []store.Attempt
		for n := 1; n <= store.PastKept+10; n++ {
			past := all
			if len(all) > store.PastKept {
				past = append([]store.Attempt{all[0]}, all[len(all)-store.PastKept+1:]...)
			}
			l := b.take()
			b.same(l.Attempt, n, "attempt")
			b.same(l.Past, past, fmt.Sprintf("past of attempt %d", n))
			b.same(b.read(t.ID).Attempts, past, fmt.Sprintf("attempts read while number %d runs", n))
			if n%3 == 0 {
				b.later(time.Minute)
				b.expire()
				all = append(all, cutOff(n))
				continue
			}
			o := b.outcome(l, task.Failed)
			b.same(b.finish(o), repeat[error](nil, 1), "finish")
			all = append(all, o.Last)
			b.later(time.Second)
			b.promote()
		}
		o := b.outcome(b.take(), task.Succeeded)
		b.same(b.finish(o), repeat[error](nil, 1), "finish")
		all = append(all, o.Last)
		b.same(b.read(t.ID).Attempts, append([]store.Attempt{all[0]}, all[len(all)-store.PastKept+1:]...), "attempts in the end")
	}},
	{"AnswersAreInOrder", func(b *bench) {
		tasks := b.add(5)
		leases := b.lease(lane, 5)
		b.cancel(tasks[1].ID)
		wrong := leases[3]
		wrong.Attempt = 7
		b.same(b.finish(
			b.outcome(leases[4], task.Dead), b.outcome(leases[1], task.Succeeded), b.outcome(leases[0], task.Succeeded),
			b.outcome(wrong, task.Succeeded), b.outcome(leases[2], task.Failed), b.outcome(leases[3], task.Queued),
		), []error{nil, store.ErrLost, nil, store.ErrLost, nil, nil}, "answers")
		for i, s := range []task.State{task.Succeeded, task.Canceled, task.Failed, task.Queued, task.Dead} {
			b.is(s, tasks[i].ID)
		}
	}},
	{"ATaskEndsOnceInACall", func(b *bench) {
		t := b.add(1)[0]
		l := b.take()
		b.same(b.finish(b.outcome(l, task.Succeeded), b.outcome(l, task.Dead), b.outcome(l, task.Succeeded)),
			[]error{nil, store.ErrLost, store.ErrLost}, "answers")
		b.is(task.Succeeded, t.ID)
	}},
	{"NothingFinishedIsNothingChanged", func(b *bench) {
		b.add(1)
		b.take()
		b.finish()
	}},
}

// promoteNever checks that nothing waits for a time, and returns how many were promoted.
func (b *bench) promoteNever() int {
	b.Helper()
	n, next := b.promote()
	if !next.IsZero() {
		b.Errorf("something is due at %v", next)
	}
	return n
}
