package plugins

import (
	"context"
	"sync"
)

// keyedLock is a lock for each key, kept only while somebody holds or awaits it.
// Its zero value is ready.
type keyedLock struct {
	mu   sync.Mutex
	held map[key]*keyHolder
}

type keyHolder struct {
	place chan struct{} // holds one
	users int
}

// lock waits for the key until ctx ends.
func (l *keyedLock) lock(ctx context.Context, k key) (unlock func(), err error) {
	l.mu.Lock()
	if l.held == nil {
		l.held = make(map[key]*keyHolder)
	}
	h := l.held[k]
	if h == nil {
		h = &keyHolder{place: make(chan struct{}, 1)}
		l.held[k] = h
	}
	h.users++
	l.mu.Unlock()

	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if h.users--; h.users == 0 {
			delete(l.held, k)
		}
	}
	select {
	case h.place <- struct{}{}:
		return func() { <-h.place; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, context.Cause(ctx)
	}
}
