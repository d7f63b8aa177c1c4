package monitor

import (
	"strconv"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/marketprism/prismrt/runtime/task"
)

// Row counts and times the invocations of one version. It is safe for
// concurrent use.
type Row struct {
	mu      sync.Mutex
	calls   int64
	faults  map[task.Kind]int64
	in, out int64 // bytes
	fuel    int64
	took    time.Duration // over all of them
	spent   task.Timing   // of that

	// In microseconds.
	total, queue, pool, run, rewind *hdrhistogram.Histogram
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

func newRow() *Row {
	return &Row{
		faults: make(map[task.Kind]int64),
		total:  newHistogram(), queue: newHistogram(), pool: newHistogram(), run: newHistogram(), rewind: newHistogram(),
	}
}

// Observe counts invocations; several at once are cheaper than one at a time.
func (r *Row) Observe(all ...Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls += int64(len(all))
	for n := range all {
		o := &all[n]
		r.took += o.Total
		if o.Kind != "" {
			r.faults[o.Kind]++
		}
		r.in += int64(o.In)
		r.out += int64(o.Out)
		r.fuel += o.Fuel
		r.spent.Queue += o.Timing.Queue
		r.spent.Pool += o.Timing.Pool
		r.spent.Run += o.Timing.Run
		r.spent.Host += o.Timing.Host
		record(r.total, o.Total)
		record(r.queue, o.Timing.Queue)
		record(r.pool, o.Timing.Pool)
		record(r.run, o.Timing.Run)
		if o.Timing.Rewind > 0 {
			r.rewoundLocked(o.Timing.Rewind)
		}
	}
}

// Rewound counts how long it took to make an instance clean again after its
// invocation was answered.
func (r *Row) Rewound(took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rewoundLocked(took)
}

func (r *Row) rewoundLocked(took time.Duration) {
	r.spent.Rewind += took
	record(r.rewind, took)
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	// Out of range is an error; an hour is where the scale ends.
	_ = h.RecordValue(min(max(d.Microseconds(), 1), time.Hour.Microseconds()))
}

func versionLabels(ref task.Ref) []string {
	return []string{ref.Namespace, ref.Plugin, strconv.Itoa(ref.Version)}
}
