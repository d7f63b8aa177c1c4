package client

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"time"
)

// Runtime is a language whose scripts the server runs.
type Runtime struct {
	Name      string    `json:"name"`
	Digest    string    `json:"digest"` // of the interpreter that new scripts are pinned to
	Bytes     int64     `json:"bytes"`
	Scripts   int       `json:"scripts"` // versions that use this interpreter or one before it
	UpdatedAt time.Time `json:"updated_at"`
}

// Runtimes lists the languages that are installed.
func (c *Client) Runtimes(ctx context.Context) ([]Runtime, error) {
	var list struct {
		Runtimes []Runtime `json:"runtimes"`
	}
	err := c.json(ctx, http.MethodGet, "/v1/runtimes", nil, &list)
	return list.Runtimes, err
}

// AddRuntime installs the interpreter of a language, which is a module. Scripts that are
// pushed from then on run with it. Where it was there already, added is false.
func (c *Client) AddRuntime(ctx context.Context, name string, module []byte) (r *Runtime, added bool, err error) {
	req, err := c.request(ctx, http.MethodPut, runtimePath(name), bytes.NewReader(module))
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Content-Type", "application/wasm")
	req.Header.Set("Expect", "100-continue")
	resp, err := c.send(req)
	if err != nil {
		return nil, false, err
	}
	defer resp.Body.Close()
	r = new(Runtime)
	if err := decode(resp, r); err != nil {
		return nil, false, err
	}
	return r, resp.StatusCode == http.StatusCreated, nil
}

// RemoveRuntime removes a language. While scripts use it, that is a *Problem of
// KindConflict.
func (c *Client) RemoveRuntime(ctx context.Context, name string) error {
	return c.json(ctx, http.MethodDelete, runtimePath(name), nil, nil)
}

func runtimePath(name string) string { return "/v1/runtimes/" + url.PathEscape(name) }
