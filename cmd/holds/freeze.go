package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/commandline"
	"github.com/marketprism/prismrt/cmd/internal/served"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
	"github.com/marketprism/prismrt/cmd/internal/timings"
	"github.com/marketprism/prismrt/sdk/client"
)

// spinLimit is the deadline of a spinning call, after which it is made again.
const spinLimit = 30 * time.Second

// spinUp is how long spinning guests get to begin before anything is measured.
const spinUp = 500 * time.Millisecond

type freezeCmd struct {
	Calls int           `default:"1000" help:"Short calls of a series."`
	Pause time.Duration `default:"5ms" help:"How long after an answer the next call is made."`
	Guest string        `default:"loop" help:"What the four guests on prismrt do: a guest of limits that goes on until its deadline."`
	bounds
}

// bounds are for what nothing can stop.
type bounds struct {
	Spin time.Duration `default:"2s" help:"How long, about, one guest alone spins on plain wazero, where nothing can stop it. It is then called again."`
	Most time.Duration `default:"30s" help:"The most a series may take; what is left of it then is given up."`
}

// Help is shown by "holds freeze --help".
func (*freezeCmd) Help() string {
	return "A client on warm connections makes a short call, waits for the answer, pauses, and so on; while nobody spins, and while " +
		"four guests do. First on prismrt; then on plain wazero behind a small HTTP server, without metering and without " +
		"CloseOnContextDone, in a process of its own, with the same guests, the same client and as many Ps."
}

// Run makes the series and prints them.
func (f *freezeCmd) Run(ctx context.Context, t *terminal.IO, g *globals) error {
	if f.Calls < 1 || f.Pause < 0 || f.Spin <= 0 || f.Most <= 0 {
		return commandline.Misuse(errors.New("--calls, --spin and --most must be over 0, and --pause not below"))
	}
	guests, err := selected([]string{f.Guest})
	if err == nil && (guests[0].start || guests[0].ends[0] != client.KindDeadline) {
		err = fmt.Errorf("%s does not go on until its deadline", f.Guest)
	}
	if err != nil {
		return commandline.Misuse(err)
	}
	tick, end := t.Progress(4*f.Calls, "calling")
	defer end()
	rows, err := f.onPrismrt(ctx, g, tick)
	if err != nil {
		return fmt.Errorf("prismrt: %w", err)
	}
	plain, err := f.onPlain(ctx, g, tick)
	if err != nil {
		return fmt.Errorf("plain wazero: %w", err)
	}
	end()
	rows = append(rows, plain...)
	title := fmt.Sprintf("short calls over HTTP, %v apart, while %d guests spin (%s), in ms", f.Pause, crowd, f.Guest)
	return errors.Join(reportMeasured(t, g, title, rows), firstFailure(rows))
}

func (f *freezeCmd) onPrismrt(ctx context.Context, g *globals, tick func()) (rows []measured, err error) {
	server, stop, err := served.Prismrt(ctx, g.Server, "[server]\ngrace = \"1s\"\n")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	for _, name := range []string{"echo", f.Guest} {
		module, err := g.module(name)
		if err != nil {
			return nil, err
		}
		manifest := fmt.Sprintf("[limits]\ntimeout = %q\n", spinLimit)
		if _, _, err := server.Push(ctx, name, module, client.PushOptions{Manifest: []byte(manifest)}); err != nil {
			return nil, err
		}
	}
	spin := func(ctx context.Context) error {
		_, err := server.Call(ctx, f.Guest, []byte("attack"), client.CallOptions{})
		if p, ok := errors.AsType[*client.Problem](err); ok && p.Kind == client.KindDeadline {
			return nil
		}
		return fmt.Errorf("a spinning call ended as %s: %w", kindOf(err), err)
	}
	return f.both(ctx, "prismrt", server, spin, tick)
}

