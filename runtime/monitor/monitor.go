// Package monitor counts and times what happens and tells it: as Prometheus
// metrics and as the four layers of /v1/stats.
package monitor

import (
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
	series      series
	pools       func() []Pool
	guests      func() Guests
	connections connections

	mu   sync.Mutex
	rows map[task.Ref]*Row
}

// Pool is what is told of the instances of one version.
type Pool struct {
	Ref                                 task.Ref
	Ready, Building, Lent, Waiting, Max int
	Births, FailedBirths                int64
	BirthTime                           time.Duration // over all of them
	Begins                              string        // what each call begins with: checkpoint, start or anew
	Reason                              string        // why not with more than that, "" without one
}

// Guests is what is told of the instances of all versions.
type Guests struct {
	Instances     int64
	ReservedBytes int64 // of address space, most of it never touched
}

// New makes a monitor. Pools and guests are asked at each scrape; they must be
// ready by the first.
func New(pools func() []Pool, guests func() Guests) *Monitor {
	m := &Monitor{
		Registry: prometheus.NewRegistry(), begun: time.Now(), series: newSeries(),
		pools: pools, guests: guests, rows: make(map[task.Ref]*Row),
	}
	m.Registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.series.invocations, m.series.seconds, m.series.phases, m.series.bytes, m.series.fuel,
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
		row = newRow(ref, &m.series)
		m.rows[ref] = row
	}
	return row
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
	m.series.forget(namespace, plugin)
}

// connections counts inbound connections by what they are doing.
type connections struct{ open, active atomic.Int64 }

// ConnState keeps count of a server's connections; it is for http.Server.ConnState.
func (m *Monitor) ConnState() func(net.Conn, http.ConnState) {
	var was sync.Map // net.Conn -> http.ConnState, while active
	c := &m.connections
	return func(conn net.Conn, now http.ConnState) {
		_, active := was.Load(conn)
		switch now {
		case http.StateNew:
			c.open.Add(1)
		case http.StateActive:
			if !active {
				was.Store(conn, now)
				c.active.Add(1)
			}
			return
		case http.StateClosed, http.StateHijacked:
			c.open.Add(-1)
		}
		if active {
			was.Delete(conn)
			c.active.Add(-1)
		}
	}
}
