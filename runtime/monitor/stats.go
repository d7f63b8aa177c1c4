package monitor

import (
	"cmp"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/marketprism/prismrt/runtime/task"
)

// Stats is the state of the server at a moment, the body of /v1/stats. The four
// layers first, then a row a version that was called since the start.
type Stats struct {
	Time        time.Time   `json:"time"`
	UptimeMS    int64       `json:"uptime_ms"`
	Memory      Memory      `json:"memory"`
	Objects     Objects     `json:"objects"`
	Connections Connections `json:"connections"`
	Async       Async       `json:"async"`
	Plugins     []Plugin    `json:"plugins"`
}

// Plugin is what became of one version's invocations. Times are of all of them
// since the start, good to 1%.
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
	Pool        Times               `json:"pool"`
	Run         Times               `json:"run"`
	Rewind      Times               `json:"rewind"`
}

// Times are a distribution, in milliseconds.
type Times struct {
	P50MS float64 `json:"p50_ms"`
	P99MS float64 `json:"p99_ms"`
	MaxMS float64 `json:"max_ms"`
}

// Stats reads everything off.
func (m *Monitor) Stats() Stats {
	l := m.look()
	s := m.tell(&l)
	s.Time, s.UptimeMS = l.at.UTC(), l.at.Sub(m.begun).Milliseconds()
	s.Plugins = m.plugins()
	return s
}

func (m *Monitor) plugins() []Plugin {
	rows := m.copyOfRows()
	plugins := make([]Plugin, 0, len(rows))
	for ref, row := range rows {
		plugins = append(plugins, row.plugin(ref))
	}
	slices.SortFunc(plugins, func(a, b Plugin) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Plugin, b.Plugin), cmp.Compare(a.Version, b.Version))
	})
	return plugins
}

func (r *Row) plugin(ref task.Ref) Plugin {
	r.mu.Lock()
	defer r.mu.Unlock()
	faults := make(map[task.Kind]int64, len(r.faults))
	for kind, n := range r.faults {
		faults[kind] = n
	}
	return Plugin{
		Namespace: ref.Namespace, Plugin: ref.Plugin, Version: ref.Version,
		Calls: r.calls, Faults: faults, InputBytes: r.in, OutputBytes: r.out, Fuel: r.fuel,
		Total: times(r.total), Queue: times(r.queue), Pool: times(r.pool), Run: times(r.run), Rewind: times(r.rewind),
	}
}

func times(h *hdrhistogram.Histogram) Times {
	ms := func(us int64) float64 { return float64(us) / 1000 }
	return Times{P50MS: ms(h.ValueAtQuantile(50)), P99MS: ms(h.ValueAtQuantile(99)), MaxMS: ms(h.Max())}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
