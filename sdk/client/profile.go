package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ProfileOptions say which profile is wanted. The zero value is the last five minutes of
// the live version.
type ProfileOptions struct {
	Window  time.Duration // up to now; 0: five minutes
	Version int           // 0: the live one

	// Diff is what to compare with: "version:1" is that version in the same time, "5m"
	// the version itself in a window that ended so long ago. Empty: nothing.
	Diff string
}

// Profile is in which functions guests burnt their fuel, in WebAssembly instructions, and
// waited on the host.
type Profile struct {
	ProfileSpan
	Functions []ProfileFunction `json:"functions"` // those that burnt the most themselves first
	Stacks    []ProfileStack    `json:"stacks"`    // the hottest first
	Diff      *ProfileDiff      `json:"diff,omitempty"`
	Notes     []string          `json:"notes"` // what the profile does not show
}

// ProfileSpan is what a profile is of.
type ProfileSpan struct {
	Plugin  string    `json:"plugin"`
	Version int       `json:"version"`
	Digest  string    `json:"digest,omitempty"` // of the module; empty where nothing was sampled lately
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Fuel    int64     `json:"fuel"`    // burnt between samples
	Samples int64     `json:"samples"` // 0: nothing is known
	HostMS  float64   `json:"host_ms"` // waited on the host, in milliseconds
}

// ProfileFunction is a function's part. Flat is what it burnt itself, Cum with all that
// it called; shares are of all fuel, 1 being all.
type ProfileFunction struct {
	Function  string  `json:"function"`
	Host      bool    `json:"host,omitempty"` // it is the host's
	FlatFuel  int64   `json:"flat_fuel"`
	FlatShare float64 `json:"flat_share"`
	CumFuel   int64   `json:"cum_fuel"`
	CumShare  float64 `json:"cum_share"`
	HostMS    float64 `json:"host_ms"` // waited in it, in milliseconds
	CumHostMS float64 `json:"cum_host_ms"`
}

// ProfileStack is a call stack.
type ProfileStack struct {
	Stack   []string `json:"stack"` // outermost first
	Fuel    int64    `json:"fuel"`
	Share   float64  `json:"share"` // of all fuel
	Samples int64    `json:"samples"`
	HostMS  float64  `json:"host_ms"`
}

// ProfileDiff is how a profile differs from another.
type ProfileDiff struct {
	Base      ProfileSpan         `json:"base"`
	Functions []ProfileDifference `json:"functions"` // those that differ most first
}

// ProfileDifference is that of a function. Points are hundredths of all fuel.
type ProfileDifference struct {
	Function      string  `json:"function"`
	FlatShare     float64 `json:"flat_share"`
	BaseFlatShare float64 `json:"base_flat_share"`
	FlatPoints    float64 `json:"flat_points"`
	CumShare      float64 `json:"cum_share"`
	BaseCumShare  float64 `json:"base_cum_share"`
	CumPoints     float64 `json:"cum_points"`
	HostMS        float64 `json:"host_ms"`
	BaseHostMS    float64 `json:"base_host_ms"`
}

// Profile returns the profile of a plugin.
func (c *Client) Profile(ctx context.Context, name string, opts ProfileOptions) (*Profile, error) {
	text, err := c.ProfileAs(ctx, name, "json", opts)
	if err != nil {
		return nil, err
	}
	var p Profile
	return &p, json.Unmarshal(text, &p)
}

// ProfileAs returns the profile of a plugin in a format: "pprof" (of which go tool
// pprof is the reader), "folded", "svg" (a flame graph) or "json".
func (c *Client) ProfileAs(ctx context.Context, name, format string, opts ProfileOptions) ([]byte, error) {
	query := url.Values{"format": {format}}
	if opts.Window != 0 {
		query.Set("window", opts.Window.String())
	}
	if opts.Version != 0 {
		query.Set("version", strconv.Itoa(opts.Version))
	}
	if opts.Diff != "" {
		query.Set("diff", opts.Diff)
	}
	req, err := c.request(ctx, http.MethodGet, pluginPath(name)+"/profile?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.send(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}
