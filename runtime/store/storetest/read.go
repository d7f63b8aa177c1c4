package storetest

import (
	"slices"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// zoo has a task in each state, in the order of task.States.
func (b *bench) zoo(with ...func(*store.Task)) []task.ID {
	b.Helper()
	with = slices.Clip(with)
	ids := map[task.State]task.ID{}
	for _, s := range []task.State{task.Succeeded, task.Dead, task.Canceled, task.Failed, task.Running} {
		t := b.add(1, with...)[0]
		ids[s] = t.ID
		l := store.Lane{Namespace: t.Namespace, Plugin: t.Plugin, Priority: t.Priority}
		leases := b.lease(l, 1000)
		last := len(leases) - 1
		b.same(leases[last].ID, t.ID, "leased last")
		for _, before := range leases[:last] {
			b.end(before, task.Queued)
		}
		if s != task.Running {
			b.end(leases[last], s)
		}
	}
	ids[task.Queued] = b.add(1, with...)[0].ID
	ids[task.Scheduled] = b.add(1, append(with, b.dueIn(time.Hour))...)[0].ID
	return each(task.States, func(s task.State) task.ID { return ids[s] })
}

var reading = []trial{
	{"RecordsComeInTheOrderOfTheIds", func(b *bench) {
		ids := b.zoo()
		ask := []task.ID{ids[3], "no id of ours", ids[0], task.NewID(), ids[6], ids[3], ""}
		records, err := b.Read(b.ctx, ask, 0)
		b.must(err, "read")
		b.same(idsRead(records), []task.ID{ids[3], "", ids[0], "", ids[6], ids[3], ""}, "ids")
		b.same(records[1], store.Record{}, "one that is not there")
		records, err = b.Read(b.ctx, nil, 0)
		b.must(err, "read")
		b.same(records, []store.Record{}, "nothing")
	}},
	{"AnIdIsAllOfItsText", func(b *bench) {
		id := b.add(1)[0].ID
		other := id[:25] + "0"
		if other == id {
			other = id[:25] + "1"
		}
		b.same(b.read(other), store.Record{}, "one that is like another")
		b.same(b.read(id[:25]), store.Record{}, "a piece of one")
		b.same(b.cancel(other), []error{store.ErrNotFound}, "cancel")
	}},
	{"BodiesAreReadWhenTheyAreAskedFor", func(b *bench) {
		t := b.add(1)[0]
		o := b.outcome(b.take(), task.Succeeded)
		b.finish(o)
		for _, parts := range []store.Parts{0, store.WithInput, store.WithOutput, store.WithInput | store.WithOutput} {
			records, err := b.Read(b.ctx, []task.ID{t.ID}, parts)
			b.must(err, "read")
			r := records[0]
			if got := r.Input != nil; got != (parts&store.WithInput != 0) {
				b.Errorf("parts %d have input: %v", parts, got)
			}
			if got := r.Output != nil; got != (parts&store.WithOutput != 0) {
				b.Errorf("parts %d have output: %v", parts, got)
			}
			if r.InputBytes != int64(len(t.Input)) || r.OutputBytes != int64(len(o.Output)) {
				b.Errorf("parts %d: %d and %d bytes", parts, r.InputBytes, r.OutputBytes)
			}
		}
	}},
	{"OnlyASuccessHasAnOutput", func(b *bench) {
		for i, id := range b.zoo() {
			if got := b.read(id).Output != nil; got != (task.States[i] == task.Succeeded) {
				b.Errorf("a %s task has an output: %v", task.States[i], got)
			}
		}
	}},
	{"AThousandAtOnce", func(b *bench) {
		tasks := b.add(1000)
		records, err := b.Read(b.ctx, idsOf(tasks), store.WithInput)
		b.must(err, "read")
		b.same(records, each(tasks, func(t store.Task) store.Record { return record(t, task.Queued) }), "records")
	}},
	{"CountsAreOfPluginsAndStates", func(b *bench) {
		var want []store.Count
		b.counts(want...)
		for _, l := range []store.Lane{
			lane,
			{Namespace: "team-a", Plugin: lane.Plugin, Priority: 0},
			{Namespace: lane.Namespace, Plugin: "resize", Priority: 9},
		} {
			b.zoo(in(l))
			for _, s := range task.States {
				want = append(want, store.Count{Namespace: l.Namespace, Plugin: l.Plugin, State: s, Tasks: 1})
			}
			b.counts(want...)
		}
		queued := store.Lane{Namespace: "team-a", Plugin: lane.Plugin, Priority: 5}
		b.add(9, in(queued))
		want[len(task.States)+slices.Index(task.States, task.Queued)].Tasks = 10
		b.counts(want...)
		b.later(time.Hour)
		b.promote()
		b.expire()
		b.same(b.forget(0, 100), 9, "forgotten")
		b.counts(
			store.Count{Namespace: lane.Namespace, Plugin: lane.Plugin, State: task.Queued, Tasks: 4},
			store.Count{Namespace: "team-a", Plugin: lane.Plugin, State: task.Queued, Tasks: 13},
			store.Count{Namespace: lane.Namespace, Plugin: "resize", State: task.Queued, Tasks: 4},
		)
	}},
	{"AnEndedContextChangesNothing", func(b *bench) { b.nothingAfterTheEnd() }},
}

// counts waits until a store counts so.
func (b *bench) counts(want ...store.Count) {
	b.Helper()
	var got []store.Count
	b.becomes("counts are right", func() bool {
		var err error
		got, err = b.Counts(b.ctx)
		b.must(err, "counts")
		b.same(sortedCounts(got, false), sortedCounts(want, false), "counts of states that do not end a task")
		return difference(sortedCounts(got, true), sortedCounts(want, true)) == ""
	})
}

var paging = []trial{
	{"TheNewestComeFirst", func(b *bench) {
		tasks := b.tasks(5)
		b.submit(tasks[3], tasks[0])
		b.submit(tasks[4], tasks[1], tasks[2])
		b.same(idsRead(b.page(store.Query{})), newestFirst(idsOf(tasks)), "page")
		b.same(idsRead(b.page(store.Query{Limit: 2})), []task.ID{tasks[4].ID, tasks[3].ID}, "of two")
		b.same(idsRead(b.page(store.Query{Limit: 2, Before: tasks[3].ID})), []task.ID{tasks[2].ID, tasks[1].ID}, "the next")
		b.same(idsRead(b.page(store.Query{Before: tasks[0].ID})), []task.ID{}, "before the oldest")
		b.same(idsRead(b.page(store.Query{Before: task.NewID(), Limit: 1})), []task.ID{tasks[4].ID}, "before one that is not there")
	}},
	{"WithoutBodies", func(b *bench) {
		for _, id := range b.zoo() {
			want := b.read(id)
			want.Input, want.Output = nil, nil
			records := b.page(store.Query{State: want.State})
			b.same(records, []store.Record{want}, "page")
			if records[0].Input != nil || records[0].Output != nil {
				b.Error("a page has bodies")
			}
		}
	}},
	{"EveryFilterWithEveryOther", func(b *bench) {
		for _, l := range []store.Lane{lane, {Namespace: "team-a", Plugin: lane.Plugin}, {Namespace: "team-a", Plugin: "resize"}} {
			for _, schedule := range []string{"", "nightly", "hourly"} {
				b.zoo(in(l), func(t *store.Task) { t.Terms.Schedule = schedule })
			}
		}
		all := b.page(store.Query{})
		if len(all) != 9*len(task.States) {
			b.Fatalf("%d tasks on the page of all", len(all))
		}
		states := append([]task.State{""}, task.States...)
		for _, namespace := range []string{"", lane.Namespace, "team-a", "none"} {
			plugins := []string{"", lane.Plugin, "resize", "none"}
			if namespace == "" {
				plugins = plugins[:1]
			}
			for _, plugin := range plugins {
				for _, state := range states {
					for _, schedule := range []string{"", "nightly", "none"} {
						for _, before := range []task.ID{"", all[len(all)/3].ID} {
							b.chooses(all, store.Query{Namespace: namespace, Plugin: plugin, State: state, Schedule: schedule, Before: before})
						}
					}
				}
			}
		}
	}},
	{"PagesTogetherAreAllOnce", func(b *bench) {
		tasks := b.add(107)
		for _, size := range []int{1, 7, 100, 107, 1000} {
			var got []task.ID
			var before task.ID
			for {
				page := b.page(store.Query{Before: before, Limit: size})
				if len(page) > size {
					b.Fatalf("%d tasks on a page of %d", len(page), size)
				}
				if len(page) == 0 {
					break
				}
				got = append(got, idsRead(page)...)
				before = got[len(got)-1]
				if len(got) > len(tasks) {
					b.Fatal("there are more tasks on pages than in the store")
				}
			}
			b.same(got, newestFirst(idsOf(tasks)), "pages")
		}
	}},
	{"AsTheyGoFromStateToState", func(b *bench) {
		t := b.add(1, b.dueIn(time.Second))[0]
		at := func(s task.State) {
			b.Helper()
			for _, other := range task.States {
				var want []task.ID
				if other == s {
					want = []task.ID{t.ID}
				}
				b.same(idsRead(b.page(store.Query{State: other})), want, "page of "+string(other))
			}
		}
		at(task.Scheduled)
		b.later(time.Second)
		b.promote()
		at(task.Queued)
		l := b.take()
		at(task.Running)
		b.end(l, task.Queued)
		at(task.Queued)
		b.end(b.take(), task.Failed)
		at(task.Failed)
		b.later(time.Second)
		b.promote()
		at(task.Queued)
		b.take()
		b.later(time.Minute)
		b.expire()
		at(task.Queued)
		b.end(b.take(), task.Dead)
		at(task.Dead)
		b.revive(t.ID)
		at(task.Queued)
		b.cancel(t.ID)
		at(task.Canceled)
		b.revive(t.ID)
		b.end(b.take(), task.Succeeded)
		at(task.Succeeded)
	}},
}

// chooses checks a query with and without a limit.
func (b *bench) chooses(all []store.Record, q store.Query) {
	b.Helper()
	var want []task.ID
	for _, r := range all {
		if (q.Namespace == "" || r.Namespace == q.Namespace) && (q.Plugin == "" || r.Plugin == q.Plugin) && (q.State == "" || r.State == q.State) &&
			(q.Schedule == "" || r.Terms.Schedule == q.Schedule) && (q.Before == "" || r.ID < q.Before) {
			want = append(want, r.ID)
		}
	}
	for _, limit := range []int{2, 1000} {
		q.Limit = limit
		if got := idsRead(b.page(q)); !slices.Equal(got, want[:min(limit, len(want))]) {
			b.Fatalf("%+v chooses %v, want %v", q, got, want[:min(limit, len(want))])
		}
	}
}

var watching = []trial{
	{"EveryChangeIsToldOnceItCanBeRead", func(b *bench) {
		t := b.tasks(1, b.dueIn(time.Second))[0]
		var l store.Lease
		for _, step := range []struct {
			does string
			then task.State
			do   func()
		}{
			{"submit", task.Scheduled, func() { b.submit(t) }},
			{"promote", task.Queued, func() { b.later(time.Second); b.promote() }},
			{"lease", task.Running, func() { l = b.take() }},
			{"give back", task.Queued, func() { b.end(l, task.Queued) }},
			{"lease", task.Running, func() { l = b.take() }},
			{"fail", task.Failed, func() { b.end(l, task.Failed) }},
			{"promote", task.Queued, func() { b.later(time.Second); b.promote() }},
			{"lease", task.Running, func() { l = b.take() }},
			{"expire", task.Queued, func() { b.later(time.Minute); b.expire() }},
			{"lease", task.Running, func() { l = b.take() }},
			{"cancel", task.Canceled, func() { b.cancel(t.ID) }},
			{"revive", task.Queued, func() { b.revive(t.ID) }},
			{"lease", task.Running, func() { l = b.take() }},
			{"die", task.Dead, func() { b.end(l, task.Dead) }},
			{"revive", task.Queued, func() { b.revive(t.ID) }},
			{"lease", task.Running, func() { l = b.take() }},
			{"succeed", task.Succeeded, func() { b.end(l, task.Succeeded) }},
		} {
			one, stop := b.Watch(t.ID)
			two, stopTwo := b.Watch(t.ID)
			three, _ := b.Watch(t.ID)
			stopTwo()
			stopTwo()
			if closed(one) {
				b.Fatalf("a change was told before %s", step.does)
			}
			seen := make(chan task.State, 1)
			go func() {
				<-one
				records, err := b.Read(b.ctx, []task.ID{t.ID}, 0)
				if err != nil || len(records) != 1 {
					records = []store.Record{{}}
				}
				seen <- records[0].State
			}()
			step.do()
			b.closes(three, step.does)
			select {
			case got := <-seen:
				b.same(got, step.then, "state read after "+step.does)
			case <-time.After(patience):
				b.Fatalf("%s: not everybody was told", step.does)
			}
			stop()
			stop()
			_ = two
		}
	}},
	{"OfAnotherTaskNothingIsTold", func(b *bench) {
		tasks := b.add(2)
		changed, stop := b.Watch(tasks[1].ID)
		defer stop()
		b.end(b.take(), task.Succeeded)
		b.extend(time.Hour, held(b.take()))
		b.closes(changed, "lease")
		changed, stop = b.Watch(tasks[1].ID)
		defer stop()
		b.same(b.extend(time.Hour, store.Held{ID: tasks[1].ID, Attempt: 1}), []task.ID{}, "lost")
		b.cancel(tasks[0].ID)
		b.add(3)
		if closed(changed) {
			b.Error("a change was told where there was none")
		}
	}},
	{"WatchThenReadThenWaitMissesNothing", func(b *bench) {
		const n = 200
		tasks := b.add(n)
		ended := make(chan error, n)
		for _, t := range tasks {
			go func() {
				for {
					changed, stop := b.Watch(t.ID)
					records, err := b.Read(b.ctx, []task.ID{t.ID}, 0)
					if err != nil || records[0].State.Ended() {
						stop()
						ended <- err
						return
					}
					<-changed
				}
			}()
		}
		for range n {
			b.end(b.take(), task.Succeeded)
		}
		late := time.After(patience)
		for i := range n {
			select {
			case err := <-ended:
				b.must(err, "read")
			case <-late:
				b.Fatalf("%d of %d were told that their task ended", i, n)
			}
		}
	}},
}
