package monitor

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/marketprism/prismrt/runtime/task"
)

// byVersion are the labels of everything that is counted for a version. All of
// them are bounded by what was uploaded.
var byVersion = []string{"namespace", "plugin", "version"}

// series are kept up to date by the invocations themselves.
type series struct {
	invocations *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	phases      *prometheus.CounterVec
	bytes       *prometheus.CounterVec
	fuel        *prometheus.CounterVec
}

func newSeries() series {
	with := func(label string) []string { return append(byVersion[:len(byVersion):len(byVersion)], label) }
	return series{
		invocations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "prismrt_invocations_total",
			Help: "Invocations that ended, by outcome: ok or the kind of the fault.",
		}, with("outcome")),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "prismrt_invocation_duration_seconds",
			Help:                            "Wall-clock time of invocations, from admission to outcome.",
			Buckets:                         prometheus.ExponentialBuckets(0.0001, 4, 9), // 0.1 ms to 6.5 s, for scrapers without native histograms
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
		}, byVersion),
		phases: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "prismrt_phase_seconds_total",
			Help: "Wall-clock time of invocations by phase: pool (waiting for an instance) and run (the guest).",
		}, with("phase")),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "prismrt_bytes_total",
			Help: "Bytes that went into and came out of guests.",
		}, with("direction")),
		fuel: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "prismrt_fuel_total",
			Help: "WebAssembly instructions that invocations used.",
		}, byVersion),
	}
}

func (m *series) forget(namespace, plugin string) {
	labels := prometheus.Labels{"namespace": namespace, "plugin": plugin}
	m.invocations.DeletePartialMatch(labels)
	m.seconds.DeletePartialMatch(labels)
	m.phases.DeletePartialMatch(labels)
	m.bytes.DeletePartialMatch(labels)
	m.fuel.DeletePartialMatch(labels)
}

// scraped are the metrics that are read off at each scrape.
type scraped struct{ monitor *Monitor }

var (
	instancesDesc = prometheus.NewDesc("prismrt_pool_instances",
		"Instances alive, by state: ready, building or lent.", append(byVersion[:3:3], "state"), nil)
	waitingDesc = prometheus.NewDesc("prismrt_pool_waiting",
		"Calls in line for an instance.", byVersion, nil)
	limitDesc = prometheus.NewDesc("prismrt_pool_instances_limit",
		"Most instances that may be alive at once.", byVersion, nil)
	birthsDesc = prometheus.NewDesc("prismrt_pool_births_total",
		"Instances built, by result: ok or failed.", append(byVersion[:3:3], "result"), nil)
	birthSecondsDesc = prometheus.NewDesc("prismrt_pool_birth_seconds_total",
		"Time it took to build instances.", byVersion, nil)
	reservedDesc = prometheus.NewDesc("prismrt_guest_memory_reserved_bytes",
		"Address space under guest memories, most of it never touched.", nil, nil)
	connectionsDesc = prometheus.NewDesc("prismrt_inbound_connections",
		"Open connections of callers, by state: active or idle.", []string{"state"}, nil)
)

// Describe implements prometheus.Collector.
func (scraped) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		instancesDesc, waitingDesc, limitDesc, birthsDesc, birthSecondsDesc, reservedDesc, connectionsDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s scraped) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	for _, p := range s.monitor.pools() {
		of := labelValues(p.Ref)
		with := func(label string) []string { return append(of[:3:3], label) }
		gauge(instancesDesc, int64(p.Ready), with("ready")...)
		gauge(instancesDesc, int64(p.Building), with("building")...)
		gauge(instancesDesc, int64(p.Lent), with("lent")...)
		gauge(waitingDesc, int64(p.Waiting), of...)
		gauge(limitDesc, int64(p.Max), of...)
		counter(birthsDesc, float64(p.Births), with("ok")...)
		counter(birthsDesc, float64(p.FailedBirths), with("failed")...)
		counter(birthSecondsDesc, p.BirthTime.Seconds(), of...)
	}
	gauge(reservedDesc, s.monitor.guests().ReservedBytes)
	c := &s.monitor.connections
	active := c.active.Load()
	gauge(connectionsDesc, active, "active")
	gauge(connectionsDesc, max(0, c.open.Load()-active), "idle")
}

func labelValues(ref task.Ref) []string {
	l := versionLabels(ref)
	return []string{l["namespace"], l["plugin"], l["version"]}
}
