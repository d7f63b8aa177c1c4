package monitor

import (
	"cmp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Async is who runs and who waits.
type Async struct {
	Layer

	Goroutines         int64   `json:"goroutines"`
	Runnable           int64   `json:"runnable"`   // of these, that wait for a P
	GOMAXPROCS         int64   `json:"gomaxprocs"` // Ps
	Threads            int64   `json:"threads"`
	RunQueueLatencyP99 float64 `json:"run_queue_latency_p99_ms"`             // since the start
	RunQueueLately     float64 `json:"run_queue_latency_p99_ms_last_minute"` // how long goroutines waited for a P
	MutexWaitShare     float64 `json:"mutex_wait_share"`                     // goroutines that waited for a mutex in the last minute, as a mean
	GCAssistShare      float64 `json:"gc_assist_share"`                      // of the CPU time used in the last minute, that goroutines did the collector's work

	Scheduler SchedulerRow `json:"scheduler"`
	Pools     []PoolRow    `json:"pools"`
	Tasks     *TasksRow    `json:"tasks,omitempty"`
}

// SchedulerRow is who runs and who waits for a turn.
type SchedulerRow struct {
	Policy      string           `json:"policy"`
	Cores       int              `json:"cores"`
	Running     int              `json:"running"` // guests with a turn
	Long        int              `json:"long"`    // of these, past their first slice
	Waiting     int              `json:"waiting"`
	Begun       int64            `json:"begun"`       // turns
	WaitedMS    float64          `json:"waited_ms"`   // in line, over all turns
	Refused     map[string]int64 `json:"refused"`     // calls, by reason
	Utilisation float64          `json:"utilisation"` // share of the cores' time that guests had, since the start
	Lately      float64          `json:"utilisation_last_minute"`
	Slices      SlicesRow        `json:"slices"`
	Flows       []FlowRow        `json:"flows"`
}

// SlicesRow is what the guests' slices came to since the start.
type SlicesRow struct {
	UsedUp    int64   `json:"used_up"` // how often a guest came back because its slice was
	MeanMS    float64 `json:"mean_ms"` // of all but each call's first
	LongestMS float64 `json:"longest_ms"`
}

// FlowRow is a plugin in the scheduler's eyes.
type FlowRow struct {
	Namespace string           `json:"namespace"`
	Plugin    string           `json:"plugin"`
	Running   int              `json:"running"`
	Waiting   int              `json:"waiting"`
	WaitedMS  float64          `json:"waited_ms"` // in line, over all turns
	Refused   map[string]int64 `json:"refused"`
	Fuel      int64            `json:"fuel"`
	Drain     float64          `json:"drain_per_second"` // how fast its line went lately; 0: nobody waited yet
}

// PoolRow is the pool of one version.
type PoolRow struct {
	Namespace   string           `json:"namespace"`
	Plugin      string           `json:"plugin"`
	Version     int              `json:"version"`
	Ready       int              `json:"ready"`
	Building    int              `json:"building"`
	Lent        int              `json:"lent"`
	Waiting     int              `json:"waiting"`
	Size        int              `json:"size"` // how many instances are worth having now
	Max         int              `json:"max"`
	Births      int64            `json:"births"`
	BornFor     map[string]int64 `json:"born_for"`      // of these, by reason
	BirthMeanMS float64          `json:"birth_mean_ms"` // failed ones included

	Deaths        map[string]int64 `json:"deaths"` // by cause
	Probes        int64            `json:"probes"` // canary calls made between others
	ProbesFailed  int64            `json:"probes_failed"`
	LifeMeanCalls float64          `json:"life_mean_calls"` // of those that ended; 0: none has
	Utilisation   float64          `json:"utilisation"`     // share of their lives that instances were lent
	Rewinds       int64            `json:"rewinds"`
	PagesMean     float64          `json:"pages_mean"` // of memory that a rewind put back

	// Begins is what each call begins with: "checkpoint", the image of a command at
	// its first read; "start", the image of what has been set up; "anew", an instance
	// of its own. Reason is why not with more than that.
	Begins string `json:"begins"`
	Reason string `json:"reason,omitempty"`
}

func readAsync(l *look, past *reading, seconds float64) Async {
	g := &l.now
	a := Async{
		Goroutines: g.goroutines, Runnable: g.runnable, GOMAXPROCS: g.procs, Threads: g.threads,
		RunQueueLatencyP99: p99(g.latencies) * 1000,
		RunQueueLately:     p99(past.now.latencies) * 1000,
		MutexWaitShare:     rate(past.now.mutexWait, seconds),
		Scheduler:          l.turns.row(), Pools: make([]PoolRow, 0, len(l.pools)),
	}
	if used := past.now.allCPU - past.now.idleCPU; used > 0 {
		a.GCAssistShare = past.now.assistCPU / used
	}
	a.Scheduler.Lately = part(past.busy, past.passed)
	for n := range l.pools {
		a.Pools = append(a.Pools, l.pools[n].row())
	}
	return a
}

func (s *Scheduler) row() SchedulerRow {
	row := SchedulerRow{
		Policy: s.Policy, Cores: s.Cores, Running: s.Running, Long: s.Long, Waiting: s.Waiting,
		Begun: s.Begun, WaitedMS: milliseconds(s.Waited), Refused: s.Refused,
		Utilisation: part(s.Busy, s.Time), Flows: make([]FlowRow, 0, len(s.Flows)),
		Slices: SlicesRow{UsedUp: s.Slices, LongestMS: milliseconds(s.LongestSlice)},
	}
	if s.TimedSlices > 0 {
		row.Slices.MeanMS = milliseconds(s.SliceTime) / float64(s.TimedSlices)
	}
	for _, f := range s.Flows {
		row.Flows = append(row.Flows, FlowRow{
			Namespace: f.Namespace, Plugin: f.Plugin, Running: f.Running, Waiting: f.Waiting, WaitedMS: milliseconds(f.Waited),
			Refused: f.Refused, Fuel: f.Fuel, Drain: f.Drain,
		})
	}
	slices.SortFunc(row.Flows, func(a, b FlowRow) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Plugin, b.Plugin))
	})
	return row
}

