package main

import (
	"context"
	"errors"

	"github.com/marketprism/prismrt/cmd/internal/commandline"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

type fairnessCmd struct {
	load    `embed:"" set:"work=10ms" set:"deadline=1s" set:"seconds=10"` //nolint:staticcheck // kong takes a tag for each
	Times   float64                                                       `default:"20" help:"The flood, in multiples of what the server can answer."`
	Backlog int                                                           `default:"8" help:"Calls that the other plugin keeps in flight when it, too, has always something to do."`
}

// Help is shown by "load fairness --help".
func (*fairnessCmd) Help() string {
	return "Two plugins of the same module stand for two tenants. B makes one call at a time, first alone, then while A is sent many " +
		"times what the server can answer, whatever becomes of it; then B, too, keeps several calls in flight. Shares are of fuel, " +
		"the instructions that answers say were used, those of calls included that were stopped."
}

// phase is what became of the two in one load.
type phase struct {
	Name  string  `json:"name"`
	A     *counts `json:"a,omitempty"` // nil: it makes no calls
	B     counts  `json:"b"`
	Usage usage   `json:"usage"`

	Share    float64 `json:"b_share"`        // the part of all fuel that B burnt
	P50Ratio float64 `json:"b_p50_to_alone"` // 0 when there were no answers
	P99Ratio float64 `json:"b_p99_to_alone"`
}

// compare fills in what follows from the counts, and those of B alone.
func (p *phase) compare(alone counts) {
	all := p.B.Fuel
	if p.A != nil {
		all += p.A.Fuel
	}
	p.Share = float64(p.B.Fuel) / float64(max(all, 1))
	if alone.AllTimes.Count > 0 {
		p.P50Ratio = p.B.AllTimes.P50MS / alone.AllTimes.P50MS
		p.P99Ratio = p.B.AllTimes.P99MS / alone.AllTimes.P99MS
	}
}

// Run measures and prints.
func (f *fairnessCmd) Run(ctx context.Context, t *terminal.IO, g *globals) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	if f.Times <= 0 || f.Backlog < 1 {
		return commandline.Misuse(errors.New("--times and --backlog must be over 0"))
	}
	oneP()
	tick, end := t.Progress(4, "measuring")
	defer end()
	b, stop, err := f.startBurning(ctx, g, "a", "b")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	tick()
	var phases []phase
	for _, want := range []struct {
		name  string
		times float64
		calls int // of B
	}{
		{"B alone", 0, 1},
		{"A floods, B one at a time", f.Times, 1},
		{"A floods, B always has calls", f.Times, f.Backlog},
	} {
		p, err := f.phase(ctx, b, want.times*b.capacity.goodPerSecond(), want.calls)
		if err != nil {
			return err
		}
		p.Name = want.name
		phases = append(phases, p)
		phases[len(phases)-1].compare(phases[0].B)
		tick()
	}
	end()
	return f.report(t, g, b, phases)
}

// phase sends A so many calls a second, none for 0, while B keeps some in flight.
func (f *fairnessCmd) phase(ctx context.Context, b *burning, perSecond float64, calls int) (phase, error) {
	few := b.connect(calls, "b")
	defer disconnect(few)
	tallies := []*tally{b.tally()}
	if perSecond > 0 {
		many := b.connect(f.Outstanding, "a")
		defer disconnect(many)
		t := b.tally()
		tallies = append(tallies, t)
		defer openLoop(ctx, many, perSecond, b.random, t).stop()
	}
	defer closedLoop(ctx, few, tallies[0]).stop()
	used, all, err := window(ctx, b.Process, f.Warm, seconds(f.Seconds), tallies...)
	if err != nil {
		return phase{}, err
	}
	p := phase{B: all[0], Usage: used}
	if len(all) > 1 {
		p.A = &all[1]
	}
	return p, nil
}
