// Package pool keeps instances ready and lends each to one borrower at a time.
// It knows nothing of WebAssembly: an instance is what its constructor makes.
package pool

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// ErrClosed is Acquire's answer once Close has begun.
var ErrClosed = errors.New("the pool is closed")

// ErrFull is Acquire's answer when as many wait as may.
var ErrFull = errors.New("too many wait for an instance")

// Options sizes a pool.
type Options struct {
	// Min instances are kept ready, built before they are asked for. Zero: none.
	Min int

	// Max bounds the instances alive at once: lent, ready and being built. It is
	// at least 1 and at least Min.
	Max int

	// Waiting bounds the callers in line. Zero: nobody may wait for longer than
	// a build that is about to begin.
	Waiting int
}

// Pool lends instances of T. It is safe for concurrent use.
type Pool[T any] struct {
	options Options
	build   func(context.Context) (T, error)
	destroy func(T)

	life context.Context // of the builds; ends when Close begins
	end  context.CancelFunc

	mu       sync.Mutex
	ready    []T
	line     []*waiter[T] // in order of arrival
	building int
	lent     int
	closed   bool
	gone     chan struct{} // closed when the pool is closed and nothing is alive
	births   Births
}

// Births counts what the constructor did.
type Births struct {
	Built  int64
	Failed int64
	Time   time.Duration // over both
}

// Stats is a pool at a moment.
type Stats struct {
	Ready, Building, Lent, Waiting, Max int
	Births                              Births
}

type waiter[T any] struct {
	served chan struct{} // closed once loan or err is set
	loan   *Loan[T]
	err    error
}

// New makes a pool. Nothing is built before Warm or Acquire. build is called on
// a goroutine of its own, with a context that ends when the pool closes;
// destroy ends the life of an instance and is called once for each.
func New[T any](o Options, build func(context.Context) (T, error), destroy func(T)) *Pool[T] {
	if o.Min < 0 || o.Max < max(o.Min, 1) || o.Waiting < 0 {
		panic("pool: Options need 0 <= Min <= Max, Max >= 1 and Waiting >= 0")
	}
	life, end := context.WithCancel(context.Background())
	return &Pool[T]{options: o, build: build, destroy: destroy, life: life, end: end, gone: make(chan struct{})}
}

// Warm begins to build up to Min instances and does not wait for them.
func (p *Pool[T]) Warm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fillLocked(p.options.Min)
}

// Acquire lends an instance: a ready one, or the next to be built, in order of
// arrival. The borrower ends the loan once: with Return when the instance is as it
// was, and otherwise with Discard.
//
// It returns ErrFull at once when too many wait, ErrClosed once Close has begun,
// the context's cause when the wait was given up (what was being built for it
// serves another), and otherwise the constructor's own error.
func (p *Pool[T]) Acquire(ctx context.Context) (*Loan[T], error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	if n := len(p.ready); n > 0 && len(p.line) == 0 {
		loan := p.lendLocked(p.ready[n-1])
		p.ready = p.ready[:n-1]
		p.fillLocked(p.options.Min)
		p.mu.Unlock()
		return loan, nil
	}
	if len(p.line) >= p.options.Waiting && p.aliveLocked() >= p.options.Max {
		p.mu.Unlock()
		return nil, ErrFull
	}
	w := &waiter[T]{served: make(chan struct{})}
	p.line = append(p.line, w)
	p.fillLocked(p.options.Min)
	p.mu.Unlock()

	select {
	case <-w.served:
		return w.loan, w.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	if i := slices.Index(p.line, w); i >= 0 {
		p.line = slices.Delete(p.line, i, i+1)
	}
	loan := w.loan
	p.mu.Unlock()
	if loan != nil { // served in the same moment
		loan.Return()
	}
	return nil, context.Cause(ctx)
}

// TryAcquire lends a ready instance, or nil where there is none or others wait.
func (p *Pool[T]) TryAcquire() *Loan[T] {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.ready)
	if p.closed || n == 0 || len(p.line) > 0 {
		return nil
	}
	loan := p.lendLocked(p.ready[n-1])
	p.ready = p.ready[:n-1]
	p.fillLocked(p.options.Min)
	return loan
}

