package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func mustParse(t testing.TB, text, zoneName string) *line {
	t.Helper()
	l, err := parseLine(text, zone(t, zoneName))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// What lines come to around the days on which clocks are set.
func TestMomentsAroundTheDaysOnWhichClocksAreSet(t *testing.T) {
	const newYork, berlin, lordHowe = "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"
	for _, tt := range []struct {
		zone, cron, from string
		want             string // local times, with the offset where it matters
	}{
		// 2026-03-08 02:00 EST is 03:00 EDT.
		{newYork, "30 2 * * *", "2026-03-07", "03-07 02:30-05, 03-08 03:00-04, 03-09 02:30-04"},
		{newYork, "0,30 2 * * *", "2026-03-08", "03-08 03:00-04, 03-09 02:00-04, 03-09 02:30-04"},
		{newYork, "15 2,3 * * *", "2026-03-08", "03-08 03:00-04, 03-08 03:15-04, 03-09 02:15-04"},
		{newYork, "0 2,3 * * *", "2026-03-08", "03-08 03:00-04, 03-09 02:00-04"},
		{newYork, "*/20 2 * * *", "2026-03-08", "03-08 03:00-04, 03-09 02:00-04, 03-09 02:20-04"},
		{newYork, "30 1 * * *", "2026-03-08", "03-08 01:30-05, 03-09 01:30-04"},
		{newYork, "30 * * * *", "2026-03-08 00:45", "03-08 01:30-05, 03-08 03:30-04, 03-08 04:30-04"},
		{newYork, "@hourly", "2026-03-08 00:45", "03-08 01:00-05, 03-08 03:00-04, 03-08 04:00-04"},
		{newYork, "*/30 * * * *", "2026-03-08 01:15", "03-08 01:30-05, 03-08 03:00-04, 03-08 03:30-04"},
		{newYork, "0 */2 * * *", "2026-03-07 23:00", "03-08 00:00-05, 03-08 04:00-04, 03-08 06:00-04"},
		{newYork, "30 2 8 3 *", "2026-01-01", "03-08 03:00-04, 03-08 02:30-05"}, // the next year's is at 02:30
		// 2026-11-01 02:00 EDT is 01:00 EST.
		{newYork, "30 1 * * *", "2026-10-31 12:00", "11-01 01:30-04, 11-02 01:30-05"},
		{newYork, "0,30 1 * * *", "2026-11-01", "11-01 01:00-04, 11-01 01:30-04, 11-02 01:00-05"},
		{newYork, "0 1,2 * * *", "2026-11-01", "11-01 01:00-04, 11-01 02:00-05, 11-02 01:00-05"},
		{newYork, "30 * * * *", "2026-11-01 00:45", "11-01 01:30-04, 11-01 01:30-05, 11-01 02:30-05"},
		{newYork, "*/30 * * * *", "2026-11-01 01:15", "11-01 01:30-04, 11-01 01:00-05, 11-01 01:30-05, 11-01 02:00-05"},
		{newYork, "0 */2 * * *", "2026-10-31 23:00", "11-01 00:00-04, 11-01 02:00-05, 11-01 04:00-05"},
		// 2026-03-29 02:00 CET is 03:00 CEST; 2026-10-25 03:00 CEST is 02:00 CET.
		{berlin, "30 2 * * *", "2026-03-28", "03-28 02:30+01, 03-29 03:00+02, 03-30 02:30+02"},
		{berlin, "30 2 * * sun", "2026-03-23", "03-29 03:00+02, 04-05 02:30+02"},
		{berlin, "30 2 * * *", "2026-10-24 12:00", "10-25 02:30+02, 10-26 02:30+01"},
		{berlin, "0 3 * * *", "2026-10-24 12:00", "10-25 03:00+01, 10-26 03:00+01"},
		{berlin, "0 * * * *", "2026-10-25 01:30", "10-25 02:00+02, 10-25 02:00+01, 10-25 03:00+01"},
		{berlin, "@daily", "2026-10-24 12:00", "10-25 00:00+02, 10-26 00:00+01"},
		// By half an hour: 2026-10-04 02:00+10:30 is 02:30+11, 2026-04-05 02:00+11 is 01:30+10:30.
		{lordHowe, "15 2 * * *", "2026-10-03", "10-03 02:15+1030, 10-04 02:30+11, 10-05 02:15+11"},
		{lordHowe, "15,45 2 * * *", "2026-10-04", "10-04 02:30+11, 10-04 02:45+11, 10-05 02:15+11"},
		{lordHowe, "*/15 * * * *", "2026-10-04 01:40", "10-04 01:45+1030, 10-04 02:30+11, 10-04 02:45+11"},
		{lordHowe, "0 * * * *", "2026-10-04 00:30", "10-04 01:00+1030, 10-04 03:00+11"},
		{lordHowe, "45 1 * * *", "2026-04-04 12:00", "04-05 01:45+11, 04-06 01:45+1030"},
		{lordHowe, "*/15 * * * *", "2026-04-05 01:25", "04-05 01:30+11, 04-05 01:45+11, 04-05 01:30+1030, 04-05 01:45+1030, 04-05 02:00+1030"},
		{lordHowe, "0 2 * * *", "2026-04-04 12:00", "04-05 02:00+1030, 04-06 02:00+1030"},
		// Midnight itself: 2018-11-04 00:00-03 is 01:00-02. A day: there was no 2011-12-30.
		{"America/Sao_Paulo", "@daily", "2018-11-03 12:00", "11-04 01:00-02, 11-05 00:00-02"},
		{"America/Sao_Paulo", "0 0 4 11 *", "2018-11-03", "11-04 01:00-02, 11-04 00:00-03"},
		{"America/Sao_Paulo", "30 * * * *", "2018-11-03 22:45", "11-03 23:30-03, 11-04 01:30-02"},
		{"Pacific/Apia", "0 9 * * *", "2011-12-29 12:00", "12-31 00:00+14, 12-31 09:00+14"},
		{"Pacific/Apia", "0 */9 * * *", "2011-12-29 12:00", "12-29 18:00-10, 12-31 00:00+14, 12-31 09:00+14"},
		// 2026-11-01 01:00-04 is 00:00-05 in Havana: midnight twice.
		{"America/Havana", "@daily", "2026-10-31 12:00", "11-01 00:00-04, 11-02 00:00-05"},
	} {
		l := mustParse(t, tt.cron, tt.zone)
		layout := "2006-01-02 15:04"
		from, err := time.ParseInLocation(layout[:len(tt.from)], tt.from, l.zone)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for at := from.Add(-time.Second); len(got) < strings.Count(tt.want, ",")+1; {
			at = l.next(at)
			text := at.In(l.zone).Format("01-02 15:04-0700")
			got = append(got, strings.TrimSuffix(text, "00"))
		}
		for n := range got {
			if strings.HasSuffix(got[n], ":") || len(got[n]) < len("01-02 15:04-07") {
				t.Fatalf("%q", got[n])
			}
		}
		if got := strings.Join(got, ", "); got != tt.want {
			t.Errorf("%s in %s from %s\ngot  %s\nwant %s", tt.cron, tt.zone, tt.from, got, tt.want)
		}
	}
}

// minute is one of a year: what clocks show, whether they did before, and what they were set
// forward over then.
type minute struct {
	at       time.Time
	shows    wall
	again    bool
	skipping []wall
}

// minutesOf are those of 2026 in a zone.
func minutesOf(z *time.Location) (all []minute) {
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, z)
	shown := make(map[wall]bool)
	last := wallOf(from.Add(-time.Minute))
	for t := from; t.Year() == 2026; t = t.Add(time.Minute) {
		m := minute{at: t, shows: wallOf(t)}
		m.again = shown[m.shows]
		for between := last.date(time.UTC).Add(time.Minute); between.Before(m.shows.date(time.UTC)); between = between.Add(time.Minute) {
			if w := wallOf(between); !shown[w] {
				m.skipping = append(m.skipping, w)
			}
		}
		shown[m.shows] = true
		last = m.shows
		all = append(all, m)
	}
	return all
}

