package monitor

import (
	"strconv"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/marketprism/prismrt/runtime/task"
)

// Row counts and times the invocations of one version. It is safe for
// concurrent use.
type Row struct {
	outcomes          map[task.Kind]prometheus.Counter // "" for ok
	seconds           prometheus.Observer
	poolSeconds       prometheus.Counter
	runSeconds        prometheus.Counter
	rewindSeconds     prometheus.Counter
	inBytes, outBytes prometheus.Counter
	fuelUsed          prometheus.Counter

	mu      sync.Mutex
	calls   int64
	faults  map[task.Kind]int64
	in, out int64
	fuel    int64

	// In microseconds.
	total, pool, run, rewind *hdrhistogram.Histogram
}

// Observation is one finished invocation.
type Observation struct {
	Kind    task.Kind // "" when it succeeded
	In, Out int       // bytes
	Fuel    int64     // instructions
	Timing  task.Timing
	Total   time.Duration
}

// Histograms span a microsecond to an hour with two significant digits: about
// 1% of error in 26 KB each (HdrHistogram).
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, time.Hour.Microseconds(), 2)
}

func newRow(ref task.Ref, m *series) *Row {
	labels := versionLabels(ref)
	// All of them from the start: a rate over a counter that was not there yet
	// misses its first step.
	outcomes := map[task.Kind]prometheus.Counter{"": m.invocations.MustCurryWith(labels).WithLabelValues("ok")}
	for _, kind := range task.Kinds {
		outcomes[kind] = m.invocations.MustCurryWith(labels).WithLabelValues(string(kind))
	}
	return &Row{
		outcomes:    outcomes,
		seconds:     m.seconds.With(labels),
		poolSeconds: m.phases.MustCurryWith(labels).WithLabelValues("pool"),
		runSeconds:  m.phases.MustCurryWith(labels).WithLabelValues("run"),

		rewindSeconds: m.phases.MustCurryWith(labels).WithLabelValues("rewind"),
		inBytes:       m.bytes.MustCurryWith(labels).WithLabelValues("input"),
		outBytes:      m.bytes.MustCurryWith(labels).WithLabelValues("output"),
		fuelUsed:      m.fuel.With(labels),
		faults:        make(map[task.Kind]int64),
		total:         newHistogram(), pool: newHistogram(), run: newHistogram(), rewind: newHistogram(),
	}
}

// Observe counts an invocation.
func (r *Row) Observe(o Observation) {
	r.outcomes[o.Kind].Inc()
	r.seconds.Observe(o.Total.Seconds())
	r.poolSeconds.Add(o.Timing.Pool.Seconds())
	r.runSeconds.Add(o.Timing.Run.Seconds())
	r.inBytes.Add(float64(o.In))
	r.outBytes.Add(float64(o.Out))
	r.fuelUsed.Add(float64(o.Fuel))

	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	if o.Kind != "" {
		r.faults[o.Kind]++
	}
	r.in += int64(o.In)
	r.out += int64(o.Out)
	r.fuel += o.Fuel
	record(r.total, o.Total)
	record(r.pool, o.Timing.Pool)
	record(r.run, o.Timing.Run)
}

// ObserveAll counts invocations, and the rewinds they waited for, in one go. It is
// cheaper than one at a time.
func (r *Row) ObserveAll(all []Observation) {
	var pool, run, rewind time.Duration
	var in, out, fuel int64
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := range all {
		o := &all[n]
		r.seconds.Observe(o.Total.Seconds())
		r.outcomes[o.Kind].Inc()
		if o.Kind != "" {
			r.faults[o.Kind]++
		}
		pool, run, rewind = pool+o.Timing.Pool, run+o.Timing.Run, rewind+o.Timing.Rewind
		in, out, fuel = in+int64(o.In), out+int64(o.Out), fuel+o.Fuel
		record(r.total, o.Total)
		record(r.pool, o.Timing.Pool)
		record(r.run, o.Timing.Run)
		if o.Timing.Rewind > 0 {
			record(r.rewind, o.Timing.Rewind)
		}
	}
	r.calls += int64(len(all))
	r.in, r.out, r.fuel = r.in+in, r.out+out, r.fuel+fuel
	r.poolSeconds.Add(pool.Seconds())
	r.runSeconds.Add(run.Seconds())
	r.rewindSeconds.Add(rewind.Seconds())
	r.inBytes.Add(float64(in))
	r.outBytes.Add(float64(out))
	r.fuelUsed.Add(float64(fuel))
}

// Rewound counts how long it took to make an instance clean again, which may be after
// the invocation was answered.
func (r *Row) Rewound(took time.Duration) {
	r.rewindSeconds.Add(took.Seconds())
	r.mu.Lock()
	defer r.mu.Unlock()
	record(r.rewind, took)
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	// Out of range is an error; an hour is where the scale ends.
	_ = h.RecordValue(min(max(d.Microseconds(), 1), time.Hour.Microseconds()))
}

func versionLabels(ref task.Ref) prometheus.Labels {
	return prometheus.Labels{"namespace": ref.Namespace, "plugin": ref.Plugin, "version": strconv.Itoa(ref.Version)}
}
