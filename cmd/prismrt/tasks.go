package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/marketprism/prismrt/sdk/client"
)

// tasksCmd is the commands about tasks.
type tasksCmd struct {
	List   tasksListCmd   `cmd:"" default:"withargs" help:"List tasks, newest first. It is what is done without another command."`
	Show   tasksShowCmd   `cmd:"" help:"Show a task with its attempts, and why the last one failed."`
	Input  tasksInputCmd  `cmd:"" help:"Print what a task was submitted with."`
	Result tasksResultCmd `cmd:"" help:"Print what a task came to."`
	Watch  tasksWatchCmd  `cmd:"" help:"Show what happens to a task, until it has ended."`
	Cancel tasksCancelCmd `cmd:"" help:"End tasks, also while they run; they are not tried again."`
	Dead   tasksDeadCmd   `cmd:"" help:"List the tasks that were given up, and why."`
	Retry  tasksRetryCmd  `cmd:"" help:"Send dead or canceled tasks again."`
}

// chosen are flags of lists.
type chosen struct {
	Plugin string `placeholder:"NAME" help:"Only tasks of this plugin."`
	Limit  int    `placeholder:"N" default:"50" help:"No more than this; 0 for all."`
	Before string `placeholder:"ID" help:"Only tasks older than this one."`
}

// fetch returns the tasks.
func (c *chosen) fetch(ctx context.Context, g *globals, state client.State) ([]*client.Task, error) {
	if c.Limit < 0 {
		return nil, misuse{errors.New("--limit cannot be less than 0")}
	}
	server, err := g.client()
	if err != nil {
		return nil, err
	}
	tasks := []*client.Task{}
	for task, err := range server.Tasks(ctx, client.TaskQuery{State: state, Plugin: c.Plugin, Before: c.Before, Limit: c.Limit}) {
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, task)
	}
	return tasks, nil
}

type tasksListCmd struct {
	State string `placeholder:"STATE" enum:",scheduled,queued,running,failed,succeeded,dead,canceled" default:"" help:"Only tasks that are scheduled, queued, running, failed (and will be tried again), succeeded, dead or canceled."`
	chosen
}

// Run lists tasks.
func (l *tasksListCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	tasks, err := l.fetch(ctx, g, client.State(l.State))
	if err != nil {
		return err
	}
	if g.JSON {
		return t.json(map[string]any{"tasks": tasks})
	}
	if len(tasks) == 0 && (l.State != "" || l.Plugin != "" || l.Before != "") {
		return t.printf("no such tasks\n")
	}
	if len(tasks) == 0 {
		return t.printf("no tasks; submit one with: prismrt submit NAME --data X\n")
	}
	var rows []table.Row
	for _, task := range tasks {
		rows = append(rows, table.Row{task.ID, task.State, handler(task), humanize.Time(task.CreatedAt), len(task.Attempts), took(task), standing(task)})
	}
	return t.table(table.Row{"task", "state", "plugin", "submitted", "attempts", "took", ""}, rows, "attempts", "took")
}

// handler is the plugin, and the function if it was asked for.
func handler(t *client.Task) string {
	if t.Function == "" {
		return t.Plugin
	}
	return t.Plugin + "/" + t.Function
}

// took is how long the last attempt took.
func took(t *client.Task) any {
	n := len(t.Attempts)
	if n == 0 || t.Attempts[n-1].EndedAt.IsZero() {
		return "-"
	}
	return inTime(t.Attempts[n-1].DurationMS)
}

func inTime(ms float64) time.Duration {
	d := time.Duration(ms * float64(time.Millisecond))
	if d > time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Microsecond)
}

// mostShown is how many characters of a sentence fit into a table.
const mostShown = 70

// standing is what there is to say besides: when it is due, how far it is, or why it failed.
func standing(t *client.Task) string {
	last := lastFault(t)
	switch {
	case t.State == client.Scheduled || t.State == client.Failed && last == nil:
		return "due " + humanize.Time(t.DueAt)
	case t.State == client.Failed:
		return fmt.Sprintf("again %s: %s", humanize.Time(t.DueAt), shortFault(last))
	case t.State == client.Running && t.Progress != nil:
		return progressText(t.Progress)
	case t.State == client.Dead && last != nil:
		return shortFault(last)
	}
	return ""
}

func lastFault(t *client.Task) *client.Fault {
	if n := len(t.Attempts); n > 0 {
		return t.Attempts[n-1].Fault
	}
	return nil
}

// shortFault is a fault on a line.
func shortFault(f *client.Fault) string {
	line, _, _ := strings.Cut(fmt.Sprintf("%s: %s", f.Kind, f.Detail), "\n")
	if runes := []rune(line); len(runes) > mostShown {
		return string(runes[:mostShown]) + "..."
	}
	return line
}

