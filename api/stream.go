package api

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/tracing"
)

const (
	// aheadOfCore is how many chunks of a stream there are at once, for each core, and how
	// many guests of it run at once if they leave the cores idle.
	aheadOfCore = 4

	// impatience is how long a stream waits for a chunk to be answered in full before it
	// sends what there is of it.
	impatience = time.Millisecond
)

// stream is a batch under way. One goroutine reads blocks of its body, one splits them
// into chunks, each chunk has one that runs it, and the handler's own writes the answers.
// What is read is bounded by blocks and chunks, hence by how fast the client takes its
// answers.
type stream struct {
	*server
	*duplex
	in task.Invocation // what the calls share

	mediaType string
	notation  notation
	traced    *tracing.Batch // nil: it is not recorded

	limit int         // bytes of an item, as the stream begins
	queue chan *chunk // in the order of their items
	whole bool        // all of the body was read, set when the queue is closed
	turns chan struct{}

	each     atomic.Int64 // nanoseconds a call takes; 0: that is not known yet
	fuel     atomic.Int64 // of all calls so far
	faults   atomic.Int64 // among the answers so far
	answered int64        // items; only the handler's goroutine counts them
}

// serve answers all items and reports whether that was all there was to do.
func (s *stream) serve(w http.ResponseWriter) bool {
	defer s.begin()()
	s.parts.Go(s.split)
	err := s.write(w)
	whole := err == nil && s.whole
	s.end(err, whole)
	return whole
}

// write answers chunk by chunk. It sends what it has when there is nothing more to add.
func (s *stream) write(w http.ResponseWriter) error {
	impatient := time.NewTimer(impatience)
	defer impatient.Stop()
	for {
		var c *chunk
		var ok bool
		select {
		case c, ok = <-s.queue:
		default:
			if err := s.flush(); err != nil {
				return err
			}
			select {
			case c, ok = <-s.queue:
			case <-s.ctx.Done():
				return context.Cause(s.ctx)
			}
		}
		if !ok {
			return s.flush()
		}
		if err := s.answer(w, c, impatient); err != nil {
			return err
		}
		s.answered += int64(len(c.items))
		c.free()
	}
}

// answer writes the answers of a chunk, all at once if that is soon.
func (s *stream) answer(w http.ResponseWriter, c *chunk, impatient *time.Timer) error {
	for _, ready, _ := c.answers(); ; ready = false {
		if !ready {
			if err := s.flush(); err != nil {
				return err
			}
			impatient.Reset(impatience)
			select {
			case <-c.news:
			case <-impatient.C:
			case <-s.ctx.Done():
				return context.Cause(s.ctx)
			}
		}
		b, _, ended := c.answers()
		if len(b) > 0 {
			s.hurry()
			if _, err := w.Write(b); err != nil {
				return err
			}
			c.took(len(b))
		}
		if ended {
			return nil
		}
	}
}
