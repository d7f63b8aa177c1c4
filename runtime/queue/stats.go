package queue

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
)

// counts count since the queue was made.
type counts struct {
	submitted, started, succeeded, failed, dead, canceled, revived, refused, lost, expired, forgotten atomic.Int64
}

// finished is how many attempts came to something.
func (c *counts) finished() int64 {
	return c.succeeded.Load() + c.failed.Load() + c.dead.Load()
}

// meter follows how fast a count grows.
type meter struct {
	last int64         // the count, when it was measured last
	rate atomic.Uint64 // a second, as a float64's bits
}

// measure is called once in each tick. What was measured five ticks ago counts for a third.
func (m *meter) measure(count int64) {
	now := float64(count-m.last) / tick.Seconds()
	m.last = count
	rate := m.perSecond()
	rate += (now - rate) * 0.2
	m.rate.Store(math.Float64bits(rate))
}

func (m *meter) perSecond() float64 { return math.Float64frombits(m.rate.Load()) }

// latency adds up how long calls of the store took.
type latency struct{ calls, nanoseconds atomic.Int64 }

func (l *latency) note(begun time.Time) {
	l.calls.Add(1)
	l.nanoseconds.Add(int64(time.Since(begun)))
}

func (l *latency) stats() Latency {
	return Latency{Calls: l.calls.Load(), Time: time.Duration(l.nanoseconds.Load())}
}

// Latency is how many calls of one sort the store had, and how long they took together.
type Latency struct {
	Calls int64
	Time  time.Duration
}

// Stats is a Queue at a moment. What is counted is so since the queue was made.
type Stats struct {
	// Tasks are how many tasks of each plugin there are in each state, by the store; nil when
	// it does not say.
	Tasks []store.Count

	Submitted int64 // tasks that were taken
	Started   int64 // attempts
	Succeeded int64
	Failed    int64 // attempts that are followed by another one
	Dead      int64
	Canceled  int64
	Revived   int64 // dead and canceled tasks that were sent again
	Refused   int64 // attempts that were none: there was no room, or the version was fenced
	Lost      int64 // attempts whose lease was lost: what they came to is not stored
	Expired   int64 // leases that ran out
	Forgotten int64 // tasks that were kept for long enough

	SubmitRate, StartRate, FinishRate float64 // a second, over some seconds

	Running   int   // attempts
	Leased    int   // tasks that are here, running or not
	LeasedIn  int64 // bytes of their inputs, and outputs that are not stored yet
	Plugins   []PluginStats
	SubmitLag Latency // of the store: until tasks are taken for certain,
	LeaseLag  Latency // handed to workers,
	FinishLag Latency // and their outcomes stored
}

// PluginStats is what is known of a plugin whose tasks ran lately, or wait.
type PluginStats struct {
	Namespace, Plugin string

	Running int   // attempts
	Places  int   // of these that there may be
	Ready   int   // tasks that are leased and not begun
	Queued  int64 // tasks that wait in the store and can be leased, as of a moment ago
	Started int64 // attempts, since the plugin's first task or since there last was none for a minute

	Lag  time.Duration // how long the task begun last had waited since it was due
	Took time.Duration // an attempt, lately
	Rest time.Duration // until when nothing is begun: a refusal, or its rate
}

// Stats tells how things stand.
func (q *Queue) Stats() Stats {
	c := &q.counts
	s := Stats{
		Submitted: c.submitted.Load(), Started: c.started.Load(), Succeeded: c.succeeded.Load(), Failed: c.failed.Load(),
		Dead: c.dead.Load(), Canceled: c.canceled.Load(), Revived: c.revived.Load(), Refused: c.refused.Load(),
		Lost: c.lost.Load(), Expired: c.expired.Load(), Forgotten: c.forgotten.Load(),
		SubmitRate: q.rates.submitted.perSecond(), StartRate: q.rates.started.perSecond(), FinishRate: q.rates.finished.perSecond(),
		SubmitLag: q.latency.submit.stats(), LeaseLag: q.latency.lease.stats(), FinishLag: q.latency.finish.stats(),
	}
	patience, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if counts, err := q.options.Store.Counts(patience); err == nil {
		s.Tasks = counts
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	s.Running, s.Leased, s.LeasedIn = q.running, len(q.held), q.bytes
	now := time.Now()
	for _, l := range q.lines {
		s.Plugins = append(s.Plugins, PluginStats{
			Namespace: l.namespace, Plugin: l.plugin,
			Running: l.workers, Places: l.places(q.options.Cores), Ready: len(l.ready), Queued: max(0, l.more), Started: l.begun,
			Lag: l.lag, Took: time.Duration(l.mean * float64(time.Second)), Rest: max(0, l.rest.Sub(now)),
		})
	}
	slices.SortFunc(s.Plugins, func(a, b PluginStats) int {
		return strings.Compare(a.Namespace+"/"+a.Plugin, b.Namespace+"/"+b.Plugin)
	})
	return s
}
