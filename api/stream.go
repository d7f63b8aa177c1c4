package api

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/tracing"
)

const (
	// aheadOfCore is how many chunks of a stream there are at once, for each core, and how
	// many guests of it run at once if they leave the cores idle.
	aheadOfCore = 4

	// A stream reads into blocks of blockBytes, of which it has one that is split, one that
	// waits, and one that is read into.
	blockBytes = 64 << 10
	blocksKept = 3

	// impatience is how long a stream waits for a chunk to be answered in full before it
	// sends what there is of it.
	impatience = time.Millisecond

	// lingering is how long a client is given to notice that a stream has ended early.
	lingering = 5 * time.Second
)

// stream is a batch under way. One goroutine reads blocks of its body, one splits them
// into chunks, each chunk has one that runs it, and the handler's own writes the answers.
// What is read is bounded by blocks and chunks, hence by how fast the client takes its
// answers.
type stream struct {
	*server
	request *request
	in      task.Invocation // what the calls share

	mediaType string
	notation  notation
	traced    *tracing.Batch // nil: it is not recorded

	ctx        context.Context
	leave      context.CancelCauseFunc
	controller *http.ResponseController
	body       io.Reader

	limit          int         // bytes of an item, as the stream begins
	blocks, unused chan []byte // read, to be split; split, to be read into
	broke          error       // why there are no more blocks, set when they are closed
	queue          chan *chunk // in the order of their items
	whole          bool        // all of the body was read, set when the queue is closed
	turns          chan struct{}

	patience patience
	each     atomic.Int64 // nanoseconds a call takes; 0: that is not known yet
	fuel     atomic.Int64 // of all calls so far
	faults   atomic.Int64 // among the answers so far
	answered int64        // items; only the handler's goroutine counts them
	parts    sync.WaitGroup
}

// serve answers all items and reports whether that was all there was to do.
func (s *stream) serve(w http.ResponseWriter) bool {
	defer context.AfterFunc(s.request.Context(), s.left)()
	s.parts.Go(s.read)
	s.parts.Go(s.split)
	err := s.write(w)
	s.leave(err)
	if err != nil || !s.whole {
		s.patience.settle(time.Now()) // wakes the reader
	}
	s.parts.Wait()
	return err == nil && s.whole
}

// left is told that the server gave the request up: the client has left, or the server
// stops. A client that was silent for too long looks the same, but gets an answer.
func (s *stream) left() {
	if !s.patience.over() {
		s.leave(context.Cause(s.request.Context()))
	}
}

// read reads blocks until the body ends or the client leaves.
func (s *stream) read() {
	defer close(s.blocks)
	for n := 0; ; n++ {
		var block []byte
		if n < blocksKept {
			block = make([]byte, blockBytes)
		} else {
			select {
			case block = <-s.unused:
			case <-s.ctx.Done():
				return
			}
		}
		for filled := 0; filled == 0; {
			s.patience.renew()
			var err error
			if filled, err = s.body.Read(block); filled > 0 {
				select {
				case s.blocks <- block[:filled]:
				case <-s.ctx.Done():
					return
				}
			}
			if err != nil {
				s.end(err)
				return
			}
		}
	}
}

// end is told why there is no more to read.
func (s *stream) end(err error) {
	s.broke = err
	_, network := errors.AsType[net.Error](err)
	switch {
	case err == io.EOF: //nolint:errorlint // the end is never wrapped
		// From here on the server watches the connection, and a deadline would look like
		// the client's leaving.
		s.patience.settle(time.Time{})
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.patience.settle(time.Now()) // that it is told so is no progress
	case network, errors.Is(err, io.ErrUnexpectedEOF):
		s.leave(err)
	}
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

// flush sends what was written.
func (s *stream) flush() error {
	s.patience.renew()
	s.hurry()
	return s.controller.Flush()
}

// hurry gives the client until then to take more.
func (s *stream) hurry() {
	_ = s.controller.SetWriteDeadline(time.Now().Add(s.BodyTimeout))
}
