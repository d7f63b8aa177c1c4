package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"strings"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/commandline"
	"github.com/marketprism/prismrt/cmd/internal/served"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
	"github.com/marketprism/prismrt/sdk/client"
)

const (
	bodySize = 256                    // bytes of a request's body
	warmUp   = 250 * time.Millisecond // of a turn, not measured
)

type throughputCmd struct {
	Rounds      int     `default:"5" help:"Rounds: in each, every server has its turn."`
	Seconds     float64 `default:"2" help:"How long a turn is measured."`
	Connections []int   `default:"64,256" help:"Keep-alive connections, each with one request at a time."`
}

// Help is shown by "load throughput --help".
func (*throughputCmd) Help() string {
	return "Connections send 256 bytes, wait for the answer, and send again. The guest is the least there is: it answers in capitals. " +
		"Servers have their turns one after the other, so that a ratio is of turns that were seconds apart; all answers are compared.\n\n" +
		"The servers: floor, prismrt's router and net/http with a few lines of Go for a guest; the same with the header lines of prismrt's answers; prismrt; plain wazero with an instance a " +
		"call; plain wazero with four instances a core that are called again as they are, from a channel."
}

// contender is a server that is measured.
type contender struct {
	name    string
	process *served.Process
	stop    func() error
}

// turn is what a contender did in a round.
type turn struct {
	counts
	used usage
}

// Run measures and prints.
func (c *throughputCmd) Run(ctx context.Context, t *terminal.IO, g *globals) (err error) {
	if c.Rounds < 1 || c.Seconds <= 0 || len(c.Connections) == 0 {
		return commandline.Misuse(errors.New("--rounds and --seconds must be over 0"))
	}
	for _, n := range c.Connections {
		if n < 1 {
			return commandline.Misuse(errors.New("--connections must be over 0"))
		}
	}
	oneP()
	contenders, err := c.start(ctx, g)
	defer func() {
		for _, one := range contenders {
			err = errors.Join(err, one.stop())
		}
	}()
	if err != nil {
		return err
	}
	tick, end := t.Progress(len(c.Connections)*c.Rounds*len(contenders), "measuring")
	defer end()
	var rows []pace
	for _, connections := range c.Connections {
		more, err := c.series(ctx, contenders, connections, tick)
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	end()
	return errors.Join(c.report(t, g, rows), firstError(rows))
}

// oneP leaves the generator one P: more take more processor time and make no more
// requests.
func oneP() {
	if os.Getenv("GOMAXPROCS") == "" {
		goruntime.GOMAXPROCS(1)
	}
}

// start starts the contenders, the floor first. Those it returns with an error run, too.
func (c *throughputCmd) start(ctx context.Context, g *globals) (started []contender, err error) {
	module, err := g.module("upper")
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	compared := func(how string) error {
		p, err := served.Start(ctx, self, "compared", how, "--guests", g.Guests)
		if err != nil {
			return fmt.Errorf("%s: %w", how, err)
		}
		started = append(started, contender{how, p, func() error { p.Kill(); return nil }})
		return nil
	}
	for _, how := range []string{"floor", "headers"} {
		if err := compared(how); err != nil {
			return started, err
		}
	}
	p, stop, err := served.Prismrt(ctx, g.Server, "[server]\ngrace = \"1s\"\n")
	if err != nil {
		return started, err
	}
	started = append(started, contender{"prismrt", p, stop})
	if _, _, err := p.Push(ctx, "upper", module, client.PushOptions{}); err != nil {
		return started, err
	}
	for _, how := range []string{"fresh", "pool"} {
		if err := compared(how); err != nil {
			return started, err
		}
	}
	return started, nil
}

// series has each contender its turn in each round, with so many connections.
func (c *throughputCmd) series(ctx context.Context, contenders []contender, connections int, tick func()) ([]pace, error) {
	body := []byte(strings.Repeat("The quick brown fox jumps over. ", bodySize/32))
	want := bytes.ToUpper(body)
	turns := make([][]turn, len(contenders))
	for range c.Rounds {
		for i, one := range contenders {
			goruntime.GC() // in no turn, if it can be helped
			t := &tally{want: want}
			crowd := connect(one.process, connections, "upper", 0, body) // which open while it warms up
			g := closedLoop(ctx, crowd, t)
			used, all, err := window(ctx, one.process, warmUp, seconds(c.Seconds), t)
			g.stop()
			disconnect(crowd)
			if err != nil {
				return nil, err
			}
			turns[i] = append(turns[i], turn{all[0], used})
			tick()
		}
	}
	var rows []pace
	for i, one := range contenders {
		rows = append(rows, paceOf(one.name, connections, turns[i], turns[0]))
	}
	return rows, nil
}
