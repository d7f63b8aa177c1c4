package volatile

import (
	"context"
	"slices"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
)

// Callbacks returns those due, the one that is due for longest first.
func (s *Store) Callbacks(ctx context.Context, now time.Time, most int) (due []store.Callback, next time.Time, err error) {
	if err := ended(ctx); err != nil {
		return nil, time.Time{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []store.Callback
	for _, c := range s.callbacks {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b store.Callback) int { return compareDue(a.Due, a.ID, b.Due, b.ID) })
	for _, c := range all {
		if len(due) == most || c.Due.After(now) {
			return due, c.Due, nil
		}
		due = append(due, c)
	}
	return due, time.Time{}, nil
}

// RetryCallbacks notes when to tell again.
func (s *Store) RetryCallbacks(ctx context.Context, callbacks []store.Callback) error {
	if err := ended(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range callbacks {
		if s.owedLocked(c) {
			c.Ended, c.Due = exact(c.Ended), exact(c.Due)
			s.callbacks[c.ID] = c
		}
	}
	return nil
}

// DropCallbacks forgets those that were told, or given up.
func (s *Store) DropCallbacks(ctx context.Context, callbacks []store.Callback) error {
	if err := ended(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range callbacks {
		if s.owedLocked(c) {
			delete(s.callbacks, c.ID)
		}
	}
	return nil
}

// owedLocked tells whether a callback is owed, for the end that it says.
func (s *Store) owedLocked(c store.Callback) bool {
	owed, ok := s.callbacks[c.ID]
	return ok && owed.Ended.Equal(exact(c.Ended))
}
