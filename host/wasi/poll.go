package wasi

import (
	"math"
	"time"
)

// maxSubscriptions bounds those of one poll_oneoff. Three descriptors and two
// clocks need few.
const maxSubscriptions = 1024

// Sizes in the guest's memory, in bytes.
const (
	sizeSubscription = 48
	sizeEvent        = 32
)

// What can be waited for, as preview 1 numbers it.
const (
	eventClock   = 0
	eventFDRead  = 1
	eventFDWrite = 2
)

// subscription is one thing to wait for, decoded.
type subscription struct {
	userdata uint64
	event    uint8
	errno    errno  // of an event: a descriptor that cannot be waited for
	wait     uint64 // nanoseconds; 0 is ready at once
}

// poll_oneoff(subscriptions, events, count, ready) waits until something that
// was asked for is there. Streams always are.
func pollOneoff(g Guest, mem memory, stack []uint64) errno {
	count := uint32(stack[2])
	if count == 0 || count > maxSubscriptions {
		return errnoInval
	}
	in, ok := mem.view(uint32(stack[0]), count*sizeSubscription)
	if !ok {
		return errnoFault
	}
	out, ok := mem.view(uint32(stack[1]), count*sizeEvent)
	if !ok {
		return errnoFault
	}
	result, ok := mem.view(uint32(stack[3]), 4)
	if !ok {
		return errnoFault
	}
	g.Spend(fuelSubscription * int64(count))

	d, t := descriptorsOf(g), now(g)
	soonest, looks := uint64(math.MaxUint64), false
	for rest := in; len(rest) > 0; rest = rest[sizeSubscription:] {
		s, ok := subscribe(rest, d, t)
		if !ok {
			return errnoInval
		}
		soonest = min(soonest, s.wait)
		looks = looks || s.event == eventFDRead && s.errno == errnoSuccess
	}
	if looks {
		await(g, pollOneoff, mem, stack)
	}
	if soonest > 0 {
		g.Sleep(time.Duration(min(soonest, math.MaxInt64)))
	}

	ready := uint32(0)
	for ; len(in) > 0; in = in[sizeSubscription:] {
		// What an event overwrites of subscriptions has been read: the guest may
		// have both in one place.
		if s, ok := subscribe(in, d, t); ok && s.wait <= soonest {
			s.put((*[sizeEvent]byte)(out[ready*sizeEvent:]))
			ready++
		}
	}
	le.PutUint32(result, ready)
	return errnoSuccess
}

// subscribe decodes a subscription made at t, false where it makes no sense.
func subscribe(b []byte, d *descriptors, t instant) (subscription, bool) {
	s := subscription{userdata: le.Uint64(b), event: b[8]}
	switch body := b[16:sizeSubscription]; s.event {
	case eventClock:
		clock, timeout, flags := le.Uint32(body), le.Uint64(body[8:]), le.Uint16(body[24:])
		at, ok := t.clock(clock)
		switch {
		case flags == 0: // from now on, by whichever clock
			s.wait = timeout
		case flags == 1 && ok: // until then
			s.wait = timeout - min(timeout, at)
		default:
			return s, false
		}
	case eventFDRead:
		if d.stream(le.Uint32(body)) != input {
			s.errno = errnoBadf
		}
	case eventFDWrite:
		if to := d.stream(le.Uint32(body)); to != output && to != logged {
			s.errno = errnoBadf
		}
	default:
		return s, false
	}
	return s, true
}

// put writes the event that a subscription led to. How many bytes a stream has
// or takes is not told.
func (s subscription) put(b *[sizeEvent]byte) {
	clear(b[:])
	le.PutUint64(b[0:], s.userdata)
	le.PutUint16(b[8:], uint16(s.errno))
	b[10] = s.event
}
