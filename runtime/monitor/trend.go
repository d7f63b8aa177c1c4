package monitor

import (
	"math"
	"slices"
	"time"
)

// Trend is how a gauge moves: a straight line through its last samples that a few
// outliers do not bend (the Theil–Sen estimator: the median of the slopes between all
// pairs). It is not safe for concurrent use.
type Trend struct {
	every  time.Duration
	most   int
	times  []time.Time
	values []float64
}

// NewTrend makes a trend of at most so many samples, taken every so often. What Slope
// takes grows with the square of their number: of 31, 20 us.
func NewTrend(every time.Duration, most int) *Trend { return &Trend{every: every, most: most} }

// Note adds a sample. One that comes much sooner after the last than it should is left
// out; after a gap of more than the trend's whole span, what was before is forgotten.
func (t *Trend) Note(at time.Time, value float64) {
	if n := len(t.times); n > 0 {
		since := at.Sub(t.times[n-1])
		switch {
		case since < t.every-t.every/10:
			return
		case since > t.every*time.Duration(t.most):
			t.times, t.values = t.times[:0], t.values[:0]
		case n == t.most:
			t.times = slices.Delete(t.times, 0, 1)
			t.values = slices.Delete(t.values, 0, 1)
		}
	}
	t.times = append(t.times, at)
	t.values = append(t.values, value)
}

// Slope is how much the gauge grows a second; 0 of fewer than three samples.
func (t *Trend) Slope() float64 {
	if len(t.times) < 3 {
		return 0
	}
	slopes := make([]float64, 0, len(t.times)*(len(t.times)-1)/2)
	for i := range t.times {
		for j := range i {
			slopes = append(slopes, (t.values[i]-t.values[j])/t.times[i].Sub(t.times[j]).Seconds())
		}
	}
	slices.Sort(slopes)
	half := len(slopes) / 2
	if len(slopes)%2 == 0 {
		return (slopes[half-1] + slopes[half]) / 2
	}
	return slopes[half]
}

// Steadiness says how much of a direction there is, from -1, each sample is below all
// before it, to 1, each is above (Kendall's tau-a); 0 of fewer than three samples.
func (t *Trend) Steadiness() float64 {
	n := len(t.values)
	if n < 3 {
		return 0
	}
	sum := 0
	for i, later := range t.values {
		for _, earlier := range t.values[:i] {
			switch {
			case later > earlier:
				sum++
			case later < earlier:
				sum--
			}
		}
	}
	return float64(sum) / float64(n*(n-1)/2)
}

// Span is the time between the first sample and the last.
func (t *Trend) Span() time.Duration {
	if len(t.times) == 0 {
		return 0
	}
	return t.times[len(t.times)-1].Sub(t.times[0])
}

// A leak is suspected of a gauge of bytes that grew steadily for leakSpan, by leakBytes
// at least, and by leakShare of what there was.
const (
	leakSpan       = 4 * time.Minute
	leakSteadiness = 0.8
	leakBytes      = 8 << 20
	leakShare      = 0.1
)

// Leaks reports whether the gauge, which is one of bytes, looks like a leak.
func (t *Trend) Leaks() bool {
	span := t.Span()
	if span < leakSpan || t.Steadiness() < leakSteadiness {
		return false
	}
	return t.Slope()*span.Seconds() >= math.Max(leakBytes, leakShare*t.values[0])
}
