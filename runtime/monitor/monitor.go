package monitor

import (
	"database/sql"
	"maps"
	"regexp"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/marketprism/prismrt/runtime/task"
)

// Monitor is safe for concurrent use.
type Monitor struct {
	// Registry holds every metric of the process.
	Registry *prometheus.Registry

	// Commits are told how long the database took for each change, and ModuleWrites how
	// long the disk for each module.
	Commits, ModuleWrites *Durations

	begun       time.Time
	sources     Sources
	connections connections

	mu      sync.Mutex
	rows    map[task.Ref]*Row
	layers  layers
	history history
	growth  map[task.Ref]*Trend // of loaded versions' memory
}

// Sources are asked at each look; they must be ready by the first.
type Sources struct {
	Pools     func() []Pool
	Guests    func() Guests
	Scheduler func() Scheduler

	// Nothing is told of what is nil.
	Buffers  func() []Buffers
	Database func() sql.DBStats
	Backlog  func() Backlog // of the listener
	Tasks    func() Tasks
}

// Buffers is what is told of memory that is kept from one use for another.
type Buffers struct {
	Name                  string // what for
	Gets, Misses, Dropped int64
	Alive, Bytes          int64
}

// Pool is what is told of the instances of one version.
type Pool struct {
	Ref                            task.Ref
	Ready, Building, Lent, Waiting int
	Size, Min, Max                 int // how many are worth having, are kept, and may be
	Births, FailedBirths           int64
	BornFor                        map[string]int64 // Births, by reason
	BirthTime                      time.Duration    // over all of them
	Deaths                         map[string]int64 // by cause
	DeadCalls                      int64            // that the dead had served
	Probes, FailedProbes           int64            // canary calls between others
	Held, Capacity                 time.Duration    // how long instances were lent, and how long they lived
	Calls, Rewinds, Pages          int64            // on them, after these, and pages of memory that those put back
	Guests                         Guests           // what they take
	Begins                         string           // what each call begins with: checkpoint, start or anew
	Reason                         string           // why not with more than that, "" without one
}

// Scheduler is what is told of who runs and who waits for a turn.
type Scheduler struct {
	Policy                 string
	Cores                  int
	Running, Long, Waiting int
	Refused                map[string]int64 // calls, by reason
	Busy, Time             time.Duration    // how long all cores had guests, and how long they could have
	Begun                  int64            // turns
	Waited                 time.Duration    // in line, over all turns
	Slices                 int64            // that guests used up
	TimedSlices            int64            // of these, all but each call's first
	SliceTime              time.Duration    // that these took
	LongestSlice           time.Duration    // of these
	Flows                  []Flow
}

// Flow is a plugin in the scheduler's eyes.
type Flow struct {
	Namespace, Plugin string
	Running, Waiting  int
	Refused           map[string]int64 // calls, by reason
	Begun             int64            // turns
	Waited            time.Duration    // in line, over all turns
	Fuel              int64            // burnt
	Drain             float64          // calls a second that the line was done with lately; 0: not known
}

// Guests is what instances take, of one version or of all, in bytes.
type Guests struct {
	Instances     int64
	ReservedBytes int64 // of address space, most of it never touched
	PrivateBytes  int64 // of memory that is no image's, as of each instance's last rewind
	ImageBytes    int64 // each image once
	StackBytes    int64 // of native stacks, which lie on Go's heap
	CodeBytes     int64 // compiled
}

// ofGo are the metrics of Go's runtime that are told besides the usual: how long
// goroutines wait for a P or a mutex, the world stands still, and what the collector takes.
var ofGo = collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(
	`^/(sched/(latencies|pauses/total/gc)|sync/mutex/wait/total|cpu/classes/(total|idle|gc/total|gc/mark/assist)|gc/heap/(live|goal|allocs)):`,
)}

// New makes a monitor.
func New(from Sources) *Monitor {
	m := &Monitor{
		Registry: prometheus.NewRegistry(), begun: time.Now(),
		sources: from, rows: make(map[task.Ref]*Row), layers: newLayers(), growth: make(map[task.Ref]*Trend),
		Commits: newDurations(), ModuleWrites: newDurations(),
	}
	m.Registry.MustRegister(
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(ofGo)),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		scraped{m}, told{m},
	)
	return m
}

// Row returns the counters of one version, making them at the first call.
func (m *Monitor) Row(ref task.Ref) *Row {
	m.mu.Lock()
	defer m.mu.Unlock()
	row := m.rows[ref]
	if row == nil {
		row = new(Row)
		m.rows[ref] = row
	}
	return row
}

func (m *Monitor) copyOfRows() map[task.Ref]*Row {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.rows)
}

// Forget drops the counters of a plugin's versions, so that names which come
// and go leave nothing behind.
func (m *Monitor) Forget(namespace, plugin string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ref := range m.rows {
		if ref.Namespace == namespace && ref.Plugin == plugin {
			delete(m.rows, ref)
		}
	}
}
