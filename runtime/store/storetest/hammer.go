package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// hammer has many use a store at once, as a queue with its callers would, and keeps the
// account of what they were told.
type hammer struct {
	b       *bench
	s       Store
	account *account
	lanes   []store.Lane

	begun   time.Time
	clock   atomic.Int64 // how long after it
	expired atomic.Int64 // up to when leases may have been taken back, likewise

	over     context.Context // ends when all tasks have
	watchers sync.WaitGroup
	notTold  atomic.Int64
}

// hammered is how many tasks are submitted in a hammer test.
func hammered() int {
	if testing.Short() {
		return 500
	}
	return 2000
}

// together are trials with many callers.
var together = []trial{
	{"AWalkLikeTheModels", func(b *bench) { b.likeTheModel(modelSteps()) }},
	{"TheAccountOfManyCallersHolds", func(b *bench) { b.hammer(b.Store, hammered()) }},
	{"TheAccountOfManyCallersHoldsWhenCallsFail", func(b *bench) {
		f := NewFaulty(b.Store, Faults{Seed: b.seed(), Share: 0.15, Late: 2 * time.Millisecond})
		b.hammer(f, hammered())
		if n := f.Injected(); n < 100 {
			b.Errorf("only %d calls failed", n)
		}
	}},
}

// hammer submits so many tasks and has them worked off.
func (b *bench) hammer(s Store, tasks int) {
	over, allEnded := context.WithCancel(b.ctx)
	defer allEnded()
	h := &hammer{b: b, s: s, account: newAccount(), begun: b.now, over: over}
	for i := range 3 {
		h.lanes = append(h.lanes, store.Lane{Namespace: "default", Plugin: fmt.Sprintf("plugin-%d", i), Priority: i})
	}
	seed := b.seed()

	const submitters, workers = 4, 4
	var submitting, working sync.WaitGroup
	for i := range submitters {
		submitting.Go(func() { h.submit(rand.New(rand.NewPCG(seed, uint64(i))), i, tasks/submitters) })
	}
	submitted := make(chan struct{})
	working.Go(func() { h.meddle(rand.New(rand.NewPCG(seed, 100)), submitted) })
	for i := range workers {
		working.Go(func() { h.work(rand.New(rand.NewPCG(seed, uint64(200+i)))) })
	}
	working.Go(h.keepTime)
	working.Go(func() { h.tell(rand.New(rand.NewPCG(seed, 300))) })
	working.Go(func() { h.look(rand.New(rand.NewPCG(seed, 400))) })

	submitting.Wait()
	close(submitted)
	ids := h.account.acknowledgedIDs()
	b.becomes("all tasks have ended, and every URL was told", func() bool {
		records, err := b.Read(b.ctx, ids, 0)
		b.must(err, "read")
		for _, r := range records {
			if !r.State.Ended() {
				return false
			}
		}
		due, next, err := b.Callbacks(b.ctx, h.now(), 1)
		b.must(err, "callbacks")
		return len(due) == 0 && next.IsZero()
	})
	told := make(chan struct{})
	go func() { h.watchers.Wait(); close(told) }()
	select {
	case <-told:
	case <-time.After(patience):
		b.Errorf("%d who wait for the end of a task were not told of it", h.notTold.Load())
	}
	allEnded()
	working.Wait()

	b.closeAccount(h.account)
	if b.with.again != nil {
		b.reopen()
		b.closeAccount(h.account)
	}
}

// closeAccount reads all tasks, and fails the test by what is wrong.
func (b *bench) closeAccount(a *account) {
	b.Helper()
	begun := a.begin()
	ids := idsRead(b.page(store.Query{Limit: 1_000_000}))
	records, err := b.Read(b.ctx, ids, store.WithInput|store.WithOutput)
	b.must(err, "read")
	known := map[task.ID]bool{}
	for _, id := range a.acknowledgedIDs() {
		known[id] = true
	}
	for i, r := range records {
		if known[ids[i]] {
			a.read(begun, ids[i], r)
		}
	}
	a.close(records)
	for _, wrong := range a.wrong {
		b.Error(wrong)
	}
	b.Logf("%d tasks acknowledged, %d there", len(known), len(ids))
}

func (h *hammer) now() time.Time       { return h.begun.Add(time.Duration(h.clock.Load())) }
func (h *hammer) takenBack() time.Time { return h.begun.Add(time.Duration(h.expired.Load())) }

