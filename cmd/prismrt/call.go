package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/marketprism/prismrt/sdk/client"
)

type callCmd struct {
	Target  string        `arg:"" name:"name" help:"The plugin, or plugin/function."`
	Data    data          `placeholder:"X" help:"The input: the text itself, @FILE, or - for standard input. Default: standard input when it is not a terminal, else nothing."`
	Timeout time.Duration `placeholder:"500ms" help:"Stop the plugin after this time; lowers the limit of its manifest."`
	Session string        `placeholder:"NAME" help:"What calls go by that share the vars of an Extism plug-in."`
	Batch   bool          `help:"Each line of the input is an input of its own: lines of JSON or other text in, a line of JSON out for each, as they come."`
	Verbose bool          `short:"v" help:"Say on standard error which version ran, and where the time went."`
}

// Help is shown by "prismrt call --help".
func (*callCmd) Help() string {
	return `The output goes to standard output, byte for byte. A fault goes to standard error
with the plugin's stack and log, when there are any, and makes the exit code 1.

Examples:

  prismrt call normalise --data '{"ping":true}'
  prismrt call normalise/score --data @message.json --timeout 500ms
  head -1 messages.ndjson | prismrt call normalise --verbose
  prismrt call normalise --batch < messages.ndjson > events.ndjson

With --batch, a line is {"output": ...}, {"output_base64": ...} for what is not text, or
{"error": ...}; one that failed ends nothing, and makes the exit code 1.`
}

// Run calls the plugin.
func (c *callCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	plugin, function, err := cutTarget(c.Target)
	if err != nil {
		return err
	}
	if c.Timeout < 0 {
		return misuse{errors.New("--timeout must be over 0")}
	}
	options := client.CallOptions{Function: function, Timeout: c.Timeout, Session: c.Session}
	if c.Batch {
		return c.batch(ctx, t, g, plugin, options)
	}
	input, err := c.Data.read(t)
	if err != nil {
		return err
	}
	server, err := g.client()
	if err != nil {
		return err
	}
	result, err := server.Call(ctx, plugin, input, options)
	if err != nil {
		return err
	}
	if c.Verbose {
		t.complain("request %s\n%s version %d (%s), %d instructions\n%s\n",
			result.RequestID, plugin, result.Version, result.Digest, result.Fuel, timings(result.Timing))
	}
	if g.JSON {
		return t.json(answerOf(result))
	}
	_, err = t.out.Write(result.Output)
	return err
}

// batch sends the input line by line and prints the answers as they come.
func (c *callCmd) batch(ctx context.Context, t *terminal, g *globals, plugin string, options client.CallOptions) error {
	lines := t.in
	if c.Data.given && c.Data.text != "-" {
		input, err := c.Data.read(t)
		if err != nil {
			return err
		}
		lines = bytes.NewReader(input)
	}
	server, err := g.client()
	if err != nil {
		return err
	}
	answers, err := server.BatchLines(ctx, plugin, lines, options)
	if err != nil {
		return err
	}
	defer answers.Close()
	failed, all := 0, 0
	for in, out := bufio.NewReader(answers), bufio.NewWriter(t.out); ; {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			all++
		}
		if bytes.HasPrefix(line, []byte(`{"error":`)) {
			failed++
		}
		_, _ = out.Write(line) // the flush tells
		if err == nil && in.Buffered() > 0 {
			continue
		}
		if flushed := out.Flush(); flushed != nil {
			return flushed
		}
		switch {
		case err == io.EOF && failed > 0:
			return fmt.Errorf("%d of %d inputs failed", failed, all)
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("the batch broke off: %w", err)
		}
	}
}

// data is the value of --data, byte for byte. As a string it would pass through
// kong's JSON, which replaces what is not UTF-8.
type data struct {
	given bool
	text  string
}

// Decode takes the value off the command line.
func (d *data) Decode(ctx *kong.DecodeContext) error {
	token, err := ctx.Scan.PopValue("text")
	if err != nil {
		return err
	}
	d.given, d.text = true, token.String()
	return nil
}

// read returns what it stands for: without it, standard input where nobody types there.
func (d *data) read(t *terminal) ([]byte, error) {
	if !d.given && t.typed {
		return nil, nil
	}
	if !d.given || d.text == "-" {
		input, err := io.ReadAll(t.in)
		if err != nil {
			return nil, misuse{fmt.Errorf("cannot read standard input: %w", err)}
		}
		return input, nil
	}
	if path, ok := strings.CutPrefix(d.text, "@"); ok {
		input, err := os.ReadFile(path)
		if err != nil {
			return nil, misuse{fmt.Errorf("cannot read the input: %w", err)}
		}
		return input, nil
	}
	return []byte(d.text), nil
}

// cutTarget tells a plugin from its function.
func cutTarget(target string) (plugin, function string, err error) {
	plugin, function, slash := strings.Cut(target, "/")
	if plugin == "" || slash && function == "" {
		return "", "", misuse{fmt.Errorf("%q is not a plugin, nor plugin/function", target)}
	}
	return plugin, function, nil
}

// answer is a result as --json prints it.
type answer struct {
	Output       *string            `json:"output,omitempty"`        // when it is UTF-8
	OutputBase64 []byte             `json:"output_base64,omitempty"` // when it is not
	RequestID    string             `json:"request_id"`
	Version      int                `json:"version"`
	Digest       string             `json:"digest"`
	Fuel         int64              `json:"fuel"`   // instructions
	Timing       map[string]float64 `json:"timing"` // by phase, "pool_ms", in milliseconds
}

func answerOf(r *client.Result) answer {
	a := answer{RequestID: r.RequestID, Version: r.Version, Digest: r.Digest, Fuel: r.Fuel, Timing: map[string]float64{}}
	if utf8.Valid(r.Output) {
		text := string(r.Output)
		a.Output = &text
	} else {
		a.OutputBase64 = r.Output
	}
	for phase, d := range r.Timing {
		a.Timing[phase+"_ms"] = float64(d) / float64(time.Millisecond)
	}
	return a
}

// timings returns the phases in one line, in the order of their names.
func timings(timing client.Timing) string {
	var phases []string
	for _, phase := range slices.Sorted(maps.Keys(timing)) {
		phases = append(phases, fmt.Sprintf("%s %v", phase, timing[phase]))
	}
	return strings.Join(phases, ", ")
}
