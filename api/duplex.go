package api

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// A body is read into blocks of blockBytes, of which there is one that is split, one that
	// waits, and one that is read into.
	blockBytes = 64 << 10
	blocksKept = 3

	// lingering is how long a client is given to notice that a stream has ended early.
	lingering = 5 * time.Second
)

// duplex is a request whose body is read while it is answered, for as long as both sides
// make progress.
type duplex struct {
	request    *request
	controller *http.ResponseController
	body       io.Reader
	timeout    time.Duration // that the client has to take more

	ctx   context.Context // ends when nobody will read more answers
	leave context.CancelCauseFunc

	blocks, unused chan []byte // read, to be split; split, to be read into
	broke          error       // why there are no more blocks, set when they are closed

	patience patience
	parts    sync.WaitGroup // goroutines
}

// newDuplex has a request read while it is answered. The client may be silent for as long
// as patience, and has the timeout to take more.
func newDuplex(w http.ResponseWriter, r *request, timeout, patience time.Duration) (*duplex, error) {
	d := &duplex{
		request: r, controller: http.NewResponseController(w), body: r.Body, timeout: timeout,
		blocks: make(chan []byte, 1), unused: make(chan []byte, blocksKept),
	}
	if err := d.controller.EnableFullDuplex(); err != nil {
		return nil, err
	}
	d.ctx, d.leave = context.WithCancelCause(context.WithoutCancel(r.Context()))
	d.patience.controller = d.controller
	d.patience.begin(patience)
	return d, nil
}

// begin reads the body, until end.
func (d *duplex) begin() (stop func() bool) {
	stop = context.AfterFunc(d.request.Context(), d.left)
	d.parts.Go(d.read)
	return stop
}

// end is told that no more answers are written, for an error or without one, and whether
// all was answered. It returns when all goroutines have ended.
func (d *duplex) end(err error, whole bool) {
	d.leave(err)
	if !whole {
		d.patience.settle(time.Now()) // wakes the reader
	}
	d.parts.Wait()
}

// left is told that the server gave the request up: the client has left, or the server
// stops. A client that was silent for too long looks the same, but gets an answer.
func (d *duplex) left() {
	if !d.patience.over() {
		d.leave(context.Cause(d.request.Context()))
	}
}

// read reads blocks until the body ends or the client leaves.
func (d *duplex) read() {
	defer close(d.blocks)
	for n := 0; ; n++ {
		var block []byte
		if n < blocksKept {
			block = make([]byte, blockBytes)
		} else {
			select {
			case block = <-d.unused:
			case <-d.ctx.Done():
				return
			}
		}
		for filled := 0; filled == 0; {
			d.patience.renew()
			var err error
			if filled, err = d.body.Read(block); filled > 0 {
				select {
				case d.blocks <- block[:filled]:
				case <-d.ctx.Done():
					return
				}
			}
			if err != nil {
				d.endReading(err)
				return
			}
		}
	}
}

// endReading is told why there is no more to read.
func (d *duplex) endReading(err error) {
	d.broke = err
	_, network := errors.AsType[net.Error](err)
	switch {
	case err == io.EOF: //nolint:errorlint // the end is never wrapped
		// From here on the server watches the connection, and a deadline would look like
		// the client's leaving.
		d.patience.settle(time.Time{})
	case errors.Is(err, os.ErrDeadlineExceeded):
		d.patience.settle(time.Now()) // that it is told so is no progress
	case network, errors.Is(err, io.ErrUnexpectedEOF):
		d.leave(err)
	}
}

// drop lets the client of a stream that has ended early send the rest: it may look for
// answers only then. It reports false when that is too much.
func (d *duplex) drop() bool {
	d.patience.settle(time.Now().Add(lingering))
	for dropped := 0; dropped < mostSkipped; {
		block, ok := <-d.blocks
		if !ok {
			return true
		}
		dropped += len(block)
		d.unused <- block[:cap(block)]
	}
	return false
}

// flush sends what was written.
func (d *duplex) flush() error {
	d.patience.renew()
	d.hurry()
	return d.controller.Flush()
}

// hurry gives the client until then to take more.
func (d *duplex) hurry() {
	_ = d.controller.SetWriteDeadline(time.Now().Add(d.timeout))
}

// refuseStream is told that a stream is refused: the rest of a body that may go on for
// ever is not waited for.
func refuseStream(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingering))
}