func progressText(p *client.Progress) string {
	text := fmt.Sprint(p.Done)
	if p.Total > 0 {
		text = fmt.Sprintf("%d of %d (%s)", p.Done, p.Total, percent(float64(p.Done)/float64(p.Total)))
	}
	return strings.TrimSpace(text + " " + p.Message)
}

type tasksDeadCmd struct{ chosen }

// Run lists dead tasks.
func (d *tasksDeadCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	tasks, err := d.fetch(ctx, g, client.Dead)
	if err != nil {
		return err
	}
	if g.JSON {
		return t.json(map[string]any{"tasks": tasks})
	}
	if len(tasks) == 0 {
		return t.printf("no dead tasks\n")
	}
	var rows []table.Row
	for _, task := range tasks {
		fault := "cut off"
		if f := lastFault(task); f != nil {
			fault = shortFault(f)
		}
		rows = append(rows, table.Row{task.ID, handler(task), humanize.Time(task.EndedAt), len(task.Attempts), fault})
	}
	if err := t.table(table.Row{"task", "plugin", "died", "attempts", "fault"}, rows, "attempts"); err != nil {
		return err
	}
	if t.watched {
		t.complain("show one with: prismrt tasks show TASK; send them again with: prismrt tasks retry TASK..., or --all\n")
	}
	return nil
}

type tasksInputCmd struct {
	ID string `arg:"" name:"task" help:"The task's id."`
}

// Run prints the input, byte for byte.
func (i *tasksInputCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	server, err := g.client()
	if err != nil {
		return err
	}
	input, err := server.Input(ctx, i.ID)
	switch {
	case err != nil:
		return err
	case g.JSON && utf8.Valid(input):
		return t.json(map[string]any{"input": string(input)})
	case g.JSON:
		return t.json(map[string]any{"input_base64": input})
	}
	_, err = t.out.Write(input)
	return err
}

type tasksResultCmd struct {
	ID   string        `arg:"" name:"task" help:"The task's id."`
	Wait time.Duration `placeholder:"30s" help:"Wait for it for so long."`
}

// Run prints the output, byte for byte.
func (r *tasksResultCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	if r.Wait < 0 {
		return misuse{errors.New("--wait must be over 0")}
	}
	server, err := g.client()
	if err != nil {
		return err
	}
	result, err := server.Result(ctx, r.ID, r.Wait)
	if errors.Is(err, client.ErrNotEnded) {
		return fmt.Errorf("task %s has not ended; wait for it with --wait 1m, or follow it with: prismrt tasks watch %s", r.ID, r.ID)
	}
	if err != nil {
		return err
	}
	if g.JSON {
		return t.json(answerOf(result))
	}
	_, err = t.out.Write(result.Output)
	return err
}

type tasksWatchCmd struct {
	ID string `arg:"" name:"task" help:"The task's id."`
}

// Help is shown by "prismrt tasks watch --help".
func (*tasksWatchCmd) Help() string {
	return "It goes on over broken connections and restarts of the server. The exit code is 1 if the task was given up or canceled. With --json there is an object a line."
}

// Run prints events.
func (w *tasksWatchCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	server, err := g.client()
	if err != nil {
		return err
	}
	var state client.State
	for e, err := range server.TaskEvents(ctx, w.ID) {
		if err != nil {
			return err
		}
		if e.State != "" {
			state = e.State
		}
		if g.JSON {
			err = json.NewEncoder(t.out).Encode(&e)
		} else {
			err = t.printf("%s\n", taskEventLine(&e))
		}
		if err != nil {
			return err
		}
	}
	if state == client.Dead || state == client.Canceled {
		return refused{} // as was said
	}
	return nil
}

// taskEventLine is an event for people.
func taskEventLine(e *client.TaskEvent) string {
	var says string
	switch e.Type {
	case client.StateChanged:
		says = string(e.State)
		if e.Attempt > 0 {
			says += fmt.Sprintf(", attempt %d", e.Attempt)
		}
		if e.Kind != "" {
			says += ", " + string(e.Kind)
		}
		if message, _, _ := strings.Cut(e.Message, "\n"); message != "" {
			says += ": " + message
		}
	case client.Logged:
		says = strings.TrimSpace(e.Level + "  " + e.Message)
	case client.Progressed:
		if e.Progress != nil {
			says = progressText(e.Progress)
		}
	}
	return fmt.Sprintf("%s  %-8s  %s", e.Time.Local().Format(time.DateTime+".000"), e.Type, says)
}
