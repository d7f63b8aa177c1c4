package volatile

import (
	"context"
	"slices"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Read returns what is known of tasks.
func (s *Store) Read(ctx context.Context, ids []task.ID, parts store.Parts) ([]store.Record, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	records := make([]store.Record, len(ids))
	for i, id := range ids {
		if e := s.tasks[id]; e != nil {
			records[i] = e.record(parts)
		}
	}
	return records, nil
}

// Page returns the newest tasks that a query chooses.
func (s *Store) Page(ctx context.Context, q store.Query) ([]store.Record, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var records []store.Record
	for _, e := range slices.Backward(s.sorted) {
		if len(records) == q.Limit {
			break
		}
		if e.chosen(&q) {
			records = append(records, e.record(0))
		}
	}
	return records, nil
}

func (e *entry) chosen(q *store.Query) bool {
	return (q.Namespace == "" || q.Namespace == e.task.Namespace) &&
		(q.Plugin == "" || q.Plugin == e.task.Plugin) &&
		(q.State == "" || q.State == e.state) &&
		(q.Schedule == "" || q.Schedule == e.task.Terms.Schedule) &&
		(q.Before == "" || q.Before > e.task.ID)
}

// watch is a channel for those that wait for a change of one task, and how many they are.
type watch struct {
	changed chan struct{}
	n       int
}

// Watch returns a channel that is closed at the next change of a task's state.
func (s *Store) Watch(id task.ID) (changed <-chan struct{}, stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watched[id]
	if w == nil {
		w = &watch{changed: make(chan struct{})}
		s.watched[id] = w
	}
	w.n++
	stopped := false
	return w.changed, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if stopped {
			return
		}
		stopped = true
		if w.n--; w.n == 0 && s.watched[id] == w {
			delete(s.watched, id)
		}
	}
}
