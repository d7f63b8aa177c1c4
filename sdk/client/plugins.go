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
	Canary    *Canary   `json:"canary,omitempty"` // nil: the live version gets all calls
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

	Previous   int            `json:"previous,omitempty"`    // the version that was live before and may take over; 0: none
	Canary     *Canary        `json:"canary,omitempty"`      // nil: the live version gets all calls
	Takeover   *Takeover      `json:"takeover,omitempty"`    // nil: the live version was made so by somebody
	LastCanary *CanaryOutcome `json:"last_canary,omitempty"` // nil: none has ended by itself

	Pool     *Pool     `json:"pool,omitempty"` // nil until the live version is loaded
	Versions []Version `json:"versions"`       // newest first
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
	State  string `json:"state"`            // "ready", "loading", "fenced", "failed", or "none" without a live version
	Reason string `json:"reason,omitempty"` // why it is fenced or failed
}

// Canary is a version that gets a share of the calls.
type Canary struct {
	Version int       `json:"version"`
	Share   float64   `json:"share"` // over 0 and below 1
	Judge   bool      `json:"judge"` // it is compared with the live version, and the weaker goes by itself
	Since   time.Time `json:"since"`

	// Own and Live are the calls of both since then, or since the server's start. Nil
	// in a list, and while the canary is being loaded.
	Own  *Sample `json:"canary_calls,omitempty"`
	Live *Sample `json:"live_calls,omitempty"`
}

// Sample is what is compared of a version's calls.
type Sample struct {
	Calls    int64   `json:"calls"`      // that say something of the version
	Faults   int64   `json:"faults"`     // of these, the version's own
	RunP50MS float64 `json:"run_p50_ms"` // of the others: time the guest ran, in milliseconds, good to 9%
	RunP90MS float64 `json:"run_p90_ms"`
	FuelP50  int64   `json:"fuel_p50"` // and WebAssembly instructions
	FuelP90  int64   `json:"fuel_p90"`
}

// Takeover tells that the version that was live before took over by itself.
type Takeover struct {
	From   int       `json:"from"`
	To     int       `json:"to"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// CanaryOutcome is how a canary release ended by itself.
type CanaryOutcome struct {
	Version int       `json:"version"` // the canary
	Live    bool      `json:"live"`    // it became the live version; false: it was rolled back
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
}

// Version is one uploaded module and its manifest. It never changes, but for Live.
type Version struct {
	Namespace string          `json:"namespace"`
	Name      string          `json:"name"`
	Number    int             `json:"version"`            // from 1
	Live      bool            `json:"live"`               // calls go to this one
	Digest    string          `json:"digest"`             // of the module: "sha256:" and 64 hexadecimal digits
	Bytes     int64           `json:"bytes"`              // size of the module
	ABI       string          `json:"abi"`                // the contract the module speaks: "prism", "command", "script"
	Script    *Script         `json:"script,omitempty"`   // what runs it; nil: it is a module
	Function  string          `json:"function,omitempty"` // the default handler; empty when there is none
	Functions []string        `json:"functions"`          // all handlers
	Imports   []string        `json:"imports"`
	Exports   []string        `json:"exports"`
	Limits    Limits          `json:"limits"`
	Grants    Grants          `json:"grants"`
	Health    *HealthCheck    `json:"health,omitempty"` // nil: none but that instances come up
	Manifest  json.RawMessage `json:"manifest"`         // as the server understood it
	CreatedAt time.Time       `json:"created_at"`
}

// Script is what runs a version that is a script.
type Script struct {
	Runtime     string `json:"runtime"`     // its language
	File        string `json:"file"`        // its name, as tracebacks have it
	Interpreter string `json:"interpreter"` // the digest of the interpreter's module
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

// HealthCheck is how a version is known to be well, and what follows where it is not.
type HealthCheck struct {
	Input    *string `json:"input,omitempty"`    // of the canary call; nil: none is made
	Expect   *string `json:"expect,omitempty"`   // what it must answer; nil: anything
	EveryMS  float64 `json:"every_ms,omitempty"` // between canary calls, in milliseconds
	Failover bool    `json:"failover"`           // the version that was live before may take over by itself
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

// SetLive sends all calls to a version from now on, to roll back or forward, and
// returns the plugin as it is then. Calls already running end where they are. It ends
// a canary release.
func (c *Client) SetLive(ctx context.Context, name string, version int) (*Plugin, error) {
	return c.setLive(ctx, name, struct {
		Version int `json:"version"`
	}{version})
}

// SetCanary sends a share of the calls, over 0 and below 1, to a version, while the
// live one goes on with the others. With judge the server compares the two, and the
// weaker goes by itself.
func (c *Client) SetCanary(ctx context.Context, name string, version int, share float64, judge bool) (*Plugin, error) {
	return c.setLive(ctx, name, struct {
		Version int     `json:"version"`
		Share   float64 `json:"share"`
		Judge   bool    `json:"judge,omitempty"`
	}{version, share, judge})
}

func (c *Client) setLive(ctx context.Context, name string, in any) (*Plugin, error) {
	var p Plugin
	if err := c.json(ctx, http.MethodPost, pluginPath(name)+"/live", in, &p); err != nil {
		return nil, err
	}
	return &p, nil
}

// Delete stops a plugin and forgets all its versions. While tasks wait for it, that is a
// *Problem of KindConflict.
func (c *Client) Delete(ctx context.Context, name string) error {
	return c.json(ctx, http.MethodDelete, pluginPath(name), nil, nil)
}

// ForceDelete is Delete, and cancels the tasks that wait.
func (c *Client) ForceDelete(ctx context.Context, name string) error {
	return c.json(ctx, http.MethodDelete, pluginPath(name)+"?force=true", nil, nil)
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
