package pool

import "time"

// Loan is an instance in a borrower's hands. It is a value: copies are the same loan.
type Loan[T any] struct {
	Instance T

	item *item[T]
	turn uint64
}

// Birth is how long the instance was being built, where this is its first loan; 0 where
// it was lent before.
func (l Loan[T]) Birth() time.Duration {
	if l.turn > 0 {
		return 0
	}
	return l.item.Birth // which does not change while it is lent
}

// Report is what a borrower tells of a loan as it ends it. The pool reads no clock
// for it: these are times the borrower measures anyway.
type Report struct {
	// Calls is how many the instance served, clean for each. Zero: it was lent for
	// nothing that counts.
	Calls int64

	// Run is how long the guest computed, and Host how long it waited on the host:
	// for a sleep, an answer from elsewhere. Time in line for a core is neither.
	// Counted as Host, it would make a pool grow because it is too large.
	Run, Host time.Duration

	// Rewind is how long it took to make the instance clean. It takes a core as Run does.
	Rewind time.Duration

	// Pages is how many pages of memory that put back, over all calls, and LastPages how
	// many of them after the last.
	Pages, LastPages int64

	// Held is how long the loan lasted. Zero: the other three together.
	Held time.Duration

	Fault Fault
}

// Fault says whose fault the call ended with.
type Fault uint8

// Whose fault it can be.
const (
	NoFault    Fault = iota
	GuestFault       // says nothing of the instance's health
	OurFault         // Options.MaxFaults in a row, guest faults between them or not, close the instance
)

// Release ends the loan of an instance that is as it was: the next borrower gets it.
// It does not return before the instance is destroyed where its time has come: see
// Options.MaxFaults and Age, and Close.
//
// Ending a loan twice panics: it would free what somebody else may hold.
func (l Loan[T]) Release(r Report) {
	p := l.lock()
	it := l.item
	it.Rewinds += r.Calls
	p.work.Rewinds += r.Calls
	p.spends = false
	p.noteLocked(it, r)
	gone := p.backLocked(it, "")
	p.mu.Unlock()
	if gone {
		p.bury(it)
	}
}

// Discard ends the loan and the life of the instance, and returns when it is destroyed.
// Another is built in its place. Ending a loan twice panics.
func (l Loan[T]) Discard(r Report) {
	p := l.lock()
	it := l.item
	p.spends = true
	p.noteLocked(it, r)
	p.backLocked(it, Spoilt)
	p.mu.Unlock()
	p.bury(it)
}

// lock locks the pool of a loan that goes on.
func (l Loan[T]) lock() *Pool[T] {
	if l.item == nil {
		panic("pool: a loan was ended that was never made")
	}
	p := l.item.pool
	p.mu.Lock()
	if l.turn != l.item.turn {
		p.mu.Unlock()
		panic("pool: a loan was ended twice")
	}
	return p
}

// noteLocked writes down what a borrower tells.
func (p *Pool[T]) noteLocked(it *item[T], r Report) {
	it.note(r)
	it.LastPages = r.LastPages
	p.work.note(r)
	p.sizer.note(r.Run+r.Rewind, r.Host)
	switch r.Fault {
	case NoFault:
		it.faults = 0
	case OurFault:
		it.faults++
	case GuestFault:
	}
}

// lendLocked makes a loan of an item that is nowhere else.
func (p *Pool[T]) lendLocked(it *item[T]) Loan[T] {
	p.lent++
	it.State = Lent
	if p.spends {
		p.spareLocked()
	}
	return Loan[T]{Instance: it.instance, item: it, turn: it.turn}
}

// backLocked takes an item back and reports whether it is to be buried: for the
// cause given, or one that turned up while it was lent.
func (p *Pool[T]) backLocked(it *item[T], cause Cause) (gone bool) {
	it.turn++
	p.lent--
	it.Used = p.now
	it.trimmed = false
	switch {
	case cause != "":
	case p.closed:
		cause = Closed
	case it.faults >= p.options.MaxFaults:
		cause = Faulty
	case it.Cause != "":
		cause = it.Cause
	case p.surplus && len(p.ready) == 0:
		p.surplus = false
		cause = Surplus
	default:
		p.offerLocked(it)
		return false
	}
	p.retireLocked(it, cause)
	return true
}

// offerLocked gives an item to the first in line, or keeps it ready.
func (p *Pool[T]) offerLocked(it *item[T]) {
	if p.line.length > 0 {
		p.line.serve(p.lendLocked(it), nil)
		return
	}
	it.State = Ready
	p.places++
	it.place = p.places
	p.ready = append(p.ready, it)
}
