package engine

import (
	"container/list"
	"context"
	"sync"
)

// maxOvertaking is how many guests that have run little may in a row go before
// one that has run long.
const maxOvertaking = 3

// slots are the places of the guests that run. Those that have run little wait
// apart from those that have run long, and go first: a short call is not kept
// waiting by a line of long ones. Within both lines, who came first is served first.
type slots struct {
	mu          sync.Mutex
	free        int
	short, long list.List // of chan struct{}, closed when the slot is the waiter's
	overtaken   int       // how many short ones in a row went before a long one
}

// enter waits for a slot and reports false when ctx ends before there is one.
func (s *slots) enter(ctx context.Context, short bool) bool {
	if ctx.Err() != nil {
		return false
	}
	s.mu.Lock()
	if s.free > 0 {
		s.free--
		s.mu.Unlock()
		return true
	}
	line := &s.long
	if short {
		line = &s.short
	}
	mine := make(chan struct{})
	place := line.PushBack(mine)
	s.mu.Unlock()

	select {
	case <-mine:
		return true
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-mine: // it came at the same time
		s.next()
	default:
		line.Remove(place)
	}
	return false
}

// leave hands a slot on.
func (s *slots) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next()
}

func (s *slots) next() {
	line := &s.short
	switch {
	case s.short.Len() == 0 && s.long.Len() == 0:
		s.free++
		return
	case s.short.Len() == 0, s.long.Len() > 0 && s.overtaken == maxOvertaking:
		line = &s.long
	}
	if s.overtaken++; line == &s.long || s.long.Len() == 0 {
		s.overtaken = 0
	}
	close(line.Remove(line.Front()).(chan struct{}))
}

// wanted reports whether anyone waits.
func (s *slots) wanted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.short.Len()+s.long.Len() > 0
}
