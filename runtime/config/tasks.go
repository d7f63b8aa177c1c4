package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// Tasks is about durable tasks. The values in brackets are the defaults.
type Tasks struct {
	// Sync says when a submission or a result is acknowledged: "always", once the disk has
	// it, so that power loss takes nothing; or "interval", before that: a power loss takes
	// what was acknowledged within the last SyncInterval, a crash of the process nothing
	// ["always", 100ms].
	Sync         string        `toml:"sync"`
	SyncInterval task.Duration `toml:"sync_interval"`

	// Waiting and PluginWaiting bound the tasks that have not ended, in all and of a plugin;
	// more are refused [10,000,000, 5,000,000].
	Waiting       int64 `toml:"waiting"`
	PluginWaiting int64 `toml:"plugin_waiting"`

	// Retries, Backoff and MaxBackoff hold where neither the manifest nor the task says
	// otherwise: attempts after the first, the wait before the second, which is doubled for
	// each further one, and the longest one [3, 1s, 5m].
	Retries    int           `toml:"retries"`
	Backoff    task.Duration `toml:"backoff"`
	MaxBackoff task.Duration `toml:"max_backoff"`

	// Concurrency and Rate bound the attempts of a namespace: at the same time, and begun in
	// a second [0: not bounded].
	Concurrency int     `toml:"concurrency"`
	Rate        float64 `toml:"rate"`

	// Keep is how long ended tasks are kept, KeepDead how long dead ones, and KeepCount how
	// many of both at most; 0: as many as there are [24h, 720h, 1,000,000].
	Keep      task.Duration `toml:"keep"`
	KeepDead  task.Duration `toml:"keep_dead"`
	KeepCount int64         `toml:"keep_count"`

	Keys task.Duration `toml:"keys"` // how long an idempotency key is known [24h]
}

func defaultTasks() Tasks {
	day := task.Duration(24 * time.Hour)
	return Tasks{
		Sync: "always", SyncInterval: task.Duration(100 * time.Millisecond),
		Waiting: 10_000_000, PluginWaiting: 5_000_000,
		Retries: 3, Backoff: task.Duration(time.Second), MaxBackoff: task.Duration(5 * time.Minute),
		Keep: day, KeepDead: 30 * day, KeepCount: 1_000_000, Keys: day,
	}
}

// Policy returns what holds for a plugin whose manifest says nothing.
func (t *Tasks) Policy() task.Policy {
	return task.Policy{Retries: t.Retries, Backoff: t.Backoff, MaxBackoff: t.MaxBackoff, Keep: t.Keep, KeepDead: t.KeepDead}
}

// longest is the most that any of these times may be.
const longest = task.Duration(10 * 365 * 24 * time.Hour)

// check returns what cannot work.
func (t *Tasks) check() (wrong []error) {
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if !slices.Contains([]string{"always", "interval"}, t.Sync) {
		bad("tasks.sync is %q; it must be always or interval", t.Sync)
	}
	if t.SyncInterval < task.Duration(time.Millisecond) || t.SyncInterval > task.Duration(time.Minute) {
		bad("tasks.sync_interval is %v; it must be from 1ms to 1m", t.SyncInterval)
	}
	for key, n := range map[string]int64{"waiting": t.Waiting, "plugin_waiting": t.PluginWaiting} {
		if n < 1 {
			bad("tasks.%s is %d; it must be at least 1", key, n)
		}
	}
	if t.Retries < 0 || t.Retries > 100 {
		bad("tasks.retries is %d; it must be from 0 to 100", t.Retries)
	}
	for key, d := range map[string]task.Duration{
		"backoff": t.Backoff, "max_backoff": t.MaxBackoff, "keep": t.Keep, "keep_dead": t.KeepDead, "keys": t.Keys,
	} {
		if d <= 0 || d > longest {
			bad("tasks.%s is %v; it must be over 0 and at most ten years", key, d)
		}
	}
	if t.Backoff > t.MaxBackoff {
		bad("tasks.backoff is %v, more than tasks.max_backoff (%v)", t.Backoff, t.MaxBackoff)
	}
	if t.Concurrency < 0 || t.Concurrency > 1_000_000 {
		bad("tasks.concurrency is %d; it must be from 0 to 1000000", t.Concurrency)
	}
	if !(t.Rate >= 0 && t.Rate <= 1e9) { // not a number is neither
		bad("tasks.rate is %v; it must be from 0 to 1000000000", t.Rate)
	}
	if t.KeepCount < 0 {
		bad("tasks.keep_count is %d; it must not be negative", t.KeepCount)
	}
	return wrong
}
