package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	// leastWait and mostWait bound the time between two tries to connect.
	leastWait = time.Second
	mostWait  = 30 * time.Second

	// silence is how long nothing may come of a stream: three of the server's heartbeats.
	silence = 45 * time.Second
)

// following is a stream of events under way, over one connection or several.
type following struct {
	client *Client
	path   string
	last   string // the id that the next connection goes on from; "": that of the path
	on     bool   // it goes on over the ends of connections,
	over   bool   // but not over one that ends as it should now

	// take is given an event, as JSON. It returns errEnough when no more are wanted, and any
	// other error for what is no event.
	take func(data []byte) error

	connected bool // once
	wait      time.Duration
}

// errEnough says that no more events are wanted, or that there will be none.
var errEnough = errors.New("enough")

// run follows events until they end.
func (f *following) run(ctx context.Context) error {
	for {
		err := f.connect(ctx)
		switch {
		case errors.Is(err, errEnough), err == nil && (!f.on || f.over):
			return nil
		case ctx.Err() == nil && (!f.on || !f.connected || f.broken(err)):
			return err
		}
		select {
		case <-time.After(f.pause(err)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// connect makes a connection and yields what comes of it. It returns nil where that ended
// as it should.
func (f *following) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer quiet.Stop()
	err := f.read(ctx, quiet)
	if context.Cause(ctx) == errSilent { //nolint:errorlint // as it was given
		return errSilent
	}
	return err
}

// errSilent says that a connection is there no more, although nobody said so.
var errSilent = fmt.Errorf("the server has sent nothing for %v", silence)

// read does connect's work, and puts quiet off with all that comes.
func (f *following) read(ctx context.Context, quiet *time.Timer) error {
	req, err := f.client.request(ctx, http.MethodGet, f.path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	if f.last != "" {
		req.Header.Set("Last-Event-ID", f.last)
	}
	resp, err := f.client.send(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return errEnough
	}
	f.connected = true
	blocks := newEventBlocks(resp.Body)
	for {
		b, err := blocks.next()
		if err == io.EOF { //nolint:errorlint // the end is never wrapped
			return nil
		}
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		quiet.Reset(silence)
		f.wait = 0
		if len(b.data) > 0 {
			switch err := f.take(b.data); {
			case errors.Is(err, errEnough):
				return err
			case err != nil:
				return &malformed{fmt.Errorf("read events: one that is none: %w", err)}
			}
		}
		if b.id != "" {
			f.last = b.id
		}
	}
}

// malformed is the error of a stream that would be no better another time.
type malformed struct{ error }

// broken tells whether trying again is in vain.
func (f *following) broken(err error) bool {
	if p, ok := errors.AsType[*Problem](err); ok {
		return !p.Retryable() && p.Status < http.StatusInternalServerError
	}
	_, bad := errors.AsType[*malformed](err)
	return bad
}

// pause is how long to wait before the next try: twice as long as before it, up to
// mostWait, less up to a fifth, so that clients which were cut off together do not come
// together; and no less than the server asks for.
func (f *following) pause(err error) time.Duration {
	f.wait = min(max(2*f.wait, leastWait), mostWait)
	wait := f.wait - rand.N(f.wait/5+1)
	if p, ok := errors.AsType[*Problem](err); ok {
		wait = max(wait, p.RetryAfter)
	}
	return wait
}
