package monitor

import (
	"cmp"
	"math"
	"os"
	"runtime/metrics"
	"slices"
	"time"

	"github.com/prometheus/procfs"
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

// Memory is where the bytes are.
type Memory struct {
	ResidentBytes      int64   `json:"resident_bytes"` // of the process; 0 where the system does not tell
	HeapBytes          int64   `json:"heap_bytes"`     // live and dead objects of Go
	HeapGoalBytes      int64   `json:"heap_goal_bytes"`
	GCCycles           int64   `json:"gc_cycles"`
	GCPauseP99MS       float64 `json:"gc_pause_p99_ms"` // since the start
	GuestReservedBytes int64   `json:"guest_reserved_bytes"`
}

// Objects is what lives.
type Objects struct {
	HeapObjects int64 `json:"heap_objects"`
	Instances   int64 `json:"instances"`
}

// Connections are those of callers.
type Connections struct {
	Open   int64 `json:"open"`
	Active int64 `json:"active"` // a request is being served
}

// Async is who runs and who waits.
type Async struct {
	Goroutines         int64        `json:"goroutines"`
	GOMAXPROCS         int64        `json:"gomaxprocs"`
	RunQueueLatencyP99 float64      `json:"run_queue_latency_p99_ms"` // since the start
	Scheduler          SchedulerRow `json:"scheduler"`
	Pools              []PoolRow    `json:"pools"`
}

// SchedulerRow is who runs and who waits for a turn.
type SchedulerRow struct {
	Policy      string           `json:"policy"`
	Cores       int              `json:"cores"`
	Running     int              `json:"running"` // guests with a turn
	Long        int              `json:"long"`    // of these, past their first slice
	Waiting     int              `json:"waiting"`
	Refused     map[string]int64 `json:"refused"`     // calls, by reason
	Utilisation float64          `json:"utilisation"` // share of the cores' time that guests had, since the start
	Flows       []FlowRow        `json:"flows"`
}

// FlowRow is a plugin in the scheduler's eyes.
type FlowRow struct {
	Namespace string           `json:"namespace"`
	Plugin    string           `json:"plugin"`
	Running   int              `json:"running"`
	Waiting   int              `json:"waiting"`
	Refused   map[string]int64 `json:"refused"`
	Fuel      int64            `json:"fuel"`
	Drain     float64          `json:"drain_per_second"` // how fast its line went lately; 0: nobody waited yet
}

// PoolRow is the pool of one version.
type PoolRow struct {
	Namespace   string  `json:"namespace"`
	Plugin      string  `json:"plugin"`
	Version     int     `json:"version"`
	Ready       int     `json:"ready"`
	Building    int     `json:"building"`
	Lent        int     `json:"lent"`
	Waiting     int     `json:"waiting"`
	Size        int     `json:"size"` // how many instances are worth having now
	Max         int     `json:"max"`
	Births      int64   `json:"births"`
	BirthMeanMS float64 `json:"birth_mean_ms"` // failed ones included

	Deaths        map[string]int64 `json:"deaths"` // by cause
	Probes        int64            `json:"probes"` // canary calls made between others
	ProbesFailed  int64            `json:"probes_failed"`
	LifeMeanCalls float64          `json:"life_mean_calls"` // of those that ended; 0: none has
	Utilisation   float64          `json:"utilisation"`     // share of their lives that instances were lent

	// Begins is what each call begins with: "checkpoint", the image of a command at
	// its first read; "start", the image of what has been set up; "anew", an instance
	// of its own. Reason is why not with more than that.
	Begins string `json:"begins"`
	Reason string `json:"reason,omitempty"`
}

// Stats reads everything off.
func (m *Monitor) Stats() Stats {
	s := Stats{Time: time.Now().UTC(), UptimeMS: time.Since(m.begun).Milliseconds()}
	readGo(&s)
	if proc, err := procfs.NewProc(os.Getpid()); err == nil {
		if stat, err := proc.Stat(); err == nil {
			s.Memory.ResidentBytes = int64(stat.ResidentMemory())
		}
	}
	guests := m.sources.Guests()
	s.Memory.GuestReservedBytes, s.Objects.Instances = guests.ReservedBytes, guests.Instances
	s.Connections = Connections{Open: m.connections.open.Load(), Active: m.connections.active.Load()}
	s.Async.Scheduler = m.scheduler()
	s.Async.Pools = []PoolRow{}
	for _, p := range m.sources.Pools() {
		row := PoolRow{
			Namespace: p.Ref.Namespace, Plugin: p.Ref.Plugin, Version: p.Ref.Version,
			Ready: p.Ready, Building: p.Building, Lent: p.Lent, Waiting: p.Waiting, Size: p.Size, Max: p.Max, Births: p.Births,
			Begins: p.Begins, Reason: p.Reason, Deaths: p.Deaths, Probes: p.Probes + p.FailedProbes, ProbesFailed: p.FailedProbes, Utilisation: part(p.Held, p.Capacity),
		}
		var dead int64
		for _, n := range p.Deaths {
			dead += n
		}
		if dead > 0 {
			row.LifeMeanCalls = float64(p.DeadCalls) / float64(dead)
		}
		if n := p.Births + p.FailedBirths; n > 0 {
			row.BirthMeanMS = milliseconds(p.BirthTime) / float64(n)
		}
		s.Async.Pools = append(s.Async.Pools, row)
	}
	s.Plugins = m.plugins()
	return s
}

func (m *Monitor) scheduler() SchedulerRow {
	s := m.sources.Scheduler()
	row := SchedulerRow{
		Policy: s.Policy, Cores: s.Cores, Running: s.Running, Long: s.Long, Waiting: s.Waiting, Refused: s.Refused,
		Utilisation: part(s.Busy, s.Time), Flows: []FlowRow{},
	}
	for _, f := range s.Flows {
		row.Flows = append(row.Flows, FlowRow{f.Namespace, f.Plugin, f.Running, f.Waiting, f.Refused, f.Fuel, f.Drain})
	}
	slices.SortFunc(row.Flows, func(a, b FlowRow) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Plugin, b.Plugin))
	})
	return row
}

