package sched

import (
	"fmt"
	"math"
	"time"
)

// Reason is why a call was refused.
type Reason int

// The reasons.
const (
	Full          Reason = iota // as many calls of the plugin wait as may
	NamespaceFull               // of its namespace
	TotalFull                   // of all
	Late                        // it would not end before its deadline
	reasons
)

// String returns the reason as a metric's label has it.
func (r Reason) String() string {
	return [reasons]string{"full", "namespace_full", "total_full", "late"}[r]
}

// Refusal is the error of a call that is not worth waiting.
type Refusal struct {
	Reason Reason

	// Wait is how long it would have waited, and RetryAfter when those who wait
	// now will be done with: both judged by how fast they were lately, neither
	// bounded nor rounded. They are 0 where nothing was measured, or where it is not
	// the wait that would make it late.
	Wait, RetryAfter time.Duration
}

// Error says why.
func (r *Refusal) Error() string {
	if r.Reason == Late {
		return fmt.Sprintf("the call would not end before its deadline; it would wait %v", r.Wait)
	}
	return fmt.Sprintf("too many calls wait (%v)", r.Reason)
}

// A call is refused that would not end in time: what is begun and thrown away at the
// deadline is lost to those who could have been served, and under overload soon
// everything is. Since everybody in line is there in time to be served, the line can
// be served by arrival. A line that may hold calls past hope needs tricks, such as
// last come first served ("Fail at Scale", Maurer, ACM Queue 2015), or to drop from its
// head (CoDel, RFC 8289).
//
// How long a wait takes is how many are ahead in the same queue, times how long the
// queue lately took for one. That has in it what cannot be known singly: other flows,
// weights, host calls, cores lent to others.
//
// There are two lines to wait in, and a call's class is not known beforehand. What is
// likelier for the flow counts at Begin, and who turns out long in a flow of short
// calls is judged by its second line when it gets there, one slice in.

// admitLocked refuses a turn that would be late. One of a flow that has no others is
// always tried, so that measures of the past are not believed for ever.
func (f *Flow) admitLocked(t *Turn, now time.Duration) *Refusal {
	if f.inside <= 1 {
		return nil
	}
	wait, c := f.forecast(t, now)
	if c == long && !t.long && f.waiting >= f.scheduler.options.Waiting {
		return f.refuseLocked(Full, t, now)
	}
	if left := t.deadline - now; t.deadline > 0 && wait+wait/margin+f.stay[c].need(left) > left {
		return f.refuseLocked(Late, t, now)
	}
	return nil
}

// margin is the part of a forecast by which a wait may turn out longer, on a machine whose
// cores are not its own. Who is let in and comes to nothing has waited for it, and who is
// turned away knows at once; the line is never empty for it. With a fifth, a refusal in
// a hundred came after nearly all of the deadline.
const margin = 2

// crowdedLocked refuses one that stands in a line, itself included, longer than may be.
func (f *Flow) crowdedLocked(t *Turn, now time.Duration) *Refusal {
	o := &f.scheduler.options
	switch {
	case f.waiting > o.Waiting:
		return f.refuseLocked(Full, t, now)
	case f.namespace.waiting > o.NamespaceWaiting:
		return f.refuseLocked(NamespaceFull, t, now)
	case f.scheduler.waiting.Load() > int64(o.TotalWaiting):
		return f.refuseLocked(TotalFull, t, now)
	}
	return nil
}

func (f *Flow) refuseLocked(r Reason, t *Turn, now time.Duration) *Refusal {
	f.refused[r]++
	wait, _ := f.forecast(t, now)
	return &Refusal{Reason: r, Wait: wait, RetryAfter: wait}
}

// doomedLocked reports whether a turn that has waited to begin, or to go on as a
// long one, will be late: certainly, or, when another could have its place, probably.
func (t *Turn) doomedLocked(now time.Duration) bool {
	if t.aside || t.deadline == 0 || t.through || t.flow.inside <= 1 {
		return false
	}
	stay := &t.flow.stay[t.class()]
	need := stay.least()
	if t.flow.waiting > 1 {
		need = stay.need(t.deadline - t.since)
	}
	return now+need > t.deadline
}

// forecast is how long a turn that comes now will wait, and as what.
func (f *Flow) forecast(t *Turn, now time.Duration) (wait time.Duration, c class) {
	q := f.queue
	ahead := q.lines[long].ahead(t.priority)
	if !t.entered && f.fullLocked() {
		wait = f.door.wait(f.door.ahead(t.priority), now)
		if f.usual() == short {
			return wait, short
		}
		return wait + q.lines[long].wait(ahead+q.fresh, now), long
	}
	if !t.long {
		soon := q.lines[short].ahead(t.priority)
		wait = q.lines[short].wait(soon, now)
		if f.usual() == short {
			return wait, short
		}
		ahead += soon + q.fresh
	}
	return wait + q.lines[long].wait(ahead, now), long
}

// usual is what most of the flow's calls turn out to be.
func (f *Flow) usual() class {
	if f.longs.mean > 0.5 {
		return long
	}
	return short
}

// average follows a measure and how far it strays: the mean of the first
// memory, then with weight 1/memory for the next.
type average struct{ mean, deviation, count float64 }

const memory = 16

func (a *average) add(x float64) {
	weight := 1. / memory
	if a.count < memory {
		a.count++
		weight = 1 / a.count
	}
	off := x - a.mean
	a.mean += off * weight
	if a.count == 1 {
		off = x / 2
	}
	a.deviation += (math.Abs(off) - a.deviation) * weight
}

// strays is how many deviations nearly all stay within (RFC 6298, where it is for
// the time after which a segment is sent again).
const strays = 4

// need is how much of the time left should remain after a wait: enough for nearly
// all calls, but half of it may be waited away, since there are flows of which
// a few calls are a thousand times as long as the others.
func (a *average) need(left time.Duration) time.Duration {
	return max(min(seconds(a.mean+strays*a.deviation), left/2), a.least())
}

// least is what nearly all calls take at least.
func (a *average) least() time.Duration { return seconds(max(0, a.mean-strays*a.deviation)) }
