package event

import (
	"cmp"
	"context"
	"errors"
	"sync"

	"github.com/marketprism/prismrt/runtime/task"
)

// Options bound a Log. A zero field takes the default in brackets.
type Options struct {
	// Events is how many are kept [4096].
	Events int

	// Bytes is about how much memory they take together [2 MiB]. The newest is kept
	// whatever it takes, which is at most some 6 KB.
	Bytes int
}

// Log keeps the last events. It is safe for concurrent use.
type Log struct {
	options Options
	life    task.ID

	mu     sync.Mutex
	ring   []Event // the event numbered n is at n % len(ring)
	first  uint64  // the number of the oldest that is kept
	next   uint64  // the number of the one to come
	bytes  int     // that those from first on take
	round  *round  // of Readers that wait; nil: none does
	closed bool
	open   context.Context // ends with Close
	end    context.CancelFunc
}

// New makes a Log that is empty. It begins a life: its ids are like those of no other Log.
func New(o Options) *Log {
	o.Events, o.Bytes = cmp.Or(o.Events, 4096), cmp.Or(o.Bytes, 2<<20)
	l := &Log{options: o, life: task.NewID(), first: 1, next: 1}
	l.open, l.end = context.WithCancel(context.Background())
	return l
}

// ErrClosed is Next's answer once the Log was closed and all was read.
var ErrClosed = errors.New("event: the log is closed")

// Publish keeps an event and wakes who waits for it. It never waits for Readers: those
// that are too slow miss the oldest events, and are told so. After Close it does nothing.
func (l *Log) Publish(e Event) {
	e.bound()
	size := e.size()
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	if e.Time.IsZero() {
		e.Time = now()
	}
	e.ID = ID{l.life, l.next}
	for l.first < l.next && (l.next-l.first >= uint64(l.options.Events) || l.bytes+size > l.options.Bytes) {
		oldest := l.at(l.first)
		l.bytes -= oldest.size()
		*oldest = Event{}
		l.first++
	}
	if l.next-l.first == uint64(len(l.ring)) {
		l.growLocked()
	}
	*l.at(l.next) = e
	l.bytes += size
	l.next++
	r := l.round
	l.round = nil
	l.mu.Unlock()
	r.end()
}

// at returns the place of the event numbered n.
func (l *Log) at(n uint64) *Event { return &l.ring[n%uint64(len(l.ring))] }

// growLocked makes room, at most for as many events as are kept.
func (l *Log) growLocked() {
	old := l.ring
	l.ring = make([]Event, min(max(64, 2*len(old)), l.options.Events))
	for n := l.first; n < l.next; n++ {
		*l.at(n) = old[n%uint64(len(old))]
	}
}

// Last returns the id of the newest event: with it, Follow begins with the next one.
func (l *Log) Last() ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return ID{l.life, l.next - 1}
}

// Close ends the log: Readers get what is kept, and then ErrClosed. It may be called again.
func (l *Log) Close() {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		l.end()
	}
	r := l.round
	l.round = nil
	l.mu.Unlock()
	r.end()
}

// AfterClose calls f in a goroutine once the log is closed, unless stop is called before.
func (l *Log) AfterClose(f func()) (stop func() bool) { return context.AfterFunc(l.open, f) }

// round is Readers that wait for the same event. Who publishes it wakes one of them, and
// that one the others: publishing costs the same however many there are.
type round struct {
	bell chan struct{} // has room for the one signal it ever gets
	all  chan struct{} // closed by whoever took that
}

// waitLocked joins those who wait.
func (l *Log) waitLocked() *round {
	if l.round == nil {
		l.round = &round{make(chan struct{}, 1), make(chan struct{})}
	}
	return l.round
}

// end is called once, by whoever took the round out of the Log.
func (r *round) end() {
	if r != nil {
		r.bell <- struct{}{}
	}
}

// wait waits until the round ends, or done is closed. Who gives up leaves the signal to
// the others.
func (r *round) wait(done <-chan struct{}) {
	select {
	case <-r.all:
	case <-r.bell:
		close(r.all)
	case <-done:
	}
}
