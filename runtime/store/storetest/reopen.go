package storetest

import (
	"bytes"
	"fmt"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// reopening are trials of stores that survive their process.
var reopening = []trial{
	{"AnEmptyStoreStaysEmpty", func(b *bench) {
		b.reopen()
		b.same(b.all(), everything{Waiting: map[store.Lane]int64{}}, "what is there")
		b.counts()
	}},
	{"AllIsThereAsItWas", func(b *bench) {
		for _, l := range []store.Lane{lane, {Namespace: "team-a", Plugin: lane.Plugin}, {Namespace: "team-a", Plugin: "resize", Priority: 9}} {
			b.zoo(in(l), callback)
			b.zoo(in(l), b.whole, in(l))
		}
		// What runs is taken back, which is another trial.
		b.later(time.Minute)
		b.expire()
		b.must(b.PutSchedule(b.ctx, store.Schedule{Namespace: "default", Name: "nightly", Spec: []byte("{}"), Created: b.now, Updated: b.now}), "put")
		b.must(b.Fire(b.ctx, "default", "nightly", b.now, task.NewID()), "fire")
		b.must(b.RetryCallbacks(b.ctx, []store.Callback{{ID: b.owed()[0].ID, Tried: 2, Due: b.now.Add(time.Hour), Message: "refused"}}), "retry")
		before := b.all()
		var counts []store.Count
		b.becomes("there are counts of all", func() bool {
			var err error
			counts, err = b.Counts(b.ctx)
			b.must(err, "counts")
			var n int64
			for _, c := range counts {
				n += c.Tasks
			}
			return n == int64(len(before.Records))
		})
		for range 3 {
			b.reopen()
			b.same(b.all(), before, "what is there")
			b.counts(counts...)
		}
	}},
	{"WhatRanIsTakenBackAndNotedAsCutOff", func(b *bench) {
		tasks := b.add(6)
		leases := b.lease(lane, 4)
		b.end(leases[1], task.Succeeded)
		b.extend(1000*time.Hour, held(leases[2]))
		b.reopen()
		b.same(b.expire(), 0, "ran out")
		b.is(task.Queued, tasks[0].ID, tasks[2].ID, tasks[3].ID, tasks[4].ID, tasks[5].ID)
		b.waits(lane, 5)
		for _, l := range []store.Lease{leases[0], leases[2], leases[3], leases[1]} {
			b.refused(l)
		}
		past := []store.Attempt{cutOff(1)}
		again := b.lease(lane, 9)
		b.same(again, []store.Lease{
			{Task: tasks[0], Attempt: 2, Past: past},
			{Task: tasks[2], Attempt: 2, Past: past},
			{Task: tasks[3], Attempt: 2, Past: past},
			{Task: tasks[4], Attempt: 1},
			{Task: tasks[5], Attempt: 1},
		}, "leases")
		b.refused(leases[0])
		b.end(again[0], task.Failed)
		b.reopen()
		b.is(task.Failed, tasks[0].ID)
		b.same(b.lease(lane, 1)[0], store.Lease{Task: tasks[2], Attempt: 3, Past: []store.Attempt{cutOff(1), cutOff(2)}}, "lease")
	}},
	{"AttemptsThatWereCutOffAgainAndAgainAreCounted", func(b *bench) {
		b.add(1)
		for n := range store.PastKept + 3 {
			l := b.take()
			b.same(l.Attempt, n+1, "attempt")
			b.same(len(l.Past), min(n, store.PastKept), "attempts remembered")
			b.reopen()
		}
	}},
	{"WhatWasGivenBackWasNeverLeased", func(b *bench) {
		tasks := b.add(3)
		leases := b.lease(lane, 2)
		b.end(leases[1], task.Queued)
		b.end(leases[0], task.Queued)
		b.reopen()
		b.same(b.lease(lane, 9), each(tasks, func(t store.Task) store.Lease { return store.Lease{Task: t, Attempt: 1} }), "leases")
	}},
	{"LanesKeepTheirOrder", func(b *bench) {
		tasks := b.tasks(8)
		b.submit(tasks[5], tasks[1])
		b.submit(tasks[7], tasks[0], tasks[3])
		b.cancel(tasks[7].ID)
		b.reopen()
		b.submit(tasks[2])
		b.reopen()
		b.revive(tasks[7].ID)
		b.submit(tasks[4])
		b.take()
		b.reopen()
		b.submit(tasks[6])
		b.same(idsLeased(b.lease(lane, 9)), []task.ID{
			tasks[5].ID, tasks[1].ID, tasks[0].ID, tasks[3].ID, tasks[2].ID, tasks[7].ID, tasks[4].ID, tasks[6].ID,
		}, "leased")
	}},
	{"WhatWaitsForItsTimeDoes", func(b *bench) {
		late := b.add(1, b.dueIn(time.Hour))[0]
		b.add(1)
		l := b.take()
		b.end(l, task.Failed)
		b.reopen()
		n, next := b.promote()
		b.same(n, 0, "promoted")
		b.same(next, b.now.Add(time.Second), "the next")
		b.later(time.Hour)
		b.same(b.promoteNever(), 2, "promoted")
		b.same(idsLeased(b.lease(lane, 9)), []task.ID{l.ID, late.ID}, "leased")
	}},
	{"KeysAreTaken", func(b *bench) {
		first := b.add(1, b.keyed("key", "print"))[0]
		b.reopen()
		b.same(b.submit(b.tasks(1, b.keyed("key", "print"))...), []store.Receipt{{ID: first.ID, Seen: true}}, "receipt")
		b.same(b.submit(b.tasks(1, b.keyed("key", "other"))...), []store.Receipt{{ID: first.ID, Err: store.ErrConflict}}, "receipt")
		b.later(time.Hour)
		b.forget(0, 9)
		b.reopen()
		b.add(1, b.keyed("key", "other"))
	}},
	{"LastIsKnownAlsoWhenItWasForgotten", func(b *bench) {
		b.add(2)
		last := b.add(1)[0].ID
		b.cancel(last)
		b.later(time.Hour)
		b.same(b.forget(0, 9), 1, "forgotten")
		for range 2 {
			b.reopen()
			got, err := b.Last(b.ctx)
			b.must(err, "last")
			b.same(got, last, "last")
		}
	}},
	{"BodiesOfAnySize", func(b *bench) {
		tasks := b.tasks(len(sizes))
		for i := range tasks {
			tasks[i].Input = noise(sizes[i])
		}
		b.submit(tasks...)
		leases := b.lease(lane, 100)
		var all []store.Outcome
		for i, l := range leases {
			o := b.outcome(l, task.Succeeded)
			o.Output = noise(sizes[len(sizes)-1-i])
			all = append(all, o)
		}
		b.finish(all...)
		b.reopen()
		for i, t := range tasks {
			if r := b.read(t.ID); !bytes.Equal(r.Input, t.Input) || !bytes.Equal(r.Output, all[i].Output) {
				b.Errorf("bodies of %d and %d bytes changed", len(t.Input), len(all[i].Output))
			}
		}
	}},
	{"WhatWasForgottenIs", func(b *bench) {
		big := b.add(1, func(t *store.Task) { t.Input = noise(1 << 20) })[0]
		b.end(b.take(), task.Dead)
		kept := b.add(1)[0]
		b.later(time.Hour)
		b.same(b.forget(0, 9), 1, "forgotten")
		b.reopen()
		b.left([]task.ID{big.ID, kept.ID}, kept.ID)
		b.later(time.Hour)
		b.same(b.forget(0, 9), 0, "forgotten")
	}},
	{"TenThousandWait", func(b *bench) {
		var want []task.ID
		for i := range 10 {
			want = append(want, idsOf(b.add(1000, func(t *store.Task) { t.Input = fmt.Appendf(nil, "batch %d", i) }))...)
		}
		b.lease(lane, 500)
		b.reopen()
		b.waits(lane, 10_000)
		var got []task.ID
		for range 10 {
			got = append(got, idsLeased(b.lease(lane, 1000))...)
		}
		b.same(got, want, "leased")
	}},
}
