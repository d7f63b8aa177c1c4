package sched

import "time"

// class is which of a queue's lines a turn waits in.
type class int

const (
	short class = iota // in its first slice
	long               // past it
	classes
)

// share is a part of the machine: a namespace's, a plugin's. Shares are a tree,
// queues are its leaves, all equally deep.
//
// This is start-time fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queuing",
// SIGCOMM 1996), with slices for packets. Each share has a virtual time, which the
// fuel burnt in it takes ahead, divided by its weight. The share with the earliest
// is served next. Virtual time also passes for a parent as a whole: it is the time
// of the share that was served last. Who begins to wait does so at no less than
// that, so that nobody saves up for later.
//
// What a slice costs is known when it is over. An average is paid in advance, so that
// guests that begin together do not all begin at the price of one (Turn.pay), and
// settled after it.
//
// What is burnt while nobody waits costs nothing: it was taken from nobody. This
// keeps the common case out of the tree, too.
type share struct {
	parent   *share // nil: the root
	weight   float64
	time     float64 // fuel over weight
	passed   float64 // virtual time of the children's contest
	children [classes]heap[*seat]
	seats    [classes]seat
	since    uint64 // ticket with which it began to wait; of equals the earlier goes first
	queue    *queue // nil: not a leaf
}

// seat is a share's place among those of its parent for which somebody of a class
// waits.
type seat struct {
	share *share
	at    int
}

func (s *seat) place() *int { return &s.at }

func (s *seat) before(than *seat) bool { return s.share.before(than.share) }

func newShare(parent *share, weight float64) share {
	return share{parent: parent, weight: weight, time: parent.passed}
}

func (s *share) before(than *share) bool {
	return s.time < than.time || s.time == than.time && s.since < than.since
}

// first is whose turn it is of a class, nil when nobody waits.
func (s *share) first(c class) *Turn {
	for s.queue == nil {
		if len(s.children[c]) == 0 {
			return nil
		}
		s = s.children[c][0].share
	}
	return s.queue.lines[c].first()
}

func (s *share) waits(c class) bool {
	if s.queue != nil {
		return len(s.queue.lines[c].turns) > 0
	}
	return len(s.children[c]) > 0
}

// charge takes its time ahead by fuel, or back.
func (s *share) charge(fuel float64) {
	for ; s.parent != nil; s = s.parent {
		s.time += fuel / s.weight
		for c := range s.seats {
			if s.seats[c].at > 0 {
				s.parent.children[c].fix(&s.seats[c])
			}
		}
	}
}

// advance takes virtual time ahead to that of a share that is about to be served,
// but past nobody who still waits.
func (s *share) advance() {
	for ; s.parent != nil; s = s.parent {
		t := s.time
		for _, line := range s.parent.children {
			if len(line) > 0 {
				t = min(t, line[0].share.time)
			}
		}
		s.parent.passed = max(s.parent.passed, t)
	}
}

// owed reports whether a share has had no more fuel than its part, give or take.
func (s *share) owed(give float64) bool {
	for ; s.parent != nil; s = s.parent {
		if s.time > s.parent.passed+give/s.weight {
			return false
		}
	}
	return true
}

// queue is where turns wait: a plugin's own, or everybody's.
//
// Of a plugin's turns the earlier arrival goes first, short or long. So long ones
// mostly come before short ones, which does not keep those waiting: Options.Short
// slots are out of the long ones' reach, and neither can starve the other. Long ones
// run one after the other rather than by turns: of equal ones all but the last end
// sooner, and under overload by turns would have all of them late. The price is paid
// within the plugin, where a call of some slices may wait for one of seconds.
type queue struct {
	share
	lines [classes]line
	fresh int // turns that run their first slice
}

func newQueue(parent *share, weight float64) *queue {
	q := &queue{share: newShare(parent, weight)}
	q.queue = q
	return q
}

func (q *queue) push(t *Turn, ticket uint64, now time.Duration) {
	c := t.class()
	q.lines[c].push(t, now)
	for s := &q.share; s.parent != nil && s.seats[c].at == 0; s = s.parent {
		if s.seats[1-c].at == 0 {
			s.time = max(s.time, s.parent.passed)
			s.since = ticket
		}
		s.seats[c].share = s
		s.parent.children[c].push(&s.seats[c])
	}
}

func (q *queue) remove(t *Turn) {
	c := t.class()
	q.lines[c].remove(t)
	for s := &q.share; s.parent != nil && !s.waits(c); s = s.parent {
		s.parent.children[c].remove(&s.seats[c])
	}
}

// goesBefore reports which of the first in two lines is served first.
func (t *Turn) goesBefore(than *Turn) bool {
	a, b := &t.flow.queue.share, &than.flow.queue.share
	if a == b {
		return t.before(than)
	}
	for a.parent != b.parent {
		a, b = a.parent, b.parent
	}
	return a.before(b)
}
