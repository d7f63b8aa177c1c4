package main

import (
	"errors"
	"net"
	"net/url"

	"github.com/marketprism/prismrt/sdk/client"
)

// bare is an error whose reader is a program and wants the sentence alone.
type bare struct{ error }

// report tells a person, or with --json a program, why a command failed, and
// returns the exit code.
func report(t *terminal, g *globals, err error) int {
	if wrong, ok := errors.AsType[misuse](err); ok {
		t.complain("prismrt: %v\n", wrong)
		return exitMisuse
	}
	if _, ok := errors.AsType[refused](err); ok {
		return exitFault
	}
	if sentence, ok := errors.AsType[bare](err); ok {
		t.complain("%v\n", sentence)
		return exitFault
	}
	if p, ok := errors.AsType[*client.Problem](err); ok {
		if !g.JSON {
			reportProblem(t, p)
		} else if err := t.json(p); err != nil {
			t.complain("prismrt: %v\n", err)
		}
		return exitFault
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		t.complain("prismrt: cannot reach %s: %v; is it running? start it with \"prismrt serve\", or set --url or PRISM_URL\n",
			g.URL, innermost(dial))
		return exitFault
	}
	if broken, ok := errors.AsType[*url.Error](err); ok {
		t.complain("prismrt: no answer from %s: %v\n", g.URL, broken.Err)
		return exitFault
	}
	t.complain("prismrt: %v\n", err)
	return exitFault
}

// reportProblem writes the kind and the sentence on one line, and under it what
// helps to find the reason.
func reportProblem(t *terminal, p *client.Problem) {
	t.complain("prismrt: %s\n", p.Summary())
	for _, part := range []struct {
		name  string
		lines []string
	}{{"stack", shortLines(p.Stack)}, {"log", p.Log}} {
		if len(part.lines) == 0 {
			continue
		}
		t.complain("  %s\n", part.name)
		for _, line := range part.lines {
			t.complain("    %s\n", line)
		}
	}
	if p.Plugin != "" && p.Version != 0 {
		t.complain("  %s version %d\n", p.Plugin, p.Version)
	}
	if p.Task != "" {
		t.complain("  task %s\n", p.Task)
	}
	if p.RequestID != "" {
		t.complain("  request %s\n", p.RequestID)
	}
	if p.RetryAfter > 0 {
		t.complain("  try again in %v\n", p.RetryAfter)
	}
}

// shortLines cuts the lines of a stack: the names of templates in C++ take kilobytes. With
// --json they are whole.
func shortLines(stack []string) (short []string) {
	const most = 160
	for _, line := range stack {
		if runes := []rune(line); len(runes) > most {
			line = string(runes[:most]) + "..."
		}
		short = append(short, line)
	}
	return short
}

// innermost returns the error at the end of err's chain: of a failed dial it is
// the reason, without the addresses the sentence around it already names.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
