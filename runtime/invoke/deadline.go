package invoke

import (
	"context"
	"sync"
	"time"
)

// deadline is a context that ends at a time. It looks at the clock when it is asked,
// and has a timer only once somebody waits for its end, which most calls never do.
type deadline struct {
	context.Context // the caller's
	at              time.Time

	mu     sync.Mutex
	timed  context.Context // nil: nobody waits
	cancel context.CancelFunc
}

// Deadline is the earlier of the caller's and this one.
func (d *deadline) Deadline() (time.Time, bool) {
	if at, ok := d.Context.Deadline(); ok && at.Before(d.at) {
		return at, true
	}
	return d.at, true
}

// Err is context.DeadlineExceeded from the deadline on.
func (d *deadline) Err() error {
	if err := d.Context.Err(); err != nil {
		return err
	}
	if time.Now().Before(d.at) {
		return nil
	}
	return context.DeadlineExceeded
}

// Done begins to wait for the end.
func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timed == nil {
		d.timed, d.cancel = context.WithDeadline(d.Context, d.at)
	}
	return d.timed.Done()
}

// stop frees the timer, if there is one. Nobody waits any more.
func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		d.cancel()
	}
}
