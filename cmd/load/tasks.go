package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/commandline"
	"github.com/marketprism/prismrt/cmd/internal/served"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
	"github.com/marketprism/prismrt/sdk/client"
)

type tasksCmd struct {
	Rounds     int     `default:"3" help:"Rounds: in each, the bare database, batches, single submissions, and those whose results are waited for have their turns."`
	Tasks      int     `default:"200000" help:"Tasks of a turn of batches, and of the bare database."`
	Seconds    float64 `default:"5" help:"How long single tasks are submitted in a turn."`
	Batches    int     `default:"4" help:"Batches at the same time."`
	Submitters int     `default:"256" help:"Connections that submit single tasks."`
	Pace       float64 `help:"Tasks a second whose results are waited for; 0: half of the single ones that the round before them did."`
}

// Help is shown by "load tasks --help".
func (*tasksCmd) Help() string {
	return "Tasks of 256 bytes are submitted, run and their results stored, all of it synced to the disk; a turn is over when the last task has succeeded. " +
		"Beside them the bare database does the same writes, without HTTP and guests. Then single tasks are submitted at half the pace that they were run, or another, and the results waited for."
}

// taskTurn is what came of the tasks of a turn.
type taskTurn struct {
	Tasks   int64   `json:"tasks"`
	Seconds float64 `json:"seconds"` // from the first submission to the last result
	Usage   usage   `json:"usage"`
	Counts  *counts `json:"counts,omitempty"` // of single submissions
}

func (t *taskTurn) perSecond() float64 { return float64(t.Tasks) / t.Seconds }

// taskRound is a turn of each.
type taskRound struct {
	Bare    float64  `json:"bare_per_second"`
	Batches taskTurn `json:"batches"`
	Singles taskTurn `json:"singles"`
	Awaited taskTurn `json:"awaited"`
}

// Run measures and prints.
func (c *tasksCmd) Run(ctx context.Context, t *terminal.IO, g *globals) (err error) {
	if c.Rounds < 1 || c.Tasks < 1000 || c.Seconds <= 0 || c.Batches < 1 || c.Submitters < 1 || c.Pace < 0 {
		return commandline.Misuse(errors.New("--rounds, --seconds, --batches and --submitters must be over 0, --pace not under, and --tasks at least 1000"))
	}
	oneP()
	module, err := g.module("upper")
	if err != nil {
		return err
	}
	p, stop, err := served.Prismrt(ctx, g.Server, "[server]\ngrace = \"1s\"\n[tasks]\nkeep_count = 0\n")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if _, _, err := p.Push(ctx, "upper", module, client.PushOptions{}); err != nil {
		return err
	}
	tick, end := t.Progress(4*c.Rounds, "measuring")
	defer end()
	var rounds []taskRound
	for range c.Rounds {
		var r taskRound
		if r.Bare, err = c.bare(ctx); err != nil {
			return err
		}
		tick()
		if r.Batches, err = c.turn(ctx, p, c.batches); err != nil {
			return err
		}
		tick()
		if r.Singles, err = c.turn(ctx, p, c.singles); err != nil {
			return err
		}
		tick()
		if r.Awaited, err = c.awaited(ctx, p, cmp.Or(c.Pace, r.Singles.perSecond()/2)); err != nil {
			return err
		}
		tick()
		rounds = append(rounds, r)
	}
	end()
	return c.report(t, g, rounds)
}

// bare has the database alone do the writes of as many tasks, in a process of its own, and
// returns how many it did a second.
func (c *tasksCmd) bare(ctx context.Context) (float64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	return bareIn(ctx, self, c.Tasks, c.Submitters)
}

