package monitor

import (
	"cmp"
	"slices"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// Tasks is what is told of durable tasks.
type Tasks struct {
	Counts                            []TaskCount
	Running                           int     // attempts
	SubmitRate, StartRate, FinishRate float64 // a second, lately
	Store                             map[string]StoreCalls
	Plugins                           []TaskPlugin
}

// TaskCount is how many tasks of a plugin are in a state.
type TaskCount struct {
	Namespace, Plugin string
	State             task.State
	Tasks             int64
}

// StoreCalls is how many calls of a sort the store of tasks had, and how long they took.
type StoreCalls struct {
	Calls int64
	Time  time.Duration
}

// TaskPlugin is a plugin whose tasks run or wait.
type TaskPlugin struct {
	Namespace, Plugin string
	Running           int
	Lag               time.Duration // how long the task begun last had waited since it was due
	Rest              time.Duration // until when none is begun
}

// TasksRow is how durable tasks do.
type TasksRow struct {
	States    map[task.State]int64 `json:"states"`  // tasks that are kept
	Running   int                  `json:"running"` // attempts
	Submitted float64              `json:"submitted_per_second"`
	Started   float64              `json:"started_per_second"` // attempts
	Finished  float64              `json:"finished_per_second"`
	Store     map[string]StoreRow  `json:"store"` // by what was asked of it: submit, lease, finish
	Plugins   []TaskPluginRow      `json:"plugins"`
}

// StoreRow is what the store was asked since the start.
type StoreRow struct {
	Calls  int64   `json:"calls"`
	MeanMS float64 `json:"mean_ms"` // with the wait for its commit
}

// TaskPluginRow is a plugin of which tasks are kept.
type TaskPluginRow struct {
	Namespace string               `json:"namespace"`
	Plugin    string               `json:"plugin"`
	States    map[task.State]int64 `json:"states"`
	Running   int                  `json:"running"`
	LagMS     float64              `json:"lag_ms"`  // how long the task begun last had waited since it was due; 0: none was lately
	RestMS    float64              `json:"rest_ms"` // until when none is begun, since its version refuses calls or for its rate
}

func (t *Tasks) row() *TasksRow {
	row := &TasksRow{
		States: map[task.State]int64{}, Running: t.Running, Submitted: t.SubmitRate, Started: t.StartRate, Finished: t.FinishRate,
		Store: map[string]StoreRow{}, Plugins: []TaskPluginRow{},
	}
	for call, c := range t.Store {
		s := StoreRow{Calls: c.Calls}
		if c.Calls > 0 {
			s.MeanMS = milliseconds(c.Time) / float64(c.Calls)
		}
		row.Store[call] = s
	}
	type name struct{ namespace, plugin string }
	plugins := map[name]*TaskPluginRow{}
	of := func(namespace, plugin string) *TaskPluginRow {
		n := name{namespace, plugin}
		if plugins[n] == nil {
			plugins[n] = &TaskPluginRow{Namespace: namespace, Plugin: plugin, States: map[task.State]int64{}}
		}
		return plugins[n]
	}
	for _, c := range t.Counts {
		row.States[c.State] += c.Tasks
		of(c.Namespace, c.Plugin).States[c.State] += c.Tasks
	}
	for _, p := range t.Plugins {
		r := of(p.Namespace, p.Plugin)
		r.Running, r.LagMS, r.RestMS = p.Running, milliseconds(p.Lag), milliseconds(p.Rest)
	}
	for _, r := range plugins {
		row.Plugins = append(row.Plugins, *r)
	}
	slices.SortFunc(row.Plugins, func(a, b TaskPluginRow) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Plugin, b.Plugin))
	})
	return row
}
