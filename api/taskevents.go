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
	source := &taskSource{reader: reader, last: last}
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
	for e, ok := source.now(); ok; e, ok = source.now() {
		all = append(all, *taskEventOf(&e))
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

// taskSource is a task as the source of a feed.
type taskSource struct {
	reader *queue.Reader
	last   string       // id of the event that was given last, or that a client had; "": none
	ahead  *queue.Event // that was read and is yet to be given; nil: none is
}

// noWait is a context with which a reader gives what is there.
var noWait = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// read returns the next event.
func (t *taskSource) read(ctx context.Context) (queue.Event, error) {
	e, err := t.ahead, error(nil)
	if t.ahead = nil; e == nil {
		var next queue.Event
		if next, err = t.reader.Next(ctx); err != nil {
			return next, err
		}
		e = &next
	}
	t.last = e.ID.String()
	return *e, nil
}

// now returns the next event if it is there.
func (t *taskSource) now() (queue.Event, bool) {
	e, err := t.read(noWait)
	return e, err == nil
}

// isOver tells whether there will be no event.
func (t *taskSource) isOver() bool {
	e, err := t.reader.Next(noWait)
	if err == nil {
		t.ahead = &e
	}
	return errors.Is(err, io.EOF)
}

func (t *taskSource) next(ctx context.Context, b *bytes.Buffer) error {
	e, err := t.read(ctx)
	if err == nil {
		writeEvent(b, t.last, string(e.Type), taskEventOf(&e))
	}
	return err
}

func (t *taskSource) take(b *bytes.Buffer) bool { return t.next(noWait, b) == nil }

func (t *taskSource) place() string { return t.last }
