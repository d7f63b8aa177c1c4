package monitor

import (
	"sort"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/marketprism/prismrt/runtime/task"
)

// edges are those of the classic buckets that durations are told in, in seconds. The
// histograms that they are read off are good to 1%.
var edges = []float64{
	0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
}

// exemplars are the latest invocations of each classic bucket (OpenMetrics, "Exemplars"),
// renewed once a second at most.
type exemplars [20]exemplar

type exemplar struct {
	id    task.ID
	took  time.Duration
	ended time.Time
}

func (e *exemplars) note(o *Observation) {
	n := sort.SearchFloat64s(edges, o.Total.Seconds())
	if one := &e[n]; o.Ended.Sub(one.ended) >= time.Second {
		*one = exemplar{o.ID, o.Total, o.Ended}
	}
}

// add takes those of another that are later.
func (e *exemplars) add(other *exemplars) {
	for n, one := range other {
		if one.ended.After(e[n].ended) {
			e[n] = one
		}
	}
}

// told gives those that there are as metrics carry them.
func (e *exemplars) told() (all []prometheus.Exemplar) {
	for _, one := range e {
		if !one.ended.IsZero() {
			all = append(all, prometheus.Exemplar{
				Value: one.took.Seconds(), Labels: prometheus.Labels{"request_id": string(one.id)}, Timestamp: one.ended,
			})
		}
	}
	return all
}

// durations tells how long invocations took, with examples.
func (f *fine) durations(labels []string) prometheus.Metric {
	m := prometheus.MustNewConstHistogram(durationsDesc, uint64(f.total.count()), f.Took.Seconds(), f.total.atEdges(), labels...)
	if all := f.samples.told(); len(all) > 0 {
		m = prometheus.MustNewMetricWithExemplars(m, all...)
	}
	return m
}
