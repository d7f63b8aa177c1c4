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
	phasesDesc = prometheus.NewDesc("prismrt_invocation_phase_seconds",
		"Wall-clock time of invocations by phase, of those that were in it: queue (waiting for a turn), pool (waiting for an instance "+
			"that others had), birth (waiting for one that was being made), bind (copying large input), run (the guest), host (waiting on the host), "+
			"collect (copying large output) and rewind (making the instance clean).", append(byVersion[:3:3], "phase"), nil)
	waitsDesc = prometheus.NewDesc("prismrt_host_wait_seconds_total",
		"Time that guests waited on the host, by capability and destination.", append(byVersion[:3:3], "capability", "destination"), nil)
	waitCallsDesc = prometheus.NewDesc("prismrt_host_waits_total",
		"How often guests waited on the host, by capability, destination and outcome: ok or failed.", append(byVersion[:3:3], "capability", "destination", "outcome"), nil)
	bytesDesc = prometheus.NewDesc("prismrt_bytes_total",
		"Bytes that went into and came out of guests.", append(byVersion[:3:3], "direction"), nil)
	fuelDesc = prometheus.NewDesc("prismrt_fuel_total",
		"WebAssembly instructions that invocations used.", byVersion, nil)
	instancesDesc = prometheus.NewDesc("prismrt_pool_instances",
		"Instances alive, by state: ready, building or lent.", append(byVersion[:3:3], "state"), nil)
	waitingDesc = prometheus.NewDesc("prismrt_pool_waiting",
		"Calls in line for an instance.", byVersion, nil)
	limitDesc = prometheus.NewDesc("prismrt_pool_instances_limit",
		"Most instances that may be alive at once.", byVersion, nil)
	sizeDesc = prometheus.NewDesc("prismrt_pool_size",
		"Instances worth having, as the pool measures.", byVersion, nil)
	birthsDesc = prometheus.NewDesc("prismrt_pool_births_total",
		"Instances built, by result: ok or failed.", append(byVersion[:3:3], "result"), nil)
	birthSecondsDesc = prometheus.NewDesc("prismrt_pool_birth_seconds_total",
		"Time it took to build instances.", byVersion, nil)
	deathsDesc = prometheus.NewDesc("prismrt_pool_deaths_total",
		"Instances closed, by cause.", append(byVersion[:3:3], "cause"), nil)
	turnsDesc = prometheus.NewDesc("prismrt_scheduler_calls",
		"Calls in the scheduler's hands, by state: running or waiting for a turn.", []string{"namespace", "plugin", "state"}, nil)
	refusedDesc = prometheus.NewDesc("prismrt_scheduler_refused_total",
		"Calls that were refused a turn, by reason.", []string{"namespace", "plugin", "reason"}, nil)
	busyDesc = prometheus.NewDesc("prismrt_scheduler_busy_seconds_total",
		"Time that guests had cores, over all cores.", nil, nil)
	reservedDesc = prometheus.NewDesc("prismrt_guest_memory_reserved_bytes",
		"Address space under guest memories, most of it never touched.", nil, nil)
	connectionsDesc = prometheus.NewDesc("prismrt_inbound_connections",
		"Open connections of callers, by state: active or idle.", []string{"state"}, nil)
)

// Describe implements prometheus.Collector.
func (scraped) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		invocationsDesc, durationsDesc, phasesDesc, waitsDesc, waitCallsDesc, bytesDesc, fuelDesc,
		instancesDesc, waitingDesc, sizeDesc, limitDesc, birthsDesc, birthSecondsDesc, deathsDesc, turnsDesc, refusedDesc, busyDesc, reservedDesc, connectionsDesc,
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
	for ref, row := range s.monitor.copyOfRows() {
		of := versionLabels(ref)
		with := func(label string) []string { return append(of[:3:3], label) }
		all := row.sum()
		c := all.counts()
		ok := c.Calls
		// All of them from the start: a rate over a counter that was not there yet misses
		// its first step.
		for _, kind := range task.Kinds {
			ok -= c.Faults[kind]
			counter(invocationsDesc, float64(c.Faults[kind]), with(string(kind))...)
		}
		counter(invocationsDesc, float64(ok), with("ok")...)
		ch <- newDurations(&all.total, c.Took, all.samples.told(), of)
		for p := range Phases {
			ch <- nativeHistogram(phasesDesc, &c.Phases[p], with(p.String())...)
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
	for _, p := range s.monitor.sources.Pools() {
		of := versionLabels(p.Ref)
		with := func(label string) []string { return append(of[:3:3], label) }
		gauge(instancesDesc, int64(p.Ready), with("ready")...)
		gauge(instancesDesc, int64(p.Building), with("building")...)
		gauge(instancesDesc, int64(p.Lent), with("lent")...)
		gauge(waitingDesc, int64(p.Waiting), of...)
		gauge(sizeDesc, int64(p.Size), of...)
		gauge(limitDesc, int64(p.Max), of...)
		counter(birthsDesc, float64(p.Births), with("ok")...)
		counter(birthsDesc, float64(p.FailedBirths), with("failed")...)
		counter(birthSecondsDesc, p.BirthTime.Seconds(), of...)
		for cause, n := range p.Deaths {
			counter(deathsDesc, float64(n), with(cause)...)
		}
	}
	turns := s.monitor.sources.Scheduler()
	counter(busyDesc, turns.Busy.Seconds()*float64(turns.Cores))
	for _, f := range turns.Flows {
		gauge(turnsDesc, int64(f.Running), f.Namespace, f.Plugin, "running")
		gauge(turnsDesc, int64(f.Waiting), f.Namespace, f.Plugin, "waiting")
		for reason, n := range f.Refused {
			counter(refusedDesc, float64(n), f.Namespace, f.Plugin, reason)
		}
	}
	gauge(reservedDesc, s.monitor.sources.Guests().ReservedBytes)
	c := &s.monitor.connections
	active := c.active.Load()
	gauge(connectionsDesc, active, "active")
	gauge(connectionsDesc, max(0, c.open.Load()-active), "idle")
}

func versionLabels(ref task.Ref) []string {
	return []string{ref.Namespace, ref.Plugin, strconv.Itoa(ref.Version)}
}
