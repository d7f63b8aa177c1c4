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

// fine is what takes more time to read off than Counts do.
type fine struct {
	Counts
	total   times
	times   [Phases]times
	samples exemplars
}

// fine reads off what is told to a hundredth, and examples.
func (r *Row) fine() *fine {
	all := &fine{Counts: r.counts()}
	for n := range r.stripes {
		s := &r.stripes[n]
		s.mu.Lock()
		all.total.merge(s.total)
		for p := range s.phases {
			all.times[p].merge(s.phases[p].times)
		}
		all.samples.add(&s.samples)
		s.mu.Unlock()
	}
	return all
}

func addWait(to, w *task.Wait, n int64) {
	to.Calls += n * w.Calls
	to.Failed += n * w.Failed
	to.Time += time.Duration(n) * w.Time
}

// counts reads everything off, distributions in buckets.
func (r *Row) counts() Counts {
	c := Counts{Faults: make(map[task.Kind]int64)}
	waits := make(map[destination]*task.Wait)
	var total heap
	var phases [Phases]heap
	for n := range r.stripes {
		s := &r.stripes[n]
		s.mu.Lock()
		s.addTo(&c, waits)
		total.add(s.total)
		for p := range s.phases {
			phases[p].add(s.phases[p].times)
		}
		s.mu.Unlock()
	}
	c.Times = total.buckets()
	for p := range phases {
		c.Phases[p].Times = phases[p].buckets()
	}
	c.Waits = inOrder(waits)
	return c
}

// addTo adds all but distributions.
func (t *tally) addTo(c *Counts, waits map[destination]*task.Wait) {
	c.Calls += t.calls
	for kind, n := range t.faults {
		c.Faults[kind] += n
	}
	c.In += t.in
	c.Out += t.out
	c.Fuel += t.fuel
	c.Took += t.took
	c.Compiled += t.compiled
	for p := range t.phases {
		c.Phases[p].Time += t.phases[p].time
		c.Phases[p].Calls += t.phases[p].calls
	}
	for to, w := range t.waits {
		if waits[to] == nil {
			waits[to] = &task.Wait{Capability: w.Capability, Destination: w.Destination}
		}
		addWait(waits[to], w, 1)
	}
}

func inOrder(waits map[destination]*task.Wait) (all []task.Wait) {
	for _, w := range waits {
		all = append(all, *w)
	}
	slices.SortFunc(all, func(a, b task.Wait) int {
		return cmp.Or(cmp.Compare(a.Capability, b.Capability), cmp.Compare(a.Destination, b.Destination))
	})
	return all
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
