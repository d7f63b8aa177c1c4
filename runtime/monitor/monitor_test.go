package monitor_test

import (
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/task"
)

func newMonitor() *monitor.Monitor {
	return monitor.New(monitor.Sources{
		Pools: func() []monitor.Pool {
			return []monitor.Pool{{
				Ref: task.Ref{Namespace: "default", Plugin: "up", Version: 2}, Ready: 1, Building: 2, Lent: 3, Waiting: 4, Max: 9,
				Births: 3, FailedBirths: 1, BirthTime: 8 * time.Millisecond,
				Deaths: map[string]int64{"idle": 1, "spoilt": 3}, DeadCalls: 20, Held: time.Second, Capacity: 4 * time.Second,
			}}
		},
		Guests: func() monitor.Guests { return monitor.Guests{Instances: 4, ReservedBytes: 1 << 20} },
		Scheduler: func() monitor.Scheduler {
			return monitor.Scheduler{
				Policy: "fair", Cores: 2, Running: 3, Waiting: 5, Refused: map[string]int64{"late": 7}, Busy: 3 * time.Second, Time: 4 * time.Second,
				Flows: []monitor.Flow{{Namespace: "default", Plugin: "up", Running: 3, Waiting: 5, Refused: map[string]int64{"late": 7}, Fuel: 100, Drain: 2.5}},
			}
		},
	})
}

func TestARowTellsWhatBecameOfItsInvocations(t *testing.T) {
	m := newMonitor()
	ref := task.Ref{Namespace: "default", Plugin: "up", Version: 2}
	for n := range 100 {
		o := monitor.Observation{
			In: 10, Out: 20, Total: time.Duration(n+1) * time.Millisecond,
			Timing: task.Timing{Pool: time.Millisecond, Run: 2 * time.Hour},
		}
		if n == 0 {
			o.Kind = task.KindTrap
		}
		m.Row(ref).Observe(o)
	}
	s := m.Stats()
	if len(s.Plugins) != 1 {
		t.Fatalf("rows %+v", s.Plugins)
	}
	p := s.Plugins[0]
	if p.Plugin != "up" || p.Version != 2 || p.Calls != 100 || p.Faults[task.KindTrap] != 1 || p.InputBytes != 1000 || p.OutputBytes != 2000 {
		t.Errorf("row %+v", p)
	}
	near := func(got, want float64) bool { return got > want*0.98 && got < want*1.02 }
	if !near(p.Total.P50MS, 50) || !near(p.Total.P99MS, 99) || !near(p.Total.MaxMS, 100) || !near(p.Pool.P50MS, 1) || !near(p.Run.MaxMS, 3_600_000) {
		t.Errorf("times %+v %+v %+v", p.Total, p.Pool, p.Run)
	}
	pool := s.Async.Pools[0]
	if pool.BirthMeanMS != 2 || pool.Lent != 3 || s.Objects.Instances != 4 || s.Memory.GuestReservedBytes != 1<<20 {
		t.Errorf("stats %+v", s)
	}
	if s.Memory.HeapBytes == 0 || s.Async.Goroutines == 0 || s.Async.GOMAXPROCS == 0 || s.Objects.HeapObjects == 0 {
		t.Errorf("the process's own figures are missing: %+v", s)
	}

	m.Forget("default", "up")
	if rows := m.Stats().Plugins; len(rows) != 0 {
		t.Errorf("after Forget: %+v", rows)
	}
}

func TestMetricsFollowPrometheusCustomsAndCount(t *testing.T) {
	m := newMonitor()
	ref := task.Ref{Namespace: "default", Plugin: "up", Version: 2}
	m.Row(ref).Observe(monitor.Observation{In: 3, Out: 5, Timing: task.Timing{Run: time.Second}, Total: time.Second})
	m.Row(ref).Observe(monitor.Observation{Kind: task.KindGuest})

	problems, err := testutil.GatherAndLint(m.Registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "prismrt_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	want := `
# HELP prismrt_bytes_total Bytes that went into and came out of guests.
# TYPE prismrt_bytes_total counter
prismrt_bytes_total{direction="input",namespace="default",plugin="up",version="2"} 3
prismrt_bytes_total{direction="output",namespace="default",plugin="up",version="2"} 5
# HELP prismrt_pool_instances Instances alive, by state: ready, building or lent.
# TYPE prismrt_pool_instances gauge
prismrt_pool_instances{namespace="default",plugin="up",state="building",version="2"} 2
prismrt_pool_instances{namespace="default",plugin="up",state="lent",version="2"} 3
prismrt_pool_instances{namespace="default",plugin="up",state="ready",version="2"} 1
`
	if err := testutil.GatherAndCompare(m.Registry, strings.NewReader(want),
		"prismrt_bytes_total", "prismrt_pool_instances"); err != nil {
		t.Error(err)
	}
	if n, _ := testutil.GatherAndCount(m.Registry, "prismrt_invocations_total"); n != len(task.Kinds)+1 {
		t.Errorf("%d outcomes, want ok and every kind", n)
	}
	m.Forget("default", "up")
	if n, err := testutil.GatherAndCount(m.Registry, "prismrt_invocations_total", "prismrt_phase_seconds_total"); n != 0 || err != nil {
		t.Errorf("%d series of a forgotten plugin, %v", n, err)
	}
}

func TestDurationsAreToldInBuckets(t *testing.T) {
	m := newMonitor()
	row := m.Row(task.Ref{Namespace: "default", Plugin: "up", Version: 2})
	row.Observe(monitor.Observation{Total: 50 * time.Microsecond}, monitor.Observation{Total: 700 * time.Microsecond})
	row.Observe(monitor.Observation{Total: 3 * time.Second})
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "prismrt_invocation_duration_seconds" {
			continue
		}
		h := f.GetMetric()[0].GetHistogram()
		if h.GetSampleCount() != 3 || math.Abs(h.GetSampleSum()-3.00075) > 1e-9 {
			t.Errorf("%d calls of %v s are told of", h.GetSampleCount(), h.GetSampleSum())
		}
		for _, b := range h.GetBucket() {
			want := uint64(0)
			for _, took := range []float64{0.00005, 0.0007, 3} {
				if took <= b.GetUpperBound() {
					want++
				}
			}
			if b.GetCumulativeCount() != want {
				t.Errorf("%d calls took up to %v s, want %d", b.GetCumulativeCount(), b.GetUpperBound(), want)
			}
		}
		return
	}
	t.Error("no durations are told of")
}

func TestConnectionsAreCountedByWhatTheyDo(t *testing.T) {
	m := newMonitor()
	check := func(open, active int64) {
		t.Helper()
		if c := m.Stats().Connections; c.Open != open || c.Active != active {
			t.Errorf("%+v, want %d open and %d active", c, open, active)
		}
	}
	server := httptest.NewUnstartedServer(m.Serving(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { check(1, 1) })))
	server.Config.ConnState = m.ConnState
	server.Start()
	for range 2 {
		if _, err := server.Client().Get(server.URL); err != nil {
			t.Fatal(err)
		}
	}
	check(1, 0)
	server.Close()
	check(0, 0)
}

func TestObserveHammer(t *testing.T) {
	m := newMonitor()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := range 500 {
				m.Row(task.Ref{Namespace: "default", Plugin: "up", Version: n % 3}).Observe(monitor.Observation{Total: time.Duration(n)})
				if n%100 == 0 {
					m.Stats()
				}
			}
		})
	}
	wg.Wait()
	var calls int64
	for _, p := range m.Stats().Plugins {
		calls += p.Calls
	}
	if calls != 4000 {
		t.Errorf("%d calls were counted, want 4000", calls)
	}
}
