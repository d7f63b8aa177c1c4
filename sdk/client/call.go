package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// CallOptions adjust one call. The zero value calls the plugin's default
// function within the limits of its manifest.
type CallOptions struct {
	// Function is the handler to call. Empty: the plugin's default.
	Function string

	// Timeout lowers the plugin's own limit on wall-clock time; it cannot raise
	// it. The server counts it. Zero: the plugin's limit holds.
	Timeout time.Duration

	// Session is what the calls go by that share the vars of an Extism plug-in, up to 128
	// bytes. Empty: they share none.
	Session string
}

// setHeaders says so in a request.
func (o *CallOptions) setHeaders(req *http.Request) {
	if o.Timeout != 0 {
		req.Header.Set("Prism-Timeout", o.Timeout.String())
	}
	if o.Session != "" {
		req.Header.Set("Prism-Session", o.Session)
	}
}

// Result is what a call came to.
type Result struct {
	Output    []byte // belongs to the caller
	RequestID string // finds the call in the server's log
	Version   int    // the version that ran
	Digest    string // the first twelve hexadecimal digits of its module's digest
	Fuel      int64  // WebAssembly instructions it used; 0 when the answer does not say
	Timing    Timing
}

// Timing is where the server's time went, by phase: "pool" is the wait for an
// instance, "run" the plugin itself. Phases a server does not know are absent.
type Timing map[string]time.Duration

// Call runs a plugin on an input. A failure of the plugin is a *Problem.
// When ctx ends, the server stops the plugin.
func (c *Client) Call(ctx context.Context, plugin string, input []byte, opts CallOptions) (*Result, error) {
	req, err := c.request(ctx, http.MethodPost, invokePath(plugin, opts.Function), bytes.NewReader(input))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	opts.setHeaders(req)
	resp, err := c.send(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return resultOf(resp, fmt.Sprintf("%q", plugin))
}

// resultOf reads an output and what comes with it.
func resultOf(resp *http.Response, of string) (*Result, error) {
	output, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the output of %s: %w", of, err)
	}
	r := &Result{
		Output:    output,
		RequestID: resp.Header.Get("Prism-Request-Id"),
		Timing:    parseTiming(resp.Header.Values("Server-Timing")),
	}
	number, digest, _ := strings.Cut(resp.Header.Get("Prism-Version"), " ")
	// What is not a number reads as 0, the version of an answer that names none.
	r.Version, _ = strconv.Atoi(number)
	r.Digest = digest
	r.Fuel, _ = strconv.ParseInt(resp.Header.Get("Prism-Fuel"), 10, 64)
	return r, nil
}

// invokePath returns the path a function of a plugin is called at.
func invokePath(plugin, function string) string {
	path := pluginPath(plugin) + "/invoke"
	if function != "" {
		path += "/" + url.PathEscape(function)
	}
	return path
}

// parseTiming reads the durations of Server-Timing headers, which are in
// milliseconds (W3C Server Timing). An entry without one is left out.
func parseTiming(headers []string) Timing {
	timing := Timing{}
	for entry := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		phase, params, _ := strings.Cut(strings.TrimSpace(entry), ";")
		for param := range strings.SplitSeq(params, ";") {
			text, ok := strings.CutPrefix(strings.TrimSpace(param), "dur=")
			if !ok {
				continue
			}
			if ms, err := strconv.ParseFloat(text, 64); err == nil {
				timing[phase] = time.Duration(ms * float64(time.Millisecond))
			}
		}
	}
	return timing
}
