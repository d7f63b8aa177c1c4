package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

func callback(t *store.Task) { t.Terms.Callback = "https://example.com/done" }

// owes is the callback of a task that has ended now.
func (b *bench) owes(id task.ID) store.Callback {
	return store.Callback{ID: id, Ended: b.now, Due: b.now}
}

var callingBack = []trial{
	{"AreOwedByTasksThatEnded", func(b *bench) {
		var want []store.Callback
		for _, s := range []task.State{task.Succeeded, task.Dead, task.Canceled} {
			t := b.add(1, callback)[0]
			l := b.take()
			b.same(b.owed(), want, "before it ended")
			b.end(l, s)
			want = append(want, b.owes(t.ID))
			b.same(b.owed(), want, "after it ended "+string(s))
		}
		for _, t := range b.add(2, callback) {
			b.cancel(t.ID)
			want = append(want, b.owes(t.ID))
		}
		b.same(b.owed(), want, "canceled")
	}},
	{"AreNotOwedWithoutAURLOrAnEnd", func(b *bench) {
		b.zoo()
		b.same(b.owed(), []store.Callback{}, "without a URL")
		b.add(1, callback, b.dueIn(time.Hour))
		b.add(1, callback)
		b.lease(lane, 9)
		b.add(1, callback)
		b.end(b.take(), task.Failed)
		b.add(1, callback)
		b.end(b.take(), task.Queued)
		b.later(30 * time.Second)
		b.same(b.owed(), []store.Callback{}, "without an end")
	}},
	{"OfALostLeaseAreNotOwed", func(b *bench) {
		b.add(1, callback)
		l := b.take()
		b.later(time.Minute)
		b.expire()
		b.refused(l)
		b.same(b.owed(), []store.Callback{}, "owed")
	}},
	{"ComeInTheOrderOfTheirTimes", func(b *bench) {
		tasks := b.add(4, callback)
		ids := idsOf(tasks)
		b.cancel(ids[2])
		b.later(time.Second)
		b.cancel(ids[3], ids[0])
		b.later(time.Second)
		b.cancel(ids[1])
		get := func(most int) ([]task.ID, time.Time) {
			b.Helper()
			due, next, err := b.Callbacks(b.ctx, b.now, most)
			b.must(err, "callbacks")
			return each(due, func(c store.Callback) task.ID { return c.ID }), next
		}
		got, next := get(9)
		b.same(got, []task.ID{ids[2], ids[0], ids[3], ids[1]}, "all")
		b.same(next, time.Time{}, "the next")
		got, next = get(2)
		b.same(got, []task.ID{ids[2], ids[0]}, "two")
		b.same(next, b.now.Add(-time.Second), "the next")
		b.now = b.now.Add(-time.Second)
		got, next = get(9)
		b.same(got, []task.ID{ids[2], ids[0], ids[3]}, "earlier")
		b.same(next, b.now.Add(time.Second), "the next")
	}},
	{"AreTriedAgainLater", func(b *bench) {
		tasks := b.add(2, callback)
		b.cancel(idsOf(tasks)...)
		again := store.Callback{ID: tasks[0].ID, Ended: b.now, Tried: 3, Due: b.now.Add(time.Minute), Message: "502 Bad Gateway: '\x00' " + strings.Repeat("x", 3000)}
		b.must(b.RetryCallbacks(b.ctx, []store.Callback{again, {ID: task.NewID(), Ended: b.now, Tried: 1, Due: b.now}}), "retry")
		due, next, err := b.Callbacks(b.ctx, b.now, 9)
		b.must(err, "callbacks")
		b.same(due, []store.Callback{b.owes(tasks[1].ID)}, "now")
		b.same(next, again.Due, "the next")
		b.must(b.DropCallbacks(b.ctx, []store.Callback{b.owes(tasks[1].ID)}), "drop")
		b.later(time.Minute)
		b.same(b.owed(), []store.Callback{again}, "later")
	}},
	{"AreDroppedOnce", func(b *bench) {
		tasks := b.add(3, callback)
		b.cancel(idsOf(tasks)...)
		b.must(b.DropCallbacks(b.ctx, each([]task.ID{tasks[0].ID, task.NewID(), tasks[2].ID, tasks[0].ID}, b.owes)), "drop")
		b.same(b.owed(), []store.Callback{b.owes(tasks[1].ID)}, "owed")
		b.must(b.RetryCallbacks(b.ctx, []store.Callback{{ID: tasks[0].ID, Ended: b.now, Tried: 1, Due: b.now}}), "retry")
		b.same(b.owed(), []store.Callback{b.owes(tasks[1].ID)}, "owed after one was tried again that is not owed")
		b.is(task.Canceled, idsOf(tasks)...)
	}},
	{"AreNotOwedByWhatWasRevived", func(b *bench) {
		t := b.add(1, callback)[0]
		b.end(b.take(), task.Dead)
		b.must(b.RetryCallbacks(b.ctx, []store.Callback{{ID: t.ID, Ended: b.now, Tried: 5, Due: b.now, Message: "tried"}}), "retry")
		b.revive(t.ID)
		b.same(b.owed(), []store.Callback{}, "owed")
		b.later(time.Second)
		b.end(b.take(), task.Succeeded)
		b.same(b.owed(), []store.Callback{b.owes(t.ID)}, "owed when it ended again")
	}},
	{"OfAnotherEndAreNotThoseThatWereTold", func(b *bench) {
		t := b.add(1, callback)[0]
		b.end(b.take(), task.Dead)
		first := b.owes(t.ID)
		b.revive(t.ID)
		b.later(time.Second)
		b.end(b.take(), task.Succeeded)
		second := b.owes(t.ID)
		b.must(b.DropCallbacks(b.ctx, []store.Callback{first}), "drop")
		b.same(b.owed(), []store.Callback{second}, "owed after the first was told")
		first.Tried, first.Due = 1, b.now.Add(time.Hour)
		b.must(b.RetryCallbacks(b.ctx, []store.Callback{first}), "retry")
		b.same(b.owed(), []store.Callback{second}, "owed after the first was not told")
		b.must(b.DropCallbacks(b.ctx, []store.Callback{second}), "drop")
		b.same(b.owed(), []store.Callback{}, "owed after both were told")
	}},
	{"GoByTheTermsOfARevival", func(b *bench) {
		tasks := b.add(2, callback)
		tasks = append(tasks, b.add(1)...)
		b.cancel(idsOf(tasks)...)
		b.must(b.DropCallbacks(b.ctx, each(idsOf(tasks), b.owes)), "drop")
		_, err := b.Revive(b.ctx, []store.Revival{
			{ID: tasks[0].ID}, {ID: tasks[1].ID, Terms: &task.Terms{}}, {ID: tasks[2].ID, Terms: &task.Terms{Callback: "https://example.com"}},
		})
		b.must(err, "revive")
		for _, l := range b.lease(lane, 9) {
			b.end(l, task.Succeeded)
		}
		b.same(b.owed(), []store.Callback{b.owes(tasks[0].ID), b.owes(tasks[2].ID)}, "owed")
	}},
	{"AreForgottenWithTheirTask", func(b *bench) {
		b.add(1, callback)
		b.cancel(idsRead(b.page(store.Query{}))...)
		b.later(time.Hour)
		b.same(b.forget(0, 9), 1, "forgotten")
		b.same(b.owed(), []store.Callback{}, "owed")
	}},
	{"OfAThousand", func(b *bench) {
		tasks := b.add(1000, callback)
		b.finish(each(b.lease(lane, 1000), func(l store.Lease) store.Outcome { return b.outcome(l, task.Succeeded) })...)
		b.same(b.owed(), each(idsOf(tasks), b.owes), "owed")
		b.must(b.DropCallbacks(b.ctx, each(idsOf(tasks), b.owes)), "drop")
		b.same(b.owed(), []store.Callback{}, "owed")
	}},
}

