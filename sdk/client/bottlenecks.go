package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Bottlenecks is what a server found to be slow in a window of time.
type Bottlenecks struct {
	From     time.Time    `json:"from"`
	To       time.Time    `json:"to"`
	Calls    int64        `json:"calls"`
	Findings []Bottleneck `json:"findings"` // what costs most first; none is good news
}

// Bottleneck is what is slow, why, and what to do.
type Bottleneck struct {
	Rule      string  `json:"rule"`  // its kind, such as pool_too_small
	Phase     string  `json:"phase"` // of a call's, or gc, scheduling, locks, memory, compile, disk
	Namespace string  `json:"namespace,omitempty"`
	Plugin    string  `json:"plugin,omitempty"`  // "": it is about the whole server
	Version   int     `json:"version,omitempty"` // 0: about all of the plugin's
	LostMS    float64 `json:"lost_ms"`           // by all calls together
	Share     float64 `json:"share"`             // of the time of all calls
	P50MS     float64 `json:"p50_ms"`            // of what a call lost
	P99MS     float64 `json:"p99_ms"`
	Calls     int64   `json:"calls"`            // that it touched
	Urgent    bool    `json:"urgent,omitempty"` // it ends the server if it goes on
	Cause     string  `json:"cause"`

	Evidence []struct {
		Name  string  `json:"name"`
		Value float64 `json:"value"`
		Unit  string  `json:"unit,omitempty"`
	} `json:"evidence"`

	Advice struct {
		Text    string  `json:"text"`
		Setting string  `json:"setting,omitempty"`
		Value   string  `json:"value,omitempty"`
		GainMS  float64 `json:"gain_ms,omitempty"` // that calls can be expected to gain on average; 0: not known
	} `json:"advice"`

	Functions []struct {
		Name      string  `json:"function"`
		FlatShare float64 `json:"flat_share"` // of the guest's fuel, from 0 to 1
		CumShare  float64 `json:"cum_share"`  // with what it called
	} `json:"functions,omitempty"`
}

// Bottlenecks asks what was slow in the time up to now: a second to 15 minutes, and 0 for
// what the server takes to be now, ten seconds.
func (c *Client) Bottlenecks(ctx context.Context, window time.Duration) (*Bottlenecks, error) {
	body, err := c.bottlenecks(ctx, window, "application/json")
	if err != nil {
		return nil, err
	}
	var b Bottlenecks
	return &b, json.Unmarshal(body, &b)
}

// BottlenecksText asks for the same as text for people.
func (c *Client) BottlenecksText(ctx context.Context, window time.Duration) (string, error) {
	body, err := c.bottlenecks(ctx, window, "text/plain")
	return string(body), err
}

func (c *Client) bottlenecks(ctx context.Context, window time.Duration, accept string) ([]byte, error) {
	path := "/v1/bottlenecks"
	if window != 0 {
		path += "?window=" + url.QueryEscape(window.String())
	}
	req, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	resp, err := c.send(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}
