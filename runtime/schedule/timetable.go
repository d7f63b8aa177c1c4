package schedule

import (
	"slices"
	"time"
)

// timetable says when a schedule is due.
type timetable interface {
	// next returns the first moment after a time, or the zero time where there is none.
	next(after time.Time) time.Time
}

// interval is due again and again, from one moment on.
type interval struct {
	from  time.Time
	every time.Duration // over 0
}

func (i interval) next(after time.Time) time.Time {
	if after.Before(i.from) {
		return i.from.Add(i.every)
	}
	return i.from.Add(i.every * (after.Sub(i.from)/i.every + 1))
}

// latest returns the last moments after one time and up to another, oldest first, and at
// most so many. It looks back from the end, in steps that grow, so that a long time with a
// short interval costs no more than a short one.
func latest(of timetable, after, until time.Time, most int) (moments []time.Time) {
	if !after.Before(until) {
		return nil
	}
	for back := time.Minute; len(moments) < most; back *= 4 {
		from := until.Add(-back)
		whole := !from.After(after)
		if whole {
			from = after
		}
		moments = moments[:0]
		for t := of.next(from); !t.IsZero() && !t.After(until); t = of.next(t) {
			moments = append(moments, t)
		}
		if whole {
			break
		}
	}
	return slices.Clone(moments[max(0, len(moments)-most):])
}
