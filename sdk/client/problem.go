package client

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind says what went wrong, for programs to branch on.
type Kind string

// The kinds of a Problem.
const (
	KindInvalid      Kind = "invalid"      // the request or the module is not what it must be
	KindUnauthorised Kind = "unauthorised" // no key, or one that is not known
	KindForbidden    Kind = "forbidden"    // a known key that may not do this
	KindNotFound     Kind = "not_found"    // no such plugin, version or function
	KindConflict     Kind = "conflict"     // the state of things forbids it now
	KindTooLarge     Kind = "too_large"    // input, output or upload passed its limit

	KindFuel   Kind = "fuel"   // the plugin used up its instructions
	KindMemory Kind = "memory" // the plugin was refused memory and then failed
	KindTrap   Kind = "trap"   // the plugin trapped
	KindExit   Kind = "exit"   // the plugin's program ended with a code other than 0
	KindGuest  Kind = "guest"  // the plugin said that it failed

	KindBusy        Kind = "busy"        // no room to run this in time
	KindDeadline    Kind = "deadline"    // the call passed its deadline
	KindCanceled    Kind = "canceled"    // the caller went away
	KindUnavailable Kind = "unavailable" // the server or the version cannot serve now
	KindInternal    Kind = "internal"    // a fault of the server
)

// problemLimit bounds what is read of an answer that is not a success, in bytes.
// The server's own problems, stack and log included, stay far below it.
const problemLimit = 1 << 20

// Problem is an answer that is not a success: an RFC 9457 problem document.
type Problem struct {
	Type   string `json:"type,omitempty"`   // a URI for the sort of problem; "about:blank" when there is none
	Title  string `json:"title,omitempty"`  // the sort of problem, for people
	Status int    `json:"status"`           // HTTP status
	Detail string `json:"detail,omitempty"` // what went wrong this time, for people

	// Kind is empty when something other than prismrt answered, such as a
	// proxy. Detail is then the beginning of what it said.
	Kind Kind `json:"kind,omitempty"`

	RequestID string `json:"request_id,omitempty"` // finds the request in the server's log
	Task      string `json:"task,omitempty"`       // the task whose fault it is; empty: it is the request's
	Plugin    string `json:"plugin,omitempty"`     // empty when it is about none
	Version   int    `json:"version,omitempty"`    // 0 when no version had been chosen yet

	// Stack is the plugin's call stack by function name, innermost first.
	// Empty unless the plugin trapped or was stopped.
	Stack []string `json:"stack,omitempty"`

	// Log is the end of what the plugin wrote to its log and standard error.
	Log []string `json:"log,omitempty"`

	// RetryAfter is how long the server asks to be left alone. Zero: it did not say.
	RetryAfter time.Duration `json:"-"`
}

// Error returns one sentence: the kind, what went wrong, and with which plugin.
func (p *Problem) Error() string {
	var about string
	switch {
	case p.Plugin != "" && p.Version != 0:
		about = fmt.Sprintf("%s version %d: ", p.Plugin, p.Version)
	case p.Plugin != "":
		about = p.Plugin + ": "
	}
	return about + p.Summary()
}

// Summary returns the kind and what went wrong, without the plugin.
func (p *Problem) Summary() string {
	what := p.Detail
	if what == "" {
		what = p.Title
	}
	if p.Kind != "" {
		return fmt.Sprintf("%s: %s", p.Kind, what)
	}
	return fmt.Sprintf("the server answered %d %s: %s", p.Status, http.StatusText(p.Status), what)
}

// Retryable reports whether the same request may succeed at another time. A
// call that reached its deadline may have run in part before it was stopped.
func (p *Problem) Retryable() bool {
	return slices.Contains([]Kind{KindBusy, KindDeadline, KindUnavailable, KindInternal}, p.Kind)
}

// problemOf reads an answer that is not a success.
func problemOf(resp *http.Response) *Problem {
	// What could be read of a broken answer still tells more than the break.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, problemLimit))
	var p Problem
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if mediaType != "application/problem+json" || json.Unmarshal(body, &p) != nil {
		p = Problem{Title: http.StatusText(resp.StatusCode), Detail: firstLine(body)}
	}
	p.Status = resp.StatusCode
	if p.RequestID == "" {
		p.RequestID = resp.Header.Get("Prism-Request-Id")
	}
	p.RetryAfter = retryAfter(resp.Header.Get("Retry-After"))
	return &p
}

// firstLine returns the first line of text in an answer, shortened.
func firstLine(body []byte) string {
	const most = 200
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	line = strings.ToValidUTF8(strings.TrimSpace(line), "?")
	if runes := []rune(line); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return line
}

// retryAfter reads both forms of the header (RFC 9110, section 10.2.3).
func retryAfter(header string) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
