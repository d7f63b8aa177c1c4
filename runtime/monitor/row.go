package monitor

import (
	"sync"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// Row counts and times the invocations of one version. It is safe for
// concurrent use.
type Row struct {
	// Each observation is counted in the first stripe that nobody else holds: a thread that
	// the kernel stops while it holds one keeps nobody waiting, for milliseconds otherwise.
	stripes [4]stripe
}

type stripe struct {
	mu sync.Mutex
	tally
}

// lock locks a stripe.
func (r *Row) lock() *stripe {
	for n := range r.stripes {
		if r.stripes[n].mu.TryLock() {
			return &r.stripes[n]
		}
	}
	r.stripes[0].mu.Lock()
	return &r.stripes[0]
}

// tally is what was counted.
type tally struct {
	calls    int64
	faults   map[task.Kind]int64
	in, out  int64 // bytes
	fuel     int64
	compiled time.Duration
	took     time.Duration // over all of them
	total    times
	phases   [Phases]phase
	waits    map[destination]*task.Wait
	samples  exemplars
}

// phase is what invocations spent of their time in one of its parts.
type phase struct {
	time  time.Duration
	calls int64 // that were in it at all
	times times // of those
}

func (p *phase) note(d time.Duration) {
	p.time += d
	p.calls++
	p.times.record(d)
}

// Observation is one finished invocation.
type Observation struct {
	Kind    task.Kind // "" when it succeeded
	In, Out int       // bytes
	Fuel    int64     // instructions
	Timing  task.Timing
	Total   time.Duration

	// ID and Ended, when it was over, make it one that metrics can show as an example. The
	// zero Ended: it is none.
	ID    task.ID
	Ended time.Time
}

// Observe counts invocations; several at once are cheaper than one at a time.
func (r *Row) Observe(all ...Observation) {
	s := r.lock()
	defer s.mu.Unlock()
	for n := range all {
		s.note(&all[n])
	}
}

func (t *tally) note(o *Observation) {
	t.calls++
	t.took += o.Total
	if o.Kind != "" {
		if t.faults == nil {
			t.faults = make(map[task.Kind]int64)
		}
		t.faults[o.Kind]++
	}
	t.in += int64(o.In)
	t.out += int64(o.Out)
	t.fuel += o.Fuel
	t.total.record(o.Total)
	for p, d := range durationsOf(&o.Timing) {
		if d > 0 {
			t.phases[p].note(d)
		}
	}
	if !o.Ended.IsZero() {
		t.samples.note(o)
	}
}

// Rewound counts how long it took to make an instance clean again after its
// invocation was answered.
func (r *Row) Rewound(took time.Duration) {
	s := r.lock()
	defer s.mu.Unlock()
	s.phases[PhaseRewind].note(took)
}

// CompiledIn counts how long it took to make code of the version, the wait for others'
// compilations included.
func (r *Row) CompiledIn(took time.Duration) {
	s := r.lock()
	defer s.mu.Unlock()
	s.compiled += took
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
	s := r.lock()
	defer s.mu.Unlock()
	for n := range waits {
		w := &waits[n]
		to := destination{w.Capability, w.Destination}
		sum := s.waits[to]
		if sum == nil && len(s.waits) >= mostDestinations {
			to.to = otherDestinations
			sum = s.waits[to]
		}
		if sum == nil {
			if s.waits == nil {
				s.waits = make(map[destination]*task.Wait)
			}
			sum = &task.Wait{Capability: to.capability, Destination: to.to}
			s.waits[to] = sum
		}
		sum.Calls += w.Calls
		sum.Failed += w.Failed
		sum.Time += w.Time
	}
}