func (p *Pool) row() PoolRow {
	row := PoolRow{
		Namespace: p.Ref.Namespace, Plugin: p.Ref.Plugin, Version: p.Ref.Version,
		Ready: p.Ready, Building: p.Building, Lent: p.Lent, Waiting: p.Waiting, Size: p.Size, Max: p.Max, Births: p.Births, BornFor: p.BornFor,
		Begins: p.Begins, Reason: p.Reason, Deaths: p.Deaths, Probes: p.Probes + p.FailedProbes, ProbesFailed: p.FailedProbes,
		Utilisation: part(p.Held, p.Capacity), Rewinds: p.Rewinds,
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
	if p.Rewinds > 0 {
		row.PagesMean = float64(p.Pages) / float64(p.Rewinds)
	}
	return row
}

// part is a share of a time, 0 of none.
func part(of, all time.Duration) float64 {
	if all <= 0 {
		return 0
	}
	return float64(of) / float64(all)
}

// judge compares with the thresholds in the package's documentation.
func (a *Async) judge(past *reading) *judgement {
	j := judge()
	j.from(a.RunQueueLately, 10, 100, "1%% of goroutines waited %.3g ms or more for a P in the last minute: there are too few cores, or something else uses them", a.RunQueueLately)
	if past.refused >= 10 {
		j.from(share(past.refused, past.refused+past.begun), 0.01, 0.1, "%d of %d calls were refused a turn in the last minute: send less, or give it more cores",
			past.refused, past.refused+past.begun)
	}
	if a.Scheduler.Waiting > 0 {
		j.from(a.Scheduler.Lately, 0.95, never, "guests had %.0f%% of the cores' time in the last minute, and calls wait: there is no room for more", 100*a.Scheduler.Lately)
	}
	j.from(a.MutexWaitShare, 1, float64(max(2, a.GOMAXPROCS)), "%.2g goroutines at a time waited for a mutex in the last minute: look at a mutex profile", a.MutexWaitShare)
	return j
}

var (
	instancesDesc = prometheus.NewDesc("prismrt_pool_instances",
		"Instances alive, by state: ready, building or lent.", append(byVersion[:3:3], "state"), nil)
	waitingDesc = prometheus.NewDesc("prismrt_pool_waiting",
		"Calls in line for an instance.", byVersion, nil)
	limitDesc = prometheus.NewDesc("prismrt_pool_instances_limit",
		"Most instances that may be alive at once.", byVersion, nil)
	sizeDesc = prometheus.NewDesc("prismrt_pool_size",
		"Instances worth having, as the pool measures.", byVersion, nil)
	birthsDesc = prometheus.NewDesc("prismrt_pool_births_total",
		"Instances built, by result: ok or failed.", append(byVersion[:3:3], "result"), nil)
	bornForDesc = prometheus.NewDesc("prismrt_pool_born_total",
		"Instances built, by reason: warm-up, demand, spare, renewal or replacement.", append(byVersion[:3:3], "reason"), nil)
	birthSecondsDesc = prometheus.NewDesc("prismrt_pool_birth_seconds_total",
		"Time it took to build instances.", byVersion, nil)
	deathsDesc = prometheus.NewDesc("prismrt_pool_deaths_total",
		"Instances closed, by cause.", append(byVersion[:3:3], "cause"), nil)
	heldDesc = prometheus.NewDesc("prismrt_pool_lent_seconds_total",
		"Time that instances were lent; over the time they lived it is how busy they are.", byVersion, nil)
	livedDesc = prometheus.NewDesc("prismrt_pool_lived_seconds_total",
		"Time that instances lived, ended or alive.", byVersion, nil)
	rewindsDesc = prometheus.NewDesc("prismrt_pool_rewinds_total",
		"Calls after which an instance was made clean.", byVersion, nil)
	pagesDesc = prometheus.NewDesc("prismrt_pool_rewound_pages_total",
		"Pages of memory that rewinds put back.", byVersion, nil)
	turnsDesc = prometheus.NewDesc("prismrt_scheduler_calls",
		"Calls in the scheduler's hands, by state: running or waiting for a turn.", []string{"namespace", "plugin", "state"}, nil)
	waitedDesc = prometheus.NewDesc("prismrt_scheduler_wait_seconds_total",
		"Time that calls waited for a turn.", []string{"namespace", "plugin"}, nil)
	refusedDesc = prometheus.NewDesc("prismrt_scheduler_refused_total",
		"Calls that were refused a turn, by reason.", []string{"namespace", "plugin", "reason"}, nil)
	busyDesc = prometheus.NewDesc("prismrt_scheduler_busy_seconds_total",
		"Time that guests had cores, over all cores.", nil, nil)
	coresDesc = prometheus.NewDesc("prismrt_scheduler_cores",
		"Cores that guests have.", nil, nil)
	slicesDesc = prometheus.NewDesc("prismrt_scheduler_slices_total",
		"Slices of fuel that guests used up.", nil, nil)
	sliceSecondsDesc = prometheus.NewDesc("prismrt_scheduler_timed_slice_seconds_total",
		"Time of the slices used up, each call's first apart.", nil, nil)
	timedSlicesDesc = prometheus.NewDesc("prismrt_scheduler_timed_slices_total",
		"Slices used up, each call's first apart.", nil, nil)
)

func (p *Pool) collect(to sink) {
	of := versionLabels(p.Ref)
	with := func(label string) []string { return append(of[:3:3], label) }
	to.gauge(instancesDesc, float64(p.Ready), with("ready")...)
	to.gauge(instancesDesc, float64(p.Building), with("building")...)
	to.gauge(instancesDesc, float64(p.Lent), with("lent")...)
	to.gauge(waitingDesc, float64(p.Waiting), of...)
	to.gauge(sizeDesc, float64(p.Size), of...)
	to.gauge(limitDesc, float64(p.Max), of...)
	to.counter(birthsDesc, float64(p.Births), with("ok")...)
	to.counter(birthsDesc, float64(p.FailedBirths), with("failed")...)
	to.counter(birthSecondsDesc, p.BirthTime.Seconds(), of...)
	for reason, n := range p.BornFor {
		to.counter(bornForDesc, float64(n), with(reason)...)
	}
	for cause, n := range p.Deaths {
		to.counter(deathsDesc, float64(n), with(cause)...)
	}
	to.counter(heldDesc, p.Held.Seconds(), of...)
	to.counter(livedDesc, p.Capacity.Seconds(), of...)
	to.counter(rewindsDesc, float64(p.Rewinds), of...)
	to.counter(pagesDesc, float64(p.Pages), of...)
}

func (s *Scheduler) collect(to sink) {
	to.counter(busyDesc, s.Busy.Seconds()*float64(s.Cores))
	to.gauge(coresDesc, float64(s.Cores))
	to.counter(slicesDesc, float64(s.Slices))
	to.counter(timedSlicesDesc, float64(s.TimedSlices))
	to.counter(sliceSecondsDesc, s.SliceTime.Seconds())
	for _, f := range s.Flows {
		to.gauge(turnsDesc, float64(f.Running), f.Namespace, f.Plugin, "running")
		to.gauge(turnsDesc, float64(f.Waiting), f.Namespace, f.Plugin, "waiting")
		to.counter(waitedDesc, f.Waited.Seconds(), f.Namespace, f.Plugin)
		for reason, n := range f.Refused {
			to.counter(refusedDesc, float64(n), f.Namespace, f.Plugin, reason)
		}
	}
}