// walked finds the moments of a line by going through all minutes.
func walked(l *line, minutes []minute) (moments []time.Time) {
	matches := func(w wall) bool { return l.onDay(w) && has(l.hours, w.hour) && has(l.minutes, w.minute) }
	for _, m := range minutes {
		due := matches(m.shows)
		if !l.everyHour {
			due = due && !m.again || slices.ContainsFunc(m.skipping, matches)
		}
		if due {
			moments = append(moments, m.at)
		}
	}
	return moments
}

// A year of each line is what one gets who looks at the clock each minute.
func TestMomentsAreThoseOfWhoLooksAtTheClockEachMinute(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	field := func(least, most int) string {
		n := func() int { return least + random.IntN(most-least+1) }
		switch random.IntN(6) {
		case 0:
			return "*"
		case 1:
			return fmt.Sprintf("*/%d", 1+random.IntN(most-least))
		case 2:
			a, b := n(), n()
			return fmt.Sprintf("%d-%d", min(a, b), max(a, b))
		case 3:
			return fmt.Sprintf("%d,%d,%d", n(), n(), n())
		}
		return fmt.Sprint(n())
	}
	for _, name := range []string{
		"America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "UTC", "America/Havana", "Africa/Casablanca", "Asia/Beirut",
	} {
		z := zone(t, name)
		minutes := minutesOf(z)
		for range 8 {
			hour := field(0, 23)
			if random.IntN(2) == 0 { // where clocks are set
				hour = fmt.Sprint(random.IntN(4))
			}
			text := strings.Join([]string{field(0, 59), hour, "*", field(1, 12), field(0, 6)}, " ")
			if random.IntN(2) == 0 {
				text = strings.Join([]string{field(0, 59), hour, field(1, 31), "*", field(0, 7)}, " ")
			}
			l, err := parseLine(text, z)
			if err != nil {
				t.Fatal(err)
			}
			from := time.Date(2026, 1, 1, 0, 0, 0, 0, z)
			until := from.AddDate(1, 0, 0)
			want := walked(l, minutes)
			var got []time.Time
			for at := l.next(from.Add(-time.Second)); !at.IsZero() && at.Before(until); at = l.next(at) {
				got = append(got, at)
			}
			if !slices.EqualFunc(got, want, time.Time.Equal) {
				n := 0
				for n < min(len(got), len(want)) && got[n].Equal(want[n]) {
					n++
				}
				t.Errorf("%q in %s: %d moments, want %d; they differ from\n%v\n%v on", text, name, len(got), len(want), got[min(n, len(got)):min(n+2, len(got))], want[min(n, len(want)):min(n+2, len(want))])
			}
		}
	}
}

