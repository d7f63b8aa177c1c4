package schedule

import "time"

// wall is what the clocks of a zone show: a day, an hour and a minute.
type wall struct {
	year         int
	month        time.Month
	day          int
	hour, minute int
}

func wallOf(t time.Time) wall {
	year, month, day := t.Date()
	hour, minute, _ := t.Clock()
	return wall{year, month, day, hour, minute}
}

// date is a time with what w shows, in a zone that need not have it.
func (w wall) date(zone *time.Location) time.Time {
	return time.Date(w.year, w.month, w.day, w.hour, w.minute, 0, 0, zone)
}

// midnight begins another day: so many later, of a month so many later.
func (w wall) midnight(months, days int) wall {
	return wallOf(time.Date(w.year, w.month+time.Month(months), w.day+days, 0, 0, 0, 0, time.UTC))
}

// before tells which of two comes first on a clock that is never set.
func (w wall) before(other wall) bool { return w.date(time.UTC).Before(other.date(time.UTC)) }

// first returns when clocks in a zone show w: the first time, where they are set back and
// show it twice. Where they are set forward over it, it is when that happens. What is later
// on a clock is thereby never earlier in time.
func (w wall) first(zone *time.Location) time.Time {
	// time.Date takes one of the offsets in force around then, and does not say which: those
	// in force before and after that one are tried, too.
	guess, utc := w.date(zone), w.date(time.UTC)
	start, end := guess.ZoneBounds()
	for _, other := range []time.Time{before(start), guess, end} {
		if other.IsZero() {
			continue
		}
		_, offset := other.Zone()
		t := utc.Add(-time.Duration(offset) * time.Second).In(zone)
		if from, until := other.ZoneBounds(); (from.IsZero() || !t.Before(from)) && (until.IsZero() || t.Before(until)) {
			return t
		}
	}
	if skipped(start, utc) {
		return start
	}
	return end
}

func before(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(-time.Second)
}

// skipped tells whether the clocks that are set at a time do not show another one, which
// is given as if they were in UTC.
func skipped(at, shows time.Time) bool {
	if at.IsZero() {
		return false
	}
	_, was := before(at).Zone()
	_, is := at.Zone()
	last, next := at.Add(time.Duration(was)*time.Second), at.Add(time.Duration(is)*time.Second)
	return !shows.Before(last) && shows.Before(next)
}
