// Package timings collects durations and tells how they spread.
package timings

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Histogram collects durations. It is safe for concurrent use.
type Histogram struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram // microseconds
}

// New makes room for up to ten minutes, exact to 8 µs at 200 ms.
func New() *Histogram {
	return &Histogram{h: hdrhistogram.New(1, (10 * time.Minute).Microseconds(), 4)}
}

// Add records a duration, what is longer than there is room for as the longest
// and less than nothing as nothing.
func (t *Histogram) Add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.h.RecordValue(min(max(d.Microseconds(), 0), t.h.HighestTrackableValue())); err != nil {
		panic(err) // there is room
	}
}

// Spread is what is shown of durations, in milliseconds.
type Spread struct {
	Count int64   `json:"count"`
	P50MS float64 `json:"p50_ms"`
	P99MS float64 `json:"p99_ms"`
	MaxMS float64 `json:"max_ms"`
}

// Over returns the spread of what the durations exceed a bound by. It is
// negative for those that stayed below.
func (t *Histogram) Over(bound time.Duration) Spread {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.h.TotalCount() == 0 {
		return Spread{}
	}
	ms := func(us int64) float64 { return float64(us-bound.Microseconds()) / 1000 }
	return Spread{
		Count: t.h.TotalCount(),
		P50MS: ms(t.h.ValueAtQuantile(50)), P99MS: ms(t.h.ValueAtQuantile(99)), MaxMS: ms(t.h.Max()),
	}
}

// Spread returns the spread of the durations.
func (t *Histogram) Spread() Spread { return t.Over(0) }

// Merge adds the durations of another.
func (t *Histogram) Merge(other *Histogram) {
	other.mu.Lock()
	h := hdrhistogram.Import(other.h.Export())
	other.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.h.Merge(h) // of the same size: nothing is dropped
}
