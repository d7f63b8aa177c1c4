package storetest

import (
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// lanes are trials of the order in which tasks go.
var lanes = []trial{
	{"TasksAreLeasedInTheOrderOfSubmission", func(b *bench) {
		var want []task.ID
		for _, n := range []int{1, 3, 100, 1} {
			want = append(want, idsOf(b.add(n))...)
		}
		var got []task.ID
		for _, most := range []int{1, 2, 50, 7, 100} {
			leases := b.lease(lane, most)
			if len(leases) > most {
				b.Fatalf("%d leases where at most %d were wanted", len(leases), most)
			}
			got = append(got, idsLeased(leases)...)
		}
		b.same(got, want, "leased")
		b.same(b.lease(lane, 1), []store.Lease{}, "leases of an empty lane")
	}},
	{"TheOrderIsThatOfSubmissionAlsoWhereIdsAreNot", func(b *bench) {
		tasks := b.tasks(4)
		b.submit(tasks[2], tasks[0])
		b.submit(tasks[3])
		b.submit(tasks[1])
		b.same(idsLeased(b.lease(lane, 4)), []task.ID{tasks[2].ID, tasks[0].ID, tasks[3].ID, tasks[1].ID}, "leased")
	}},
	{"LanesDoNotMix", func(b *bench) {
		all := []store.Lane{
			{Namespace: "a", Plugin: "b", Priority: 4},
			{Namespace: "a", Plugin: "b", Priority: 5},
			{Namespace: "b", Plugin: "b", Priority: 4},
			{Namespace: "a", Plugin: "a", Priority: 4},
			{Namespace: "ab", Plugin: "", Priority: 4},
			{Namespace: "", Plugin: "ab", Priority: 4},
		}
		tasks := b.tasks(10 * len(all))
		for i := range tasks {
			in(all[i%len(all)])(&tasks[i])
		}
		b.submit(tasks...)
		for i, l := range all {
			var want []task.ID
			for j := i; j < len(tasks); j += len(all) {
				want = append(want, tasks[j].ID)
			}
			b.waits(l, 10)
			b.same(idsLeased(b.lease(l, 100)), want, "leased")
		}
	}},
	{"LeasesComeInTheOrderOfTheWants", func(b *bench) {
		other := store.Lane{Namespace: "default", Plugin: "resize", Priority: 0}
		one, two := b.add(3), b.add(3, in(other))
		leases, err := b.Lease(b.ctx, []store.Want{
			{Lane: other, Most: 1},
			{Lane: store.Lane{Namespace: "default", Plugin: "none"}, Most: 5},
			{Lane: lane, Most: 2},
			{Lane: other, Most: 5},
		}, b.now.Add(time.Minute))
		b.must(err, "lease")
		b.same(idsLeased(leases), []task.ID{two[0].ID, one[0].ID, one[1].ID, two[1].ID, two[2].ID}, "leased")
	}},
	{"WhatWasGivenBackIsTheFirst", func(b *bench) {
		tasks := b.add(6)
		leases := b.lease(lane, 4)
		b.end(leases[2], task.Queued)
		b.end(leases[1], task.Queued)
		b.is(task.Queued, tasks[1].ID, tasks[2].ID)
		b.waits(lane, 4)
		b.same(idsLeased(b.lease(lane, 9)), []task.ID{tasks[1].ID, tasks[2].ID, tasks[4].ID, tasks[5].ID}, "leased")
	}},
	{"WhatRanOutIsTheFirst", func(b *bench) {
		tasks := b.add(6)
		leases := b.lease(lane, 4)
		b.end(leases[0], task.Succeeded)
		_, err := b.Extend(b.ctx, []store.Held{{ID: leases[3].ID, Attempt: 1}}, b.now.Add(time.Hour))
		b.must(err, "extend")
		b.later(time.Minute)
		if n := b.expire(); n != 2 {
			b.Errorf("%d ran out, want 2", n)
		}
		b.waits(lane, 4)
		b.same(idsLeased(b.lease(lane, 9)), []task.ID{tasks[1].ID, tasks[2].ID, tasks[4].ID, tasks[5].ID}, "leased")
	}},
	{"WhatComesLaterIsBehindWhatWasGivenBack", func(b *bench) {
		first := b.add(2)
		leases := b.lease(lane, 2)
		second := b.add(1)
		b.end(leases[1], task.Queued)
		third := b.add(1)
		b.end(leases[0], task.Queued)
		b.same(idsLeased(b.lease(lane, 9)), []task.ID{first[0].ID, first[1].ID, second[0].ID, third[0].ID}, "leased")
	}},
	{"WhatWasPromotedOrRevivedIsTheLast", func(b *bench) {
		late := b.add(1, func(t *store.Task) { t.Due = b.now.Add(time.Second) })[0]
		failed := b.add(1)[0]
		b.end(b.take(), task.Failed)
		dead := b.add(1)[0]
		b.end(b.take(), task.Dead)
		first := b.add(2)
		b.later(time.Minute)
		b.promote()
		second := b.add(1)[0]
		b.revive(dead.ID)
		third := b.add(1)[0]
		b.same(idsLeased(b.lease(lane, 9)), []task.ID{
			first[0].ID, first[1].ID, late.ID, failed.ID, second.ID, dead.ID, third.ID,
		}, "leased")
	}},
	{"WhatIsCanceledLeavesTheOthersInOrder", func(b *bench) {
		tasks := b.add(7)
		leases := b.lease(lane, 3)
		b.end(leases[1], task.Queued)
		b.cancel(tasks[0].ID, tasks[1].ID, tasks[4].ID)
		b.waits(lane, 3)
		b.same(idsLeased(b.lease(lane, 9)), []task.ID{tasks[3].ID, tasks[5].ID, tasks[6].ID}, "leased")
	}},
	{"TheBacklogIsWhatCanBeLeased", func(b *bench) {
		b.same(b.Backlog(), []store.Backlog{}, "of an empty store")
		b.add(5)
		b.add(2, func(t *store.Task) { t.Due = b.now.Add(time.Second) })
		other := store.Lane{Namespace: "default", Plugin: "resize", Priority: 9}
		b.add(1, in(other))
		b.same(len(b.Backlog()), 2, "lanes")
		b.waits(lane, 5)
		b.waits(other, 1)
		leases := b.lease(lane, 3)
		b.waits(lane, 2)
		b.end(leases[0], task.Succeeded)
		b.end(leases[1], task.Failed)
		b.waits(lane, 2)
		b.end(leases[2], task.Queued)
		b.waits(lane, 3)
		b.later(time.Second)
		b.promote()
		b.waits(lane, 6)
		b.lease(lane, 9)
		b.same(b.Backlog(), []store.Backlog{{Lane: other, Waiting: 1}}, "when all of a lane was leased")
	}},
	{"AnArrivalIsTold", func(b *bench) {
		arrived := b.Arrived()
		b.add(1, func(t *store.Task) { t.Due = b.now.Add(time.Second) })
		if closed(arrived) {
			b.Error("something arrived that waits for its time")
		}
		b.add(1)
		b.closes(arrived, "submitted")
		arrived = b.Arrived()
		l := b.take()
		if closed(arrived) {
			b.Error("something arrived when it was leased")
		}
		b.end(l, task.Queued)
		b.closes(arrived, "given back")
		arrived = b.Arrived()
		b.end(b.take(), task.Dead)
		if closed(arrived) {
			b.Error("something arrived when it ended")
		}
		b.revive(l.ID)
		b.closes(arrived, "revived")
		arrived = b.Arrived()
		b.take()
		b.later(time.Minute)
		b.expire()
		b.closes(arrived, "ran out")
		arrived = b.Arrived()
		b.promote()
		b.closes(arrived, "promoted")
		if closed(b.Arrived()) {
			b.Error("the next arrival was told before it came")
		}
	}},
}
