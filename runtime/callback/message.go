package callback

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// message is the body that a URL is told with (Standard Webhooks, "Payload structure").
type message struct {
	Type      string    `json:"type"`      // task.succeeded, task.dead or task.canceled
	Timestamp time.Time `json:"timestamp"` // when the task ended
	Data      data      `json:"data"`
}

// data is the task.
type data struct {
	ID        task.ID    `json:"id"`
	Namespace string     `json:"namespace"`
	Plugin    string     `json:"plugin"`
	Function  string     `json:"function,omitempty"`
	Schedule  string     `json:"schedule,omitempty"`
	State     task.State `json:"state"`
	CreatedAt time.Time  `json:"created_at"`
	EndedAt   time.Time  `json:"ended_at"`
	Attempts  int        `json:"attempts"`

	// Of the last attempt that ran.
	Version int         `json:"version,omitempty"`
	Digest  task.Digest `json:"digest,omitempty"`
	Fuel    int64       `json:"fuel,omitempty"`
	Fault   *fault      `json:"fault,omitempty"`

	// OutputBytes is of a task that succeeded. Output is there unless it is too large: JSON
	// is as it is, other text a string, and what is no text base64.
	OutputBytes  *int64          `json:"output_bytes,omitempty"`
	Output       json.RawMessage `json:"output,omitempty"`
	OutputBase64 []byte          `json:"output_base64,omitempty"`
}

type fault struct {
	Kind    task.Kind `json:"kind"`
	Message string    `json:"message"`
}

// messageID names what is told: it is the same in each try, by which receivers know what
// they were told already, and another one if the task was sent again and ended again. It has
// no dot, which the signature sets between its parts.
func messageID(r *store.Record) string { return fmt.Sprintf("%s-%d", r.ID, r.Ended.UnixMicro()) }

// body is what is told of an ended task. Its Output is nil where it is too large, or there
// is none.
func body(r *store.Record) []byte {
	d := data{
		ID: r.ID, Namespace: r.Namespace, Plugin: r.Plugin, Function: r.Terms.Function, Schedule: r.Terms.Schedule,
		State: r.State, CreatedAt: r.Created.UTC(), EndedAt: r.Ended.UTC(),
	}
	if n := len(r.Attempts); n > 0 {
		last := &r.Attempts[n-1]
		d.Attempts, d.Version, d.Digest, d.Fuel = last.Number, last.Version, last.Digest, last.Fuel
		if last.Kind != "" && r.State != task.Succeeded {
			d.Fault = &fault{last.Kind, last.Message}
		}
	}
	if r.State == task.Succeeded {
		d.OutputBytes = &r.OutputBytes
		d.setOutput(r.Output)
	}
	b, err := json.Marshal(message{"task." + string(r.State), d.EndedAt, d})
	if err != nil {
		panic("callback: a message does not encode: " + err.Error())
	}
	return b
}

func (d *data) setOutput(output []byte) {
	switch {
	case output == nil:
	case !utf8.Valid(output):
		d.OutputBase64 = output
	case json.Valid(output):
		d.Output = output
	default:
		d.Output, _ = json.Marshal(string(output)) // a string always encodes
	}
}
