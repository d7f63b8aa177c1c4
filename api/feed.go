package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

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

// source is where the events of a feed come from.
type source interface {
	// next waits for an event and writes it. The error is ctx's cause, or says that there
	// will be no more.
	next(ctx context.Context, b *bytes.Buffer) error

	// take writes the next event if it is there already.
	take(b *bytes.Buffer) bool

	// place is the id that a client goes on from which is to get nothing again and miss
	// nothing; "": it is to begin anew.
	place() string
}

// feed is a stream of events under way.
type feed struct {
	*server
	w          http.ResponseWriter
	controller *http.ResponseController
	source     source
	buffer     bytes.Buffer

	mu     sync.Mutex
	ending bool // the server stops, and the deadline stands
}

// feed sends what a source has, until that or ctx ends, which it does when the client leaves,
// or the client takes nothing for the BodyTimeout, or for parting when the server stops.
func (s *server) feed(ctx context.Context, w http.ResponseWriter, r *request, from source) error {
	defer s.feeds.Add(-1)
	if s.feeds.Add(1) > mostFeeds {
		return task.Faultf(task.KindBusy, "%d streams of events are open, which is the most; close one, or ask for what is kept with follow=false", mostFeeds)
	}
	f := &feed{server: s, w: w, controller: http.NewResponseController(w), source: from}
	header := w.Header()
	header.Set("Content-Type", eventStream)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Accel-Buffering", "no") // nginx would keep events back
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	defer s.Events.AfterClose(f.part)()
	// With an id from the beginning, who is cut off misses nothing that comes from now on.
	fmt.Fprintf(&f.buffer, "retry: %d\n", comeback.Milliseconds())
	f.mark()
	for err := f.send(); err == nil; err = f.send() {
		if !f.next(ctx) {
			break
		}
	}
	return nil // a client that has left is told nothing
}

// untilStop returns a context that ends with ctx, or when the server stops.
func (s *server) untilStop(ctx context.Context) (context.Context, context.CancelFunc) {
	serving, cancel := context.WithCancel(ctx)
	stop := s.Events.AfterClose(cancel)
	return serving, func() {
		stop()
		cancel()
	}
}

// mark writes the place, if there is one, and ends what was begun.
func (f *feed) mark() {
	if id := f.source.place(); id != "" {
		fmt.Fprintf(&f.buffer, "id: %s\n", id)
	}
	f.buffer.WriteByte('\n')
}

// next waits for something to send, and returns false when there will be nothing.
func (f *feed) next(ctx context.Context) bool {
	quiet, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	err := f.source.next(quiet, &f.buffer)
	switch {
	case err == nil:
	case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		// An id without data is no event, but where a client goes on from: it need not be
		// told of a gap among events that it did not ask for.
		f.buffer.WriteString(": nothing new\n")
		f.mark()
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
		more := true
		for more && f.buffer.Len() < atOnce {
			more = f.source.take(&f.buffer)
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
