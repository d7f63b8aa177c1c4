package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/marketprism/prismrt/sdk/client"
)

type tasksCancelCmd struct {
	IDs []string `arg:"" name:"task" help:"The tasks' ids."`
}

// Run cancels tasks.
func (c *tasksCancelCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	server, err := g.client()
	if err != nil {
		return err
	}
	return eachTask(t, g, c.IDs, client.Canceled, func(id string) error { return server.Cancel(ctx, id) })
}

// eachTask does something to tasks, after which they are in a state. One that it fails for
// does not keep it from the others.
func eachTask(t *terminal, g *globals, ids []string, state client.State, do func(id string) error) error {
	type done struct {
		ID    string          `json:"id"`
		State client.State    `json:"state,omitempty"`
		Error *client.Problem `json:"error,omitempty"`
	}
	all := []done{}
	failed := 0
	for _, id := range ids {
		err := do(id)
		problem, refused := errors.AsType[*client.Problem](err)
		switch {
		case refused && len(ids) == 1:
			return err
		case refused:
			failed++
			all = append(all, done{ID: id, Error: problem})
			if !g.JSON {
				t.complain("%s: %s\n", id, problem.Summary())
			}
			continue
		case err != nil:
			return err
		}
		all = append(all, done{ID: id, State: state})
		if g.JSON {
			continue
		}
		if err := t.printf("%s is %s\n", id, state); err != nil {
			return err
		}
	}
	if g.JSON {
		if err := t.json(map[string]any{"tasks": all}); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d tasks were not %s", failed, len(ids), state)
	}
	return nil
}

type tasksRetryCmd struct {
	IDs     []string      `arg:"" optional:"" name:"task" help:"The tasks' ids."`
	All     bool          `help:"All that are dead, or with --state=canceled all that are canceled."`
	Plugin  string        `placeholder:"NAME" help:"With --all, only those of this plugin."`
	State   string        `enum:"dead,canceled" default:"dead" help:"With --all, whether the dead or the canceled ones (${enum})."`
	Data    data          `placeholder:"X" help:"Another input: the text itself, @FILE, or - for standard input. Of one task only."`
	To      string        `name:"function" placeholder:"NAME" help:"Another function."`
	Retries *int          `placeholder:"N" help:"Another number of attempts after the first."`
	Timeout time.Duration `placeholder:"500ms" help:"Another time after which an attempt is stopped."`
}

// Help is shown by "prismrt tasks retry --help".
func (*tasksRetryCmd) Help() string {
	return `A task keeps its id and what is known of its attempts, and has as many more as a new one.

Examples:

  prismrt tasks retry 01KB3V8Q2M5Z0R3T7Y9W4N6C1E
  prismrt tasks retry --all --plugin resize
  prismrt tasks input 01KB3V8Q2M5Z0R3T7Y9W4N6C1E > input; $EDITOR input
  prismrt tasks retry 01KB3V8Q2M5Z0R3T7Y9W4N6C1E --data @input`
}

// Run sends tasks again.
func (r *tasksRetryCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	edited := r.Data.given || r.To != "" || r.Retries != nil || r.Timeout != 0
	switch {
	case r.All == (len(r.IDs) > 0):
		return misuse{errors.New("name the tasks to send again, or all with --all")}
	case r.All && edited:
		return misuse{errors.New("with --all, tasks are sent again as they are; name one to change it")}
	case !r.All && r.Plugin != "":
		return misuse{errors.New("--plugin goes with --all")}
	case r.Data.given && len(r.IDs) > 1:
		return misuse{errors.New("--data is the input of one task")}
	case r.Timeout < 0:
		return misuse{errors.New("--timeout must be over 0")}
	}
	server, err := g.client()
	if err != nil {
		return err
	}
	if r.All {
		n, err := server.RetryAll(ctx, client.State(r.State), r.Plugin)
		if err != nil {
			return err
		}
		if g.JSON {
			return t.json(map[string]int{"retried": n})
		}
		return t.printf("%d tasks are sent again\n", n)
	}
	options := client.RetryOptions{Function: r.To, Retries: r.Retries, Timeout: r.Timeout}
	if r.Data.given {
		input, err := r.Data.read(t)
		if err != nil {
			return err
		}
		options.Input = &input
	}
	return eachTask(t, g, r.IDs, client.Queued, func(id string) error { return server.Retry(ctx, id, options) })
}
