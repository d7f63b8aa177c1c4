package monitor

import (
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/marketprism/prismrt/runtime/task"
)

// byVersion are the labels of everything that is counted for a version. All of
// them are bounded by what was uploaded.
var byVersion = []string{"namespace", "plugin", "version"}

// scraped are the metrics that are read off at each scrape.
type scraped struct{ monitor *Monitor }

var (
	invocationsDesc = prometheus.NewDesc("prismrt_invocations_total",
		"Invocations that ended, by outcome: ok or the kind of the fault.", append(byVersion[:3:3], "outcome"), nil)
	durationsDesc = prometheus.NewDesc("prismrt_invocation_duration_seconds",
		"Wall-clock time of invocations, from admission to outcome.", byVersion, nil)
	phasesDesc = prometheus.NewDesc("prismrt_phase_seconds_total",
		"Wall-clock time of invocations by phase: queue (waiting for a turn), pool (waiting for an instance that others had), "+
			"birth (waiting for one that was being made), bind (copying large input), run (the guest), host (waiting on the host), "+
			"collect (copying large output) and rewind (making the instance clean).", append(byVersion[:3:3], "phase"), nil)
	phaseTimesDesc = prometheus.NewDesc("prismrt_phase_duration_seconds",
		"Wall-clock time of invocations by phase, of those that were in it, as a native histogram.", append(byVersion[:3:3], "phase"), nil)
	waitsDesc = prometheus.NewDesc("prismrt_host_wait_seconds_total",
		"Time that guests waited on the host, by capability and destination.", append(byVersion[:3:3], "capability", "destination"), nil)
	waitCallsDesc = prometheus.NewDesc("prismrt_host_waits_total",
		"How often guests waited on the host, by capability, destination and outcome: ok or failed.", append(byVersion[:3:3], "capability", "destination", "outcome"), nil)
	bytesDesc = prometheus.NewDesc("prismrt_bytes_total",
		"Bytes that went into and came out of guests.", append(byVersion[:3:3], "direction"), nil)
	fuelDesc = prometheus.NewDesc("prismrt_fuel_total",
		"WebAssembly instructions that invocations used.", byVersion, nil)
)

// Describe implements prometheus.Collector.
func (scraped) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{invocationsDesc, durationsDesc, phasesDesc, phaseTimesDesc, waitsDesc, waitCallsDesc, bytesDesc, fuelDesc} {
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
		c := row.fine()
		ok := c.Calls
		// All of them from the start: a rate over a counter that was not there yet misses
		// its first step.
		for _, kind := range task.Kinds {
			ok -= c.Faults[kind]
			counter(invocationsDesc, float64(c.Faults[kind]), with(string(kind))...)
		}
		counter(invocationsDesc, float64(ok), with("ok")...)
		ch <- c.durations(of)
		for p := range Phases {
			counter(phasesDesc, c.Phases[p].Time.Seconds(), with(p.String())...)
			ch <- nativeHistogram(phaseTimesDesc, &c.Phases[p], with(p.String())...)
		}
		for _, w := range c.Waits {
			to := func(labels ...string) []string {
				return slices.Concat(of, []string{w.Capability, w.Destination}, labels)
			}
			counter(waitsDesc, w.Time.Seconds(), to()...)
			counter(waitCallsDesc, float64(w.Calls-w.Failed), to("ok")...)
			counter(waitCallsDesc, float64(w.Failed), to("failed")...)
		}
		counter(bytesDesc, float64(c.In), with("input")...)
		counter(bytesDesc, float64(c.Out), with("output")...)
		counter(fuelDesc, float64(c.Fuel), of...)
	}
}

func versionLabels(ref task.Ref) []string {
	return []string{ref.Namespace, ref.Plugin, strconv.Itoa(ref.Version)}
}
