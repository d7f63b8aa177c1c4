package health

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Options say when a Breaker opens. A zero field takes the default in brackets.
type Options struct {
	// Threshold is the part of the calls in a window that must have failed, over 0
	// and up to 1 [0.5].
	Threshold float64

	// MinCalls is how many calls a window must have [20].
	MinCalls int

	// Open is how long calls are kept away before a few are let through to try [5s].
	// It doubles each time those fail, up to a minute or Open, whichever is longer.
	Open time.Duration
}

const (
	// A window is a second, in steps of a tenth.
	steps = 10
	step  = 100 * time.Millisecond

	// trials are let through once the open time is over.
	trials = 3

	// trialWait is what those are asked to wait who come while trials are under way.
	trialWait = time.Second

	// mostOpen is where doubling the open time ends.
	mostOpen = time.Minute

	// rowPatience is the time within which MinCalls faults and nothing else open a
	// breaker. Guests that hang fail too slowly for a window.
	rowPatience = time.Minute
)

// Pass is the leave to make a call. It goes back with the call's outcome.
type Pass uint64

// Trial tells whether the call tries a version that was fenced.
func (p Pass) Trial() bool { return uint64(p)&stateMask == halfOpen }

// The state of a breaker is a number that grows with each change, and in its low
// bits one of these.
const (
	closed uint64 = iota
	open
	halfOpen
	stateMask uint64 = 3
	stateStep uint64 = 4
)

// Breaker fences one version: closed it lets all calls through; open it refuses them;
// half-open it lets a few through and closes when all of them went well. It is safe
// for concurrent use. While it is closed, a call that goes well costs a load and an
// addition; only faults take its lock.
type Breaker struct {
	options Options
	begun   time.Time

	state    atomic.Uint64
	openings atomic.Int64
	_        [64]byte // what each call reads stays apart from what each call writes

	// good counts calls of the last steps, each with the step's number above: a step
	// of another second is told from its count in the one addition.
	good [steps]atomic.Uint64
	_    [64]byte

	mu       sync.Mutex
	bad      [steps]struct{ at, n uint64 }
	row      int    // faults since the last good call
	rowSince uint64 // the step of the first
	length   time.Duration
	until    time.Time // the end of the open time, or of waiting for trials
	admitted int       // trials under way or done well
	well     int       // trials done well
	why      string
}

// New makes a Breaker that is closed. Now is the time of its making.
func New(o Options, now time.Time) *Breaker {
	if o.Threshold == 0 {
		o.Threshold = 0.5
	}
	if o.MinCalls == 0 {
		o.MinCalls = 20
	}
	if o.Open == 0 {
		o.Open = 5 * time.Second
	}
	return &Breaker{options: o, begun: now}
}

// Allow asks for leave to make a call. Where wait is over 0 the call is refused, and
// that is when it is worth another try.
func (b *Breaker) Allow(now time.Time) (pass Pass, wait time.Duration) {
	if s := b.state.Load(); s&stateMask == closed {
		return Pass(s), 0
	}
	return b.try(now)
}

// try is Allow where not all calls are let through.
func (b *Breaker) try(now time.Time) (Pass, time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch s := b.state.Load(); s & stateMask {
	case closed:
		return Pass(s), 0
	case open:
		if wait := b.until.Sub(now); wait > 0 {
			return 0, wait
		}
		b.tryLocked(now)
	case halfOpen:
		if !now.Before(b.until) {
			b.tryLocked(now) // trials that took that long are given up
		}
	}
	if b.admitted == trials {
		return 0, trialWait
	}
	b.admitted++
	return Pass(b.state.Load()), 0
}

// tryLocked begins to let trials through.
func (b *Breaker) tryLocked(now time.Time) {
	b.toLocked(halfOpen)
	b.until, b.admitted, b.well = now.Add(b.length), 0, 0
}

