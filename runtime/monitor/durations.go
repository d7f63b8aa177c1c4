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

func newDurations(h *hdrhistogram.Histogram, took time.Duration, examples []prometheus.Exemplar, labels []string) prometheus.Metric {
	all := Spent{Time: took, Times: bucketsOf(h)}
	classic := prometheus.MustNewConstHistogram(durationsDesc, uint64(h.TotalCount()), took.Seconds(), buckets(h), labels...)
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
