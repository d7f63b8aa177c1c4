package api

import (
	"net/http"
	"sync"
	"time"
)

// patience is how long a stream waits for its client to send more. It is safe for
// concurrent use.
type patience struct {
	controller *http.ResponseController

	mu      sync.Mutex
	span    time.Duration // between two signs of progress
	until   time.Time     // when it ends, as things are; zero: never
	settled bool          // that does not change any more
}

// begin sets the span from the next renewal on.
func (p *patience) begin(span time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.span = span
}

// renew is told of progress, which an answer is, too: the client may have waited for it.
func (p *patience) renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.settled {
		p.setLocked(time.Now().Add(p.span))
	}
}

// settle has the patience end then, or never, whatever happens.
func (p *patience) settle(until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settled = true
	p.setLocked(until)
}

func (p *patience) setLocked(until time.Time) {
	p.until = until
	// A connection that takes no deadline has none to pass.
	_ = p.controller.SetReadDeadline(until)
}

// over reports whether it has ended.
func (p *patience) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.until.IsZero() && !time.Now().Before(p.until)
}
