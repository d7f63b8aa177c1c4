// Package sched decides which guest runs next.
//
// A guest runs while its Turn holds a slot. It comes back at the end of each slice
// of its fuel (Turn.Slice), which is when a slot changes hands: compiled guest code
// cannot be interrupted anywhere else. Slots are of two sorts. Options.Cores of them
// are for any guest. Options.Short more are only for guests in their first slice, so
// that a short call finds a place whatever the long ones do, and the long ones never
// take all of Go's Ps.
//
// Who gets a slot that comes free is decided between namespaces, then between the
// plugins of a namespace, then by arrival (share.go says how). Who would wait too
// long is refused at once (admit.go).
package sched

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed is Begin's answer for a flow that nobody keeps any more.
var ErrClosed = errors.New("the flow is closed")

// Policy is who goes before whom.
type Policy string

// The policies.
const (
	// Fair gives namespaces, and plugins within them, equal fuel, or by their
	// weights. Within a plugin, who came first is served first.
	Fair Policy = "fair"

	// FIFO serves in order of arrival, whoever it is. A long guest that has its
	// place keeps it to its end.
	FIFO Policy = "fifo"

	// Priority serves by Call.Priority, then arrival. A long guest gives way only
	// to a higher priority, and low ones may wait for ever.
	Priority Policy = "priority"
)

// Policies lists every policy.
var Policies = []Policy{Fair, FIFO, Priority}

// Options sizes a Scheduler. A zero field takes the default in brackets; Cores has
// none.
type Options struct {
	// Cores is how many guests that have used up a slice run at once. It is at
	// least 1.
	Cores int

	// Short is how many slots there are besides, for guests in their first slice
	// [Cores]. Go needs more Ps than Cores: RATIONALE.md, "Why has Go more Ps than
	// guests have slots?".
	Short int

	Policy Policy // [Fair]

	// Weights are what Fair shares by, a positive number for a namespace
	// ("prices") or for a plugin within its namespace ("prices/normalise") [1].
	// The map is not to be changed.
	Weights map[string]float64

	// Waiting, NamespaceWaiting and TotalWaiting bound those in line, of a plugin
	// [256], a namespace [1024] and all together [4096]: to begin, to go on after a
	// slice, or to come back from the host. A new call is refused where it would have
	// to wait in a line that is full, and one that has had its first slice, too; who
	// has got further never is.
	Waiting, NamespaceWaiting, TotalWaiting int
}