// turn submits tasks and waits until all have succeeded.
func (c *tasksCmd) turn(ctx context.Context, p *served.Process, submit func(context.Context, *served.Process) (*counts, error)) (taskTurn, error) {
	before, err := succeeded(ctx, p)
	if err != nil {
		return taskTurn{}, err
	}
	accepted, err := submitted(ctx, p)
	if err != nil {
		return taskTurn{}, err
	}
	begun, server, own, busy := time.Now(), p.CPU(), served.OwnCPU(), served.Busy()
	counts, err := submit(ctx, p)
	if err != nil {
		return taskTurn{}, err
	}
	all, err := submitted(ctx, p)
	if err != nil {
		return taskTurn{}, err
	}
	t := taskTurn{Tasks: all - accepted, Counts: counts}
	for done := int64(0); done < t.Tasks; {
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return t, err
		}
		now, err := succeeded(ctx, p)
		if err != nil {
			return t, err
		}
		done = now - before
	}
	t.Seconds = time.Since(begun).Seconds()
	t.Usage = usage{Seconds: t.Seconds, Server: (p.CPU() - server).Seconds(), Generator: (served.OwnCPU() - own).Seconds()}
	t.Usage.Others = max(0, (served.Busy()-busy).Seconds()-t.Usage.Server-t.Usage.Generator)
	return t, nil
}

// batchLines is how many tasks a batch has.
const batchLines = 10_000

// batches submits all tasks of a turn by the batch call.
func (c *tasksCmd) batches(ctx context.Context, p *served.Process) (*counts, error) {
	line := fmt.Sprintf("{\"plugin\":\"upper\",\"input\":%q}\n", strings.Repeat("The quick brown fox jumps over. ", bodySize/32))
	body := strings.Repeat(line, batchLines)
	left := make(chan int, c.Tasks/batchLines+1)
	for n := c.Tasks; n > 0; n -= batchLines {
		left <- min(n, batchLines)
	}
	close(left)
	errs := make([]error, c.Batches)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			for n := range left {
				if errs[i] = submitBatch(ctx, p, body[:n*len(line)], n); errs[i] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return nil, errors.Join(errs...)
}

// submitBatch submits a batch of so many lines and looks for a receipt of each.
func submitBatch(ctx context.Context, p *served.Process, body string, lines int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Address+"/v1/tasks/batch", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	receipts := receiptCounter{}
	if _, err := receipts.ReadFrom(resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusAccepted || receipts.taken != lines {
		return fmt.Errorf("of a batch of %d tasks %d were taken; status %s; the last line: %.300s", lines, receipts.taken, resp.Status, receipts.last)
	}
	return nil
}

// singles submits tasks one by one for a while.
func (c *tasksCmd) singles(ctx context.Context, p *served.Process) (*counts, error) {
	t := &tally{status: http.StatusAccepted}
	crowd := connections(strings.TrimPrefix(p.Address, "http://"), c.Submitters, c.submission(p, ""))
	defer disconnect(crowd)
	t.begin()
	g := closedLoop(ctx, crowd, t)
	err := sleep(ctx, seconds(c.Seconds))
	g.stop()
	all := t.end()
	if err == nil && all.Errors > 0 {
		err = fmt.Errorf("a task was not taken: %s", all.FirstError)
	}
	return &all, err
}

// awaited submits tasks at a pace, and measures from each submission to its result.
func (c *tasksCmd) awaited(ctx context.Context, p *served.Process, perSecond float64) (taskTurn, error) {
	return c.turn(ctx, p, func(ctx context.Context, p *served.Process) (*counts, error) {
		t := &tally{want: bytes.ToUpper(c.body())}
		crowd := connections(strings.TrimPrefix(p.Address, "http://"), 4*c.Submitters, c.submission(p, "Prefer: wait=30\r\n"))
		defer disconnect(crowd)
		g := openLoop(ctx, crowd, perSecond, rand.New(rand.NewPCG(1, 2)), t)
		err := sleep(ctx, warmUp)
		t.begin()
		if err == nil {
			err = sleep(ctx, seconds(c.Seconds))
		}
		all := t.end()
		g.stop()
		if err == nil && all.Errors > 0 {
			err = fmt.Errorf("a result was not the right one: %s", all.FirstError)
		}
		return &all, err
	})
}

func (c *tasksCmd) body() []byte {
	return []byte(strings.Repeat("The quick brown fox jumps over. ", bodySize/32))
}

// submission is a task as it is submitted over the wire.
func (c *tasksCmd) submission(p *served.Process, header string) []byte {
	body := c.body()
	return fmt.Appendf(nil, "POST /v1/tasks?plugin=upper HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n%s\r\n%s",
		strings.TrimPrefix(p.Address, "http://"), len(body), header, body)
}
