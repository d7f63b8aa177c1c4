package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Summary is a plugin in a list.
type Summary struct {
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Live      int       `json:"live"`     // the version calls go to; 0: none yet
	Versions  int       `json:"versions"` // how many there are
	ABI       string    `json:"abi"`      // of the live version, else of the newest, as are digest and size
	Digest    string    `json:"digest"`
	Bytes     int64     `json:"bytes"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Plugin is a plugin with all its versions.
type Plugin struct {
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Live      int       `json:"live"` // the version calls go to; 0: none yet
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Health    Health    `json:"health"`
	Pool      *Pool     `json:"pool,omitempty"` // nil until the live version is loaded
	Versions  []Version `json:"versions"`       // newest first
}

// Pool counts the instances of a plugin's live version.
type Pool struct {
	Version  int `json:"version"`
	Ready    int `json:"ready"`    // idle
	Building int `json:"building"` // being made
	Lent     int `json:"lent"`     // running a call
	Waiting  int `json:"waiting"`  // calls in line for an instance
	Size     int `json:"size"`     // instances that are worth having now
	Max      int `json:"max"`      // instances alive at once
}

// Health says whether calls can be served.
type Health struct {
	State  string `json:"state"`            // "ready", "loading", "failed", or "none" without a live version
	Reason string `json:"reason,omitempty"` // why it failed
}

// Version is one uploaded module and its manifest. It never changes, but for Live.
type Version struct {
	Namespace string          `json:"namespace"`
	Name      string          `json:"name"`
	Number    int             `json:"version"`            // from 1
	Live      bool            `json:"live"`               // calls go to this one
	Digest    string          `json:"digest"`             // of the module: "sha256:" and 64 hexadecimal digits
	Bytes     int64           `json:"bytes"`              // size of the module
	ABI       string          `json:"abi"`                // the contract the module speaks: "prism", "command"
	Function  string          `json:"function,omitempty"` // the default handler; empty when there is none
	Functions []string        `json:"functions"`          // all handlers
	Imports   []string        `json:"imports"`
	Exports   []string        `json:"exports"`
	Limits    Limits          `json:"limits"`
	Grants    Grants          `json:"grants"`
	Manifest  json.RawMessage `json:"manifest"` // as the server understood it
	CreatedAt time.Time       `json:"created_at"`
}

// Limits bound one call of a version, and its instances.
type Limits struct {
	MemoryBytes  int64   `json:"memory_bytes"` // linear memory of an instance
	TimeoutMS    float64 `json:"timeout_ms"`   // wall clock of a call, in milliseconds
	Fuel         int64   `json:"fuel"`         // WebAssembly instructions of a call
	StackBytes   int64   `json:"stack_bytes"`
	InputBytes   int64   `json:"input_bytes"`
	OutputBytes  int64   `json:"output_bytes"`
	InstancesMin int     `json:"instances_min"` // kept ready
	InstancesMax int     `json:"instances_max"` // alive at once
}

// Grants are the capabilities a version was given.
type Grants struct {
	Config []string `json:"config"` // the keys it may read; the values stay on the server
}

// Plugins lists the plugins.
func (c *Client) Plugins(ctx context.Context) ([]Summary, error) {
	var list struct {
		Plugins []Summary `json:"plugins"`
	}
	err := c.json(ctx, http.MethodGet, "/v1/plugins", nil, &list)
	return list.Plugins, err
}

// Plugin returns one plugin, a *Problem of KindNotFound when there is none.
func (c *Client) Plugin(ctx context.Context, name string) (*Plugin, error) {
	var p Plugin
	if err := c.json(ctx, http.MethodGet, pluginPath(name), nil, &p); err != nil {
		return nil, err
	}
	return &p, nil
}

// SetLive sends calls to a version from now on, to roll back or forward, and
// returns the plugin as it is then. Calls already running end where they are.
func (c *Client) SetLive(ctx context.Context, name string, version int) (*Plugin, error) {
	var p Plugin
	in := struct {
		Version int `json:"version"`
	}{version}
	if err := c.json(ctx, http.MethodPost, pluginPath(name)+"/live", in, &p); err != nil {
		return nil, err
	}
	return &p, nil
}

// Delete stops a plugin and forgets all its versions.
func (c *Client) Delete(ctx context.Context, name string) error {
	return c.json(ctx, http.MethodDelete, pluginPath(name), nil, nil)
}

// Module returns the bytes of a version as they were uploaded. It fails when
// they do not have the digest the server announces.
func (c *Client) Module(ctx context.Context, name string, version int) ([]byte, error) {
	req, err := c.request(ctx, http.MethodGet, pluginPath(name)+"/versions/"+strconv.Itoa(version)+"/module", nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.send(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	module, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the module of %q version %d: %w", name, version, err)
	}
	sum := sha256.Sum256(module)
	if got, want := `"sha256:`+hex.EncodeToString(sum[:])+`"`, resp.Header.Get("ETag"); got != want {
		return nil, fmt.Errorf("the module of %q version %d arrived with digest %s, the server announced %s", name, version, got, want)
	}
	return module, nil
}

// pluginPath returns the path of a plugin.
func pluginPath(name string) string { return "/v1/plugins/" + url.PathEscape(name) }