// persist makes a call until it is answered.
func (h *hammer) persist(call func() error) {
	for range 1000 {
		if call() == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
	h.b.Error("a call failed a thousand times")
}

func (h *hammer) submit(random *rand.Rand, who, tasks int) {
	ctx := h.b.ctx
	for n := 0; n < tasks; {
		batch := make([]store.Task, min(tasks-n, 1+random.IntN(20)))
		keyed := make([]bool, len(batch))
		for i := range batch {
			l := h.lanes[random.IntN(len(h.lanes))]
			batch[i] = store.Task{
				Namespace: l.Namespace, Plugin: l.Plugin, Priority: l.Priority, Created: h.now(),
				Input: fmt.Appendf(nil, "task %d of %d", n, who),
			}
			if random.IntN(5) == 0 {
				batch[i].Due = h.now().Add(time.Duration(random.IntN(100)) * time.Millisecond)
			}
			if random.IntN(4) == 0 {
				batch[i].Terms.Callback = "https://example.com"
			}
			if keyed[i] = random.IntN(2) == 0; keyed[i] {
				batch[i].Key, batch[i].Fingerprint, batch[i].KeyUntil = string(batch[i].Input), "print", h.begun.Add(1000*time.Hour)
			}
			n++
		}
		var receipts []store.Receipt
		h.persist(func() (err error) {
			for i := range batch {
				batch[i].ID = task.NewID()
				h.account.tried(string(batch[i].Input))
			}
			receipts, err = h.s.Submit(ctx, batch)
			return err
		})
		for i, r := range receipts {
			if h.account.acknowledged(r, string(batch[i].Input), keyed[i]) && random.IntN(10) == 0 {
				for range 2 {
					h.notTold.Add(1)
					h.watchers.Go(func() { h.watch(r.ID) })
				}
			}
		}
	}
}

// watch waits for the end of a task.
func (h *hammer) watch(id task.ID) {
	for {
		changed, stop := h.s.Watch(id)
		var records []store.Record
		h.persist(func() (err error) {
			records, err = h.s.Read(h.b.ctx, []task.ID{id}, 0)
			return err
		})
		if len(records) != 1 || records[0].State.Ended() {
			stop()
			h.notTold.Add(-1)
			return
		}
		select {
		case <-changed:
		case <-h.over.Done():
			stop()
			return
		}
	}
}

// inHand is a lease that is not to be ended before a time.
type inHand struct {
	store.Lease
	until time.Time
}

// work leases tasks and ends them one way or another: most succeed, some fail, are given
// back, are held until they ran out or never heard of again.
func (h *hammer) work(random *rand.Rand) {
	ctx := h.b.ctx
	var hand []inHand
	for h.over.Err() == nil {
		arrived := h.s.Arrived()
		wants := make([]store.Want, 0, len(h.lanes))
		for _, w := range h.s.Backlog() {
			wants = append(wants, store.Want{Lane: w.Lane, Most: 1 + random.IntN(8)})
		}
		until := h.now().Add(time.Duration(20+random.IntN(100)) * time.Millisecond)
		begun := h.account.begin()
		leases, err := h.s.Lease(ctx, wants, until)
		if err == nil {
			for _, l := range leases {
				h.account.leased(begun, l, until, h.takenBack)
				of := inHand{Lease: l}
				if random.IntN(20) == 0 {
					of.until = until.Add(time.Duration(random.IntN(100)-30) * time.Millisecond)
				}
				hand = append(hand, of)
			}
		}
		if len(hand) > 0 && random.IntN(4) == 0 {
			h.extend(hand, h.now().Add(time.Duration(random.IntN(50))*time.Millisecond))
		}
		hand = h.end(random, hand)
		switch {
		case len(leases) > 0 || err != nil:
		case len(hand) > 0:
			wait(h.over, time.Millisecond) //nolint:errcheck // the loop looks
		default:
			select {
			case <-arrived:
			case <-h.over.Done():
			}
		}
	}
}

func (h *hammer) extend(hand []inHand, until time.Time) {
	// Until it is known how long they last, they are not taken to last any longer.
	for _, l := range hand {
		h.account.extended(held(l.Lease), h.begun)
	}
	lost, err := h.s.Extend(h.b.ctx, each(hand, func(l inHand) store.Held { return held(l.Lease) }), until)
	if err != nil {
		return
	}
	gone := map[task.ID]bool{}
	for _, id := range lost {
		gone[id] = true
	}
	for _, l := range hand {
		if !gone[l.ID] {
			h.account.extended(held(l.Lease), until)
		}
	}
}

// end finishes what is in hand, and returns what is kept for later.
func (h *hammer) end(random *rand.Rand, hand []inHand) (kept []inHand) {
	var all []store.Outcome
	for _, l := range hand {
		if h.now().Before(l.until) {
			kept = append(kept, l)
			continue
		}
		o := store.Outcome{ID: l.ID, Attempt: l.Attempt, State: task.Succeeded, Expires: h.begun.Add(1000 * time.Hour)}
		o.Last = store.Attempt{Number: l.Attempt, Begun: h.now(), Ended: h.now(), Kind: task.KindBusy}
		switch what := random.IntN(100); {
		case what < 3 && l.Attempt < 6:
			continue // and it is not heard of again
		case what < 18:
			o.State = task.Queued
		case what < 30 && l.Attempt < 6:
			o.State, o.Due = task.Failed, h.now().Add(time.Duration(random.IntN(30))*time.Millisecond)
		case what < 35:
			o.State = task.Dead
		default:
			o.Last.Kind, o.Output = "", fmt.Appendf(nil, "%s by attempt %d", l.Input, l.Attempt)
		}
		all = append(all, o)
	}
	if len(all) == 0 {
		return kept
	}
	latest := each(all, func(o store.Outcome) int { return h.account.latest(o.ID) })
	for _, o := range all {
		h.account.ending(o)
	}
	h.persist(func() error {
		answers, err := h.s.Finish(h.b.ctx, all)
		if err == nil {
			for i, answer := range answers {
				h.account.finished(all[i], answer, latest[i])
			}
			return nil
		}
		// What may have been given back already is not given back again.
		var again []store.Outcome
		var latestAgain []int
		for i, o := range all {
			if o.State != task.Queued {
				again, latestAgain = append(again, o), append(latestAgain, latest[i])
			}
		}
		all, latest = again, latestAgain
		return err
	})
	return kept
}

// keepTime has time pass: what is due is promoted, and what ran out is taken back.
func (h *hammer) keepTime() {
	for h.over.Err() == nil {
		now := h.begun.Add(time.Duration(h.clock.Add(int64(10 * time.Millisecond))))
		h.expired.Store(int64(now.Sub(h.begun)))
		_, _ = h.s.Expire(h.b.ctx, now) // is done again anyway, as what follows is
		_, _, _ = h.s.Promote(h.b.ctx, now, 50)
		_, _ = h.s.Forget(h.b.ctx, now, 0, 100)
		wait(h.over, 2*time.Millisecond) //nolint:errcheck // the loop looks
	}
}

// meddle cancels tasks and sends some again, until all were submitted.
func (h *hammer) meddle(random *rand.Rand, submitted <-chan struct{}) {
	for !closed(submitted) {
		if id, found := h.account.pick(random.Float64()); found {
			revive := random.IntN(2) == 0
			h.account.meddled(id, revive)
			if revive {
				_, _ = h.s.Revive(h.b.ctx, []store.Revival{{ID: id}}) // it may be answered anything
			} else {
				_, _ = h.s.Cancel(h.b.ctx, []task.ID{id}, h.now(), h.begun.Add(1000*time.Hour))
			}
		}
		wait(h.over, time.Millisecond) //nolint:errcheck // the loop looks
	}
}

// tell tells URLs, and has to try some of them twice.
func (h *hammer) tell(random *rand.Rand) {
	for h.over.Err() == nil {
		due, _, err := h.s.Callbacks(h.b.ctx, h.now(), 50)
		if err == nil && len(due) > 0 {
			var told, again []store.Callback
			for _, c := range due {
				if random.IntN(4) == 0 {
					c.Tried, c.Due = c.Tried+1, h.now().Add(10*time.Millisecond)
					again = append(again, c)
					continue
				}
				h.account.called(c.ID)
				told = append(told, c)
			}
			_ = h.s.RetryCallbacks(h.b.ctx, again) // those that this fails for are told again
			_ = h.s.DropCallbacks(h.b.ctx, told)
		}
		wait(h.over, 2*time.Millisecond) //nolint:errcheck // the loop looks
	}
}

// look reads what was acknowledged, singly and by pages.
func (h *hammer) look(random *rand.Rand) {
	for h.over.Err() == nil {
		begun := h.account.begin()
		if id, found := h.account.pick(random.Float64()); found {
			if records, err := h.s.Read(h.b.ctx, []task.ID{id}, store.WithInput|store.WithOutput); err == nil {
				h.account.read(begun, id, records[0])
			}
		}
		records, err := h.s.Page(h.b.ctx, store.Query{Limit: 20, State: task.States[random.IntN(len(task.States))]})
		for i := range records {
			if i > 0 && records[i].ID >= records[i-1].ID {
				h.b.Errorf("a page has %s after %s", records[i].ID, records[i-1].ID)
			}
		}
		if _, failed := h.s.Counts(h.b.ctx); err != nil || failed != nil {
			wait(h.over, time.Millisecond) //nolint:errcheck // the loop looks
		}
	}
}