func (b *bench) schedules() []store.Schedule {
	b.Helper()
	all, err := b.Schedules(b.ctx)
	b.must(err, "schedules")
	return all
}

var scheduling = []trial{
	{"AreThereAsTheyWerePutAndSorted", func(b *bench) {
		b.same(b.schedules(), []store.Schedule{}, "of an empty store")
		var all []store.Schedule
		for _, name := range [][2]string{{"b", "a"}, {"a", "z"}, {"a", "b"}, {"", "x"}, {"a", "ä 世'\"\x00"}, {"ab", ""}} {
			s := store.Schedule{
				Namespace: name[0], Name: name[1], Spec: []byte(`{"cron":"0 2 * * *","zone":"Europe/Berlin","input":"` + name[1] + `"}`),
				Created: b.now, Updated: b.now.Add(time.Second),
			}
			b.must(b.PutSchedule(b.ctx, s), "put")
			all = append(all, s)
		}
		slices.SortFunc(all, func(a, b store.Schedule) int {
			return strings.Compare(a.Namespace+"\x00"+a.Name, b.Namespace+"\x00"+b.Name)
		})
		b.same(b.schedules(), all, "schedules")
	}},
	{"TakeThePlaceOfTheOneThatHasTheName", func(b *bench) {
		s := store.Schedule{Namespace: "default", Name: "nightly", Spec: []byte(`{"a":1}`), Created: b.now, Updated: b.now}
		b.must(b.PutSchedule(b.ctx, s), "put")
		id := task.NewID()
		b.must(b.Fire(b.ctx, "default", "nightly", b.now, id), "fire")
		s.Spec, s.Updated = []byte(`"`+strings.Repeat("long ", 20_000)+`"`), b.now.Add(time.Hour)
		s.Fired, s.Last = b.now.Add(time.Minute), task.NewID() // not looked at
		b.must(b.PutSchedule(b.ctx, s), "put")
		s.Fired, s.Last = b.now, id
		b.same(b.schedules(), []store.Schedule{s}, "schedules")
	}},
	{"HaveNotFiredAtFirst", func(b *bench) {
		s := store.Schedule{Namespace: "default", Name: "nightly", Spec: []byte("{}"), Created: b.now, Updated: b.now}
		given := s
		given.Fired, given.Last = b.now, task.NewID()
		b.must(b.PutSchedule(b.ctx, given), "put")
		b.same(b.schedules(), []store.Schedule{s}, "schedules")
	}},
	{"KnowWhenTheyFiredLast", func(b *bench) {
		s := store.Schedule{Namespace: "default", Name: "nightly", Spec: []byte("{}"), Created: b.now, Updated: b.now}
		b.must(b.PutSchedule(b.ctx, s), "put")
		for range 3 {
			b.later(time.Hour)
			s.Fired, s.Last = b.now, task.NewID()
			b.must(b.Fire(b.ctx, "default", "nightly", s.Fired, s.Last), "fire")
			b.same(b.schedules(), []store.Schedule{s}, "schedules")
		}
		b.same(b.Fire(b.ctx, "default", "hourly", b.now, s.Last), store.ErrNotFound, "another's")
		b.same(b.Fire(b.ctx, "team-a", "nightly", b.now, s.Last), store.ErrNotFound, "another namespace's")
	}},
	{"AreDeletedOnce", func(b *bench) {
		for _, namespace := range []string{"default", "team-a"} {
			b.must(b.PutSchedule(b.ctx, store.Schedule{Namespace: namespace, Name: "nightly", Spec: []byte("{}")}), "put")
		}
		b.must(b.Fire(b.ctx, "default", "nightly", b.now, task.NewID()), "fire")
		b.must(b.DeleteSchedule(b.ctx, "default", "nightly"), "delete")
		b.same(b.DeleteSchedule(b.ctx, "default", "nightly"), store.ErrNotFound, "once more")
		b.same(each(b.schedules(), func(s store.Schedule) string { return s.Namespace }), []string{"team-a"}, "left")
		s := store.Schedule{Namespace: "default", Name: "nightly", Spec: []byte("{}"), Created: b.now, Updated: b.now}
		b.must(b.PutSchedule(b.ctx, s), "put")
		b.same(b.schedules()[0], s, "one put anew")
	}},
}