func (o *Options) fill() error {
	setDefault(&o.Short, o.Cores)
	setDefault(&o.Policy, Fair)
	setDefault(&o.Waiting, 256)
	setDefault(&o.NamespaceWaiting, 1024)
	setDefault(&o.TotalWaiting, 4096)

	var faults []error
	for _, bound := range []struct {
		field string
		value int
	}{
		{"Cores", o.Cores},
		{"Short", o.Short},
		{"Waiting", o.Waiting},
		{"NamespaceWaiting", o.NamespaceWaiting},
		{"TotalWaiting", o.TotalWaiting},
	} {
		if bound.value < 1 {
			faults = append(faults, fmt.Errorf("%s is %d; it must be at least 1", bound.field, bound.value))
		}
	}
	if !slices.Contains(Policies, o.Policy) {
		faults = append(faults, fmt.Errorf("the policy is %q; it must be one of %q", o.Policy, Policies))
	}
	for name, weight := range o.Weights {
		if !(weight > 0) {
			faults = append(faults, fmt.Errorf("the weight of %q is %v; it must be positive", name, weight))
		}
	}
	return errors.Join(faults...)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Scheduler hands out slots. It is safe for concurrent use, and starts no goroutine:
// all it does is done by those who call it.
type Scheduler struct {
	options Options
	slots   int       // Cores and Short together
	epoch   time.Time // where its clock begins
	ready   sync.Pool // of chan struct{} with room for one, for those who wait

	// waiting is how many stand in line. It is written under mu; a guest at its
	// slice looks at it without.
	waiting atomic.Int64

	mu            sync.Mutex
	running, long int // slots held, and those of them by guests past their first slice
	root          share
	line          *queue // everybody's, unless the policy is Fair
	namespaces    map[string]*namespace
	tickets       uint64  // given out so far
	slice         average // fuel in a slice
	busy          time.Duration
	counted       time.Duration // until when busy has been
	gone          Totals        // of flows that were forgotten
}

type namespace struct {
	share
	name    string
	waiting int
	flows   map[string]*Flow
}

// New makes a Scheduler. It panics with all that is wrong with the Options.
func New(o Options) *Scheduler {
	if err := o.fill(); err != nil {
		panic(fmt.Sprintf("sched: %v", err))
	}
	s := &Scheduler{options: o, slots: o.Cores + o.Short, epoch: time.Now(), namespaces: make(map[string]*namespace)}
	s.ready.New = func() any { return make(chan struct{}, 1) }
	if o.Policy != Fair {
		s.line = newQueue(&s.root, 1)
	}
	return s
}

// Flow returns the flow of a plugin's calls, the same one while anybody keeps it.
// Who asked for it closes it once.
func (s *Scheduler) Flow(namespaceName, plugin string) *Flow {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.namespaces[namespaceName]
	if n == nil {
		n = &namespace{name: namespaceName, share: newShare(&s.root, s.weight(namespaceName)), flows: make(map[string]*Flow)}
		s.namespaces[namespaceName] = n
	}
	f := n.flows[plugin]
	if f == nil {
		f = &Flow{scheduler: s, namespace: n, name: plugin, queue: s.line}
		if f.queue == nil {
			f.queue = newQueue(&n.share, s.weight(namespaceName+"/"+plugin))
		}
		n.flows[plugin] = f
	}
	f.keepers++
	return f
}

func (s *Scheduler) weight(name string) float64 {
	if w, ok := s.options.Weights[name]; ok {
		return w
	}
	return 1
}

// forgetLocked drops a flow that nobody keeps and nobody is in.
func (s *Scheduler) forgetLocked(f *Flow) {
	if f.keepers > 0 || f.inside > 0 {
		return
	}
	s.gone.add(f.totalsLocked())
	delete(f.namespace.flows, f.name)
	if len(f.namespace.flows) == 0 {
		delete(s.namespaces, f.namespace.name)
	}
}

func (s *Scheduler) ticketLocked() uint64 {
	s.tickets++
	return s.tickets
}

func (s *Scheduler) now() time.Duration { return time.Since(s.epoch) }

// at is a moment on the scheduler's clock, now for none.
func (s *Scheduler) at(t time.Time) time.Duration {
	if t.IsZero() {
		return s.now()
	}
	return t.Sub(s.epoch)
}

// holdLocked gives a slot to a turn.
func (s *Scheduler) holdLocked(t *Turn, now time.Duration) {
	s.countLocked(now)
	s.running++
	t.flow.running++
	if t.long {
		s.long++
	}
	t.held = true
	if !t.begun {
		t.begun = true
		t.flow.begun++
		t.flow.queue.fresh++
	}
	if !t.through {
		t.through, t.throughAt = true, now
	}
}

// releaseLocked takes it back.
func (s *Scheduler) releaseLocked(t *Turn, now time.Duration) {
	s.countLocked(now)
	s.running--
	t.flow.running--
	if t.long {
		s.long--
	}
	t.held = false
}

// countLocked adds to busy what has passed. Clocks are read before the lock is
// taken, so now may lie a little back.
func (s *Scheduler) countLocked(now time.Duration) {
	if passed := now - s.counted; passed > 0 {
		s.busy += time.Duration(min(s.running, s.options.Cores)) * passed
		s.counted = now
	}
}

// joinLocked puts a turn in line, and gives out the slots that are free: it may
// have one at once.
func (s *Scheduler) joinLocked(t *Turn, now time.Duration) {
	t.since, t.arrived = now, true
	s.waiting.Add(1)
	t.flow.waiting++
	t.flow.namespace.waiting++
	if f := t.flow; f.entersLocked(t) {
		f.queue.push(t, s.ticketLocked(), now)
	} else {
		f.door.push(t, now)
	}
	s.dispatchLocked(now)
}

// quitLocked takes it out of the line.
func (s *Scheduler) quitLocked(t *Turn, now time.Duration) {
	s.waiting.Add(-1)
	t.flow.waiting--
	t.flow.namespace.waiting--
	waited := max(0, now-t.since)
	t.flow.waited += waited
	t.lined += waited
	if t.entered {
		t.flow.queue.remove(t)
	} else {
		t.flow.door.remove(t)
	}
}

// dispatchLocked gives the free slots to those whose turn it is.
func (s *Scheduler) dispatchLocked(now time.Duration) {
	for s.running < s.slots {
		t := s.nextLocked()
		if t == nil {
			return
		}
		if t.doomedLocked(now) {
			s.quitLocked(t, now)
			t.refused = t.flow.refuseLocked(Late, t, now)
			t.wake()
			continue
		}
		line := &t.flow.queue.lines[t.class()]
		if t.ready != nil && !t.long {
			line.departed(now)
		}
		t.flow.queue.advance()
		s.quitLocked(t, now)
		t.pay()
		s.holdLocked(t, now)
		t.wake()
	}
}

// nextLocked is whose turn it is, nil when it is nobody's.
//
// Once as many run as there are cores, another slot does not make the machine
// faster: it only lets a short call in sooner, and takes from those who run. So it
// is for those who had no more than their share. Otherwise a flow of short calls
// would take half of a machine that it has a tenth of.
func (s *Scheduler) nextLocked() *Turn {
	quick := s.root.first(short)
	if quick != nil && s.running >= s.options.Cores && !quick.flow.queue.owed(max(s.slice.mean, firstPortion)*float64(s.slots)) {
		quick = nil
	}
	if s.long == s.options.Cores {
		return quick
	}
	slow := s.root.first(long)
	if quick == nil || slow != nil && slow.goesBefore(quick) {
		return slow
	}
	return quick
}
