package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/task"
)

const eventStream = "text/event-stream"

// events tells what goes on: what is kept, and then what comes, as server-sent events; or
// what is kept alone.
func (s *server) events(w http.ResponseWriter, r *request) error {
	mediaType, err := negotiate(r.Request, eventStream, "application/json")
	if err != nil {
		return err
	}
	filter, err := eventFilter(r)
	if err != nil {
		return err
	}
	after, err := s.eventsAfter(r)
	if err != nil {
		return err
	}
	follow, err := wantsFollow(r, mediaType)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	reader := s.Events.Follow(after, filter)
	switch {
	case mediaType != eventStream:
		return s.writeJSON(w, http.StatusOK, kept(s.Events, reader))
	case !follow:
		var b bytes.Buffer
		for _, e := range kept(s.Events, reader) {
			writeEvent(&b, e.ID.String(), string(e.Type), &e)
		}
		w.Header().Set("Content-Type", eventStream)
		s.write(w, http.StatusOK, b.Bytes())
		return nil
	}
	return s.feed(r.Context(), w, r, &logSource{reader})
}

// logSource is the log of events as the source of a feed.
type logSource struct{ reader *event.Reader }

func (l *logSource) next(ctx context.Context, b *bytes.Buffer) error {
	e, err := l.reader.Next(ctx)
	if err == nil {
		writeEvent(b, e.ID.String(), string(e.Type), &e)
	}
	return err
}

func (l *logSource) take(b *bytes.Buffer) bool {
	e, ok := l.reader.Take()
	if ok {
		writeEvent(b, e.ID.String(), string(e.Type), &e)
	}
	return ok
}

func (l *logSource) place() string { return l.reader.Seen().String() }

// wantsFollow tells whether a client wants to be told what comes, too.
func wantsFollow(r *request, mediaType string) (bool, error) {
	follow, err := boolQuery(r, "follow", mediaType == eventStream)
	if err == nil && follow && mediaType != eventStream {
		err = task.Faultf(task.KindInvalid, "JSON tells of what is kept and ends; take follow=false, or Accept: %s", eventStream)
	}
	return follow, err
}

// kept is what a reader gets of what the log has by now.
func kept(l *event.Log, reader *event.Reader) []event.Event {
	events, last := []event.Event{}, l.Last()
	for e, ok := reader.Take(); ok && e.ID.N <= last.N; e, ok = reader.Take() {
		events = append(events, e)
	}
	return events
}

// eventFilter reads which events are asked for.
func eventFilter(r *request) (f event.Filter, err error) {
	query := r.URL.Query()
	for _, list := range query["type"] {
		for name := range strings.SplitSeq(list, ",") {
			t := event.Type(name)
			if !t.Known() {
				return f, task.Faultf(task.KindInvalid, "there are no events of type %.80q; there are %s, and what is before the dot stands for all of its types",
					name, typeNames(event.Types))
			}
			f.Types = append(f.Types, t)
		}
	}
	f.Namespace, f.Plugin = namespace, query.Get("plugin")
	if f.Plugin != "" {
		if err := plugins.CheckName(f.Plugin); err != nil {
			return f, err
		}
	}
	if text := query.Get("version"); text != "" {
		if f.Version, err = strconv.Atoi(text); err != nil || f.Version < 1 {
			return f, task.Faultf(task.KindInvalid, "version is %.80q; write a number from 1 on", text)
		}
		if f.Plugin == "" {
			return f, task.Faultf(task.KindInvalid, "version %d is of which plugin? Add plugin=NAME", f.Version)
		}
	}
	return f, nil
}

// eventsAfter reads which event those asked for follow: the one that a client which was
// cut off names, or else what the query has.
func (s *server) eventsAfter(r *request) (event.ID, error) {
	switch text := cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("since")); text {
	case "":
		return event.ID{}, nil
	case "now":
		return s.Events.Last(), nil
	default:
		return event.ParseID(text)
	}
}

// writeEvent writes an event as WHATWG's HTML has it ("Server-sent events", "Parsing an
// event stream").
func writeEvent(b *bytes.Buffer, id, name string, e any) {
	data, err := json.Marshal(e)
	if err != nil {
		panic("api: an event does not encode: " + err.Error())
	}
	fmt.Fprintf(b, "id: %s\nevent: %s\ndata: %s\n\n", id, name, data)
}

func typeNames(types []event.Type) string {
	names := make([]string, len(types))
	for n, t := range types {
		names[n] = string(t)
	}
	return strings.Join(names, ", ")
}
