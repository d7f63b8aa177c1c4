package monitor

import (
	"database/sql"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Connections are those of callers, and what is kept on a disk.
type Connections struct {
	Layer

	Open        int64   `json:"open"`
	Active      int64   `json:"active"` // a request is being served
	Idle        int64   `json:"idle"`
	Opened      int64   `json:"opened"` // since the start
	Closed      int64   `json:"closed"`
	Requests    int64   `json:"requests"`
	RequestsPer float64 `json:"requests_per_connection"` // mean
	Accepting   Backlog `json:"accepting"`
	Store       Store   `json:"store"`
}

// Backlog is who waits to be accepted. It is all 0 where the system does not tell.
type Backlog struct {
	Waiting int64 `json:"waiting"`
	Limit   int64 `json:"limit"` // more are turned away
}

// Store is the database, and the folder of modules.
type Store struct {
	Open    int64   `json:"open"` // connections to the database
	InUse   int64   `json:"in_use"`
	Idle    int64   `json:"idle"`
	Waits   int64   `json:"waits"`   // for a connection
	WaitMS  float64 `json:"wait_ms"` // all of them
	Commits Took    `json:"commits"` // a change of the database, until a power failure cannot take it
	Modules Took    `json:"modules"` // writing a module, until then
}

// connections counts inbound connections, and requests on them.
type connections struct{ opened, closed, begun, ended atomic.Int64 }

// ConnState keeps count of a server's connections; it is for http.Server.ConnState.
func (m *Monitor) ConnState(_ net.Conn, now http.ConnState) {
	switch now {
	case http.StateNew:
		m.connections.opened.Add(1)
	case http.StateClosed, http.StateHijacked:
		m.connections.closed.Add(1)
	}
}

// Serving counts the requests that h serves.
func (m *Monitor) Serving(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.connections.begun.Add(1)
		defer m.connections.ended.Add(1)
		h.ServeHTTP(w, r)
	})
}

func (m *Monitor) readConnections() Connections {
	of := &m.connections
	c := Connections{Closed: of.closed.Load(), Accepting: m.backlog()}
	ended := of.ended.Load() // before what it is taken from
	c.Opened, c.Requests = of.opened.Load(), of.begun.Load()
	c.Open, c.Active = c.Opened-c.Closed, c.Requests-ended
	c.Idle = max(0, c.Open-c.Active)
	if c.Opened > 0 {
		c.RequestsPer = float64(c.Requests) / float64(c.Opened)
	}
	db := m.database()
	c.Store = Store{
		Open: int64(db.OpenConnections), InUse: int64(db.InUse), Idle: int64(db.Idle),
		Waits: db.WaitCount, WaitMS: milliseconds(db.WaitDuration),
		Commits: m.Commits.took(), Modules: m.ModuleWrites.took(),
	}
	return c
}

// judge compares with the thresholds in the package's documentation.
func (c *Connections) judge(past *reading, seconds float64) *judgement {
	j := judge()
	j.from(share(c.Accepting.Waiting, c.Accepting.Limit), 0.1, 0.5, "%d connections wait to be accepted and more than %d are turned away: the process does not get to run",
		c.Accepting.Waiting, c.Accepting.Limit)
	j.from(past.commit.Seconds(), 0.1, 1, "a change of the database took %.3g s to reach the disk in the last minute: the disk is slow, or busy", past.commit.Seconds())
	j.from(past.blobWrite.Seconds(), 1, 10, "a module took %.3g s to reach the disk in the last minute: the disk is slow, or busy", past.blobWrite.Seconds())
	j.from(rate(past.databaseWait.Seconds(), seconds), 0.1, 1, "callers waited %.3g s for a connection to the database in the last minute", past.databaseWait.Seconds())
	if past.opened >= 10*int64(seconds) && past.opened >= 300 {
		j.from(share(past.opened, past.requests), 0.5, never, "%d connections were opened for %d requests in the last minute: let clients keep them",
			past.opened, past.requests)
	}
	return j
}

var (
	connectionsDesc = prometheus.NewDesc("prismrt_inbound_connections",
		"Open connections of callers, by state: active or idle.", []string{"state"}, nil)
	openedDesc = prometheus.NewDesc("prismrt_inbound_connections_opened_total",
		"Connections that callers opened.", nil, nil)
	requestsDesc = prometheus.NewDesc("prismrt_inbound_requests_total",
		"Requests that came on them.", nil, nil)
	backlogDesc = prometheus.NewDesc("prismrt_inbound_backlog",
		"Connections that wait to be accepted.", nil, nil)
	backlogLimitDesc = prometheus.NewDesc("prismrt_inbound_backlog_limit",
		"Connections that may wait to be accepted; more are turned away.", nil, nil)
	databaseDesc = prometheus.NewDesc("prismrt_database_connections",
		"Connections to the database, by state: in_use or idle.", []string{"state"}, nil)
	databaseWaitsDesc = prometheus.NewDesc("prismrt_database_waits_total",
		"Waits for a connection to the database.", nil, nil)
	databaseWaitDesc = prometheus.NewDesc("prismrt_database_wait_seconds_total",
		"Time waited for a connection to the database.", nil, nil)
	writesDesc = prometheus.NewDesc("prismrt_store_write_duration_seconds",
		"Time until a power failure cannot take what was written, by what: commit (of the database) or module.", []string{"write"}, nil)
)

func (c *Connections) collect(to sink) {
	to.gauge(connectionsDesc, float64(c.Active), "active")
	to.gauge(connectionsDesc, float64(c.Idle), "idle")
	to.counter(openedDesc, float64(c.Opened))
	to.counter(requestsDesc, float64(c.Requests))
	if c.Accepting.Limit > 0 {
		to.gauge(backlogDesc, float64(c.Accepting.Waiting))
		to.gauge(backlogLimitDesc, float64(c.Accepting.Limit))
	}
	to.gauge(databaseDesc, float64(c.Store.InUse), "in_use")
	to.gauge(databaseDesc, float64(c.Store.Idle), "idle")
	to.counter(databaseWaitsDesc, float64(c.Store.Waits))
	to.counter(databaseWaitDesc, c.Store.WaitMS/1000)
}

func (d *Durations) collect(to sink, desc *prometheus.Desc, labels ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	to.ch <- prometheus.MustNewConstHistogram(desc, uint64(d.all.count()), d.sum.Seconds(), d.all.atEdges(), labels...)
}

func (m *Monitor) database() (s sql.DBStats) {
	if m.sources.Database != nil {
		s = m.sources.Database()
	}
	return s
}

func (m *Monitor) backlog() (b Backlog) {
	if m.sources.Backlog != nil {
		b = m.sources.Backlog()
	}
	return b
}
