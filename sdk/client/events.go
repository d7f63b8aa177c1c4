package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Event is something that happened on the server.
type Event struct {
	ID   string    `json:"id"` // what comes after it can be asked for: EventOptions.Since
	Time time.Time `json:"time"`
	Type string    `json:"type"` // such as "version.live": the README lists them

	Namespace string          `json:"namespace,omitempty"`
	Plugin    string          `json:"plugin,omitempty"`     // empty: it is of the server
	Version   int             `json:"version,omitempty"`    // 0: of the plugin, whatever its version
	Kind      Kind            `json:"kind,omitempty"`       // of a fault
	RequestID string          `json:"request_id,omitempty"` // of the call, or of one that is told of many
	Count     int64           `json:"count,omitempty"`      // how many were like it, itself included; 0: it is one by itself
	Message   string          `json:"message,omitempty"`    // a sentence for people
	Data      json.RawMessage `json:"data,omitempty"`       // a JSON object; nil: there is no more to say
}

// EventGap is the type of an event that stands for others which are not there any more:
// the reader was too slow, or was away for too long. Count says how many, and Data has
// "restarted" where the server was started anew.
const EventGap = "gap"

// EventOptions choose events. The zero value is all that the server has kept.
type EventOptions struct {
	Types   []string // "version.live", or "version" for all that begin so; nil: all
	Plugin  string   // "": all, and those of the server
	Version int      // of the plugin; 0: all

	// Since is the ID of the event after which they begin, or "now". Empty: with the
	// oldest that the server has.
	Since string

	// Follow goes on with what comes, for as long as the context does.
	Follow bool
}

func (o *EventOptions) query() url.Values {
	q := url.Values{"follow": {strconv.FormatBool(o.Follow)}}
	for _, t := range o.Types {
		q.Add("type", t)
	}
	if o.Plugin != "" {
		q.Set("plugin", o.Plugin)
	}
	if o.Version != 0 {
		q.Set("version", strconv.Itoa(o.Version))
	}
	if o.Since != "" {
		q.Set("since", o.Since)
	}
	return q
}

const (
	// leastWait and mostWait bound the time between two tries to connect.
	leastWait = time.Second
	mostWait  = 30 * time.Second

	// silence is how long nothing may come of a stream: three of the server's heartbeats.
	silence = 45 * time.Second
)

// Events yields what happens on the server, in order. With Follow, a connection that was
// there and breaks, or ends since the server stops, is made anew until ctx ends, and each
// event is yielded once; what is lost meanwhile is told of by an event of type EventGap.
// An error is the last that is yielded: of the first connection, a *Problem that trying
// again would not cure, or the end of ctx.
func (c *Client) Events(ctx context.Context, opts EventOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		f := &following{client: c, query: opts.query().Encode(), yield: yield}
		for {
			err := f.connect(ctx)
			switch {
			case errors.Is(err, errEnough), err == nil && !opts.Follow:
				return
			case ctx.Err() == nil && (!opts.Follow || !f.connected || f.broken(err)):
				yield(Event{}, err)
				return
			}
			select {
			case <-time.After(f.pause(err)):
			case <-ctx.Done():
				yield(Event{}, context.Cause(ctx))
				return
			}
		}
	}
}

// following is Events under way.
type following struct {
	client *Client
	query  string
	last   string // the id that the next connection goes on from; "": that of the query
	yield  func(Event, error) bool

	connected bool // once
	wait      time.Duration
}

// errEnough says that the caller takes no more.
var errEnough = errors.New("enough")

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
	req, err := f.client.request(ctx, http.MethodGet, "/v1/events?"+f.query, nil)
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
			var e Event
			if err := json.Unmarshal(b.data, &e); err != nil {
				return &malformed{fmt.Errorf("read events: one that is none: %w", err)}
			}
			if !f.yield(e, nil) {
				return errEnough
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
