package main

import (
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
	Verbose bool          `short:"v" help:"Say on standard error which version ran, and where the time went."`
}

// Help is shown by "prismrt call --help".
func (*callCmd) Help() string {
	return `The output goes to standard output, byte for byte. A fault goes to standard error
with the plugin's stack and log, when there are any, and makes the exit code 1.

Examples:

  prismrt call normalise --data '{"ping":true}'
  prismrt call normalise/score --data @message.json --timeout 500ms
  head -1 messages.ndjson | prismrt call normalise --verbose`
}

// Run calls the plugin.
func (c *callCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	plugin, function, slash := strings.Cut(c.Target, "/")
	if plugin == "" || slash && function == "" {
		return misuse{fmt.Errorf("%q is not a plugin, nor plugin/function", c.Target)}
	}
	if c.Timeout < 0 {
		return misuse{errors.New("--timeout must be over 0")}
	}
	input, err := c.input(t)
	if err != nil {
		return err
	}
	server, err := g.client()
	if err != nil {
		return err
	}
	result, err := server.Call(ctx, plugin, input, client.CallOptions{Function: function, Timeout: c.Timeout})
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

// input returns what --data stands for.
func (c *callCmd) input(t *terminal) ([]byte, error) {
	if !c.Data.given && t.typed {
		return nil, nil
	}
	if !c.Data.given || c.Data.text == "-" {
		input, err := io.ReadAll(t.in)
		if err != nil {
			return nil, misuse{fmt.Errorf("cannot read standard input: %w", err)}
		}
		return input, nil
	}
	if path, ok := strings.CutPrefix(c.Data.text, "@"); ok {
		input, err := os.ReadFile(path)
		if err != nil {
			return nil, misuse{fmt.Errorf("cannot read the input: %w", err)}
		}
		return input, nil
	}
	return []byte(c.Data.text), nil
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
