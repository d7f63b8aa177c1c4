package monitor

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// Counts are what a row has counted since its beginning, or between two moments.
type Counts struct {
	Calls   int64
	Faults  map[task.Kind]int64
	In, Out int64         // bytes
	Fuel    int64         // instructions
	Took    time.Duration // over all calls
	Times   Buckets       // of all calls
	Phases  [Phases]Spent
	Waits   []task.Wait // by capability and destination

	Pages    int64         // of memory that calls wrote and rewinds put back, of the system's size
	Compiled time.Duration // how long it took to make code of the version
}

// Spent is what calls spent in one phase.
type Spent struct {
	Time  time.Duration
	Calls int64 // that were in it at all
	Times Buckets
}

// Quantile is that of all calls, of which those that were not in the phase took no time.
func (s *Spent) Quantile(q float64, calls int64) time.Duration {
	return s.Times.Quantile(q, max(0, calls-s.Calls))
}

// sum is all that the stripes of a row have.
func (r *Row) sum() *tally {
	all := &tally{faults: make(map[task.Kind]int64), waits: make(map[destination]*task.Wait)}
	for n := range r.stripes {
		s := &r.stripes[n]
		s.mu.Lock()
		all.add(&s.tally)
		s.mu.Unlock()
	}
	return all
}

func (t *tally) add(u *tally) {
	t.calls += u.calls
	for kind, n := range u.faults {
		t.faults[kind] += n
	}
	t.in += u.in
	t.out += u.out
	t.fuel += u.fuel
	t.pages += u.pages
	t.compiled += u.compiled
	t.took += u.took
	t.total.merge(u.total)
	for p := range t.phases {
		t.phases[p].time += u.phases[p].time
		t.phases[p].calls += u.phases[p].calls
		t.phases[p].times.merge(u.phases[p].times)
	}
	for to, w := range u.waits {
		if t.waits[to] == nil {
			t.waits[to] = &task.Wait{Capability: w.Capability, Destination: w.Destination}
		}
		addWait(t.waits[to], w, 1)
	}
	t.samples.add(&u.samples)
}

func addWait(to, w *task.Wait, n int64) {
	to.Calls += n * w.Calls
	to.Failed += n * w.Failed
	to.Time += time.Duration(n) * w.Time
}

// counts reads everything off.
func (r *Row) counts() Counts { return r.sum().counts() }

func (t *tally) counts() Counts {
	c := Counts{
		Calls: t.calls, Faults: t.faults, In: t.in, Out: t.out, Fuel: t.fuel, Took: t.took, Times: t.total.buckets(),
		Pages: t.pages, Compiled: t.compiled,
	}
	for p := range t.phases {
		c.Phases[p] = Spent{t.phases[p].time, t.phases[p].calls, t.phases[p].times.buckets()}
	}
	for _, w := range t.waits {
		c.Waits = append(c.Waits, *w)
	}
	slices.SortFunc(c.Waits, func(a, b task.Wait) int {
		return cmp.Or(cmp.Compare(a.Capability, b.Capability), cmp.Compare(a.Destination, b.Destination))
	})
	return c
}

// movedSince tells whether anything was counted since.
func (r *Row) movedSince(c *Counts) bool {
	var calls, rewinds int64
	var compiled time.Duration
	for n := range r.stripes {
		s := &r.stripes[n]
		s.mu.Lock()
		calls += s.calls
		rewinds += s.phases[PhaseRewind].calls
		compiled += s.compiled
		s.mu.Unlock()
	}
	return calls != c.Calls || rewinds != c.Phases[PhaseRewind].Calls || compiled != c.Compiled
}

// minus returns what was counted since b, which is an earlier moment of the same row.
func (c *Counts) minus(b *Counts) Counts {
	d := *c
	d.Calls -= b.Calls
	d.In -= b.In
	d.Out -= b.Out
	d.Fuel -= b.Fuel
	d.Took -= b.Took
	d.Pages -= b.Pages
	d.Compiled -= b.Compiled
	d.Times = c.Times.minus(b.Times)
	d.Faults = maps.Clone(c.Faults)
	for kind, n := range b.Faults {
		if d.Faults[kind] -= n; d.Faults[kind] == 0 {
			delete(d.Faults, kind)
		}
	}
	for p := range d.Phases {
		s, t := &d.Phases[p], &b.Phases[p]
		s.Time -= t.Time
		s.Calls -= t.Calls
		s.Times = s.Times.minus(t.Times)
	}
	d.Waits = slices.Clone(c.Waits)
	for _, w := range b.Waits {
		if at := slices.IndexFunc(d.Waits, func(o task.Wait) bool { return o.Capability == w.Capability && o.Destination == w.Destination }); at >= 0 {
			addWait(&d.Waits[at], &w, -1)
		}
	}
	return d
}