func (b *Breaker) toLocked(state uint64) {
	b.state.Store(b.state.Load()&^stateMask + stateStep | state)
}

// Record tells what became of a call. Each Pass is recorded once. Where that opened
// the breaker, it returns a sentence that says why, and otherwise "".
func (b *Breaker) Record(now time.Time, pass Pass, o Outcome) (why string) {
	if o != Bad && uint64(pass)&stateMask == closed {
		if o == Good {
			b.count(b.stepOf(now))
		}
		return ""
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if uint64(pass) != b.state.Load() {
		return "" // of a time before the breaker opened, or of trials that were given up
	}
	if uint64(pass)&stateMask == halfOpen {
		return b.triedLocked(now, o)
	}
	if why = b.failedLocked(b.stepOf(now)); why != "" {
		b.openLocked(now, b.options.Open, why)
	}
	return why
}

// stepOf numbers steps from 1 on, so that 0 is never.
func (b *Breaker) stepOf(now time.Time) uint64 {
	return uint64(max(0, now.Sub(b.begun))/step) + 1
}

// count counts a good call.
func (b *Breaker) count(at uint64) {
	counter := &b.good[at%steps]
	seen := counter.Add(1) >> 32
	if seen >= at {
		return
	}
	// It counted a step of an earlier second, and so did everyone until the lock.
	b.mu.Lock()
	defer b.mu.Unlock()
	if counter.Load()>>32 < at {
		counter.Store(at<<32 | 1)
	} else {
		counter.Add(1)
	}
}

// failedLocked counts a fault of a closed breaker and says why it should open, or "".
func (b *Breaker) failedLocked(at uint64) string {
	if s := &b.bad[at%steps]; s.at == at {
		s.n++
	} else {
		s.at, s.n = at, 1
	}
	var good, bad, lastGood uint64
	for n := range b.good {
		v := b.good[n].Load()
		lastGood = max(lastGood, v>>32)
		if v>>32+steps > at {
			good += v & (1<<32 - 1)
		}
		if b.bad[n].at+steps > at {
			bad += b.bad[n].n
		}
	}
	if lastGood >= b.rowSince || at-b.rowSince > uint64(rowPatience/step) {
		b.row, b.rowSince = 0, at
	}
	b.row++
	switch {
	case good+bad >= uint64(b.options.MinCalls) && float64(bad) >= b.options.Threshold*float64(good+bad):
		return fmt.Sprintf("%d of %d calls failed within a second", bad, good+bad)
	case good == 0 && b.row >= b.options.MinCalls:
		return fmt.Sprintf("%d calls in a row failed", b.row)
	}
	return ""
}

// triedLocked counts the end of a trial.
func (b *Breaker) triedLocked(now time.Time, o Outcome) string {
	switch o {
	case Neither:
		b.admitted-- // another may try
	case Good:
		if b.well++; b.well == trials {
			b.toLocked(closed)
			b.why, b.row = "", 0
			clear(b.bad[:])
		}
	case Bad:
		b.openLocked(now, min(2*b.length, max(mostOpen, b.options.Open)), "it failed again when it was tried")
		return b.why
	}
	return ""
}

func (b *Breaker) openLocked(now time.Time, length time.Duration, why string) {
	b.length, b.until, b.why = length, now.Add(length), why
	b.openings.Add(1) // first: who is refused can tell by it that something was new
	b.toLocked(open)
}

// Openings counts how often the breaker has opened.
func (b *Breaker) Openings() int64 { return b.openings.Load() }

// Fence opens the breaker for a reason that is not in its calls. It returns false
// where it is not closed.
func (b *Breaker) Fence(now time.Time, why string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state.Load()&stateMask != closed {
		return false
	}
	b.openLocked(now, b.options.Open, why)
	return true
}

// Fenced says why not all calls are let through, "" when they are.
func (b *Breaker) Fenced() (why string) {
	if b.state.Load()&stateMask == closed {
		return ""
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.why
}