func (f *freezeCmd) onPlain(ctx context.Context, g *globals, tick func()) ([]measured, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	server, err := served.Start(ctx, self, "plain-serve", "--guests", g.Guests)
	if err != nil {
		return nil, err
	}
	defer server.Kill() // while guests spin it hears nothing else
	turns, err := f.calibrate(func(input []byte) error {
		_, err := server.Call(ctx, "loop", input, client.CallOptions{})
		return err
	})
	if err != nil {
		return nil, err
	}
	spin := func(ctx context.Context) error {
		_, err := server.Call(ctx, "loop", turns, client.CallOptions{})
		return err
	}
	return f.both(ctx, "plain wazero", server, spin, tick)
}

// calibrate returns the input for a loop of about the length of a spin.
func (b *bounds) calibrate(call func(input []byte) error) ([]byte, error) {
	const millions = 200
	input := strconv.AppendInt([]byte("attack "), millions, 10)
	begun := time.Now()
	if err := call(input); err != nil {
		return nil, fmt.Errorf("a loop that should end: %w", err)
	}
	turns := max(1, int64(millions*float64(b.Spin)/float64(time.Since(begun))))
	return strconv.AppendInt([]byte("attack "), turns, 10), nil
}

// both makes a series while nobody spins, and one while guests do.
func (f *freezeCmd) both(ctx context.Context, of string, p *served.Process, spin func(context.Context) error, tick func()) ([]measured, error) {
	if err := warm(ctx, p); err != nil {
		return nil, err
	}
	quiet, err := f.series(ctx, measured{Of: of}, p, tick)
	if err != nil {
		return nil, err
	}
	stop := spinners(ctx, spin)
	time.Sleep(spinUp)
	busy, err := f.series(ctx, measured{Of: of, Spinning: crowd}, p, tick)
	if spun := stop(); spun != nil && busy.Failure == "" {
		busy.Failure = spun.Error()
	}
	return []measured{quiet, busy}, err
}

// warm opens as many connections as there will be calls at once.
func warm(ctx context.Context, p *served.Process) error {
	for range 5 {
		var all sync.WaitGroup
		errs := make([]error, 2*crowd)
		for i := range errs {
			all.Go(func() { errs[i] = short(ctx, p) })
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("a first call: %w", err)
		}
	}
	return nil
}

// short makes a short call.
func short(ctx context.Context, p *served.Process) error {
	result, err := p.Call(ctx, "echo", []byte("hello"), client.CallOptions{})
	if err == nil && string(result.Output) != "hello" {
		err = fmt.Errorf("the answer is %q, not hello", result.Output)
	}
	return err
}

// series makes short calls one after the other. A call that fails ends it.
func (f *freezeCmd) series(ctx context.Context, m measured, p *served.Process, tick func()) (measured, error) {
	goruntime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // the client's own pauses are not what is measured
	limited, cancel := context.WithTimeout(ctx, f.Most)
	defer cancel()
	m.Wanted = f.Calls
	t := timings.New()
	for range f.Calls {
		sent := time.Now()
		err := short(limited, p)
		took := time.Since(sent)
		if ctx.Err() != nil {
			return m, ctx.Err()
		}
		if err != nil {
			m.GaveUpMS = float64(took.Microseconds()) / 1000
			if limited.Err() == nil {
				m.Failure = fmt.Sprintf("a short call failed: %v", err)
			}
			break
		}
		t.Add(took)
		tick()
		time.Sleep(f.Pause)
	}
	m.Spread = t.Spread()
	return m, nil
}

// spinners has guests spin, each again when it ends, until stop. One that fails
// spins no more, and stop returns the error of one that did.
func spinners(ctx context.Context, spin func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	errs := make([]error, crowd)
	for i := range errs {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := spin(ctx); err != nil {
					if ctx.Err() == nil {
						errs[i] = err
					}
					return
				}
			}
		})
	}
	return func() error {
		cancel()
		all.Wait()
		return cmp.Or(errs...)
	}
}