// fillLocked begins as many builds as those in line need, and as keep spare
// instances ready besides.
func (p *Pool[T]) fillLocked(spare int) {
	for !p.closed && p.aliveLocked() < p.options.Max && len(p.ready)+p.building < len(p.line)+spare {
		p.building++
		go p.buildOne()
	}
}

func (p *Pool[T]) aliveLocked() int { return len(p.ready) + p.building + p.lent }

func (p *Pool[T]) buildOne() {
	begun := time.Now()
	instance, err := p.build(p.life)
	took := time.Since(begun)

	p.mu.Lock()
	defer p.mu.Unlock()
	p.building--
	p.births.Time += took
	if err != nil {
		p.births.Failed++
		if len(p.line) > 0 {
			p.serveLocked(nil, err)
		}
		// Without spares: what cannot be built is not tried for ever, only for
		// those who ask.
		p.fillLocked(0)
		p.settleLocked()
		return
	}
	p.births.Built++
	p.takeLocked(instance)
}

// takeLocked gives an instance to the first in line, or keeps it.
func (p *Pool[T]) takeLocked(instance T) {
	switch {
	case p.closed:
		p.destroyLocked(instance)
		p.settleLocked()
	case len(p.line) > 0:
		p.serveLocked(p.lendLocked(instance), nil)
	default:
		p.ready = append(p.ready, instance)
	}
}

func (p *Pool[T]) serveLocked(loan *Loan[T], err error) {
	w := p.line[0]
	p.line = slices.Delete(p.line, 0, 1)
	w.loan, w.err = loan, err
	close(w.served)
}

func (p *Pool[T]) lendLocked(instance T) *Loan[T] {
	p.lent++
	return &Loan[T]{Instance: instance, pool: p}
}

// destroyLocked destroys an instance, without the lock and counted as alive
// meanwhile.
func (p *Pool[T]) destroyLocked(instance T) {
	p.lent++
	p.mu.Unlock()
	p.destroy(instance)
	p.mu.Lock()
	p.lent--
}

// settleLocked tells Close when the last one is gone.
func (p *Pool[T]) settleLocked() {
	if p.closed && p.aliveLocked() == 0 {
		select {
		case <-p.gone:
		default:
			close(p.gone)
		}
	}
}

// Stats counts.
func (p *Pool[T]) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{
		Ready: len(p.ready), Building: p.building, Lent: p.lent, Waiting: len(p.line), Max: p.options.Max, Births: p.births,
	}
}

// Close turns away who waits and who comes, destroys the ready instances, and
// waits for those lent and being built until ctx ends. Those that are still
// lent then are destroyed when their loans end. It may be called again.
func (p *Pool[T]) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.end()
	for len(p.line) > 0 {
		p.serveLocked(nil, ErrClosed)
	}
	for len(p.ready) > 0 {
		instance := p.ready[0]
		p.ready = p.ready[1:]
		p.destroyLocked(instance)
	}
	p.settleLocked()
	p.mu.Unlock()

	select {
	case <-p.gone:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Loan is an instance in a borrower's hands.
type Loan[T any] struct {
	Instance T

	pool  *Pool[T]
	ended bool // guarded by pool.mu
}

// Discard ends the loan and the instance's life. Ending a loan twice panics:
// it would free what somebody else may hold.
func (l *Loan[T]) Discard() {
	p := l.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	l.endLocked()
	p.lent--
	p.destroyLocked(l.Instance)
	p.fillLocked(p.options.Min)
	p.settleLocked()
}

// Return ends the loan of an instance that is as it was: the next borrower gets it.
func (l *Loan[T]) Return() {
	p := l.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	l.endLocked()
	p.lent--
	p.takeLocked(l.Instance)
}

func (l *Loan[T]) endLocked() {
	if l.ended {
		panic("pool: a loan was ended twice")
	}
	l.ended = true
}
