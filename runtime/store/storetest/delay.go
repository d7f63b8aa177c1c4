package storetest

import (
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// dueIn has a task wait.
func (b *bench) dueIn(d time.Duration) func(*store.Task) {
	return func(t *store.Task) { t.Due = b.now.Add(d) }
}

var promoting = []trial{
	{"NothingIsDueNever", func(b *bench) {
		b.same(b.promoteNever(), 0, "of an empty store")
		b.add(1)
		b.same(b.promoteNever(), 0, "of one that waits for its turn alone")
	}},
	{"ATaskIsPromotedAtItsTimeAndNotBefore", func(b *bench) {
		t := b.add(1, b.dueIn(time.Hour))[0]
		b.later(time.Hour - time.Microsecond)
		n, next := b.promote()
		b.same(n, 0, "promoted")
		b.same(next, t.Due, "the next")
		b.later(time.Microsecond)
		b.same(b.promoteNever(), 1, "promoted")
		b.same(b.read(t.ID), record(t, task.Queued), "record")
		b.same(b.promoteNever(), 0, "promoted twice")
	}},
	{"TheOrderIsThatOfTheTimes", func(b *bench) {
		tasks := b.tasks(6)
		for i, d := range []time.Duration{3, 1, 2, 1, 5, 3} {
			b.dueIn(d * time.Second)(&tasks[i])
		}
		b.submit(tasks[5], tasks[1], tasks[0])
		b.submit(tasks[3], tasks[4], tasks[2])
		b.later(3 * time.Second)
		n, next := b.promote()
		b.same(n, 5, "promoted")
		b.same(next, tasks[4].Due, "the next")
		b.same(idsLeased(b.lease(lane, 9)), []task.ID{tasks[1].ID, tasks[3].ID, tasks[2].ID, tasks[0].ID, tasks[5].ID}, "leased")
	}},
	{"ScheduledAndFailedOnesGoByTheirTimes", func(b *bench) {
		b.add(1)
		l := b.take()
		o := b.outcome(l, task.Failed)
		o.Due = b.now.Add(2 * time.Second)
		late, early := b.add(1, b.dueIn(3*time.Second))[0], b.add(1, b.dueIn(time.Second))[0]
		b.finish(o)
		b.later(time.Minute)
		b.same(b.promoteNever(), 3, "promoted")
		b.same(idsLeased(b.lease(lane, 9)), []task.ID{early.ID, l.ID, late.ID}, "leased")
	}},
	{"SoManyAtMost", func(b *bench) {
		tasks := b.add(1, b.dueIn(time.Second))
		tasks = append(tasks, b.add(1, b.dueIn(2*time.Second))...)
		tasks = append(tasks, b.add(1, b.dueIn(3*time.Second))...)
		b.later(time.Minute)
		n, next, err := b.Promote(b.ctx, b.now, 2)
		b.must(err, "promote")
		b.same(n, 2, "promoted")
		b.same(next, tasks[2].Due, "the next, which is due already")
		b.is(task.Scheduled, tasks[2].ID)
		b.same(b.promoteNever(), 1, "promoted")
		b.same(idsLeased(b.lease(lane, 9)), idsOf(tasks), "leased")
	}},
	{"AThousandAtOnceAndIntoTheirLanes", func(b *bench) {
		other := store.Lane{Namespace: "team-a", Plugin: "resize", Priority: 9}
		one, two := b.add(500, b.dueIn(time.Second)), b.add(500, b.dueIn(time.Second), in(other))
		b.later(time.Second)
		b.same(b.promoteNever(), 1000, "promoted")
		b.same(idsLeased(b.lease(lane, 1000)), idsOf(one), "leased")
		b.same(idsLeased(b.lease(other, 1000)), idsOf(two), "leased of the other lane")
	}},
	{"AnotherTimeThatIsSetBackPromotesNothing", func(b *bench) {
		t := b.add(1, b.dueIn(0))[0]
		b.later(-time.Hour)
		n, next := b.promote()
		b.same(n, 0, "promoted")
		b.same(next, t.Due, "the next")
	}},
}
