package monitor

import (
	"sync"
	"time"
)

// Durations tell how long something took, each time it happened. They are safe for
// concurrent use.
type Durations struct {
	mu      sync.Mutex
	all     times
	sum     time.Duration
	slowest time.Duration // since it was last asked for
}

func newDurations() *Durations { return new(Durations) }

// Observe counts one.
func (d *Durations) Observe(took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all.record(took)
	d.sum += took
	d.slowest = max(d.slowest, took)
}

// Took is what many of the same came to, since the start.
type Took struct {
	Count  int64   `json:"count"`
	MeanMS float64 `json:"mean_ms"`
	Times
}

func (d *Durations) took() Took {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := Took{Count: d.all.count(), Times: toldTimes(&d.all, d.sum, 0)}
	if t.Count > 0 {
		t.MeanMS = milliseconds(d.sum) / float64(t.Count)
	}
	return t
}

// takeSlowest returns the slowest since the last time it was asked for.
func (d *Durations) takeSlowest() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	slowest := d.slowest
	d.slowest = 0
	return slowest
}

// counted is how many there were, and how long they were together.
func (d *Durations) counted() (n int64, sum time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all.count(), d.sum
}
