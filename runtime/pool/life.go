package pool

import (
	"cmp"
	"slices"
	"time"
)

// State is what an instance is at.
type State string

// The states, in the order of a life.
const (
	Building State = "building"
	Ready    State = "ready"
	Lent     State = "lent"
	Probing  State = "probing" // or being trimmed
	Ending   State = "ending"  // being destroyed
	Ended    State = "ended"
)

// Why is why an instance was built.
type Why string

// The reasons.
const (
	WarmUp      Why = "warm-up"     // fewer than Options.Min were alive
	Demand      Why = "demand"      // somebody waited
	Spare       Why = "spare"       // the last one ready was lent, and loans take their instances with them
	Renewal     Why = "renewal"     // to take the place of one that had become old
	Replacement Why = "replacement" // one was closed that was still wanted
)

// Whys lists every reason, in the order above.
var Whys = []Why{WarmUp, Demand, Spare, Renewal, Replacement}

// Cause is why an instance was closed.
type Cause string

// The causes.
const (
	Idle    Cause = "idle"    // unused for Options.Idle
	Surplus Cause = "surplus" // there were more than are worth having, and all in use
	Age     Cause = "age"     // it lived for Options.Age
	Spoilt  Cause = "spoilt"  // a borrower discarded it
	Faulty  Cause = "faulty"  // Options.MaxFaults of ours in a row
	Probe   Cause = "probe"   // its probe failed
	Closed  Cause = "closed"  // the pool closed
)

// Causes lists every cause, in the order above.
var Causes = []Cause{Idle, Surplus, Age, Spoilt, Faulty, Probe, Closed}

// replaced tells whether an instance closed for this cause leaves a gap to be filled
// before somebody asks.
func (c Cause) replaced() bool {
	return c == Age || c == Spoilt || c == Faulty || c == Probe
}

// Work is what instances did in the loans that ended.
type Work struct {
	Calls       int64
	Rewinds     int64 // of calls in loans ended by Release
	GuestFaults int64
	OurFaults   int64

	Held   time.Duration // lent, altogether
	Run    time.Duration // of that, the guest computed
	Host   time.Duration // of that, the guest waited on the host
	Rewind time.Duration // of that, the instance was made clean again

	Pages int64 // of memory that rewinds put back
}

func (w *Work) note(r Report) {
	w.Calls += r.Calls
	switch r.Fault {
	case NoFault:
	case GuestFault:
		w.GuestFaults++
	case OurFault:
		w.OurFaults++
	}
	if r.Held == 0 {
		r.Held = r.Run + r.Host + r.Rewind
	}
	w.Held += r.Held
	w.Run += r.Run
	w.Host += r.Host
	w.Rewind += r.Rewind
	w.Pages += r.Pages
}

// Life is what is known of one instance.
type Life struct {
	ID    int64 // counts up from 1 in the order in which builds began
	State State
	Why   Why   // it was built
	Cause Cause // why it was or will be closed; "" when nothing is known against it

	Born  time.Time     // when its build began
	Birth time.Duration // how long that took; zero while it goes on
	Used  time.Time     // when it was last given back, or came into the pool; good to a beat
	Died  time.Time     // zero while it lives

	LastPages int64 // that the last rewind put back

	Work
}

// lived is how long the instance could be or could have been lent.
func (l *Life) lived(now time.Time) time.Duration {
	if !l.Died.IsZero() {
		now = l.Died
	}
	return now.Sub(l.Born.Add(l.Birth))
}

// keptLives is how many of the ended lives are remembered.
const keptLives = 32

// item is an instance, its record, and all that the pool needs to lend it again and
// again without allocating.
type item[T any] struct {
	Life
	pool     *Pool[T]
	instance T

	turn    uint64        // of the loan; one of an earlier turn has ended
	place   uint64        // in ready, which is in this order
	faults  int           // of ours, in a row
	idle    time.Duration // how long it may sit unused
	old     time.Time     // when another is to take its place; zero: never
	heir    bool          // another was built to take its place, or is being built
	ancient *item[T]      // whose place it is to take; nil: nobody's
	trimmed bool          // since it was last lent
	probed  time.Time
}

// Living is an instance that is alive and what is known of it. Somebody else may be using
// the instance; it is the zero value while it is being built.
type Living[T any] struct {
	Life
	Instance T
}

// Living tells of the instances alive, the oldest first.
func (p *Pool[T]) Living() []Living[T] {
	p.mu.Lock()
	defer p.mu.Unlock()
	living := make([]Living[T], 0, len(p.items))
	for _, it := range p.items {
		l := Living[T]{Life: it.Life}
		if it.State != Building { // whose constructor writes it without the lock
			l.Instance = it.instance
		}
		living = append(living, l)
	}
	slices.SortFunc(living, func(a, b Living[T]) int { return cmp.Compare(a.ID, b.ID) })
	return living
}

// Ended tells of the last 32 instances that ended, the latest first.
func (p *Pool[T]) Ended() []Life {
	p.mu.Lock()
	defer p.mu.Unlock()
	ended := slices.Clone(p.past)
	slices.Reverse(ended)
	return ended
}
