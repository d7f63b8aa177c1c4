package deploy

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
)

// What each rule is about, as series over half an hour with a sample a minute, and what
// is to be well.
var cases = map[string]struct{ ill, well string }{
	"PrismrtDown":             {`up{job="prismrt"} 0x30`, `up{job="prismrt"} 1x30`},
	"PrismrtLayerNeedsAction": {`prismrt_layer_verdict{layer="memory"} 2x30`, `prismrt_layer_verdict{layer="memory"} 1x30`},
	"PrismrtOurFaults":        {`prismrt_invocations_total{plugin="a",outcome="internal"} 0+1x30`, `prismrt_invocations_total{plugin="a",outcome="internal"} 7x30`},
	"PrismrtPluginFails": {
		`prismrt_invocations_total{plugin="a",version="1",outcome="ok"} 0+600x30
		 prismrt_invocations_total{plugin="a",version="2",outcome="trap"} 0+60x30`,
		`prismrt_invocations_total{plugin="a",version="1",outcome="ok"} 0+600x30
		 prismrt_invocations_total{plugin="a",version="1",outcome="guest"} 0+600x30
		 prismrt_invocations_total{plugin="a",version="2",outcome="trap"} 0+6x30`,
	},
	"PrismrtCallsRefused": {
		`prismrt_scheduler_refused_total{plugin="a",reason="late"} 0+60x30
		 prismrt_invocations_total{plugin="a",version="1",outcome="ok"} 0+600x30`,
		`prismrt_scheduler_refused_total{plugin="a",reason="late"} 0+1x30
		 prismrt_invocations_total{plugin="a",version="1",outcome="ok"} 0+600x30`,
	},
	"PrismrtSlow": {
		`prismrt_invocation_duration_seconds_bucket{plugin="a",le="1"} 0+600x30
		 prismrt_invocation_duration_seconds_bucket{plugin="a",le="2.5"} 0+660x30
		 prismrt_invocation_duration_seconds_bucket{plugin="a",le="+Inf"} 0+660x30
		 prismrt_invocation_duration_seconds_count{plugin="a"} 0+660x30`,
		`prismrt_invocation_duration_seconds_bucket{plugin="a",le="1"} 0+660x30
		 prismrt_invocation_duration_seconds_bucket{plugin="a",le="+Inf"} 0+660x30
		 prismrt_invocation_duration_seconds_count{plugin="a"} 0+660x30`,
	},
	"PrismrtInstancesDoNotLast": {
		`prismrt_pool_births_total{plugin="a",result="ok"} 0+300x30
		 prismrt_invocations_total{plugin="a",outcome="ok"} 0+600x30`,
		`prismrt_pool_births_total{plugin="a",result="ok"} 0+30x30
		 prismrt_invocations_total{plugin="a",outcome="ok"} 0+60x30`,
	},
	"PrismrtInstancesCannotBeMade": {`prismrt_pool_births_total{plugin="a",result="failed"} 0+1x30`, `prismrt_pool_births_total{plugin="a",result="ok"} 0+1x30`},
	"PrismrtMemoryLeakSuspected":   {`prismrt_guest_memory_leak_suspected{plugin="a",version="1"} 1x30`, `prismrt_guest_memory_leak_suspected{plugin="a",version="1"} 0x30`},
	"PrismrtGoMemoryNearLimit": {
		`go_memstats_sys_bytes 1000x30
		 go_memstats_heap_released_bytes 50x30
		 go_gc_gomemlimit_bytes 1000x30`,
		`go_memstats_sys_bytes 1000x30
		 go_memstats_heap_released_bytes 500x30
		 go_gc_gomemlimit_bytes 1000x30`,
	},
	"PrismrtCollectorBusy": {
		`go_cpu_classes_gc_total_cpu_seconds_total 0+30x30
		 go_cpu_classes_total_cpu_seconds_total 0+240x30
		 go_cpu_classes_idle_cpu_seconds_total 0+140x30`,
		`go_cpu_classes_gc_total_cpu_seconds_total 0+5x30
		 go_cpu_classes_total_cpu_seconds_total 0+240x30
		 go_cpu_classes_idle_cpu_seconds_total 0+140x30`,
	},
	"PrismrtNoRoomToRun": {
		`go_sched_latencies_seconds_bucket{le="0.01"} 0+90x30
		 go_sched_latencies_seconds_bucket{le="0.1"} 0+100x30
		 go_sched_latencies_seconds_bucket{le="+Inf"} 0+100x30`,
		`go_sched_latencies_seconds_bucket{le="0.01"} 0+100x30
		 go_sched_latencies_seconds_bucket{le="+Inf"} 0+100x30`,
	},
	"PrismrtConnectionsWait": {
		`prismrt_inbound_backlog 50x30
		 prismrt_inbound_backlog_limit 100x30`,
		`prismrt_inbound_backlog 5x30
		 prismrt_inbound_backlog_limit 100x30`,
	},
	"PrismrtDiskSlow": {
		`prismrt_store_write_duration_seconds_bucket{write="commit",le="0.25"} 0x30
		 prismrt_store_write_duration_seconds_bucket{write="commit",le="0.5"} 0+5x30
		 prismrt_store_write_duration_seconds_bucket{write="commit",le="+Inf"} 0+5x30`,
		`prismrt_store_write_duration_seconds_bucket{write="commit",le="0.01"} 0+5x30
		 prismrt_store_write_duration_seconds_bucket{write="commit",le="+Inf"} 0+5x30`,
	},
}

func TestAlertsAreRaisedForWhatIsIllAndNotForWhatIsWell(t *testing.T) {
	groups, _ := rulefmt.ParseFile("prometheus/alerts.yaml", false, model.LegacyValidation, promQL, slog.New(slog.DiscardHandler))
	if groups == nil {
		t.Fatal("the rules cannot be read")
	}
	engine := promqltest.NewTestEngine(t, false, 5*time.Minute, 1_000_000)
	raised := func(t *testing.T, expr, series string) int {
		store := promqltest.LoadedStorage(t, "load 1m\n"+series)
		query, err := engine.NewInstantQuery(t.Context(), store, promql.NewPrometheusQueryOpts(false, 0), expr, time.Unix(30*60, 0))
		if err != nil {
			t.Fatal(err)
		}
		defer query.Close()
		found, err := query.Exec(t.Context()).Vector()
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			c, there := cases[r.Alert]
			if !there {
				t.Errorf("%s has no case", r.Alert)
				continue
			}
			t.Run(r.Alert, func(t *testing.T) {
				if n := raised(t, r.Expr, c.ill); n != 1 {
					t.Errorf("it is raised %d times for what is ill, want once", n)
				}
				if n := raised(t, r.Expr, c.well); n != 0 {
					t.Errorf("it is raised %d times for what is well", n)
				}
			})
		}
	}
}
