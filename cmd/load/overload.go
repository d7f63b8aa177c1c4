package main

import (
	"context"
	"errors"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/commandline"
	"github.com/marketprism/prismrt/cmd/internal/served"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

// restTime is between two loads, for the server to have nothing to do.
const restTime = time.Second

type overloadCmd struct {
	load  `embed:"" set:"work=5ms" set:"deadline=500ms" set:"seconds=5"` //nolint:staticcheck // kong takes a tag for each
	Times []float64                                                      `default:"0.5,1,2,5" help:"The loads, in multiples of what the server can answer."`
}

// Help is shown by "load overload --help".
func (*overloadCmd) Help() string {
	return "Calls are made at random times that do not depend on the answers, as many a second as the load says. A good answer comes " +
		"before the deadline, counted from when the call was due to be sent."
}

// step is what became of one load.
type step struct {
	Times   float64       `json:"times"` // of the capacity
	Offered float64       `json:"offered_per_second"`
	Counts  counts        `json:"counts"`
	ToPeak  float64       `json:"good_to_peak"` // its goodput, to the most there was in any
	Usage   usage         `json:"usage"`
	Memory  served.Memory `json:"memory"`
	After   uint64        `json:"resident_after_bytes"` // after a rest
}

// Run measures and prints.
func (o *overloadCmd) Run(ctx context.Context, t *terminal.IO, g *globals) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	for _, times := range o.Times {
		if times <= 0 {
			return commandline.Misuse(errors.New("--times must be over 0"))
		}
	}
	oneP()
	tick, end := t.Progress(1+len(o.Times), "measuring")
	defer end()
	b, stop, err := o.startBurning(ctx, g, "burn")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	tick()
	crowd := b.connect(o.Outstanding, "burn")
	defer disconnect(crowd)
	var steps []step
	for _, times := range o.Times {
		s, err := o.step(ctx, b, crowd, times*b.capacity.goodPerSecond())
		if err != nil {
			return err
		}
		s.Times = times
		steps = append(steps, s)
		tick()
	}
	end()
	peak := b.capacity.goodPerSecond()
	for _, s := range steps {
		peak = max(peak, s.Counts.goodPerSecond())
	}
	for i := range steps {
		steps[i].ToPeak = steps[i].Counts.goodPerSecond() / peak
	}
	return o.report(t, g, b, peak, steps)
}

// step offers so many calls a second.
func (o *overloadCmd) step(ctx context.Context, b *burning, crowd []*connection, perSecond float64) (step, error) {
	memory := b.WatchMemory()
	t := b.tally()
	g := openLoop(ctx, crowd, perSecond, b.random, t)
	used, all, err := window(ctx, b.Process, o.Warm, seconds(o.Seconds), t)
	g.stop()
	took := memory.End()
	if err == nil {
		err = sleep(ctx, restTime)
	}
	if err != nil {
		return step{}, err
	}
	return step{Offered: perSecond, Counts: all[0], Usage: used, Memory: took, After: b.Resident()}, nil
}
