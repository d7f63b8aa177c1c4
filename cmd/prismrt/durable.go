package main

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/callback"
	"github.com/marketprism/prismrt/runtime/config"
	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/schedule"
	"github.com/marketprism/prismrt/runtime/store/sqlite"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/tracing"
)

// databaseOptions say how safely the database keeps what it is given.
func databaseOptions(c config.Tasks) (o sqlite.Options) {
	if c.Sync == "interval" {
		o.SyncEvery = time.Duration(c.SyncInterval)
	}
	return o
}

// openTasks makes what durable tasks need, above the database.
func (s *server) openTasks(ctx context.Context) error {
	hosts, err := callbackHosts(s.config.Callbacks)
	if err != nil {
		return err
	}
	c := s.config.Tasks
	s.queue = queue.New(queue.Options{
		Store: s.db, Runner: s.invoker, Policy: s.taskPolicy, Resolve: s.resolve, Callback: func(to string) error { return callback.Check(&hosts, to) },
		Namespace: func(string) queue.Share { return queue.Share{Concurrency: c.Concurrency, Rate: c.Rate} },
		Trace:     func(parent string) *task.Trace { return takeTrace(s.tracer, parent) },
		Publish:   s.events.Publish, Cores: cores,
		MostWaiting: c.Waiting, MostOfPlugin: c.PluginWaiting,
		KeepEnded: cmp.Or(c.KeepCount, math.MaxInt64), Grace: max(1, time.Duration(s.config.Server.Grace)), // 0 stands for the defaults there
		Log: s.log,
	})
	s.monitor.Registry.MustRegister(s.queue)
	s.schedules, err = schedule.Open(ctx, schedule.Options{Store: s.db, Queue: s.queue, Check: s.checkSchedule, Publish: s.events.Publish, Log: s.log})
	if err != nil {
		return err
	}
	s.callbacks, err = s.newSender(hosts)
	return err
}

// runTasks has tasks run, schedules submit some, and URLs be told of those that ended,
// until ctx ends.
func (s *server) runTasks(ctx context.Context) error {
	parts := []func(context.Context) error{s.queue.Run, s.schedules.Run}
	if s.callbacks != nil {
		parts = append(parts, s.callbacks.Run)
	}
	errs := make([]error, len(parts))
	var all sync.WaitGroup
	for i, run := range parts {
		all.Go(func() { errs[i] = run(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// taskPolicy is how tasks of a plugin are treated: by the manifest of its live version.
func (s *server) taskPolicy(namespace, plugin string) (queue.Policy, error) {
	p, err := s.catalogue.Plugin(namespace, plugin)
	if err != nil {
		return queue.Policy{}, err
	}
	of := s.config.Tasks.Policy()
	if v, err := p.Version(p.Live); err == nil {
		of = v.Run.Tasks
	}
	return queue.Policy{
		Retries: &of.Retries, Backoff: time.Duration(of.Backoff), MostBackoff: time.Duration(of.MaxBackoff),
		Concurrency: of.Concurrency, Rate: of.Rate, Keep: time.Duration(of.Keep), KeepDead: time.Duration(of.KeepDead),
		KeyTTL: time.Duration(s.config.Tasks.Keys),
	}, nil
}

// checkSchedule refuses a schedule whose tasks would be refused.
func (s *server) checkSchedule(ctx context.Context, of queue.Submission) error {
	if p, err := s.catalogue.Plugin(of.Namespace, of.Plugin); err == nil {
		if v, err := p.Version(p.Live); err == nil {
			if err := v.RunsTasks(); err != nil {
				return err
			}
		}
	}
	return s.queue.Check(ctx, of)
}

// resolve finds the version that a task is pinned to.
func (s *server) resolve(namespace, plugin, version string) (number int, digest task.Digest, err error) {
	p, err := s.catalogue.Plugin(namespace, plugin)
	if err != nil {
		return 0, "", err
	}
	number = p.Live
	if version != "pinned" {
		if number, err = strconv.Atoi(version); err != nil {
			return 0, "", task.Faultf(task.KindInvalid, "version is %.80q; write live, pinned, or a number", version)
		}
	} else if number == 0 {
		return 0, "", task.Faultf(task.KindConflict, "%s has no live version that the task could be pinned to; make one live, or name one", plugin)
	}
	var v plugins.Version
	if v, err = p.Version(number); err != nil {
		return 0, "", err
	}
	return number, v.Digest, nil
}

// takeTrace takes up the trace that a task was submitted with, for one attempt.
func takeTrace(t *tracing.Tracer, parent string) *task.Trace {
	header := http.Header{}
	if parent != "" {
		header.Set("Traceparent", parent)
	}
	return t.Take(header)
}

// toldTasks is what the monitor is told of tasks.
func toldTasks(s queue.Stats) monitor.Tasks {
	t := monitor.Tasks{
		Running: s.Running, SubmitRate: s.SubmitRate, StartRate: s.StartRate, FinishRate: s.FinishRate,
		Store: map[string]monitor.StoreCalls{
			"submit": monitor.StoreCalls(s.SubmitLag), "lease": monitor.StoreCalls(s.LeaseLag), "finish": monitor.StoreCalls(s.FinishLag),
		},
	}
	for _, c := range s.Tasks {
		t.Counts = append(t.Counts, monitor.TaskCount(c))
	}
	for _, p := range s.Plugins {
		t.Plugins = append(t.Plugins, monitor.TaskPlugin{Namespace: p.Namespace, Plugin: p.Plugin, Running: p.Running, Lag: p.Lag, Rest: p.Rest})
	}
	return t
}
