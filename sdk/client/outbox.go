package client

import (
	"io"
	"sync"
)

// outboxSize is from how many bytes on an outbox makes its sender wait.
const outboxSize = 64 << 10

// outbox is a body that is written while it is sent: what is sent is read at once, together with all else that
// was sent meanwhile.
type outbox struct {
	mu      sync.Mutex
	changed sync.Cond
	waiting []byte // to be read
	read    int    // bytes of waiting
	end     error  // what a reader gets after them; nil: not yet
}

func newOutbox() *outbox {
	b := new(outbox)
	b.changed.L = &b.mu
	return b
}

// send puts the parts of an item in, and reports false when the outbox was closed.
func (b *outbox) send(parts ...[]byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.waiting) >= outboxSize && b.end == nil {
		b.changed.Wait()
	}
	if b.end != nil {
		return false
	}
	for _, part := range parts {
		b.waiting = append(b.waiting, part...)
	}
	b.changed.Broadcast()
	return true
}

// close has the reader get err after all that was sent, unless it was closed before.
func (b *outbox) close(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.end == nil {
		b.end = err
	}
	b.changed.Broadcast()
}

// Read implements io.Reader.
func (b *outbox) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.waiting) == 0 && b.end == nil {
		b.changed.Wait()
	}
	if len(b.waiting) == 0 {
		return 0, b.end
	}
	n := copy(p, b.waiting[b.read:])
	if b.read += n; b.read == len(b.waiting) {
		b.waiting, b.read = b.waiting[:0], 0
		b.changed.Broadcast()
	}
	return n, nil
}

// Close implements io.Closer, for when the request is over.
func (b *outbox) Close() error {
	b.close(io.ErrClosedPipe)
	return nil
}
