package monitor

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/marketprism/prismrt/runtime/task"
)

// Row counts and times the invocations of one version. It is safe for
// concurrent use.
type Row struct {
	mu       sync.Mutex
	calls    int64
	faults   map[task.Kind]int64
	in, out  int64 // bytes
	fuel     int64
	took     time.Duration           // over all of them
	total    *hdrhistogram.Histogram // in microseconds
	phases   [Phases]phase
	waits    map[destination]*task.Wait
	samples  exemplars
	pages    int64 // put back by rewinds
	compiled time.Duration
}

// phase is what invocations spent of their time in one of its parts.
type phase struct {
	time  time.Duration
	calls int64                   // that were in it at all
	times *hdrhistogram.Histogram // of those, in microseconds; nil: there are none
}

func (p *phase) note(d time.Duration) {
	if p.times == nil {
		p.times = newHistogram()
	}
	p.time += d
	p.calls++
	record(p.times, d)
}

// Observation is one finished invocation.
type Observation struct {
	Kind    task.Kind // "" when it succeeded
	In, Out int       // bytes
	Fuel    int64     // instructions
	Timing  task.Timing
	Total   time.Duration
	Pages   int // of memory that were put back

	// ID and Ended, when it was over, make it one that metrics can show as an example. The
	// zero Ended: it is none.
	ID    task.ID
	Ended time.Time
}

func newRow() *Row {
	return &Row{faults: make(map[task.Kind]int64), total: newHistogram()}
}

// Observe counts invocations; several at once are cheaper than one at a time.
func (r *Row) Observe(all ...Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls += int64(len(all))
	for n := range all {
		o := &all[n]
		r.took += o.Total
		if o.Kind != "" {
			r.faults[o.Kind]++
		}
		r.in += int64(o.In)
		r.out += int64(o.Out)
		r.fuel += o.Fuel
		r.pages += int64(o.Pages)
		record(r.total, o.Total)
		for p, d := range durationsOf(&o.Timing) {
			if d > 0 {
				r.phases[p].note(d)
			}
		}
		if !o.Ended.IsZero() {
			r.samples.note(o)
		}
	}
}

// Rewound counts how long it took to make an instance clean again after its
// invocation was answered, and how many pages of its memory were put back.
func (r *Row) Rewound(took time.Duration, pages int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pages += int64(pages)
	r.phases[PhaseRewind].note(took)
}

// CompiledIn counts how long it took to make code of the version, the wait for others'
// compilations included.
func (r *Row) CompiledIn(took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.compiled += took
}

// destination is what a guest waits for.
type destination struct{ capability, to string }

// Destinations of a version's waits are told apart up to mostDestinations; what is beyond
// counts as one, otherDestinations.
const (
	mostDestinations  = 32
	otherDestinations = "(other)"
)

// Waited counts what an invocation waited on the host for.
func (r *Row) Waited(waits []task.Wait) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := range waits {
		w := &waits[n]
		to := destination{w.Capability, w.Destination}
		sum := r.waits[to]
		if sum == nil && len(r.waits) >= mostDestinations {
			to.to = otherDestinations
			sum = r.waits[to]
		}
		if sum == nil {
			if r.waits == nil {
				r.waits = make(map[destination]*task.Wait)
			}
			sum = &task.Wait{Capability: to.capability, Destination: to.to}
			r.waits[to] = sum
		}
		sum.Calls += w.Calls
		sum.Failed += w.Failed
		sum.Time += w.Time
	}
}

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

// counts reads everything off.
func (r *Row) counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := Counts{
		Calls: r.calls, Faults: maps.Clone(r.faults), In: r.in, Out: r.out, Fuel: r.fuel, Took: r.took, Times: bucketsOf(r.total),
		Pages: r.pages, Compiled: r.compiled,
	}
	for p := range r.phases {
		c.Phases[p] = Spent{r.phases[p].time, r.phases[p].calls, bucketsOf(r.phases[p].times)}
	}
	for _, w := range r.waits {
		c.Waits = append(c.Waits, *w)
	}
	slices.SortFunc(c.Waits, func(a, b task.Wait) int {
		return cmp.Or(cmp.Compare(a.Capability, b.Capability), cmp.Compare(a.Destination, b.Destination))
	})
	return c
}

// movedSince tells whether anything was counted since.
func (r *Row) movedSince(c *Counts) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls != c.Calls || r.phases[PhaseRewind].calls != c.Phases[PhaseRewind].Calls || r.compiled != c.Compiled
}

// minus returns what was counted since b, which is an earlier moment of the same row.
func (c *Counts) minus(b *Counts) Counts {
	const n = -1
	d := *c
	d.Calls += n * b.Calls
	d.In += n * b.In
	d.Out += n * b.Out
	d.Fuel += n * b.Fuel
	d.Took += time.Duration(n) * b.Took
	d.Pages += n * b.Pages
	d.Compiled += time.Duration(n) * b.Compiled
	d.Times = c.Times.plus(b.Times, n)
	d.Faults = maps.Clone(c.Faults)
	if d.Faults == nil && len(b.Faults) > 0 {
		d.Faults = make(map[task.Kind]int64)
	}
	for kind, count := range b.Faults {
		if d.Faults[kind] += n * count; d.Faults[kind] == 0 {
			delete(d.Faults, kind)
		}
	}
	for p := range d.Phases {
		s, t := &d.Phases[p], &b.Phases[p]
		s.Time += time.Duration(n) * t.Time
		s.Calls += n * t.Calls
		s.Times = s.Times.plus(t.Times, n)
	}
	d.Waits = slices.Clone(c.Waits)
	for _, w := range b.Waits {
		at := slices.IndexFunc(d.Waits, func(o task.Wait) bool { return o.Capability == w.Capability && o.Destination == w.Destination })
		if at < 0 {
			d.Waits = append(d.Waits, task.Wait{Capability: w.Capability, Destination: w.Destination})
			at = len(d.Waits) - 1
		}
		o := &d.Waits[at]
		o.Calls += n * w.Calls
		o.Failed += n * w.Failed
		o.Time += time.Duration(n) * w.Time
	}
	return d
}
