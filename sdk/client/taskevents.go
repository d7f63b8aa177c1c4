package client

import (
	"context"
	"encoding/json"
	"iter"
	"time"
)

// TaskEventType says what a TaskEvent tells of.
type TaskEventType string

// The types.
const (
	StateChanged TaskEventType = "state"
	Logged       TaskEventType = "log"
	Progressed   TaskEventType = "progress"
)

// TaskEvent is something that happened to a task.
type TaskEvent struct {
	ID       string        `json:"id"`
	Time     time.Time     `json:"time"`
	Type     TaskEventType `json:"type"`
	State    State         `json:"state,omitempty"`    // of StateChanged
	Attempt  int           `json:"attempt,omitempty"`  // from 1 on; 0: none has begun
	Kind     Kind          `json:"kind,omitempty"`     // of StateChanged: the fault's
	Level    string        `json:"level,omitempty"`    // of Logged: debug, info, warn, error, or "" for standard error
	Message  string        `json:"message,omitempty"`  // of Logged: the line; of StateChanged: why
	Progress *Progress     `json:"progress,omitempty"` // of Progressed
}

// TaskEvents yields what has happened to a task and what happens, in order, until it has
// ended. A connection that was there and breaks is made anew, and no change of the state is
// missed, nor yielded twice. An error is the last that is yielded, as of Events.
func (c *Client) TaskEvents(ctx context.Context, id string) iter.Seq2[TaskEvent, error] {
	return func(yield func(TaskEvent, error) bool) {
		f := &following{client: c, path: taskPath(id) + "/events", on: true}
		f.take = func(data []byte) error {
			var e TaskEvent
			if err := json.Unmarshal(data, &e); err != nil {
				return err
			}
			if !yield(e, nil) {
				return errEnough
			}
			if e.Type == StateChanged {
				// One that was sent again had ended, too: it is the end of the stream that tells.
				f.over = e.State.Ended()
			}
			return nil
		}
		if err := f.run(ctx); err != nil {
			yield(TaskEvent{}, err)
		}
	}
}
