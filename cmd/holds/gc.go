package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/commandline"
	"github.com/marketprism/prismrt/cmd/internal/served"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
	"github.com/marketprism/prismrt/cmd/internal/timings"
	"github.com/marketprism/prismrt/host/prism"
	"github.com/marketprism/prismrt/host/wasi"
	"github.com/marketprism/prismrt/runtime/config"
	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/sched"
	"github.com/marketprism/prismrt/runtime/task"
)

type gcCmd struct {
	Times int           `default:"50" help:"Collections of a series."`
	Pause time.Duration `default:"10ms" help:"How long after one the next begins."`
	bounds
}

// Help is shown by "holds gc --help".
func (*gcCmd) Help() string {
	return "A server has no call that collects its garbage, so this runs the server's engine in its own process: four guests loop, " +
		"runtime.GC() is called and timed. Then the same on plain wazero, in a process of its own. Both have as many Ps as " +
		"\"prismrt serve\" gives itself."
}

// Run makes the series and prints them.
func (c *gcCmd) Run(ctx context.Context, t *terminal.IO, g *globals) error {
	if c.Times < 1 || c.Pause < 0 || c.Spin <= 0 || c.Most <= 0 {
		return commandline.Misuse(errors.New("--times, --spin and --most must be over 0, and --pause not below"))
	}
	rows, err := c.onEngine(ctx, g)
	if err != nil {
		return fmt.Errorf("runtime/engine: %w", err)
	}
	plain, err := c.onPlain(ctx, g)
	if err != nil {
		return fmt.Errorf("plain wazero: %w", err)
	}
	rows = append(rows, plain...)
	title := fmt.Sprintf("runtime.GC() while %d guests loop, in ms", crowd)
	return errors.Join(reportMeasured(t, g, title, rows), firstFailure(rows))
}

// onEngine collects while guests loop as they do in a server.
func (c *gcCmd) onEngine(ctx context.Context, g *globals) (rows []measured, err error) {
	cores := served.MorePs()
	module, err := g.module("loop")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "prismrt-holds-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	e, err := engine.New(ctx, engine.Options{
		CacheDir: dir,
		Hosts:    []engine.Host{{Name: wasi.Module, Instantiate: wasi.Instantiate}, {Name: prism.Module, Instantiate: prism.Instantiate}},
	})
	if err != nil {
		return nil, err
	}
	limits := config.Default().Default.Limits()
	limits.Fuel = config.Default().Max.Limits().Fuel
	program, err := e.Compile(ctx, task.Version{
		Ref:    task.Ref{Namespace: task.DefaultNamespace, Plugin: "loop", Version: 1},
		Digest: task.DigestOf(module), ABI: task.ABIPrism, Function: "handle", Limits: limits,
	}, module)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, program.Close(context.WithoutCancel(ctx))) }()
	flow := sched.New(sched.Options{Cores: cores}).Flow(task.DefaultNamespace, "loop")
	defer flow.Close()
	t := newTally("runtime/engine", c.Times)
	failed := c.both(ctx, t.add, func(ctx context.Context) (err error) {
		i, err := program.Instantiate(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, i.Close(context.WithoutCancel(ctx))) }()
		limited, cancel := context.WithTimeout(ctx, spinLimit)
		defer cancel()
		var turn sched.Turn
		if err := flow.Begin(limited, &turn, sched.Call{}); err != nil {
			return err
		}
		defer turn.End(0)
		_, _, err = i.Run(limited, task.Invocation{ID: task.NewID(), Input: []byte("attack")}, &turn)
		if f := task.FaultOf(err); f != nil && f.Kind == task.KindDeadline {
			return nil
		}
		return fmt.Errorf("a guest that loops ended: %w", err)
	})
	return t.rows(failed), ctx.Err()
}

// collection is a step of a series: a collection of garbage begins, or has taken
// so long.
type collection struct {
	Spinning int           `json:"spinning"` // guests
	Took     time.Duration `json:"took_ns"`  // zero: it begins
}

// both makes a series while nobody spins, and one while guests do.
func (c *gcCmd) both(ctx context.Context, tell func(collection), spin func(context.Context) error) error {
	c.series(ctx, 0, tell)
	stop := spinners(ctx, spin)
	time.Sleep(spinUp)
	c.series(ctx, crowd, tell)
	return stop()
}

// series collects garbage, again and again.
func (c *gcCmd) series(ctx context.Context, spinning int, tell func(collection)) {
	end := time.Now().Add(c.Most)
	for range c.Times {
		if ctx.Err() != nil || time.Now().After(end) {
			return
		}
		tell(collection{Spinning: spinning})
		begun := time.Now()
		goruntime.GC()
		tell(collection{Spinning: spinning, Took: time.Since(begun)})
		time.Sleep(c.Pause)
	}
}

// tally makes rows of collections, as they come.
type tally struct {
	of          string
	wanted      int
	quiet, busy *timings.Histogram
	last        collection
	told        time.Time // of the last
}

func newTally(of string, wanted int) *tally {
	return &tally{of: of, wanted: wanted, quiet: timings.New(), busy: timings.New()}
}

func (t *tally) add(c collection) {
	t.last, t.told = c, time.Now()
	switch {
	case c.Took == 0:
	case c.Spinning == 0:
		t.quiet.Add(c.Took)
	default:
		t.busy.Add(c.Took)
	}
}

// rows returns a row for each series. A collection that has begun and not ended
// was given up.
func (t *tally) rows(failed error) []measured {
	quiet := measured{Of: t.of, Wanted: t.wanted, Spread: t.quiet.Spread()}
	busy := measured{Of: t.of, Wanted: t.wanted, Spread: t.busy.Spread(), Spinning: crowd}
	if t.last.Spinning > 0 && t.last.Took == 0 {
		busy.GaveUpMS = float64(time.Since(t.told).Microseconds()) / 1000
	}
	if failed != nil {
		busy.Failure = failed.Error()
	}
	return []measured{quiet, busy}
}
