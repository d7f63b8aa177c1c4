package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/netresearch/go-cron"
)

// line is a cron line in a zone. Its fields are sets: bit n is for the number n.
type line struct {
	zone                              *time.Location
	minutes, hours, days, months      uint64
	weekdays                          uint64
	everyHour, everyDay, everyWeekday bool // the field begins with a star
}

// shorthands are those of Vixie cron. @reboot is not among them: what runs when a server
// starts is no schedule.
var shorthands = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// mostLine bounds a line, in bytes.
const mostLine = 256

// parser reads the five fields of crontab(5). What they mean is line's.
var parser = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.DowOrDom)

// parseLine reads a line. The error is a sentence for its author.
func parseLine(text string, zone *time.Location) (*line, error) {
	if len(text) > mostLine {
		return nil, fmt.Errorf("cron has %d bytes; %d are the most", len(text), mostLine)
	}
	fields := strings.Fields(text)
	switch {
	case len(fields) == 0:
		return nil, fmt.Errorf("cron is empty; write five fields, such as 30 4 * * mon-fri")
	case fields[0] == "@every":
		return nil, fmt.Errorf("cron is %q; an interval goes into every_ms", text)
	case strings.HasPrefix(fields[0], "@"):
		known := shorthands[strings.ToLower(text)]
		if known == "" {
			return nil, fmt.Errorf("cron is %q; the words are @hourly, @daily, @weekly, @monthly and @yearly", text)
		}
		fields = strings.Fields(known)
	case strings.Contains(text, "="):
		return nil, fmt.Errorf("cron is %q; a time zone goes into zone", text)
	case len(fields) != 5:
		return nil, fmt.Errorf("cron is %q, which has %d fields; it must have five: minute, hour, day of the month, month, day of the week", text, len(fields))
	}
	parsed, err := parser.Parse(strings.Join(fields, " "))
	if err != nil {
		return nil, fmt.Errorf("cron is %q, which cannot be read: %w", text, err)
	}
	set, ok := parsed.(*cron.SpecSchedule)
	if !ok || len(set.DomConstraints)+len(set.DowConstraints) > 0 {
		return nil, fmt.Errorf("cron is %q, which has more than crontab(5) knows", text)
	}
	star := func(field int) bool { return fields[field][0] == '*' || fields[field][0] == '?' }
	return &line{
		zone: zone, minutes: set.Minute, hours: set.Hour, days: set.Dom, months: set.Month, weekdays: set.Dow,
		everyHour: star(1), everyDay: star(2), everyWeekday: star(4),
	}, nil
}

func has(set uint64, n int) bool { return set>>n&1 == 1 }

// horizon is how many years ahead a line is looked for: February 29 is on a given day of the
// week every 28 years, or after 40 where a year like 2100 lies between.
const horizon = 50

// next returns the first moment after a time, or the zero time where there is none.
//
// A line with hours of its own is of what clocks should show: what they are set forward
// over is made up for at once, and what they show twice counts the first time. Where the
// hour is a star, it is of how time goes by: each time that clocks show it counts.
func (l *line) next(after time.Time) time.Time {
	if l.everyHour {
		return l.nextShown(after)
	}
	return l.nextWanted(after)
}

// nextWanted goes by what clocks should show.
func (l *line) nextWanted(after time.Time) time.Time {
	now := wallOf(after.In(l.zone))
	for day := now.midnight(0, 0); day.year <= now.year+horizon; {
		if !has(l.months, int(day.month)) {
			day.day = 1
			day = day.midnight(1, 0)
			continue
		}
		if l.onDay(day) {
			for w := day; w.hour < 24; w.hour++ {
				for w.minute = 0; has(l.hours, w.hour) && w.minute < 60; w.minute++ {
					if !has(l.minutes, w.minute) || !now.before(w) {
						continue
					}
					if t := w.first(l.zone); t.After(after) {
						return t
					}
				}
			}
		}
		day = day.midnight(0, 1)
	}
	return time.Time{}
}

// nextShown goes by what they show.
func (l *line) nextShown(after time.Time) time.Time {
	t := after.In(l.zone).Truncate(time.Minute).Add(time.Minute)
	for last := t.Year() + horizon; t.Year() <= last; {
		w := wallOf(t)
		next := t.Add(time.Minute)
		switch {
		case !has(l.months, int(w.month)):
			w.day = 1
			next = later(next, w.midnight(1, 0).first(l.zone))
		case !l.onDay(w):
			next = later(next, w.midnight(0, 1).first(l.zone))
		case has(l.hours, w.hour) && has(l.minutes, w.minute):
			return t
		}
		t = next
	}
	return time.Time{}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// onDay is as in crontab(5): where both fields of days say something, one of them is enough.
func (l *line) onDay(w wall) bool {
	day, weekday := has(l.days, w.day), has(l.weekdays, int(w.date(time.UTC).Weekday()))
	if l.everyDay || l.everyWeekday {
		return day && weekday && has(l.months, int(w.month))
	}
	return (day || weekday) && has(l.months, int(w.month))
}
