package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/task"
)

// taskEvents tells what happens to a task: what is known of it, and then what comes until
// it has ended, as server-sent events; or what is known alone.
func (s *server) taskEvents(w http.ResponseWriter, r *request) error {
	mediaType, err := negotiate(r.Request, eventStream, "application/json")
	if err != nil {
		return err
	}
	follow, err := wantsFollow(r, mediaType)
	if err != nil {
		return err
	}
	last := r.Header.Get("Last-Event-ID")
	var after queue.EventID
	if last != "" {
		if after, err = queue.ParseEventID(last); err != nil {
			return err
		}
	}
	ctx, cancel := s.untilStop(r.Context())
	defer cancel()
	reader, err := s.Queue.Follow(ctx, namespace, r.taskID(), after)
	if err != nil {
		return err
	}
	w.Header()["Cache-Control"] = noStore
	source := &taskSource{ctx: ctx, reader: reader, last: last}
	if follow {
		if last != "" && source.isOver() {
			// Which tells a browser to come no more.
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return s.feed(ctx, w, r, source)
	}
	if mediaType == eventStream {
		var b bytes.Buffer
		for source.take(&b) {
		}
		w.Header().Set("Content-Type", eventStream)
		s.write(w, http.StatusOK, b.Bytes())
		return nil
	}
	all := []taskEvent{}
	for {
		e, err := source.now()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if e == nil {
			break
		}
		all = append(all, *taskEventOf(e))
	}
	return s.writeJSON(w, http.StatusOK, all)
}

// taskEvent is something that happened to a task.
type taskEvent struct {
	ID       string          `json:"id"`
	Time     time.Time       `json:"time"`
	Type     queue.EventType `json:"type"`
	State    task.State      `json:"state,omitempty"`   // of state
	Attempt  int             `json:"attempt,omitempty"` // absent: none has begun
	Kind     task.Kind       `json:"kind,omitempty"`    // of state: the fault's
	Level    string          `json:"level,omitempty"`   // of log
	Message  *string         `json:"message,omitempty"` // of log: the line; of state: why
	Progress *progress       `json:"progress,omitempty"`
}

func taskEventOf(e *queue.Event) *taskEvent {
	doc := &taskEvent{
		ID: e.ID.String(), Time: e.Time, Type: e.Type, State: e.State, Attempt: e.ID.Attempt, Kind: e.Kind, Level: e.Level,
		Progress: progressOf(e.Progress),
	}
	if e.Message != "" || e.Type == queue.Logged {
		doc.Message = &e.Message
	}
	return doc
}

// taskSource is a task as the source of a feed. Its place is that of the event that was
// given last, or that the client had.
type taskSource struct {
	ctx    context.Context // of the request
	reader *queue.Reader
	last   string
	ahead  *queue.Event // that was taken and is yet to be given; nil: none is
}

// now returns the next event if it is there, nil if not. The error may be io.EOF.
func (t *taskSource) now() (*queue.Event, error) {
	e := t.ahead
	if t.ahead = nil; e == nil {
		next, ok, err := t.reader.Take(t.ctx)
		if !ok {
			return nil, err
		}
		e = &next
	}
	t.last = e.ID.String()
	return e, nil
}

// isOver tells whether there will be no event.
func (t *taskSource) isOver() bool {
	e, ok, err := t.reader.Take(t.ctx)
	if ok {
		t.ahead = &e
	}
	return errors.Is(err, io.EOF)
}

func (t *taskSource) next(ctx context.Context, b *bytes.Buffer) error {
	e, err := t.now()
	if e == nil && err == nil {
		var next queue.Event
		if next, err = t.reader.Next(ctx); err == nil {
			e, t.last = &next, next.ID.String()
		}
	}
	if err == nil {
		t.write(b, e)
	}
	return err
}

func (t *taskSource) take(b *bytes.Buffer) bool {
	e, err := t.now()
	if e == nil || err != nil { // which next will be told, too
		return false
	}
	t.write(b, e)
	return true
}

func (t *taskSource) write(b *bytes.Buffer, e *queue.Event) {
	writeEvent(b, t.last, string(e.Type), taskEventOf(e))
}

func (t *taskSource) place() string { return t.last }