func TestLinesAreAsInCrontab(t *testing.T) {
	for text, want := range map[string]string{ // from Thursday, 2026-01-01 00:00 on
		"30 4 * * *":         "01-01 04:30, 01-02 04:30",
		"30 4 1,15 * 5":      "01-01 04:30, 01-02 04:30, 01-09 04:30, 01-15 04:30", // crontab(5): either is enough
		"0 0 */2 * 7":        "01-11 00:00, 01-25 00:00",                           // both, since one begins with a star
		"0 0 1-7 * */7":      "01-04 00:00, 02-01 00:00",
		"0 9 * * mon-fri":    "01-01 09:00, 01-02 09:00, 01-05 09:00",
		"0 0 * * 0":          "01-04 00:00",
		"0 0 * * 7":          "01-04 00:00",
		"0 0 * * Sun":        "01-04 00:00",
		"15 10-12/2 * feb ?": "02-01 10:15, 02-01 12:15, 02-02 10:15",
		"0 22-1 * * *":       "01-01 01:00, 01-01 22:00, 01-01 23:00, 01-02 00:00",
		"0 0 29 2 *":         "02-29 00:00",
		"0 0 29 2 */7":       "02-29 00:00", // a Sunday, in 2032
		"5/20 1 * * *":       "01-01 01:05, 01-01 01:25, 01-01 01:45, 01-02 01:05",
		"@yearly":            "01-01 00:00",
		"@Weekly":            "01-04 00:00, 01-11 00:00",
		"@monthly":           "02-01 00:00, 03-01 00:00",
		"  1   2\t3 4  * ":   "04-03 02:01",
	} {
		l := mustParse(t, text, "UTC")
		var got []string
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for range strings.Count(want, ",") + 1 {
			at = l.next(at)
			got = append(got, at.Format("01-02 15:04"))
		}
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestWhatIsNoLineIsRefusedInWords(t *testing.T) {
	for text, says := range map[string]string{
		"":                           "five fields",
		"   ":                        "five fields",
		"* * * *":                    "has 4 fields",
		"0 0 * * * *":                "has 6 fields",
		"60 * * * *":                 "60",
		"0 24 * * *":                 "24",
		"0 0 0 * *":                  "0",
		"0 0 32 * *":                 "32",
		"0 0 * 13 *":                 "13",
		"0 0 * * 8":                  "8",
		"0 0 * * foo":                "foo",
		"*/0 * * * *":                "0",
		"-1 * * * *":                 "-1",
		"@reboot":                    "@hourly, @daily",
		"@every 5m":                  "every_ms",
		"TZ=Europe/Berlin 0 0 * * *": "zone",
		"CRON_TZ=UTC @daily":         "zone",
		"0 0 L * *":                  "L",
		"0 0 * * 5#2":                "5#2",
		"0 0 15W * *":                "15W",
		"H 0 * * *":                  "H",
		strings.Repeat("1,", 200):    "256",
	} {
		l, err := parseLine(text, time.UTC)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v, %v; want an error that says %q", text, l, err, says)
		}
	}
}

// The latest moments are found without going through all of them.
func TestTheLatestMomentsAreFoundFromTheEnd(t *testing.T) {
	for _, of := range []timetable{
		mustParse(t, "*/7 * * * *", "Europe/Berlin"), mustParse(t, "0 3 * * *", "Europe/Berlin"), mustParse(t, "0 0 1 */5 *", "UTC"),
		interval{time.Date(2026, 1, 1, 0, 0, 13, 0, time.UTC), 90 * time.Second},
		interval{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 100 * 24 * time.Hour},
	} {
		after := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		for _, until := range []time.Time{after, after.Add(time.Second), after.Add(time.Hour), after.AddDate(0, 0, 30), after.AddDate(1, 0, 0)} {
			var all []time.Time
			for t := of.next(after); !t.After(until); t = of.next(t) {
				all = append(all, t)
			}
			for _, most := range []int{1, 3, 100} {
				got, want := latest(of, after, until, most), all[max(0, len(all)-most):]
				if !slices.EqualFunc(got, want, time.Time.Equal) {
					t.Errorf("%v from %v to %v: got %v, want %v", of, after, until, got, want)
				}
			}
		}
	}
	calls := 0
	counting := counted{interval{time.Unix(0, 0), time.Second}, &calls}
	if got := latest(counting, time.Unix(0, 0), time.Unix(1e9, 0), 100); len(got) != 100 || calls > 1000 {
		t.Errorf("%d moments by %d looks", len(got), calls)
	}
}

type counted struct {
	timetable
	calls *int
}

func (c counted) next(after time.Time) time.Time {
	*c.calls++
	return c.timetable.next(after)
}
