package monitor

import (
	"maps"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/marketprism/prismrt/runtime/task"
)

// Plugin is what became of one version's invocations. Times are of all of them
// since the start, good to 1%; a call that was not in a phase took 0 for it.
type Plugin struct {
	Namespace   string              `json:"namespace"`
	Plugin      string              `json:"plugin"`
	Version     int                 `json:"version"`
	Calls       int64               `json:"calls"`
	Faults      map[task.Kind]int64 `json:"faults"`
	InputBytes  int64               `json:"input_bytes"`
	OutputBytes int64               `json:"output_bytes"`
	Fuel        int64               `json:"fuel"` // instructions
	Total       Times               `json:"total"`
	Queue       Times               `json:"queue"`
	Pool        Times               `json:"pool"`  // waiting for an instance that others had
	Birth       Times               `json:"birth"` // waiting for one that was being made
	Bind        Times               `json:"bind"`
	Run         Times               `json:"run"` // the guest, without what it waited for
	Host        Times               `json:"host"`
	Collect     Times               `json:"collect"`
	Rewind      Times               `json:"rewind"`
	Waits       []Wait              `json:"waits,omitempty"` // of host, what for
}

// Times are a distribution, in milliseconds.
type Times struct {
	P50MS float64 `json:"p50_ms"`
	P99MS float64 `json:"p99_ms"`
	MaxMS float64 `json:"max_ms"`
	SumMS float64 `json:"sum_ms"`
}

// Wait is what guests waited on the host for.
type Wait struct {
	Capability  string  `json:"capability"`
	Destination string  `json:"destination,omitempty"`
	Calls       int64   `json:"calls"`
	Failed      int64   `json:"failed"`
	SumMS       float64 `json:"sum_ms"`
}

func (r *Row) plugin(ref task.Ref) Plugin {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := Plugin{
		Namespace: ref.Namespace, Plugin: ref.Plugin, Version: ref.Version,
		Calls: r.calls, Faults: maps.Clone(r.faults), InputBytes: r.in, OutputBytes: r.out, Fuel: r.fuel,
		Total: times(r.total, r.took, 0),
	}
	for n, to := range [Phases]*Times{&p.Queue, &p.Pool, &p.Birth, &p.Bind, &p.Run, &p.Host, &p.Collect, &p.Rewind} {
		if of := &r.phases[n]; of.calls > 0 {
			*to = times(of.times, of.time, r.calls-of.calls)
		}
	}
	for _, w := range r.waits {
		p.Waits = append(p.Waits, Wait{w.Capability, w.Destination, w.Calls, w.Failed, milliseconds(w.Time)})
	}
	return p
}

// times tells a distribution in microseconds, to which so many zeros belong.
func times(h *hdrhistogram.Histogram, sum time.Duration, zeros int64) Times {
	at := func(q float64) float64 {
		n := float64(h.TotalCount())
		part := q*(n+float64(max(0, zeros))) - float64(max(0, zeros))
		if part <= 0 {
			return 0
		}
		return float64(h.ValueAtQuantile(100*part/n)) / 1000
	}
	return Times{P50MS: at(0.5), P99MS: at(0.99), MaxMS: float64(h.Max()) / 1000, SumMS: milliseconds(sum)}
}
