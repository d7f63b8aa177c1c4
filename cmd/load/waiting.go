package main

import (
	"iter"
	"sync"
	"time"
)

// waiting hands requests to whoever waits for one. Who came last is first: while there
// is little to do few connections are used, and the others are not even opened.
type waiting struct {
	mu     sync.Mutex
	closed bool
	idle   []chan time.Time // each holds one
}

func newWaiting(most int) *waiting { return &waiting{idle: make([]chan time.Time, 0, most)} }

// send hands on when a request is due. It returns false when nobody waits.
func (w *waiting) send(due time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := len(w.idle) - 1
	if last < 0 {
		return false
	}
	w.idle[last] <- due
	w.idle = w.idle[:last]
	return true
}

// receive waits for one request after the other, until close.
func (w *waiting) receive() iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		due := make(chan time.Time, 1)
		for w.wait(due) {
			at, ok := <-due
			if !ok || !yield(at) {
				return
			}
		}
	}
}

// wait puts a receiver in line. It returns false when nothing will come.
func (w *waiting) wait(due chan time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.idle = append(w.idle, due)
	}
	return !w.closed
}

// close sends those away who wait. Nothing may be sent any more.
func (w *waiting) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, due := range w.idle {
		close(due)
	}
	w.idle = nil
}
