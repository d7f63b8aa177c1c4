package queue

import "github.com/prometheus/client_golang/prometheus"

var (
	byPlugin = []string{"namespace", "plugin"}

	tasksDesc = prometheus.NewDesc("prismrt_tasks",
		"Tasks that are kept, by state.", append(byPlugin[:2:2], "state"), nil)
	submittedDesc = prometheus.NewDesc("prismrt_tasks_submitted_total",
		"Tasks that were taken.", nil, nil)
	startedDesc = prometheus.NewDesc("prismrt_tasks_attempts_total",
		"Attempts at tasks that were begun.", nil, nil)
	endedDesc = prometheus.NewDesc("prismrt_tasks_ended_total",
		"Tasks that ended, by state.", []string{"state"}, nil)
	retriedDesc = prometheus.NewDesc("prismrt_tasks_failed_total",
		"Attempts at tasks that failed and are followed by another one.", nil, nil)
	revivedDesc = prometheus.NewDesc("prismrt_tasks_sent_again_total",
		"Dead and canceled tasks that were sent again.", nil, nil)
	refusalsDesc = prometheus.NewDesc("prismrt_tasks_refused_total",
		"Attempts at tasks that were none: there was no room, or the version was fenced.", nil, nil)
	lostDesc = prometheus.NewDesc("prismrt_tasks_leases_lost_total",
		"Attempts whose lease was lost, so that what they came to is not stored.", nil, nil)
	expiredDesc = prometheus.NewDesc("prismrt_tasks_leases_expired_total",
		"Leases that ran out.", nil, nil)
	forgottenDesc = prometheus.NewDesc("prismrt_tasks_forgotten_total",
		"Ended tasks that were kept for long enough.", nil, nil)
	runningDesc = prometheus.NewDesc("prismrt_tasks_running",
		"Attempts at tasks under way.", byPlugin, nil)
	lagDesc = prometheus.NewDesc("prismrt_tasks_lag_seconds",
		"How long the task begun last had waited since it was due.", byPlugin, nil)
	leasedDesc = prometheus.NewDesc("prismrt_tasks_leased_bytes",
		"Inputs and outputs of tasks that are in hand.", nil, nil)
	storeCallsDesc = prometheus.NewDesc("prismrt_tasks_store_calls_total",
		"Calls of the store of tasks.", []string{"call"}, nil)
	storeSecondsDesc = prometheus.NewDesc("prismrt_tasks_store_seconds_total",
		"Time that calls of the store of tasks took, waits for their commit included.", []string{"call"}, nil)
)

// Describe implements prometheus.Collector.
func (q *Queue) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		tasksDesc, submittedDesc, startedDesc, endedDesc, retriedDesc, revivedDesc, refusalsDesc, lostDesc, expiredDesc,
		forgottenDesc, runningDesc, lagDesc, leasedDesc, storeCallsDesc, storeSecondsDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (q *Queue) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	s := q.Stats()
	for _, c := range s.Tasks {
		gauge(tasksDesc, float64(c.Tasks), c.Namespace, c.Plugin, string(c.State))
	}
	counter(submittedDesc, float64(s.Submitted))
	counter(startedDesc, float64(s.Started))
	counter(endedDesc, float64(s.Succeeded), "succeeded")
	counter(endedDesc, float64(s.Dead), "dead")
	counter(endedDesc, float64(s.Canceled), "canceled")
	counter(retriedDesc, float64(s.Failed))
	counter(revivedDesc, float64(s.Revived))
	counter(refusalsDesc, float64(s.Refused))
	counter(lostDesc, float64(s.Lost))
	counter(expiredDesc, float64(s.Expired))
	counter(forgottenDesc, float64(s.Forgotten))
	gauge(leasedDesc, float64(s.LeasedIn))
	for _, p := range s.Plugins {
		gauge(runningDesc, float64(p.Running), p.Namespace, p.Plugin)
		gauge(lagDesc, p.Lag.Seconds(), p.Namespace, p.Plugin)
	}
	for call, l := range map[string]Latency{"submit": s.SubmitLag, "lease": s.LeaseLag, "finish": s.FinishLag} {
		counter(storeCallsDesc, float64(l.Calls), call)
		counter(storeSecondsDesc, l.Time.Seconds(), call)
	}
}
