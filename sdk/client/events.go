package client

import (
	"context"
	"encoding/json"
	"iter"
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

// Events yields what happens on the server, in order. With Follow, a connection that was
// there and breaks, or ends since the server stops, is made anew until ctx ends, and each
// event is yielded once; what is lost meanwhile is told of by an event of type EventGap.
// An error is the last that is yielded: of the first connection, a *Problem that trying
// again would not cure, or the end of ctx.
func (c *Client) Events(ctx context.Context, opts EventOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		f := &following{client: c, path: "/v1/events?" + opts.query().Encode(), on: opts.Follow}
		f.take = func(data []byte) error {
			var e Event
			if err := json.Unmarshal(data, &e); err != nil {
				return err
			}
			if !yield(e, nil) {
				return errEnough
			}
			return nil
		}
		if err := f.run(ctx); err != nil {
			yield(Event{}, err)
		}
	}
}
