package monitor_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/task"
)

func TestStatsTellOfTasksByPluginAndState(t *testing.T) {
	m := monitor.New(monitor.Sources{
		Pools: func() []monitor.Pool { return nil }, Guests: func() monitor.Guests { return monitor.Guests{} },
		Scheduler: func() monitor.Scheduler { return monitor.Scheduler{} },
		Tasks: func() monitor.Tasks {
			return monitor.Tasks{
				Running: 2, SubmitRate: 10, StartRate: 9, FinishRate: 8,
				Counts: []monitor.TaskCount{
					{Namespace: "default", Plugin: "b", State: task.Queued, Tasks: 3},
					{Namespace: "default", Plugin: "a", State: task.Dead, Tasks: 1},
					{Namespace: "default", Plugin: "a", State: task.Queued, Tasks: 4},
				},
				Store: map[string]monitor.StoreCalls{"submit": {Calls: 4, Time: 10 * time.Millisecond}, "lease": {}},
				Plugins: []monitor.TaskPlugin{
					{Namespace: "default", Plugin: "c", Running: 2, Lag: time.Second, Rest: time.Minute},
				},
			}
		},
	})
	got, err := json.Marshal(m.Stats().Async.Tasks)
	want := `{"states":{"dead":1,"queued":7},"running":2,"submitted_per_second":10,"started_per_second":9,"finished_per_second":8,` +
		`"store":{"lease":{"calls":0,"mean_ms":0},"submit":{"calls":4,"mean_ms":2.5}},"plugins":[` +
		`{"namespace":"default","plugin":"a","states":{"dead":1,"queued":4},"running":0,"lag_ms":0,"rest_ms":0},` +
		`{"namespace":"default","plugin":"b","states":{"queued":3},"running":0,"lag_ms":0,"rest_ms":0},` +
		`{"namespace":"default","plugin":"c","states":{},"running":2,"lag_ms":1000,"rest_ms":60000}]}`
	if err != nil || string(got) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
}
