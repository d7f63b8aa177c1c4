package volatile

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// name is what a schedule is known by.
type name struct{ namespace, name string }

// Schedules returns all, sorted.
func (s *Store) Schedules(ctx context.Context) ([]store.Schedule, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []store.Schedule
	for _, p := range s.schedules {
		p.Spec = body(p.Spec)
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b store.Schedule) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return all, nil
}

// PutSchedule stores one.
func (s *Store) PutSchedule(ctx context.Context, p store.Schedule) error {
	if err := ended(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := name{p.Namespace, p.Name}
	p.Spec = body(p.Spec)
	p.Created, p.Updated = exact(p.Created), exact(p.Updated)
	p.Fired, p.Last = s.schedules[at].Fired, s.schedules[at].Last
	s.schedules[at] = p
	return nil
}

// Fire notes that a schedule has submitted a task.
func (s *Store) Fire(ctx context.Context, namespace, schedule string, at time.Time, id task.ID) error {
	if err := ended(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, there := s.schedules[name{namespace, schedule}]
	if !there {
		return store.ErrNotFound
	}
	p.Fired, p.Last = exact(at), id
	s.schedules[name{namespace, schedule}] = p
	return nil
}

// DeleteSchedule forgets one.
func (s *Store) DeleteSchedule(ctx context.Context, namespace, schedule string) error {
	if err := ended(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.schedules[name{namespace, schedule}]; !there {
		return store.ErrNotFound
	}
	delete(s.schedules, name{namespace, schedule})
	return nil
}
