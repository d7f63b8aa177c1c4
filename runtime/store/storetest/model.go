package storetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/volatile"
	"github.com/marketprism/prismrt/runtime/task"
)

// seed is another one in every run, unless STORETEST_SEED says which.
func (b *bench) seed() uint64 {
	b.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("STORETEST_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		b.must(err, "STORETEST_SEED")
	}
	b.Logf("STORETEST_SEED=%d does the same again", seed)
	return seed
}

// walk does the same at random to two stores, one of which is known to be right.
type walk struct {
	b      *bench // the store on trial, and the clock of both
	model  *bench
	random *rand.Rand
	step   int
	did    string

	ids   []task.ID    // that were submitted or tried
	held  []store.Held // that were leased, also those that are lost since
	lanes []store.Lane // some
	names []string     // of schedules
	keys  int          // that tasks were submitted with
}

// likeTheModel does so many steps, and looks at everything now and then.
func (b *bench) likeTheModel(steps int) {
	w := &walk{
		b: b, random: rand.New(rand.NewPCG(b.seed(), 1)),
		model: &bench{T: b.T, Store: volatile.New(), ctx: b.ctx, now: b.now},
		names: []string{"hourly", "nightly", "yearly"},
	}
	for _, namespace := range []string{"default", "team-a"} {
		for _, plugin := range []string{"normalise", "resize"} {
			for _, priority := range []int{0, 4} {
				w.lanes = append(w.lanes, store.Lane{Namespace: namespace, Plugin: plugin, Priority: priority})
			}
		}
	}
	moves := w.moves()
	weights := 0
	for _, m := range moves {
		weights += m.weight
	}
	for w.step = range steps {
		pick := w.random.IntN(weights)
		for _, m := range moves {
			if pick -= m.weight; pick < 0 {
				w.did = m.name
				m.do()
				break
			}
		}
		if w.random.IntN(20) == 0 {
			w.later(time.Duration(w.random.IntN(20_000)) * time.Millisecond)
		}
		if w.step%50 == 0 || w.step == steps-1 {
			w.look()
		}
	}
	counts, err := w.model.Counts(w.b.ctx)
	w.b.must(err, "counts of the model")
	b.counts(counts...)
}

func (w *walk) later(d time.Duration) {
	w.b.later(d)
	w.model.now = w.b.now
}

// move is something that is done to both stores, more often the greater its weight is.
type move struct {
	name   string
	weight int
	do     func()
}

// both does a thing to both stores and compares the answers.
func both[T any](w *walk, do func(s Store) (T, error)) T {
	w.b.Helper()
	got, err := do(w.b.Store)
	w.b.must(err, fmt.Sprintf("step %d, %s", w.step, w.did))
	want, err := do(w.model.Store)
	w.b.must(err, "the model: "+w.did)
	w.b.same(got, want, fmt.Sprintf("step %d, %s", w.step, w.did))
	return want
}

// look compares everything that can be seen.
func (w *walk) look() {
	w.b.Helper()
	w.b.same(w.b.all(), w.model.all(), fmt.Sprintf("step %d, after %s: everything", w.step, w.did))
}

func oneOf[T any](w *walk, from []T) T { return from[w.random.IntN(len(from))] }

// few returns some of what is there, now and then the same twice.
func few[T any](w *walk, from []T) []T {
	if len(from) == 0 {
		return nil
	}
	var chosen []T
	for range 1 + w.random.IntN(5) {
		// The newest are met more often than the oldest.
		i := len(from) - 1 - int(float64(len(from))*w.random.Float64()*w.random.Float64())
		chosen = append(chosen, from[max(0, i)])
	}
	return chosen
}

