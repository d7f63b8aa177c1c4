package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/marketprism/prismrt/sdk/client"
)

type submitCmd struct {
	Target   string        `arg:"" name:"name" help:"The plugin, or plugin/function."`
	Data     data          `placeholder:"X" help:"The input: the text itself, @FILE, or - for standard input. Default: standard input when it is not a terminal, else nothing."`
	Function string        `placeholder:"NAME" help:"The function, if it is not said with the plugin."`
	Of       string        `name:"version" placeholder:"N" help:"The version to run it: a number, pinned for the one that is live now, or live for the one that is live then, which is the default."`
	Priority *int          `placeholder:"N" help:"0 to 9; a greater one goes first."`
	Delay    time.Duration `placeholder:"5m" help:"Do not run it before that has passed."`
	At       time.Time     `placeholder:"TIME" help:"Do not run it before, such as 2027-01-31T08:00:00Z."`
	Retries  *int          `placeholder:"N" help:"Attempts after the first."`
	Backoff  time.Duration `placeholder:"1s" help:"Before the second attempt; doubled for each further one."`
	Timeout  time.Duration `placeholder:"500ms" help:"Stop an attempt after this time; lowers the limit of the plugin's manifest."`
	Keep     time.Duration `placeholder:"24h" help:"How long the ended task and its result are kept."`
	Callback string        `placeholder:"URL" help:"Where to tell that it has ended."`
	Once     string        `name:"idempotency-key" placeholder:"KEY" help:"Submit it once under this key, however often that is tried. In a batch, a line has the key, a hyphen and its number."`
	Wait     bool          `help:"Wait for the result, and print it rather than the id."`
	Batch    string        `placeholder:"FILE" help:"Each line of the file, or of standard input for -, is the input of a task of its own; blank ones are none."`
}

// Help is shown by "prismrt submit --help".
func (*submitCmd) Help() string {
	return `Once it has printed an id, the task is safe: it is run, and tried again if it must be,
whatever becomes of the server. The id goes to standard output.

Examples:

  prismrt submit resize --data @photo.png --retries 5
  prismrt submit report --at 2027-01-31T08:00:00Z --idempotency-key report-2027-01
  prismrt submit normalise --data '{"ping":true}' --wait
  prismrt submit normalise --batch messages.ndjson > ids.txt
  prismrt submit normalise --batch - --wait < messages.ndjson > events.ndjson

A batch prints the id of each line, or with --json what became of it. With --wait it is
{"id": ..., "output": ...}, {"id": ..., "output_base64": ...} for what is not text, or
{"error": ...} for each, in the order of the lines. One that failed ends nothing, and makes
the exit code 1. A batch that broke off can be submitted again with the same --idempotency-key.`
}

// Run submits a task, or many.
func (s *submitCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	plugin, options, err := s.options()
	if err != nil {
		return err
	}
	server, err := g.client()
	if err != nil {
		return err
	}
	if s.Batch != "" {
		if s.Data.given {
			return misuse{errors.New("--batch reads the inputs; leave out --data")}
		}
		b := submitBatch{plugin: plugin, options: options, wait: s.Wait, server: server, terminal: t, json: g.JSON}
		return b.run(ctx, s.Batch)
	}
	input, err := s.Data.read(t)
	if err != nil {
		return err
	}
	submitted, err := server.Submit(ctx, plugin, input, options)
	if err != nil {
		return err
	}
	if !s.Wait {
		return printSubmitted(t, g, submitted)
	}
	if t.watched {
		t.complain("task %s is %s\n", submitted.ID, submitted.State)
	}
	result, err := resultOf(ctx, server, submitted.ID)
	if err != nil {
		return err
	}
	if g.JSON {
		return t.json(answerOf(result))
	}
	_, err = t.out.Write(result.Output)
	return err
}

// options are what the flags say of a task.
func (s *submitCmd) options() (plugin string, o client.SubmitOptions, err error) {
	plugin, function, err := cutTarget(s.Target)
	if err != nil {
		return "", o, err
	}
	if function != "" && s.Function != "" {
		return "", o, misuse{fmt.Errorf("the function is %s and --function %s; say one of them", function, s.Function)}
	}
	for flag, d := range map[string]time.Duration{"--delay": s.Delay, "--backoff": s.Backoff, "--timeout": s.Timeout, "--keep": s.Keep} {
		if d < 0 {
			return "", o, misuse{fmt.Errorf("%s must be over 0", flag)}
		}
	}
	if s.Delay > 0 && !s.At.IsZero() {
		return "", o, misuse{errors.New("--delay and --at are two times; say one of them")}
	}
	return plugin, client.SubmitOptions{
		Function: function + s.Function, Version: s.Of, Priority: s.Priority, Delay: s.Delay, At: s.At, Retries: s.Retries,
		Backoff: s.Backoff, Timeout: s.Timeout, Keep: s.Keep, Callback: s.Callback, Key: s.Once,
	}, nil
}

func printSubmitted(t *terminal, g *globals, s *client.Submitted) error {
	if g.JSON {
		return t.json(s)
	}
	if t.watched && t.shown {
		before := ""
		if s.Seen {
			before = " and was submitted before"
		}
		t.complain("the task is %s%s; follow it with: prismrt tasks watch %s\n", s.State, before, s.ID)
	}
	return t.printf("%s\n", s.ID)
}

// resultOf waits for a task to end, however long that takes.
func resultOf(ctx context.Context, server *client.Client, id string) (*client.Result, error) {
	for {
		result, err := server.Result(ctx, id, time.Hour)
		if !errors.Is(err, client.ErrNotEnded) {
			return result, err
		}
	}
}
