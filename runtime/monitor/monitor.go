// Package monitor counts and times what happens and tells it: as Prometheus
// metrics and as the four layers of /v1/stats.
package monitor

import (
	"maps"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/marketprism/prismrt/runtime/task"
)

// Monitor is safe for concurrent use.
type Monitor struct {
	// Registry holds every metric of the process.
	Registry *prometheus.Registry

	begun       time.Time
	sources     Sources
	connections connections
	history     history

	mu   sync.Mutex
	rows map[task.Ref]*Row
}

// Sources are asked at each look; they must be ready by the first.
type Sources struct {
	Pools     func() []Pool
	Guests    func() Guests
	Scheduler func() Scheduler
	Disk      func() Disk // nil: nothing is told of it
}

// Pool is what is told of the instances of one version.
type Pool struct {
	Ref                            task.Ref
	Ready, Building, Lent, Waiting int
	Size, Min, Max                 int   // how many are worth having, are kept, and may be
	PrivateBytes                   int64 // of their memories, that are no others'
	Births, FailedBirths           int64
	BirthTime                      time.Duration    // over all of them
	Deaths                         map[string]int64 // by cause
	DeadCalls                      int64            // that the dead had served
	Probes, FailedProbes           int64            // canary calls between others
	Held, Capacity                 time.Duration    // how long instances were lent, and how long they lived
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
	Flows                  []Flow
}

// Flow is a plugin in the scheduler's eyes.
type Flow struct {
	Namespace, Plugin string
	Running, Waiting  int
	Refused           map[string]int64 // calls, by reason
	Fuel              int64            // burnt
	Begun             int64            // turns
	Waited            time.Duration    // for them, altogether
	Drain             float64          // calls a second that the line was done with lately; 0: not known
}

// Guests is what is told of the instances of all versions.
type Guests struct {
	Instances     int64
	ReservedBytes int64 // of address space, most of it never touched
}

// New makes a monitor.
func New(from Sources) *Monitor {
	m := &Monitor{
		Registry: prometheus.NewRegistry(), begun: time.Now(),
		sources: from, rows: make(map[task.Ref]*Row),
	}
	m.Registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		scraped{m},
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

// connections counts inbound connections, and those on which a request is served.
type connections struct{ open, active atomic.Int64 }

// ConnState keeps count of a server's connections; it is for http.Server.ConnState.
func (m *Monitor) ConnState(_ net.Conn, now http.ConnState) {
	switch now {
	case http.StateNew:
		m.connections.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		m.connections.open.Add(-1)
	}
}

// Serving counts the connections on which h serves a request.
func (m *Monitor) Serving(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.connections.active.Add(1)
		defer m.connections.active.Add(-1)
		h.ServeHTTP(w, r)
	})
}
