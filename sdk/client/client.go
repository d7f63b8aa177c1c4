// Package client talks to a prismrt server over HTTP: it uploads plugins, moves
// their live version and calls them.
//
// A Client is made once, by New, and shared: all its methods may be called from
// many goroutines. A request is sent once and never repeated by this package,
// because a plugin may do something that must not happen twice; callers who
// know better retry when a Problem says that it is Retryable.
//
// An answer that is not a success is a *Problem, found with errors.AsType or
// errors.As. Any other error means that there was no answer, or none that could
// be read: it wraps what net/http reported, so errors.Is(err, context.Canceled),
// errors.Is(err, syscall.ECONNREFUSED) and the like work.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// idleConnections is how many connections to the server are kept for the next
// request. The two that net/http keeps would have every third of a crowd of
// callers open a connection of its own.
const idleConnections = 64

// Options adjust a Client. The zero value talks to a server without keys.
type Options struct {
	// Key is sent as a bearer token with every request. Empty: none is sent.
	Key string

	// HTTPClient sends the requests. Nil: a client of its own, which follows
	// the proxy settings of the environment and has no timeout beyond that of
	// the context each method takes.
	HTTPClient *http.Client
}

// Client is a server to talk to.
type Client struct {
	base string // without a slash at its end
	key  string
	http *http.Client
}

// New returns a client of the server at baseURL, such as
// "http://127.0.0.1:8080". A path in it is kept, for servers behind a proxy.
// New connects to nothing; it fails when baseURL is not an http or https URL.
func New(baseURL string, opts Options) (*Client, error) {
	u, err := url.Parse(baseURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not the URL of a server; write one such as \"http://127.0.0.1:8080\"", baseURL)
	}
	c := &Client{base: strings.TrimRight(baseURL, "/"), key: opts.Key, http: opts.HTTPClient}
	if c.http == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = idleConnections
		c.http = &http.Client{Transport: transport}
	}
	return c, nil
}

// Ready returns nil once the server can run plugins. While it cannot, the error
// is a *Problem with the reason; before it listens, a connection error.
func (c *Client) Ready(ctx context.Context) error {
	return c.json(ctx, http.MethodGet, "/readyz", nil, nil)
}

// Stats returns what the server says of itself now: memory, pools, plugins. Its
// shape grows from release to release, so it is handed on as JSON.
func (c *Client) Stats(ctx context.Context) (json.RawMessage, error) {
	var stats json.RawMessage
	err := c.json(ctx, http.MethodGet, "/v1/stats", nil, &stats)
	return stats, err
}

// EndpointURL returns the address at which a CGI plugin answers requests of all methods, and
// below which it does, too.
func (c *Client) EndpointURL(plugin string) string {
	return c.base + "/x/" + url.PathEscape(plugin)
}

// InvokeURL returns the address a plugin is called at, for a call by other
// means. An empty function is the plugin's default.
func (c *Client) InvokeURL(plugin, function string) string {
	return c.base + invokePath(plugin, function)
}

// json sends in, unless nil, as JSON and decodes the answer into out, unless nil.
func (c *Client) json(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.send(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	return decode(resp, out)
}

// request prepares a request to a path of the server.
func (c *Client) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	return req, nil
}

// send returns an answer of the 200s, whose body the caller closes, or an error.
func (c *Client) send(req *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		return nil, problemOf(resp)
	}
	return resp, nil
}

// decode reads the one JSON value an answer consists of.
func decode(resp *http.Response, out any) error {
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("read the answer to %s %s: %w", resp.Request.Method, resp.Request.URL.Path, err)
	}
	return nil
}
