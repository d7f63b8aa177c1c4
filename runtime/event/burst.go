package event

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// A Burst publishes one event in this time,
	leastPause = time.Second

	// and if it goes on, in twice the time, up to this.
	mostPause = 10 * time.Second
)

// Burst publishes what may happen many times a second: the first of it at once, and of
// those that follow within a second one, with their number. While it goes on, that is
// said at ever longer intervals, up to ten seconds. The counts of all events together are
// how often it happened. It is safe for concurrent use; its zero value is not.
type Burst struct {
	publish func(Event)

	// more counts what was not published, from when the second of a pause is kept until
	// the pause ends. Outside of a pause it is shut.
	more atomic.Int64

	mu    sync.Mutex
	kept  *Event // the first of those; nil: nothing was counted
	pause time.Duration
	timer *time.Timer
	ended bool
}

// shut is what more is at, or a little above, while there is nobody to add to.
const shut = -1 << 62

// NewBurst makes a Burst that publishes to where it is told.
func NewBurst(publish func(Event)) *Burst {
	b := &Burst{publish: publish}
	b.more.Store(shut)
	return b
}

// Add counts one. It asks say for the event only where that may be published: while many
// follow each other, Add costs one atomic addition.
func (b *Burst) Add(say func() Event) {
	if b.more.Add(1) <= 0 {
		b.add(say)
	}
}

func (b *Burst) add(say func() Event) {
	b.mu.Lock()
	switch {
	case b.more.Load() > 0: // another has kept one meanwhile
		b.more.Add(1)
		b.mu.Unlock()
		return
	case b.pause > 0 && !b.ended:
		e := say()
		b.kept = &e
		b.more.Store(1)
		b.mu.Unlock()
		return
	}
	if !b.ended {
		b.pause = leastPause
		b.timer = time.AfterFunc(b.pause, b.pauseOver)
	}
	b.mu.Unlock()
	e := say()
	e.Count = 1
	b.publish(e)
}

// pauseOver publishes what came in a pause, and begins another if there was something.
func (b *Burst) pauseOver() {
	b.mu.Lock()
	e := b.takeLocked()
	switch {
	case b.ended:
	case e == nil:
		b.pause = 0
	default:
		b.pause = min(2*b.pause, mostPause)
		b.timer.Reset(b.pause)
	}
	b.mu.Unlock()
	if e != nil {
		b.publish(*e)
	}
}

// takeLocked returns what was counted, nil for nothing.
func (b *Burst) takeLocked() *Event {
	n, e := b.more.Swap(shut), b.kept
	if b.kept = nil; e != nil {
		e.Count = n
	}
	return e
}

// End publishes what was counted. What comes later is published one by one.
func (b *Burst) End() {
	b.mu.Lock()
	b.ended = true
	if b.timer != nil {
		b.timer.Stop()
	}
	e := b.takeLocked()
	b.mu.Unlock()
	if e != nil {
		b.publish(*e)
	}
}
