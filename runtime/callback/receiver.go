package callback

import (
	"math/rand/v2"
	"time"

	"github.com/marketprism/prismrt/runtime/outbound"
	"github.com/marketprism/prismrt/runtime/store"
)

// owed is a callback with the task that it is of.
type owed struct {
	store.Callback
	record store.Record
	to     outbound.Target
	until  time.Time // it is not tried after that
}

// receiver is a host and port, and how it goes with it.
type receiver struct {
	waiting []*owed
	calls   int // under way

	failures int           // in a row
	shut     time.Time     // it is left alone until then
	pace     time.Duration // between two answers, on average; 0: there were none yet
	slot     time.Time     // for when the last one was put off that there was no room for
}

const (
	// mostWaiting is how many wait for a receiver in memory. More are put off, as far as it
	// takes at the pace of its answers.
	mostWaiting = 64

	// tolerated is how many failures in a row do not mean that a receiver is down. Then it is
	// left alone for leastShut, doubled with each further failure up to mostShut, and tried by
	// one call at a time.
	tolerated = 3
	leastShut = 5 * time.Second
	mostShut  = 5 * time.Minute
)

// most is how many calls it may have at the same time.
func (r *receiver) most(atOnce int) int {
	if r.failures >= tolerated {
		return 1
	}
	return atOnce
}

// putOff is until when another callback waits that there is no room for now. zero: there is
// room.
func (r *receiver) putOff(now time.Time) time.Time {
	switch {
	case r.shut.After(now):
		return r.shut.Add(rand.N(r.shut.Sub(now)/8 + time.Millisecond))
	case len(r.waiting) < mostWaiting:
		return time.Time{}
	}
	if soon := now.Add(time.Second); r.slot.Before(soon) {
		r.slot = soon
	}
	r.slot = r.slot.Add(max(r.pace, time.Millisecond))
	return r.slot
}

// learn takes what a call says of the receiver.
func (r *receiver) learn(a *answer, now time.Time, atOnce int) {
	if a.took > 0 {
		pace := a.took / time.Duration(atOnce)
		if r.pace == 0 {
			r.pace = pace
		}
		r.pace += (pace - r.pace) / 8
	}
	if a.after > 0 {
		r.shut = later(r.shut, now.Add(a.after))
	}
	switch {
	case !a.down:
		r.failures = 0
		return
	case r.shut.After(now): // it was called before that
		return
	}
	if r.failures++; r.failures >= tolerated {
		r.shut = later(r.shut, now.Add(min(leastShut<<min(r.failures-tolerated, 10), mostShut)))
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// backoff is how long to wait after so many tries.
func (o *Options) backoff(tried int) time.Duration {
	wait := o.Backoff
	for n := 1; n < tried && wait < o.MostBackoff; n++ {
		wait *= 2
	}
	wait = min(wait, o.MostBackoff)
	return wait/2 + rand.N(wait/2+1)
}
