package monitor

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/prometheus/client_golang/prometheus"
)

// nativeHistogram tells durations in exponential buckets (Prometheus, "Native
// Histograms"); in the text format there is only their sum and count.
func nativeHistogram(d *prometheus.Desc, s *Spent, labels ...string) prometheus.Metric {
	buckets := make(map[int]int64, len(s.Times))
	for _, b := range s.Times {
		buckets[int(b.Index)] = b.Count
	}
	return prometheus.MustNewConstNativeHistogram(d, uint64(s.Times.Count()), s.Time.Seconds(), buckets, nil, 0, schema, 0, time.Time{}, labels...)
}

// atEdges tells how many of the durations lie at each edge or below.
func (t *times) atEdges() map[float64]uint64 {
	counts := make(map[float64]uint64, len(edges))
	var bars []hdrhistogram.Bar
	if t.Histogram != nil {
		bars = t.Distribution()
	}
	n := uint64(0)
	for _, edge := range edges {
		for len(bars) > 0 && float64(bars[0].To) <= edge*1e6 {
			n += uint64(bars[0].Count)
			bars = bars[1:]
		}
		counts[edge] = n
	}
	return counts
}
