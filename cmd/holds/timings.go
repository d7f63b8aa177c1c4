package main

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// timings collects durations. It is safe for concurrent use.
type timings struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram // microseconds
}

// newTimings makes room for up to ten minutes, exact to 8 µs at 200 ms.
func newTimings() *timings {
	return &timings{h: hdrhistogram.New(1, (10 * time.Minute).Microseconds(), 4)}
}

// add records a duration, what is longer than there is room for as the longest.
func (t *timings) add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.h.RecordValue(min(d.Microseconds(), t.h.HighestTrackableValue())); err != nil {
		panic(err) // time.Since gives nothing negative
	}
}

// spread is what is shown of durations, in milliseconds.
type spread struct {
	Count int64   `json:"count"`
	P50MS float64 `json:"p50_ms"`
	P99MS float64 `json:"p99_ms"`
	MaxMS float64 `json:"max_ms"`
}

// over returns the spread of what the durations exceed a bound by. It is
// negative for those that stayed below.
func (t *timings) over(bound time.Duration) spread {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.h.TotalCount() == 0 {
		return spread{}
	}
	ms := func(us int64) float64 { return float64(us-bound.Microseconds()) / 1000 }
	return spread{
		Count: t.h.TotalCount(),
		P50MS: ms(t.h.ValueAtQuantile(50)), P99MS: ms(t.h.ValueAtQuantile(99)), MaxMS: ms(t.h.Max()),
	}
}

func (t *timings) spread() spread { return t.over(0) }
