package monitor

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Durations tell how long something took, each time it happened. They are safe for
// concurrent use.
type Durations struct {
	mu      sync.Mutex
	all     *hdrhistogram.Histogram // in microseconds
	sum     time.Duration
	slowest time.Duration // since it was last asked for
}

func newDurations() *Durations { return &Durations{all: newHistogram()} }

// Observe counts one.
func (d *Durations) Observe(took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	record(d.all, took)
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
	t := Took{Count: d.all.TotalCount(), Times: times(d.all)}
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
