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
	h := l.join(k)
	select {
	case h.place <- struct{}{}:
		return func() { <-h.place; l.leave(k, h) }, nil
	case <-ctx.Done():
		l.leave(k, h)
		return nil, context.Cause(ctx)
	}
}

// tryLock takes the key if nobody holds it.
func (l *keyedLock) tryLock(k key) (unlock func(), ok bool) {
	h := l.join(k)
	select {
	case h.place <- struct{}{}:
		return func() { <-h.place; l.leave(k, h) }, true
	default:
		l.leave(k, h)
		return nil, false
	}
}

func (l *keyedLock) join(k key) *keyHolder {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = make(map[key]*keyHolder)
	}
	h := l.held[k]
	if h == nil {
		h = &keyHolder{place: make(chan struct{}, 1)}
		l.held[k] = h
	}
	h.users++
	return h
}

func (l *keyedLock) leave(k key, h *keyHolder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.users--; h.users == 0 {
		delete(l.held, k)
	}
}
