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

func record(h *hdrhistogram.Histogram, d time.Duration) {
	// Out of range is an error; what is longer counts as the longest.
	_ = h.RecordValue(min(max(d.Microseconds(), 1), longest.Microseconds()))
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

// bucketsOf reads a histogram off; nil is an empty one.
func bucketsOf(h *hdrhistogram.Histogram) Buckets {
	if h == nil || h.TotalCount() == 0 {
		return nil
	}
	var all Buckets
	index := slots()
	for slot, n := range h.Export().Counts[:len(index)] {
		if n == 0 {
			continue
		}
		if last := len(all) - 1; last >= 0 && all[last].Index == index[slot] {
			all[last].Count += n
		} else {
			all = append(all, Bucket{index[slot], n})
		}
	}
	return all
}

// plus returns the buckets with those of b added, times n.
func (a Buckets) plus(b Buckets, n int64) Buckets {
	if len(b) == 0 {
		return a
	}
	sum := make(Buckets, 0, len(a)+len(b))
	for len(a)+len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Index < b[0].Index:
			sum, a = append(sum, a[0]), a[1:]
		case len(a) == 0 || b[0].Index < a[0].Index:
			sum, b = append(sum, Bucket{b[0].Index, n * b[0].Count}), b[1:]
		default:
			if c := a[0].Count + n*b[0].Count; c != 0 {
				sum = append(sum, Bucket{a[0].Index, c})
			}
			a, b = a[1:], b[1:]
		}
	}
	return sum
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
