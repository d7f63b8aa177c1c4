package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/marketprism/prismrt/cmd/internal/commandline"
	"github.com/marketprism/prismrt/cmd/internal/served"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
	"github.com/marketprism/prismrt/cmd/internal/timings"
	"github.com/marketprism/prismrt/sdk/client"
)

type backlogCmd struct {
	Tasks   int `default:"1000000" help:"Tasks of one plugin that wait."`
	Singles int `default:"200" help:"Tasks of another plugin, one after the other, that are timed in each phase."`
}

// Help is shown by "load backlog --help".
func (*backlogCmd) Help() string {
	return "One plugin gets a great many tasks, of which one is begun each second. The memory that takes is measured, and the time until a server that was killed " +
		"is ready again. Then they are let go. In each phase, single tasks of another plugin are timed, from submission to result."
}

// held has a plugin begin a task a second, and released as many as it can.
const (
	held     = "[tasks]\nrate = 1.0\n"
	released = "[tasks]\nrate = 0.0\n"
)

// backlogged is what was measured.
type backlogged struct {
	Tasks    int            `json:"tasks"`
	Alone    timings.Spread `json:"alone"`   // times of single tasks: with an empty queue,
	Waiting  timings.Spread `json:"waiting"` // while the others wait,
	Running  timings.Spread `json:"running"` // and while they run
	Before   uint64         `json:"resident_before_bytes"`
	Resident uint64         `json:"resident_waiting_bytes"`
	Restart  float64        `json:"restart_seconds"` // from the start of the process until it is ready
	After    uint64         `json:"resident_restarted_bytes"`
	Rate     float64        `json:"run_per_second"` // of the others, once they were let go
}

// Run measures and prints.
func (c *backlogCmd) Run(ctx context.Context, t *terminal.IO, g *globals) (err error) {
	if c.Tasks < 1000 || c.Singles < 10 {
		return commandline.Misuse(errors.New("--tasks must be at least 1000 and --singles at least 10"))
	}
	oneP()
	module, err := g.module("upper")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "prismrt-backlog-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	start := func() (*served.Process, error) {
		return served.Start(ctx, g.Server, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data"))
	}
	p, err := start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	tick, end := t.Progress(6, "measuring")
	defer end()
	push := func(plugin, manifest string) error {
		_, _, err := p.Push(ctx, plugin, module, client.PushOptions{Manifest: []byte(manifest)})
		return err
	}
	if err := errors.Join(push("single", ""), push("flood", held)); err != nil {
		return err
	}
	out := backlogged{Tasks: c.Tasks}
	if out.Alone, err = c.singles(ctx, p); err != nil {
		return err
	}
	tick()
	out.Before = p.Resident()
	line := fmt.Sprintf("{\"plugin\":\"flood\",\"input\":%q}\n", strings.Repeat("The quick brown fox jumps over. ", bodySize/32))
	body := strings.Repeat(line, batchLines)
	for n := c.Tasks; n > 0; n -= batchLines {
		if err := submitBatch(ctx, p, body[:min(n, batchLines)*len(line)], min(n, batchLines)); err != nil {
			return err
		}
	}
	tick()
	if out.Waiting, err = c.singles(ctx, p); err != nil {
		return err
	}
	out.Resident = p.Resident()
	tick()
	p.Kill()
	begun := time.Now()
	again, err := start()
	if err != nil {
		return err
	}
	p = again // which is stopped in the end
	out.Restart = time.Since(begun).Seconds()
	if _, err = c.singles(ctx, p); err != nil {
		return err
	}
	out.After = p.Resident()
	tick()
	if err := push("flood", released); err != nil {
		return err
	}
	done, err := succeeded(ctx, p)
	if err != nil {
		return err
	}
	if err := sleep(ctx, 2*time.Second); err != nil { // until the policy is looked at
		return err
	}
	begun = time.Now()
	if out.Running, err = c.singles(ctx, p); err != nil {
		return err
	}
	now, err := succeeded(ctx, p)
	if err != nil {
		return err
	}
	out.Rate = float64(now-done-int64(c.Singles)) / (time.Since(begun).Seconds() + 2)
	tick()
	end()
	return c.report(t, g, &out)
}

// singles times tasks of a plugin, one after the other.
func (c *backlogCmd) singles(ctx context.Context, p *served.Process) (timings.Spread, error) {
	times := timings.New()
	body := bytes.Repeat([]byte("x"), bodySize)
	for range c.Singles {
		begun := time.Now()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Address+"/v1/tasks?plugin=single", bytes.NewReader(body))
		if err != nil {
			return timings.Spread{}, err
		}
		req.Header.Set("Prefer", "wait=30")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return timings.Spread{}, err
		}
		if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
			return timings.Spread{}, errors.Join(fmt.Errorf("a single task was answered with %s", resp.Status), err)
		}
		times.Add(time.Since(begun))
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return timings.Spread{}, err
		}
	}
	return times.Spread(), nil
}

// report prints what was measured.
func (c *backlogCmd) report(t *terminal.IO, g *globals, b *backlogged) error {
	if g.JSON {
		return t.JSON(b)
	}
	ms := func(s timings.Spread) string {
		return fmt.Sprintf("p50 %s ms, p99 %s ms, the longest %s ms", terminal.MS(s.P50MS), terminal.MS(s.P99MS), terminal.MS(s.MaxMS))
	}
	_, err := fmt.Fprintf(t.Out, "%s tasks of %d bytes wait for one plugin\n\n"+
		"single tasks of another: with an empty queue  %s\n"+
		"                         while they wait      %s\n"+
		"                         while they run       %s; %s of them ran a second\n"+
		"resident: %s MiB before, %s MiB while they wait, %s MiB after a restart\n"+
		"killed and started again: ready after %.2f s\n",
		humanize.Comma(int64(b.Tasks)), bodySize, ms(b.Alone), ms(b.Waiting), ms(b.Running), perSecond(b.Rate),
		mebibytes(b.Before), mebibytes(b.Resident), mebibytes(b.After), b.Restart)
	return err
}
