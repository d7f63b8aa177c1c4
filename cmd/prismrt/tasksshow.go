package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/marketprism/prismrt/sdk/client"
)

type tasksShowCmd struct {
	ID string `arg:"" name:"task" help:"The task's id."`
}

// Run shows a task.
func (s *tasksShowCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	server, err := g.client()
	if err != nil {
		return err
	}
	task, err := server.Task(ctx, s.ID)
	if err != nil {
		return err
	}
	if g.JSON {
		return t.json(task)
	}
	return printTask(t, task)
}

func printTask(t *terminal, task *client.Task) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	moment := func(name string, at time.Time) {
		if !at.IsZero() {
			line(name, "%s (%s)", at.Local().Format(time.DateTime), humanize.Time(at))
		}
	}
	fmt.Fprintf(&b, "task %s: %s\n", task.ID, task.State)
	version := "the live version"
	if task.Version != 0 {
		version = fmt.Sprintf("version %d (%s)", task.Version, shortDigest(task.Digest))
	}
	line("plugin", "%s, %s", handler(task), version)
	line("priority", "%d", task.Priority)
	moment("submitted", task.CreatedAt)
	moment("due", task.DueAt)
	moment("ended", task.EndedAt)
	moment("kept until", task.ExpiresAt)
	line("input", "%s", size(task.InputBytes))
	if task.State == client.Succeeded {
		line("output", "%s; print it with: prismrt tasks result %s", size(task.OutputBytes), task.ID)
	}
	if terms := termsText(task); terms != "" {
		line("asked for", "%s", terms)
	}
	if task.Progress != nil {
		line("progress", "%s", progressText(task.Progress))
	}
	if err := t.printf("%s", b.String()); err != nil || len(task.Attempts) == 0 {
		return err
	}
	return printAttempts(t, task.Attempts)
}

// termsText is what was asked for, where that is not as always.
func termsText(t *client.Task) string {
	var terms []string
	if t.Retries != nil {
		terms = append(terms, fmt.Sprintf("%d retries", *t.Retries))
	}
	for _, d := range []struct {
		name string
		ms   float64
	}{{"backoff", t.BackoffMS}, {"timeout", t.TimeoutMS}, {"keep", t.KeepMS}} {
		if d.ms != 0 {
			terms = append(terms, fmt.Sprintf("%s %v", d.name, inTime(d.ms)))
		}
	}
	if t.Callback != "" {
		terms = append(terms, "callback "+t.Callback)
	}
	if t.Schedule != "" {
		terms = append(terms, "schedule "+t.Schedule)
	}
	return strings.Join(terms, ", ")
}

// printAttempts prints a table, and in full why the last one failed and what it logged.
func printAttempts(t *terminal, attempts []client.Attempt) error {
	var rows []table.Row
	for n := range attempts {
		a := &attempts[n]
		came := "succeeded"
		switch {
		case a.CutOff:
			came = "cut off, as the server ended"
		case a.Fault != nil:
			came = shortFault(a.Fault)
		case a.EndedAt.IsZero():
			came = "runs"
		}
		begun := any("-")
		if !a.BegunAt.IsZero() {
			begun = a.BegunAt.Local().Format(time.DateTime)
		}
		rows = append(rows, table.Row{a.Number, begun, inTime(a.DurationMS), inTime(a.QueueMS), inTime(a.RunMS), orDash(a.Version), a.Fuel, came})
	}
	if err := t.table(table.Row{"attempt", "begun", "took", "waited", "ran", "version", "instructions", "came to"}, rows,
		"attempt", "took", "waited", "ran", "version", "instructions"); err != nil {
		return err
	}
	last := &attempts[len(attempts)-1]
	var b strings.Builder
	if f := last.Fault; f != nil {
		fmt.Fprintf(&b, "%s: %s\n", f.Kind, f.Detail)
		writeLines(&b, "stack", shortLines(f.Stack))
	}
	writeLines(&b, "log", last.Log)
	return t.printf("%s", b.String())
}

func writeLines(b *strings.Builder, name string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "  %s\n", name)
	for _, line := range lines {
		fmt.Fprintf(b, "    %s\n", line)
	}
}
