package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/served"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

// onPlain has a process of its own do the same on plain wazero, since guests
// there keep a process from whatever else it has to do. What that process does
// not get done in time is given up, and it is killed.
func (c *gcCmd) onPlain(ctx context.Context, g *globals) ([]measured, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, 2*c.Most+10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(limited, self, "plain-gc", "--guests", g.Guests, "--times", strconv.Itoa(c.Times),
		"--pause", c.Pause.String(), "--spin", c.Spin.String(), "--most", c.Most.String())
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t := newTally("plain wazero", c.Times)
	for steps := json.NewDecoder(out); ; {
		var step collection
		if steps.Decode(&step) != nil { // the end, be it cut off
			break
		}
		t.add(step)
	}
	rows := t.rows(nil)
	if err := cmd.Wait(); err != nil && limited.Err() == nil {
		return nil, fmt.Errorf("%w\n%s", err, log.String())
	}
	return rows, ctx.Err()
}

// plainGCCmd is what gc starts: it prints each step as JSON.
type plainGCCmd struct{ gcCmd }

// Run makes the series on plain wazero.
func (c *plainGCCmd) Run(ctx context.Context, t *terminal.IO, g *globals) error {
	served.MorePs()
	p, err := newPlain(ctx, g, "loop")
	if err != nil {
		return err
	}
	turns, err := c.calibrate(func(input []byte) error {
		_, err := p.Call(ctx, "loop", input)
		return err
	})
	if err != nil {
		return err
	}
	steps := json.NewEncoder(t.Out)
	// Nobody is left to be told that the other end of the pipe is gone.
	tell := func(step collection) { _ = steps.Encode(step) }
	return c.both(ctx, tell, func(ctx context.Context) error {
		_, err := p.Call(ctx, "loop", turns)
		return err
	})
}
