package monitor

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
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

// durations tells how long invocations took, in classic and in exponential buckets, with
// examples.
type durations struct{ classic, native prometheus.Metric }

func newDurations(t *times, took time.Duration, examples []prometheus.Exemplar, labels []string) prometheus.Metric {
	all := Spent{Time: took, Times: t.buckets()}
	classic := prometheus.MustNewConstHistogram(durationsDesc, uint64(all.Times.Count()), took.Seconds(), t.atEdges(), labels...)
	if len(examples) > 0 {
		classic = prometheus.MustNewMetricWithExemplars(classic, examples...)
	}
	return durations{classic, nativeHistogram(durationsDesc, &all, labels...)}
}

// Desc implements prometheus.Metric.
func (d durations) Desc() *prometheus.Desc { return d.classic.Desc() }

// Write implements prometheus.Metric.
func (d durations) Write(to *dto.Metric) error {
	var native dto.Metric
	if err := d.native.Write(&native); err != nil {
		return err
	}
	if err := d.classic.Write(to); err != nil {
		return err
	}
	h, n := to.Histogram, native.Histogram
	h.Schema, h.ZeroThreshold, h.ZeroCount, h.PositiveSpan, h.PositiveDelta = n.Schema, n.ZeroThreshold, n.ZeroCount, n.PositiveSpan, n.PositiveDelta
	return nil
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
