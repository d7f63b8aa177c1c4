package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/served"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/sqlite"
	"github.com/marketprism/prismrt/runtime/task"
)

// bareCmd is what tasks starts beside prismrt: the database alone, with as many Ps, which
// does for each task the writes that prismrt does.
type bareCmd struct {
	Tasks      int `required:""`
	Submitters int `required:""`
}

// mostLeased is how many tasks the bare database leases at once, as prismrt does.
const mostLeased = 256

// Run does the writes and prints how many tasks that were a second.
func (c *bareCmd) Run(ctx context.Context, t *terminal.IO) (err error) {
	served.MorePs()
	dir, err := os.MkdirTemp("", "prismrt-bare-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	db, err := sqlite.Open(ctx, filepath.Join(dir, "prismrt.db"), sqlite.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	begun := time.Now()
	var left atomic.Int64
	left.Store(int64(c.Tasks))
	var all sync.WaitGroup
	for range c.Submitters {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				one := store.Task{ID: task.NewID(), Namespace: task.DefaultNamespace, Plugin: "upper", Priority: task.DefaultPriority, Created: time.Now(), Input: make([]byte, bodySize)}
				if _, err := db.Submit(ctx, []store.Task{one}); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	all.Go(func() {
		for n := 0; n < c.Tasks; {
			done, err := work(ctx, db)
			if err != nil {
				cancel(err)
				return
			}
			n += done
		}
	})
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return t.JSON(float64(c.Tasks) / time.Since(begun).Seconds())
}

// work leases what waits and finishes it at once, and returns how many tasks that were.
func work(ctx context.Context, db *sqlite.DB) (int, error) {
	arrived := db.Arrived()
	leases, err := db.Lease(ctx, []store.Want{{
		Lane: store.Lane{Namespace: task.DefaultNamespace, Plugin: "upper", Priority: task.DefaultPriority}, Most: mostLeased,
	}}, time.Now().Add(time.Minute))
	if err != nil {
		return 0, err
	}
	if len(leases) == 0 {
		select {
		case <-arrived:
			return 0, nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
	now := time.Now()
	outcomes := make([]store.Outcome, len(leases))
	for i, l := range leases {
		outcomes[i] = store.Outcome{
			ID: l.ID, Attempt: l.Attempt, State: task.Succeeded, Output: l.Input, Expires: now.Add(time.Hour),
			Last: store.Attempt{Number: l.Attempt, Begun: now, Ended: now, Version: 1, Fuel: 2312},
		}
	}
	lost, err := db.Finish(ctx, outcomes)
	return len(leases), errors.Join(append(lost, err)...)
}

// bareIn runs a bareCmd in a process of its own.
func bareIn(ctx context.Context, self string, tasks, submitters int) (perSecond float64, err error) {
	out, err := exec.CommandContext(ctx, self, "bare", "--tasks", strconv.Itoa(tasks), "--submitters", strconv.Itoa(submitters)).Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return 0, fmt.Errorf("the bare database: %w", err)
	}
	return perSecond, json.Unmarshal(out, &perSecond)
}
