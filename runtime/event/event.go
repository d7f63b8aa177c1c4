// Package event tells what goes on as it goes on: a Log keeps the last events, and any
// number of Readers follow it, each at its own pace.
package event

import (
	"encoding/json"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/marketprism/prismrt/runtime/task"
)

// Event is something that happened. Once it was published it does not change.
type Event struct {
	ID   ID        // given by the Log
	Time time.Time // zero: when it was published
	Type Type
	Ref  task.Ref  // zero: it is of the server; version 0: of the plugin
	Kind task.Kind // of a fault, "" where it is of none

	// RequestID names the call it is of, or the one that is told of many. "": none.
	RequestID task.ID

	// Count is how many were like it, itself included. Zero: it is one by itself.
	Count int64

	// Message is a sentence for people, of at most 1,000 bytes; more is cut off.
	Message string

	// Data is what programs may want besides, a JSON object of at most 4 KiB; one that is
	// longer is left out.
	Data json.RawMessage
}

const (
	mostMessage = 1000
	mostData    = 4 << 10
)

// Data encodes an Event's Data. It panics on what cannot be JSON, which is a mistake in
// the program.
func Data(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic("event: data does not encode: " + err.Error())
	}
	return b
}

// now is as exact as other times that people are shown.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// bound cuts off what is too long.
func (e *Event) bound() {
	if len(e.Message) > mostMessage {
		end := mostMessage - len("...")
		for end > 0 && !utf8.RuneStart(e.Message[end]) {
			end--
		}
		e.Message = e.Message[:end] + "..."
	}
	if len(e.Data) > mostData {
		e.Data = nil
	}
}

// size is about how much memory an event takes, in bytes.
func (e *Event) size() int {
	return int(unsafe.Sizeof(*e)) + len(e.Ref.Namespace) + len(e.Ref.Plugin) + len(e.RequestID) + len(e.Message) + len(e.Data)
}

// MarshalJSON writes an event as one JSON object, without what is empty.
func (e Event) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID        ID              `json:"id"`
		Time      time.Time       `json:"time"`
		Type      Type            `json:"type"`
		Namespace string          `json:"namespace,omitempty"`
		Plugin    string          `json:"plugin,omitempty"`
		Version   int             `json:"version,omitempty"`
		Kind      task.Kind       `json:"kind,omitempty"`
		RequestID task.ID         `json:"request_id,omitempty"`
		Count     int64           `json:"count,omitempty"`
		Message   string          `json:"message,omitempty"`
		Data      json.RawMessage `json:"data,omitempty"`
	}{e.ID, e.Time, e.Type, e.Ref.Namespace, e.Ref.Plugin, e.Ref.Version, e.Kind, e.RequestID, e.Count, e.Message, e.Data})
}

// Filter chooses events. Its zero value takes all.
type Filter struct {
	Types     []Type // or their subjects; nil: all
	Namespace string // and what is of none
	Plugin    string
	Version   int
}

func (f *Filter) takes(e *Event) bool {
	if e.Type == Gap {
		return true
	}
	if f.Namespace != "" && e.Ref.Namespace != "" && e.Ref.Namespace != f.Namespace ||
		f.Plugin != "" && e.Ref.Plugin != f.Plugin || f.Version != 0 && e.Ref.Version != f.Version {
		return false
	}
	for _, t := range f.Types {
		if t.covers(e.Type) {
			return true
		}
	}
	return f.Types == nil
}
