package monitor

import (
	"math"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// longest is where the scale of histograms ends.
const longest = time.Hour

// newHistogram spans a microsecond to an hour with two significant digits: about 1% of
// error in 26 KB (HdrHistogram).
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, longest.Microseconds(), 2)
}

// times are a distribution of durations; the zero value is an empty one.
type times struct{ *hdrhistogram.Histogram }

func (t *times) record(d time.Duration) {
	if t.Histogram == nil {
		t.Histogram = newHistogram()
	}
	// Out of range is an error; what is longer counts as the longest.
	_ = t.RecordValue(min(max(d.Microseconds(), 1), longest.Microseconds()))
}

// merge adds another distribution.
func (t *times) merge(u times) {
	if u.Histogram == nil {
		return
	}
	if t.Histogram == nil {
		t.Histogram = newHistogram()
	}
	t.Merge(u.Histogram)
}

// quantile is what the part q of all durations does not exceed, when so many of no length
// belong to them.
func (t *times) quantile(q float64, zeros int64) time.Duration {
	if t.Histogram == nil {
		return 0
	}
	n := float64(t.TotalCount())
	part := q*(n+float64(max(0, zeros))) - float64(max(0, zeros))
	if part <= 0 {
		return 0
	}
	return time.Duration(t.ValueAtQuantile(100*part/n)) * time.Microsecond
}

// count is how many there are.
func (t *times) count() int64 {
	if t.Histogram == nil {
		return 0
	}
	return t.TotalCount()
}

// longest is the longest.
func (t *times) longest() time.Duration {
	if t.Histogram == nil {
		return 0
	}
	return time.Duration(t.Max()) * time.Microsecond
}

// schema is that of the buckets that durations are told in and remembered by: eight to
// each power of two of a second, at most 4.5% from what a value was (Prometheus, "Native
// Histograms", standard exponential schemas).
const schema = 3

// perOctave is how many buckets the schema has to each power of two.
const perOctave = 1 << schema

// bucketOf returns the index of the bucket that a duration is in: its upper end is
// 2^(index/perOctave) seconds, which belongs to it.
func bucketOf(seconds float64) int16 {
	return int16(math.Ceil(math.Log2(seconds)*perOctave - 1e-9))
}

// endOf returns the upper end of a bucket.
func endOf(bucket int16) time.Duration {
	return time.Duration(math.Exp2(float64(bucket)/perOctave) * float64(time.Second))
}

// slots gives for each count that an exported histogram has the bucket its values are in.
var slots = sync.OnceValue(func() []int16 {
	h := newHistogram()
	_ = h.RecordValue(longest.Microseconds()) // the distribution ends with the last value
	var all []int16
	for _, bar := range h.Distribution() {
		all = append(all, bucketOf(float64(max(bar.To, 1))/1e6))
	}
	return all
})

// Bucket is how many durations lay between two ends.
type Bucket struct {
	Index int16
	Count int64
}

// Buckets are those of a distribution that hold something, by their index.
type Buckets []Bucket

// The buckets that there can be: from a microsecond to an hour.
const (
	firstBucket = -160
	lastBucket  = 95
)

// heap is how many durations are in each bucket.
type heap [lastBucket - firstBucket + 1]int64

// add counts what a distribution has.
func (a *heap) add(t times) {
	if t.Histogram == nil || t.TotalCount() == 0 {
		return
	}
	index := slots()
	for slot, n := range t.Export().Counts[:len(index)] {
		if n != 0 {
			a[index[slot]-firstBucket] += n
		}
	}
}

// buckets are those that hold something.
func (a *heap) buckets() (all Buckets) {
	for n, count := range a {
		if count != 0 {
			all = append(all, Bucket{int16(n) + firstBucket, count})
		}
	}
	return all
}

// minus returns the buckets without what was in them at an earlier moment.
func (a Buckets) minus(before Buckets) Buckets {
	rest := make(Buckets, 0, len(a))
	for _, b := range a {
		for len(before) > 0 && before[0].Index < b.Index {
			before = before[1:]
		}
		if len(before) > 0 && before[0].Index == b.Index {
			b.Count -= before[0].Count
		}
		if b.Count > 0 {
			rest = append(rest, b)
		}
	}
	return rest
}

// Count is how many durations there are.
func (a Buckets) Count() (n int64) {
	for _, b := range a {
		n += b.Count
	}
	return n
}

// Quantile returns a duration that the part q of all durations does not exceed, of which
// there are those in the buckets and so many of no length at all. It is the upper end of a
// bucket; of nothing, it is 0.
func (a Buckets) Quantile(q float64, zeros int64) time.Duration {
	rank := int64(math.Ceil(q*float64(a.Count()+zeros))) - zeros
	if rank <= 0 {
		return 0
	}
	for _, b := range a {
		if rank -= b.Count; rank <= 0 {
			return endOf(b.Index)
		}
	}
	return 0
}
