package monitor

import (
	"time"

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
	all := r.fine()
	p := Plugin{
		Namespace: ref.Namespace, Plugin: ref.Plugin, Version: ref.Version,
		Calls: all.Calls, Faults: all.Faults, InputBytes: all.In, OutputBytes: all.Out, Fuel: all.Fuel,
		Total: toldTimes(&all.total, all.Took, 0),
	}
	for n, to := range [...]*Times{&p.Queue, &p.Pool, &p.Birth, &p.Bind, &p.Run, &p.Host, &p.Collect, &p.Rewind} {
		of := &all.Phases[n]
		*to = toldTimes(&all.times[n], of.Time, all.Calls-of.Calls)
	}
	for _, w := range all.Waits {
		p.Waits = append(p.Waits, Wait{w.Capability, w.Destination, w.Calls, w.Failed, milliseconds(w.Time)})
	}
	return p
}

// toldTimes tells a distribution to which so many durations of no length belong.
func toldTimes(t *times, sum time.Duration, zeros int64) Times {
	return Times{
		P50MS: milliseconds(t.quantile(0.5, zeros)), P99MS: milliseconds(t.quantile(0.99, zeros)),
		MaxMS: milliseconds(t.longest()), SumMS: milliseconds(sum),
	}
}