func (w *walk) moves() []move {
	ctx := w.b.ctx
	return []move{
		{"submit", 20, func() {
			made := w.b.tasks(1+w.random.IntN(8), w.varied)
			for i := range made {
				if i > 0 && w.random.IntN(10) == 0 { // not in the order of the ids
					made[i], made[i-1] = made[i-1], made[i]
				}
			}
			w.ids = append(w.ids, idsOf(made)...)
			both(w, func(s Store) ([]store.Receipt, error) { return s.Submit(ctx, made) })
		}},
		{"lease", 20, func() {
			var wants []store.Want
			for range 1 + w.random.IntN(3) {
				wants = append(wants, store.Want{Lane: oneOf(w, w.lanes), Most: 1 + w.random.IntN(6)})
			}
			until := w.b.now.Add(time.Duration(w.random.IntN(30)) * time.Second)
			for _, l := range both(w, func(s Store) ([]store.Lease, error) { return s.Lease(ctx, wants, until) }) {
				w.held = append(w.held, held(l))
			}
		}},
		{"extend", 6, func() {
			some, until := w.wrong(few(w, w.held)), w.b.now.Add(time.Duration(w.random.IntN(30))*time.Second)
			both(w, func(s Store) ([]task.ID, error) { return s.Extend(ctx, some, until) })
		}},
		{"finish", 20, func() {
			var all []store.Outcome
			for _, h := range w.wrong(few(w, w.held)) {
				o := w.b.outcome(store.Lease{Task: store.Task{ID: h.ID}, Attempt: h.Attempt}, oneOf(w, outcomes))
				if o.State == task.Failed {
					o.Due = w.b.now.Add(time.Duration(w.random.IntN(10)) * time.Second)
				}
				if o.State != task.Queued && w.random.IntN(4) == 0 {
					o.Last.Log, o.Last.Stack = []string{"a line", "another"}, []string{"f", "main"}
				}
				all = append(all, o)
			}
			both(w, func(s Store) ([]error, error) { return s.Finish(ctx, all) })
		}},
		{"expire", 3, func() { both(w, func(s Store) (int, error) { return s.Expire(ctx, w.b.now) }) }},
		{"promote", 6, func() {
			most := 1 + w.random.IntN(20)
			both(w, func(s Store) (moved some[int], err error) {
				moved.Value, moved.Next, err = s.Promote(ctx, w.b.now, most)
				return moved, err
			})
		}},
		{"cancel", 4, func() {
			ids := w.unknown(few(w, w.ids))
			both(w, func(s Store) ([]error, error) { return s.Cancel(ctx, ids, w.b.now, w.b.now.Add(time.Minute)) })
		}},
		{"revive", 4, func() {
			var all []store.Revival
			for _, id := range w.unknown(few(w, w.ids)) {
				r := store.Revival{ID: id}
				if w.random.IntN(3) == 0 {
					r.Input = new(fmt.Appendf(nil, "edited in step %d", w.step))
				}
				if w.random.IntN(3) == 0 {
					var t store.Task
					w.varied(&t)
					r.Terms = &t.Terms
				}
				all = append(all, r)
			}
			both(w, func(s Store) ([]error, error) { return s.Revive(ctx, all) })
		}},
		{"read", 6, func() {
			ids, parts := w.unknown(few(w, w.ids)), store.Parts(w.random.IntN(4))
			both(w, func(s Store) ([]store.Record, error) { return s.Read(ctx, ids, parts) })
		}},
		{"page", 6, func() {
			q := store.Query{Limit: 1 + w.random.IntN(50)}
			if w.random.IntN(2) == 0 {
				q.Namespace = oneOf(w, w.lanes).Namespace
				if w.random.IntN(2) == 0 {
					q.Plugin = oneOf(w, w.lanes).Plugin
				}
			}
			if w.random.IntN(2) == 0 {
				q.State = oneOf(w, task.States)
			}
			if w.random.IntN(4) == 0 {
				q.Schedule = oneOf(w, w.names)
			}
			if len(w.ids) > 0 && w.random.IntN(2) == 0 {
				q.Before = oneOf(w, w.ids)
			}
			both(w, func(s Store) ([]store.Record, error) { return s.Page(ctx, q) })
		}},
		{"forget", 2, func() {
			keep, most := w.random.Int64N(40), 1+w.random.IntN(10)
			both(w, func(s Store) (int, error) { return s.Forget(ctx, w.b.now, keep, most) })
		}},
		{"last", 1, func() { both(w, func(s Store) (task.ID, error) { return s.Last(ctx) }) }},
		{"callbacks", 3, func() {
			most := 1 + w.random.IntN(10)
			due := both(w, func(s Store) (d some[[]store.Callback], err error) {
				d.Value, d.Next, err = s.Callbacks(ctx, w.b.now, most)
				return d, err
			}).Value
			var dropped, retried []store.Callback
			for _, c := range due {
				if w.random.IntN(10) == 0 {
					c.Ended = c.Ended.Add(-time.Second) // for another end
				}
				if w.random.IntN(2) == 0 {
					dropped = append(dropped, c)
				} else {
					c.Tried, c.Due, c.Message = c.Tried+1, w.b.now.Add(time.Duration(w.random.IntN(10))*time.Second), "refused"
					retried = append(retried, c)
				}
			}
			both(w, func(s Store) (struct{}, error) {
				return struct{}{}, cmp.Or(s.RetryCallbacks(ctx, retried), s.DropCallbacks(ctx, dropped))
			})
		}},
		{"schedule", 3, func() {
			p := store.Schedule{Namespace: oneOf(w, w.lanes).Namespace, Name: oneOf(w, w.names), Spec: fmt.Appendf(nil, `{"n":%d}`, w.step), Created: w.b.now, Updated: w.b.now}
			id := task.NewID()
			what := w.random.IntN(4)
			both(w, func(s Store) (found bool, err error) {
				switch what {
				case 0:
					err = s.DeleteSchedule(ctx, p.Namespace, p.Name)
				case 1:
					err = s.Fire(ctx, p.Namespace, p.Name, w.b.now, id)
				default:
					err = s.PutSchedule(ctx, p)
				}
				if err == store.ErrNotFound { //nolint:errorlint // it is the answer itself
					return false, nil
				}
				return true, err
			})
		}},
		{"reopen", 1, func() {
			if w.b.with.again == nil {
				return
			}
			w.b.Store = w.b.with.again(w.b.T, w.b.Store)
			// The model is not reopened, but its leases are taken back all the same.
			if _, err := w.model.Expire(ctx, w.b.now.Add(1000*time.Hour)); err != nil {
				w.b.Fatal(err)
			}
			w.look()
		}},
	}
}

