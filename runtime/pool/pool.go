// Package pool keeps instances ready, lends each to one borrower at a time, and finds
// how many are worth having. It knows nothing of WebAssembly: an instance is what its
// constructor makes.
//
// Who finds an instance ready takes the one that was used last, whose memory is
// warmest; those that a load does not need sink to the bottom and are closed. Who
// finds none waits in order of arrival, for the next that is given back or built.
package pool

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrClosed is Acquire's answer once Close has begun.
var ErrClosed = errors.New("the pool is closed")

// ErrFull is Acquire's answer when as many wait as may.
var ErrFull = errors.New("too many wait for an instance")

// Pool lends instances of T. It is safe for concurrent use.
type Pool[T any] struct {
	options   Options[T]
	construct func(context.Context) (T, error)
	destroy   func(T)

	life context.Context // of the builds and probes; ends when Close begins
	end  context.CancelFunc
	gone chan struct{} // closed when the pool is closed and nothing is alive

	// A caller is in line only while nothing is ready, and while something is alive
	// that will come back, be born or make room.
	mu       sync.Mutex
	closed   bool
	items    []*item[T] // all that are alive, being built and destroyed among them
	ready    []*item[T] // those used last at the end
	places   uint64     // counts up with each that becomes ready
	line     line[T]
	lent     int
	building int
	ending   int
	sizer    sizer

	now         time.Time     // at the last beat, birth or death
	spends      bool          // the last loan took its instance with it: the next will, too
	surplus     bool          // the next loan to end while none is ready takes its instance with it
	renewing    bool          // a build that is to take an old instance's place goes on
	pause       time.Duration // between a build that failed and the next; zero when the last one did not
	resume      time.Time     // when that pause is over
	probing     bool
	nextProbe   time.Time
	callsAtBeat int64 // work.Calls at the last beat

	births Births
	deaths Deaths
	probes Probes
	work   Work
	ids    int64
	past   []Life // the last that ended
}

// New makes a pool. Nothing is built before Warm, Run or Acquire. construct is called
// on a goroutine of its own, with a context that ends when the pool closes; that it
// panics is an error like any other. destroy ends the life of an instance and is
// called once for each.
//
// Options out of bounds are a mistake of ours, and it panics.
func New[T any](o Options[T], construct func(context.Context) (T, error), destroy func(T)) *Pool[T] {
	o = o.filled()
	if err := o.check(); err != nil {
		panic("pool: " + err.Error())
	}
	life, end := context.WithCancel(context.Background())
	now := time.Now()
	return &Pool[T]{
		options: o, construct: construct, destroy: destroy, life: life, end: end, gone: make(chan struct{}),
		sizer: newSizer(o.Cores, o.Min, o.Max, o.Idle, now), now: now,
		births: Births{By: make(map[Why]int64)}, deaths: Deaths{By: make(map[Cause]int64)},
	}
}

// Warm begins to build up to Min instances and does not wait for them.
func (p *Pool[T]) Warm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.growLocked()
}

// TryAcquire lends a ready instance, if there is one.
func (p *Pool[T]) TryAcquire() (Loan[T], bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.readyLocked()
}

// readyLocked lends the ready instance that was used last.
func (p *Pool[T]) readyLocked() (Loan[T], bool) {
	n := len(p.ready)
	if n == 0 {
		return Loan[T]{}, false
	}
	it := p.ready[n-1]
	p.ready = p.ready[:n-1]
	return p.lendLocked(it), true
}

// Acquire lends an instance: a ready one, or the next that is given back or built, in
// order of arrival. It builds only while fewer are alive than are worth having
// (Stats.Size). The borrower ends the loan once: with Release when the instance is as
// it was, and otherwise with Discard.
//
// It returns ErrFull at once when too many wait, ErrClosed once Close has begun, and
// the context's cause when the wait was given up; what was being built serves another.
// The constructor's own error goes to the first in line if nothing is lent that could
// still serve them, and the next in line gets a try of their own. Otherwise all wait
// on, and no build begins for a while that doubles with each that fails, from 100 ms
// to 30 s.
func (p *Pool[T]) Acquire(ctx context.Context) (Loan[T], error) {
	p.mu.Lock()
	if loan, ok := p.readyLocked(); ok {
		p.mu.Unlock()
		return loan, nil
	}
	if p.closed {
		p.mu.Unlock()
		return Loan[T]{}, ErrClosed
	}
	w := p.line.join()
	p.growLocked()
	if p.line.length-p.building > p.options.Waiting {
		p.line.leave(w)
		p.mu.Unlock()
		return Loan[T]{}, ErrFull
	}
	p.mu.Unlock()

	select {
	case <-w.served:
		return w.loan, w.err
	case <-ctx.Done():
		p.giveUp(w)
		return Loan[T]{}, context.Cause(ctx)
	}
}

// giveUp takes a waiter out of the line, and passes on what it was served in the same
// moment.
func (p *Pool[T]) giveUp(w *waiter[T]) {
	p.mu.Lock()
	it, gone := w.loan.item, false
	select {
	case <-w.served:
		gone = it != nil && p.backLocked(it, "")
	default:
		p.line.leave(w)
	}
	p.mu.Unlock()
	if gone {
		p.bury(it)
	}
}

// Close turns away who waits and who comes, destroys the ready instances, and waits
// for the others until ctx ends. Those that are still lent then are destroyed when
// their loans end. It may be called again, and at the same time.
func (p *Pool[T]) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.end()
	for p.line.length > 0 {
		p.line.serve(Loan[T]{}, ErrClosed)
	}
	ready := p.ready
	p.ready = nil
	for _, it := range ready {
		p.retireLocked(it, Closed)
	}
	p.settleLocked()
	p.mu.Unlock()
	for _, it := range ready {
		p.bury(it)
	}

	select {
	case <-p.gone:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// settleLocked tells Close when the last one is gone.
func (p *Pool[T]) settleLocked() {
	if !p.closed || len(p.items) > 0 {
		return
	}
	select {
	case <-p.gone:
	default:
		close(p.gone)
	}
}
