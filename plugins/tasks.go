package plugins

import (
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// Tasks say how durable tasks of the plugin are treated. Those of the live version hold.
type Tasks struct {
	Retries     *int           `toml:"retries" json:"retries,omitempty"`         // attempts after the first, 0 to 100
	Backoff     *task.Duration `toml:"backoff" json:"backoff,omitempty"`         // before the second, doubled for each further one
	MaxBackoff  *task.Duration `toml:"max_backoff" json:"max_backoff,omitempty"` // up to this
	Concurrency *int           `toml:"concurrency" json:"concurrency,omitempty"` // attempts at the same time; 0: not bounded
	Rate        *float64       `toml:"rate" json:"rate,omitempty"`               // attempts begun in a second; 0: not bounded
	Keep        *task.Duration `toml:"keep" json:"keep,omitempty"`               // how long an ended task is kept
	KeepDead    *task.Duration `toml:"keep_dead" json:"keep_dead,omitempty"`     // how long a dead one is
}

// longestKept bounds the times of a Tasks.
const longestKept = task.Duration(10 * 365 * 24 * time.Hour)

// over returns the policy that follows from what the manifest says and leaves out.
func (t Tasks) over(p task.Policy, bad func(format string, args ...any)) task.Policy {
	if t.Retries != nil {
		if p.Retries = *t.Retries; p.Retries < 0 || p.Retries > 100 {
			bad("tasks.retries is %d; it must be from 0 to 100", p.Retries)
		}
	}
	for _, d := range []struct {
		key string
		set *task.Duration
		to  *task.Duration
	}{
		{"backoff", t.Backoff, &p.Backoff},
		{"max_backoff", t.MaxBackoff, &p.MaxBackoff},
		{"keep", t.Keep, &p.Keep},
		{"keep_dead", t.KeepDead, &p.KeepDead},
	} {
		if d.set == nil {
			continue
		}
		if *d.set <= 0 || *d.set > longestKept {
			bad("tasks.%s is %v; it must be over 0 and at most ten years", d.key, *d.set)
		}
		*d.to = *d.set
	}
	switch {
	case p.Backoff <= p.MaxBackoff:
	case t.MaxBackoff == nil:
		p.MaxBackoff = p.Backoff
	case t.Backoff == nil:
		p.Backoff = p.MaxBackoff
	default:
		bad("tasks.backoff is %v, more than tasks.max_backoff (%v)", p.Backoff, p.MaxBackoff)
	}
	if t.Concurrency != nil {
		if p.Concurrency = *t.Concurrency; p.Concurrency < 0 || p.Concurrency > 1_000_000 {
			bad("tasks.concurrency is %d; it must be from 0 to 1000000", p.Concurrency)
		}
	}
	if t.Rate != nil {
		if p.Rate = *t.Rate; p.Rate < 0 || p.Rate > 1e9 {
			bad("tasks.rate is %v; it must be from 0 to 1000000000", p.Rate)
		}
	}
	return p
}
