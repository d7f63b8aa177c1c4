package pool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Options sizes a pool and says how its instances are looked after. A zero field
// takes the default in brackets.
type Options[T any] struct {
	// Min instances are kept alive, built before they are asked for [none].
	Min int

	// Max bounds the instances alive at once: lent, ready, being built, being probed
	// and being destroyed. It is at least 1 and at least Min.
	Max int

	// Cores is how many instances can compute at the same time. With it the pool
	// sizes itself between Min and Max by what the Reports say. Zero: it is not known
	// how the loans spend their time, and the size is Max.
	Cores int

	// Waiting bounds the callers in line for whom no instance is being built. Zero:
	// nobody waits for longer than a build.
	Waiting int

	// OnSize is told the size at each beat; nil: nobody is.
	OnSize func(int)

	// Idle is how long an instance above Min is kept unused before it is closed [1m].
	// A drop in what the Reports say lowers the size only after this time, too.
	Idle time.Duration

	// Age is how long an instance lives before another takes its place. Zero: for ever.
	Age time.Duration

	// MaxFaults is how many faults of ours in a row an instance is closed for [3].
	MaxFaults int

	// Beat is how often Run looks after the instances [500ms]. Times in Lives and
	// limits of time are good to one beat.
	Beat time.Duration

	// Probe checks an idle instance, which nobody is lent meanwhile, and leaves it as
	// clean as it was; nil: none is probed. An error, also a panic, closes the
	// instance. Its context ends when Run's does or when the pool closes; any other
	// bound is the probe's own.
	Probe func(context.Context, T) error

	// ProbeEvery is the time between two probes [1m]. One that finds no idle instance is left out.
	ProbeEvery time.Duration

	// OnProbe is told the outcome of each probe, nil when it went well.
	OnProbe func(error)

	// OnEnd is told of each instance that was destroyed; nil: nobody is.
	OnEnd func(Life)

	// Trim gives back what an idle instance can do without; nil: none is trimmed. It
	// is called once between two loans.
	Trim func(T)

	// TrimAfter is how long an instance sits idle before it is trimmed [10s].
	TrimAfter time.Duration
}

func (o Options[T]) filled() Options[T] {
	fill := func(d *time.Duration, with time.Duration) {
		if *d == 0 {
			*d = with
		}
	}
	fill(&o.Idle, time.Minute)
	fill(&o.Beat, 500*time.Millisecond)
	fill(&o.ProbeEvery, time.Minute)
	fill(&o.TrimAfter, 10*time.Second)
	if o.MaxFaults == 0 {
		o.MaxFaults = 3
	}
	return o
}

// check reports every field that is out of bounds.
func (o Options[T]) check() error {
	var errs []error
	atLeast := func(field string, v, least int) {
		if v < least {
			errs = append(errs, fmt.Errorf("%s is %d and must be at least %d", field, v, least))
		}
	}
	atLeast("Min", o.Min, 0)
	atLeast("Max", o.Max, max(o.Min, 1))
	atLeast("Cores", o.Cores, 0)
	atLeast("Waiting", o.Waiting, 0)
	atLeast("MaxFaults", o.MaxFaults, 1)
	noShorter := func(field string, d, least time.Duration) {
		if d < least {
			errs = append(errs, fmt.Errorf("%s is %v and must be at least %v", field, d, least))
		}
	}
	noShorter("Idle", o.Idle, time.Microsecond)
	noShorter("Age", o.Age, 0)
	noShorter("Beat", o.Beat, time.Microsecond)
	noShorter("ProbeEvery", o.ProbeEvery, time.Microsecond)
	noShorter("TrimAfter", o.TrimAfter, time.Microsecond)
	return errors.Join(errs...)
}

// jittered shortens a limit by up to a fifth, so that instances that were born
// together do not die together.
func jittered(d time.Duration) time.Duration {
	return d - rand.N(d/5+1)
}
