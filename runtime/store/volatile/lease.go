package volatile

import (
	"context"
	"slices"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Lease hands out the first tasks of lanes.
func (s *Store) Lease(ctx context.Context, wants []store.Want, until time.Time) ([]store.Lease, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var leases []store.Lease
	for _, w := range wants {
		for range w.Most {
			e := s.lanes[w.Lane].first()
			if e == nil {
				break
			}
			e.attempt++
			e.until = until
			s.changeLocked(e, task.Running)
			l := store.Lease{Task: e.copy(), Attempt: e.attempt, Past: e.past()}
			l.Input = body(e.task.Input)
			leases = append(leases, l)
		}
	}
	return leases, nil
}

// Extend makes leases last until another time.
func (s *Store) Extend(ctx context.Context, leases []store.Held, until time.Time) (lost []task.ID, err error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range leases {
		if e := s.tasks[l.ID]; e.holds(l.Attempt) {
			e.until = until
		} else {
			lost = append(lost, l.ID)
		}
	}
	return lost, nil
}

// Finish stores outcomes.
func (s *Store) Finish(ctx context.Context, outcomes []store.Outcome) ([]error, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answers := make([]error, len(outcomes))
	for i, o := range outcomes {
		e := s.tasks[o.ID]
		if !e.holds(o.Attempt) {
			answers[i] = store.ErrLost
			continue
		}
		if o.State == task.Queued {
			e.attempt--
			s.returnLocked(e)
			continue
		}
		o.Last.Number = o.Attempt
		e.note(o.Last)
		switch o.State {
		case task.Failed:
			e.wake = exact(o.Due)
			s.delayLocked(e, task.Failed)
		case task.Succeeded:
			e.output = body(o.Output)
			s.endLocked(e, o.State, o.Last.Ended, o.Expires)
		case task.Dead, task.Canceled:
			s.endLocked(e, o.State, o.Last.Ended, o.Expires)
		default:
			panic("volatile: no attempt comes to the state " + string(o.State))
		}
	}
	return answers, nil
}

// Expire takes back leases that ran out.
func (s *Store) Expire(ctx context.Context, now time.Time) (int, error) {
	if err := ended(ctx); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, e := range s.sorted {
		if e.state == task.Running && !e.until.After(now) {
			e.note(store.Attempt{Number: e.attempt, CutOff: true})
			s.returnLocked(e)
			n++
		}
	}
	return n, nil
}

// Promote brings tasks that are due into their lanes.
func (s *Store) Promote(ctx context.Context, now time.Time, most int) (moved int, next time.Time, err error) {
	if err := ended(ctx); err != nil {
		return 0, time.Time{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for moved < min(most, len(s.delayed)) && !s.delayed[moved].wake.After(now) {
		s.enterLocked(s.delayed[moved])
		moved++
	}
	s.delayed = slices.Delete(s.delayed, 0, moved)
	if len(s.delayed) > 0 {
		next = s.delayed[0].wake
	}
	return moved, next, nil
}
