package monitor_test

import (
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/task"
)

// family gathers the metrics of one name.
func family(t *testing.T, m *monitor.Monitor, name string) []*dto.Metric {
	t.Helper()
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()
		}
	}
	return nil
}

func TestPhasesDoNotOverlapAndAreTheWholeCall(t *testing.T) {
	m := newMonitor()
	row := m.Row(task.Ref{Namespace: "default", Plugin: "up", Version: 2})
	timing := task.Timing{
		Queue: time.Millisecond, Pool: 9 * time.Millisecond, Birth: 7 * time.Millisecond, Run: 100 * time.Millisecond,
		Bind: 3 * time.Millisecond, Host: 60 * time.Millisecond, Collect: 2 * time.Millisecond, Rewind: 5 * time.Millisecond,
	}
	row.Observe(monitor.Observation{Timing: timing, Total: 115 * time.Millisecond})
	row.Observe(monitor.Observation{Timing: task.Timing{Run: time.Millisecond}, Total: time.Millisecond})
	want := map[string]float64{"queue": 1, "pool": 2, "birth": 7, "bind": 3, "run": 36, "host": 60, "collect": 2, "rewind": 5}
	sum := 0.
	for _, one := range family(t, m, "prismrt_phase_duration_seconds") {
		phase := ""
		for _, l := range one.GetLabel() {
			if l.GetName() == "phase" {
				phase = l.GetValue()
			}
		}
		h := one.GetHistogram()
		calls := uint64(1)
		if phase == "run" {
			calls = 2
		}
		if ms := h.GetSampleSum() * 1000; ms < 0.999*want[phase] || ms > 1.001*want[phase] || h.GetSampleCount() != calls || h.GetSchema() != 3 || len(h.GetPositiveSpan()) == 0 {
			t.Errorf("%s: %v, want %v ms of %d calls in native buckets", phase, h, want[phase], calls)
		}
		sum += h.GetSampleSum()
		delete(want, phase)
	}
	if len(want) != 0 || sum < 0.1159 || sum > 0.1161 {
		t.Errorf("all phases are %v s, and %v are missing", sum, want)
	}
	if p := m.Stats().Plugins[0]; p.Host.SumMS != 60 || p.Queue.P50MS != 0 || p.Queue.MaxMS < 0.9 || p.Birth.P99MS < 6.9 {
		t.Errorf("told is %+v", p)
	}
}

func TestSlowCallsAreExamplesOnceASecond(t *testing.T) {
	m := newMonitor()
	row := m.Row(task.Ref{Namespace: "default", Plugin: "up", Version: 2})
	now := time.Now()
	for n, id := range []task.ID{"first", "second", "third"} {
		row.Observe(monitor.Observation{ID: id, Total: 20 * time.Millisecond, Ended: now.Add(time.Duration(n) * 600 * time.Millisecond)})
	}
	row.Observe(monitor.Observation{ID: "slow", Total: 20 * time.Second, Ended: now})
	var told []string
	for _, b := range family(t, m, "prismrt_invocation_duration_seconds")[0].GetHistogram().GetBucket() {
		if e := b.GetExemplar(); e != nil {
			told = append(told, e.GetLabel()[0].GetName()+" "+e.GetLabel()[0].GetValue())
		}
	}
	if got := strings.Join(told, ", "); got != "request_id third, request_id slow" {
		t.Errorf("examples are %s", got)
	}
}

func TestWaitsAreToldByDestinationUpToABound(t *testing.T) {
	m := newMonitor()
	row := m.Row(task.Ref{Namespace: "default", Plugin: "up", Version: 2})
	for n := range 100 {
		row.Waited([]task.Wait{{Capability: "http", Destination: strings.Repeat("x", n+1), Calls: 2, Failed: 1, Time: time.Second}})
	}
	waits := m.Stats().Plugins[0].Waits
	if len(waits) != 33 {
		t.Errorf("%d destinations are told apart, want 32 and the others", len(waits))
	}
	calls, seconds := int64(0), 0.
	for _, w := range waits {
		calls += w.Calls
		seconds += w.SumMS / 1000
	}
	if calls != 200 || seconds != 100 {
		t.Errorf("%d waits of %v s in all", calls, seconds)
	}
}