// varied makes a task one of many sorts.
func (w *walk) varied(t *store.Task) {
	in(oneOf(w, w.lanes))(t)
	if w.random.IntN(4) == 0 {
		t.Due = w.b.now.Add(time.Duration(w.random.IntN(20)-5) * time.Second)
	}
	if w.random.IntN(3) == 0 {
		w.b.keyed(strconv.Itoa(w.random.IntN(30)), strconv.Itoa(w.random.IntN(2)))(t)
		// No two run out at the same time: which of them is forgotten first would be open.
		w.keys++
		t.KeyUntil = w.b.now.Add(time.Duration(w.random.IntN(60))*time.Second + time.Duration(w.keys)*time.Microsecond)
	}
	if w.random.IntN(3) == 0 {
		t.Terms.Callback = "https://example.com"
	}
	if w.random.IntN(6) == 0 {
		t.Terms.Schedule, t.Terms.Retries = oneOf(w, w.names), new(w.random.IntN(3))
	}
	if w.random.IntN(6) == 0 {
		t.Version, t.Digest, t.Terms.Function = 1+w.random.IntN(3), "sha256:abc", "thumbnail"
	}
	if w.random.IntN(30) == 0 {
		t.Input = noise(oneOf(w, sizes[:len(sizes)-1]))
	}
}

// wrong makes some leases those of other attempts.
func (w *walk) wrong(some []store.Held) []store.Held {
	some = slices.Clone(some)
	for i := range some {
		if w.random.IntN(10) == 0 {
			some[i].Attempt += w.random.IntN(3) - 1
		}
	}
	return some
}

// unknown adds an id that is not there, now and then.
func (w *walk) unknown(ids []task.ID) []task.ID {
	if w.random.IntN(6) == 0 {
		ids = slices.Insert(ids, w.random.IntN(len(ids)+1), task.NewID())
	}
	return ids
}

// modelSteps is how many a walk has.
func modelSteps() int {
	if testing.Short() {
		return 500
	}
	return 1000
}
