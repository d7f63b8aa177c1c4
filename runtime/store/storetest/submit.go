package storetest

import (
	"strings"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// keyed gives a task a key for an hour.
func (b *bench) keyed(key, fingerprint string) func(*store.Task) {
	return func(t *store.Task) { t.Key, t.Fingerprint, t.KeyUntil = key, fingerprint, b.now.Add(time.Hour) }
}

// whole is a task with something in every field.
func (b *bench) whole(t *store.Task) {
	t.Namespace, t.Plugin, t.Priority = "team-a", "resize", task.MostPriority
	t.Version, t.Digest = 7, "sha256:9f2c"
	t.Terms = task.Terms{
		Function: "thumbnail", Timeout: 1500 * time.Millisecond, Retries: new(0), Backoff: time.Second, Keep: time.Hour,
		Callback: "https://example.com/done?a=1", Schedule: "nightly", Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Spent: 2,
	}
}

var submitting = []trial{
	{"ATaskIsThereAsItWasSubmitted", func(b *bench) {
		now, later := b.add(1, b.whole)[0], b.add(1, b.whole, func(t *store.Task) { t.Due = b.now.Add(time.Hour) })[0]
		b.same(b.read(now.ID), record(now, task.Queued), "without a due time")
		b.same(b.read(later.ID), record(later, task.Scheduled), "with one")
		plain := b.add(1)[0]
		b.same(b.read(plain.ID), record(plain, task.Queued), "without terms")
	}},
	{"ATaskWithADueIsScheduledWhateverTheTimeIs", func(b *bench) {
		tasks := b.add(1, func(t *store.Task) { t.Due = time.Unix(1, 0) })
		b.is(task.Scheduled, tasks[0].ID)
		b.waits(lane, 0)
	}},
	{"TimesAreKeptInUTCToTheMicrosecond", func(b *bench) {
		zone := time.FixedZone("", 3600)
		at := time.Date(2026, 3, 29, 3, 30, 0, 123456789, zone)
		id := b.add(1, func(t *store.Task) { t.Created, t.Due = at, at })[0].ID
		r := b.read(id)
		for _, got := range []time.Time{r.Created, r.Due} {
			if !got.Equal(at.Truncate(time.Microsecond)) || got.Location() != time.UTC {
				b.Errorf("%v was kept as %v", at, got)
			}
		}
	}},
	{"NothingSubmittedIsNothingStored", func(b *bench) {
		b.submit()
		b.same(b.page(store.Query{}), []store.Record{}, "page")
	}},
	{"AThousandAreSubmittedAtOnce", func(b *bench) {
		tasks := b.add(1000)
		b.waits(lane, 1000)
		b.same(idsLeased(b.lease(lane, 2000)), idsOf(tasks), "leased")
	}},
	{"WhatWasGivenCanBeUsedForSomethingElseAfterwards", func(b *bench) {
		t := b.tasks(1)[0]
		given := []byte("as it was")
		t.Input, t.Terms.Retries = given, new(3)
		b.submit(t)
		copy(given, "changed!!")
		*t.Terms.Retries = 4
		if r := b.read(t.ID); string(r.Input) != "as it was" || *r.Terms.Retries != 3 {
			b.Errorf("the store has %q, %d retries", r.Input, *r.Terms.Retries)
		}
	}},
	{"WhatWasReturnedBelongsToTheCaller", func(b *bench) {
		t := b.add(1)[0]
		b.read(t.ID).Input[0] ^= 1
		l := b.take()
		l.Input[0] ^= 1
		b.same(string(b.read(t.ID).Input), string(t.Input), "input")
		o := b.outcome(l, task.Succeeded)
		o.Last.Log = []string{"a line"}
		b.same(b.finish(o), repeat[error](nil, 1), "finish")
		o.Output[0] ^= 1
		o.Last.Log[0] = "another"
		r := b.read(t.ID)
		r.Output[0] ^= 1
		r = b.read(t.ID)
		b.same(string(r.Output), "output of "+string(t.ID), "output")
		b.same(r.Attempts[0].Log, []string{"a line"}, "log")
	}},
	{"TheSameKeyAndFingerprintIsTheFirstTask", func(b *bench) {
		first := b.add(1, b.keyed("key", "print"))[0]
		b.same(b.submit(b.tasks(1, b.keyed("key", "print"))...), []store.Receipt{{ID: first.ID, Seen: true}}, "receipt")
		b.same(idsRead(b.page(store.Query{})), []task.ID{first.ID}, "tasks")
		b.end(b.take(), task.Succeeded)
		b.same(b.submit(b.tasks(1, b.keyed("key", "print"))...), []store.Receipt{{ID: first.ID, Seen: true}}, "receipt when it had ended")
	}},
	{"TheSameKeyWithAnotherFingerprintIsAConflict", func(b *bench) {
		first := b.add(1, b.keyed("key", "print"))[0]
		b.same(b.submit(b.tasks(1, b.keyed("key", "other"))...), []store.Receipt{{ID: first.ID, Err: store.ErrConflict}}, "receipt")
		b.same(idsRead(b.page(store.Query{})), []task.ID{first.ID}, "tasks")
		b.waits(lane, 1)
	}},
	{"AKeyThatIsTakenKeepsNoOtherTaskOut", func(b *bench) {
		first := b.add(1, b.keyed("key", "print"))[0]
		tasks := b.tasks(5)
		b.keyed("key", "print")(&tasks[1])
		b.keyed("key", "other")(&tasks[3])
		b.same(b.submit(tasks...), []store.Receipt{
			{ID: tasks[0].ID},
			{ID: first.ID, Seen: true},
			{ID: tasks[2].ID},
			{ID: first.ID, Err: store.ErrConflict},
			{ID: tasks[4].ID},
		}, "receipts")
		b.same(idsLeased(b.lease(lane, 9)), []task.ID{first.ID, tasks[0].ID, tasks[2].ID, tasks[4].ID}, "leased")
	}},
	{"AKeyIsTakenByATaskBeforeInTheSameCall", func(b *bench) {
		tasks := b.tasks(3, b.keyed("key", "print"))
		tasks[2].Fingerprint = "other"
		b.same(b.submit(tasks...), []store.Receipt{
			{ID: tasks[0].ID}, {ID: tasks[0].ID, Seen: true}, {ID: tasks[0].ID, Err: store.ErrConflict},
		}, "receipts")
		b.waits(lane, 1)
	}},
	{"AKeyIsOfOneNamespace", func(b *bench) {
		b.add(1, b.keyed("key", "print"))
		b.add(1, b.keyed("key", "other"), in(store.Lane{Namespace: "team-a", Plugin: lane.Plugin, Priority: 4}))
		b.add(1, b.keyed("Key", "other"))
		b.add(1, b.keyed("key ", "other"))
	}},
	{"AKeyIsForgottenAfterItsTimeAndNotBefore", func(b *bench) {
		first := b.add(1, b.keyed("key", "print"))[0]
		b.later(time.Hour - time.Microsecond)
		b.forget(0, 100)
		b.same(b.submit(b.tasks(1, b.keyed("key", "print"))...), []store.Receipt{{ID: first.ID, Seen: true}}, "before")
		b.later(time.Microsecond)
		b.same(b.submit(b.tasks(1, b.keyed("key", "print"))...), []store.Receipt{{ID: first.ID, Seen: true}}, "until it is forgotten")
		b.forget(0, 100)
		second := b.add(1, b.keyed("key", "other"))[0]
		b.same(b.submit(b.tasks(1, b.keyed("key", "other"))...), []store.Receipt{{ID: second.ID, Seen: true}}, "anew")
		b.same(b.read(first.ID), record(first, task.Queued), "the first task")
	}},
	{"AKeyOutlivesItsTask", func(b *bench) {
		first := b.add(1, func(t *store.Task) { t.Key, t.Fingerprint, t.KeyUntil = "key", "print", b.now.Add(24*time.Hour) })[0]
		b.end(b.take(), task.Succeeded)
		b.later(time.Hour)
		if n := b.forget(0, 100); n != 1 {
			b.Fatalf("%d forgotten", n)
		}
		b.same(b.read(first.ID), store.Record{}, "the task")
		b.same(b.submit(b.tasks(1, b.keyed("key", "print"))...), []store.Receipt{{ID: first.ID, Seen: true}}, "receipt")
	}},
	{"KeysAndFingerprintsHaveAnyBytes", func(b *bench) {
		odd := []string{"\xff\xfe", "\x00", "a\x00b", "a\x00c", "'; DROP TABLE tasks; --", strings.Repeat("k", 4096), "ключ", "%", "_"}
		for _, key := range odd {
			first := b.add(1, b.keyed(key, key))[0]
			b.same(b.submit(b.tasks(1, b.keyed(key, key))...), []store.Receipt{{ID: first.ID, Seen: true}}, "receipt")
			b.same(b.submit(b.tasks(1, b.keyed(key, key+"\x00"))...), []store.Receipt{{ID: first.ID, Err: store.ErrConflict}}, "receipt")
		}
	}},
	{"StringsHaveAnyCharacter", func(b *bench) {
		for _, odd := range []string{"nul \x00 within", "'\"`;--\\%_", "päivää 世界 🌈 \u202e", "\t\n\r\x7f", strings.Repeat("long ", 2000), "NULL", "null", "0", " "} {
			l := store.Lane{Namespace: "n" + odd, Plugin: "p" + odd, Priority: 0}
			made := b.add(1, b.whole, in(l), func(t *store.Task) {
				t.Terms.Function, t.Terms.Schedule, t.Terms.Trace, t.Terms.Callback = odd, odd, odd, odd
			})[0]
			b.same(b.read(made.ID), record(made, task.Queued), "record")
			b.waits(l, 1)
			b.same(idsRead(b.page(store.Query{Namespace: l.Namespace, Plugin: l.Plugin, Schedule: odd})), []task.ID{made.ID}, "page")
			leases := b.lease(l, 9)
			b.same(leases, []store.Lease{{Task: made, Attempt: 1}}, "lease")
			o := b.outcome(leases[0], task.Dead)
			o.Last.Message, o.Last.Stack, o.Last.Log = odd, []string{odd, odd}, []string{odd, "", odd}
			b.same(b.finish(o), repeat[error](nil, 1), "finish")
			b.same(b.read(made.ID).Attempts, []store.Attempt{o.Last}, "attempts")
			b.same(each(b.owed(), func(c store.Callback) task.ID { return c.ID }), []task.ID{made.ID}, "callback")
			b.must(b.DropCallbacks(b.ctx, []store.Callback{b.owes(made.ID)}), "drop")
		}
	}},
	{"LastIsTheGreatestThatEverWas", func(b *bench) {
		last := func() task.ID {
			id, err := b.Last(b.ctx)
			b.must(err, "last")
			return id
		}
		b.same(last(), task.ID(""), "of an empty store")
		tasks := b.tasks(3)
		b.submit(tasks[1])
		b.same(last(), tasks[1].ID, "of one")
		b.submit(tasks[0])
		b.same(last(), tasks[1].ID, "when one with a lesser id came later")
		b.submit(tasks[2])
		b.cancel(tasks[2].ID)
		b.later(time.Hour)
		b.forget(0, 10)
		b.same(last(), tasks[2].ID, "when that was forgotten")
	}},
}
