package monitor

import (
	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/marketprism/prismrt/runtime/task"
)

// byVersion are the labels of everything that is counted for a version. All of
// them are bounded by what was uploaded.
var byVersion = []string{"namespace", "plugin", "version"}

// edges are those of the buckets that durations are told in, in seconds. The histograms
// that they are read off are good to 1%.
var edges = []float64{
	0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
}

// buckets tells how many of the values, which are in microseconds, lie at each edge or below.
func buckets(h *hdrhistogram.Histogram) map[float64]uint64 {
	counts := make(map[float64]uint64, len(edges))
	bars, n := h.Distribution(), uint64(0)
	for _, edge := range edges {
		for len(bars) > 0 && float64(bars[0].To) <= edge*1e6 {
			n += uint64(bars[0].Count)
			bars = bars[1:]
		}
		counts[edge] = n
	}
	return counts
}

// scraped are the metrics of rows, which are read off at each scrape.
type scraped struct{ monitor *Monitor }

var (
	invocationsDesc = prometheus.NewDesc("prismrt_invocations_total",
		"Invocations that ended, by outcome: ok or the kind of the fault.", append(byVersion[:3:3], "outcome"), nil)
	durationsDesc = prometheus.NewDesc("prismrt_invocation_duration_seconds",
		"Wall-clock time of invocations, from admission to outcome.", byVersion, nil)
	phasesDesc = prometheus.NewDesc("prismrt_phase_seconds_total",
		"Wall-clock time of invocations by phase: queue (waiting for a turn), pool (waiting for an instance), run (the guest), "+
			"of that host (waiting on the host), and rewind (making the instance clean).", append(byVersion[:3:3], "phase"), nil)
	bytesDesc = prometheus.NewDesc("prismrt_bytes_total",
		"Bytes that went into and came out of guests.", append(byVersion[:3:3], "direction"), nil)
	fuelDesc = prometheus.NewDesc("prismrt_fuel_total",
		"WebAssembly instructions that invocations used.", byVersion, nil)
)

// Describe implements prometheus.Collector.
func (scraped) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{invocationsDesc, durationsDesc, phasesDesc, bytesDesc, fuelDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s scraped) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	for ref, row := range s.monitor.copyOfRows() {
		of := versionLabels(ref)
		with := func(label string) []string { return append(of[:3:3], label) }
		row.mu.Lock()
		ok := row.calls
		// All of them from the start: a rate over a counter that was not there yet misses
		// its first step.
		for _, kind := range task.Kinds {
			ok -= row.faults[kind]
			counter(invocationsDesc, float64(row.faults[kind]), with(string(kind))...)
		}
		counter(invocationsDesc, float64(ok), with("ok")...)
		ch <- prometheus.MustNewConstHistogram(durationsDesc, uint64(row.calls), row.took.Seconds(), buckets(row.total), of...)
		counter(phasesDesc, row.spent.Queue.Seconds(), with("queue")...)
		counter(phasesDesc, row.spent.Pool.Seconds(), with("pool")...)
		counter(phasesDesc, row.spent.Run.Seconds(), with("run")...)
		counter(phasesDesc, row.spent.Host.Seconds(), with("host")...)
		counter(phasesDesc, row.spent.Rewind.Seconds(), with("rewind")...)
		counter(bytesDesc, float64(row.in), with("input")...)
		counter(bytesDesc, float64(row.out), with("output")...)
		counter(fuelDesc, float64(row.fuel), of...)
		row.mu.Unlock()
	}
}
