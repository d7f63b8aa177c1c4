package monitor

import (
	"cmp"
	"slices"
	"time"
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

// Stats reads everything off.
func (m *Monitor) Stats() Stats {
	l := m.look()
	s := m.tell(&l)
	s.Time, s.UptimeMS = l.at.UTC(), l.at.Sub(m.begun).Milliseconds()
	s.Plugins = m.plugins()
	if m.sources.Tasks != nil {
		t := m.sources.Tasks()
		s.Async.Tasks = t.row()
	}
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

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
