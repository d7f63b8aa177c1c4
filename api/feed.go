package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/task"
)

const (
	// mostFeeds is how many streams of events are open at once.
	mostFeeds = 64

	// heartbeat is how long a stream of events is silent: proxies close connections that
	// are so for long, and a client that has left is noticed by writing to it.
	heartbeat = 15 * time.Second

	// comeback is when a browser that was cut off is to come again.
	comeback = time.Second

	// parting is how long a client has, when the server stops, to take what it was sent.
	parting = time.Second
)

// feed is a stream of events under way.
type feed struct {
	*server
	w          http.ResponseWriter
	controller *http.ResponseController
	reader     *event.Reader
	buffer     bytes.Buffer

	mu     sync.Mutex
	ending bool // the server stops, and the deadline stands
}

// feed sends what a reader gets, until the client leaves, takes nothing for the
// BodyTimeout, or the server stops.
func (s *server) feed(w http.ResponseWriter, r *request, reader *event.Reader) error {
	defer s.feeds.Add(-1)
	if s.feeds.Add(1) > mostFeeds {
		return task.Faultf(task.KindBusy, "%d streams of events are open, which is the most; close one, or ask for what is kept with follow=false", mostFeeds)
	}
	f := &feed{server: s, w: w, controller: http.NewResponseController(w), reader: reader}
	header := w.Header()
	header.Set("Content-Type", eventStream)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Accel-Buffering", "no") // nginx would keep events back
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-s.Events.Closed():
			f.part()
		case <-ended:
		}
	}()
	// With an id from the beginning, who is cut off misses nothing that comes from now on.
	fmt.Fprintf(&f.buffer, "retry: %d\nid: %v\n\n", comeback.Milliseconds(), reader.Seen())
	for err := f.send(); err == nil; err = f.send() {
		if !f.next(r.Context()) {
			break
		}
	}
	return nil // a client that has left is told nothing
}

// next waits for something to send, and returns false when there will be nothing.
func (f *feed) next(ctx context.Context) bool {
	quiet, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	e, err := f.reader.Next(quiet)
	switch {
	case err == nil:
		writeEvent(&f.buffer, &e)
	case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		// An id without data is no event, but where a client goes on from: it need not be
		// told of a gap among events that it did not ask for.
		fmt.Fprintf(&f.buffer, ": nothing new\nid: %v\n\n", f.reader.Seen())
	default:
		return false
	}
	return true
}

// atOnce is about how many bytes are written before they are sent.
const atOnce = 16 << 10

// send sends what there is, and what else can be had without waiting.
func (f *feed) send() error {
	for {
		more := false
		for f.buffer.Len() < atOnce {
			e, ok := f.reader.Take()
			if more = ok; !ok {
				break
			}
			writeEvent(&f.buffer, &e)
		}
		f.hurry()
		if _, err := f.w.Write(f.buffer.Bytes()); err != nil {
			return err
		}
		f.buffer.Reset()
		if !more {
			return f.controller.Flush()
		}
	}
}

// hurry gives the client until the BodyTimeout to take more.
func (f *feed) hurry() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ending {
		_ = f.controller.SetWriteDeadline(time.Now().Add(f.BodyTimeout))
	}
}

// part gives it until parting to take all.
func (f *feed) part() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ending = true
	_ = f.controller.SetWriteDeadline(time.Now().Add(parting))
}