// part is a share of a time, 0 of none.
func part(of, all time.Duration) float64 {
	if all <= 0 {
		return 0
	}
	return float64(of) / float64(all)
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

// readGo fills in what the Go runtime tells (package runtime/metrics).
func readGo(s *Stats) {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/goal:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/gc/heap/objects:objects"},
		{Name: "/sched/goroutines:goroutines"},
		{Name: "/sched/gomaxprocs:threads"},
		{Name: "/sched/pauses/total/gc:seconds"},
		{Name: "/sched/latencies:seconds"},
	}
	metrics.Read(samples)
	for i, to := range []*int64{
		&s.Memory.HeapBytes, &s.Memory.HeapGoalBytes, &s.Memory.GCCycles,
		&s.Objects.HeapObjects, &s.Async.Goroutines, &s.Async.GOMAXPROCS,
	} {
		*to = int64(samples[i].Value.Uint64())
	}
	s.Memory.GCPauseP99MS = quantile(samples[6].Value.Float64Histogram(), 0.99) * 1000
	s.Async.RunQueueLatencyP99 = quantile(samples[7].Value.Float64Histogram(), 0.99) * 1000
}

// quantile returns the upper end of the bucket the q-quantile lies in, 0 for an
// empty histogram.
func quantile(h *metrics.Float64Histogram, q float64) float64 {
	var total uint64
	for _, n := range h.Counts {
		total += n
	}
	if total == 0 {
		return 0
	}
	rank, seen := uint64(math.Ceil(q*float64(total))), uint64(0)
	for i, n := range h.Counts {
		if seen += n; seen >= rank {
			if end := h.Buckets[i+1]; !math.IsInf(end, 1) {
				return end
			}
			return h.Buckets[i]
		}
	}
	return 0
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
