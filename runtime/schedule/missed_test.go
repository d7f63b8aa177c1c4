package schedule_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/schedule"
	"github.com/marketprism/prismrt/runtime/task"
)

func TestARestartSubmitsNothingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		w.put("s", `{"plugin":"p","cron":"@hourly","missed":"all"}`)
		for range 5 {
			time.Sleep(5 * time.Hour)
			synctest.Wait()
			w.stop()
			w.start()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		w.stop()
		if len(w.tasks.keys) != 25 || w.tasks.seen != 0 {
			t.Errorf("%d tasks in 25 hours, %d submitted again", len(w.tasks.keys), w.tasks.seen)
		}
	})
}

// A timer does not know that the clock was set.
func TestAClockThatIsSetForwardIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		defer w.stop()
		w.put("s", `{"plugin":"p","cron":"@daily"}`)
		time.Sleep(time.Hour)
		w.set.Store(int64(23*time.Hour + time.Minute))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if got := w.tasks.moments(t, "s"); len(got) != 1 {
			t.Errorf("half a minute later: %v", got)
		}
	})
}

func TestAClockThatIsSetBackDelaysNoOtherTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		defer func() { w.stop() }()
		w.put("s", `{"plugin":"p","cron":"@daily"}`)
		synctest.Wait()
		w.stop()
		time.Sleep(34 * time.Hour)
		w.tasks.set(func(q *tasks) { q.fail = task.Faultf(task.KindUnavailable, "the disk is full") })
		w.start()
		time.Sleep(10 * time.Minute)
		w.set.Store(int64(-time.Hour))
		w.tasks.set(func(q *tasks) { q.fail = nil })
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := w.tasks.moments(t, "s"); len(got) != 1 {
			t.Errorf("two minutes later: %v", got)
		}
	})
}

func TestWhatWasMissedIsMadeUpForByTheRule(t *testing.T) {
	for _, tt := range []struct {
		missed string
		down   time.Duration // from 00:30 on
		want   string        // hours of tasks
		told   bool
	}{
		{`"missed":"skip"`, 10 * time.Minute, "", false},
		{`"missed":"skip"`, 30*time.Minute + 50*time.Second, "1", false}, // that is not late
		{`"missed":"skip"`, 4 * time.Hour, "", true},
		{`"missed":"once"`, 4 * time.Hour, "4", true},
		{`"retries":0`, 4 * time.Hour, "4", true}, // is once
		{`"missed":"once"`, 40 * time.Minute, "1", false},
		{`"missed":"all"`, 4 * time.Hour, "1 2 3 4", false},
		{`"missed":"all","late_ms":7200000`, 4 * time.Hour, "3 4", true},
		{`"missed":"once","late_ms":600000`, 4 * time.Hour, "", true},                // 04:00 was 30 minutes ago
		{`"missed":"once","late_ms":1800000`, 4 * time.Hour, "4", true},              // just not too late
		{`"missed":"once","late_ms":1799999`, 4 * time.Hour, "", true},               //
		{`"missed":"once"`, 30 * 24 * time.Hour, "0", true},                          // whichever hour that is
		{`"missed":"once","late_ms":1`, 30*time.Minute + 59*time.Second, "1", false}, // on time is not late
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			time.Sleep(30 * time.Minute)
			w.put("s", `{"plugin":"p","cron":"@hourly",`+tt.missed+`}`)
			synctest.Wait()
			w.stop()
			time.Sleep(tt.down)
			w.start()
			time.Sleep(time.Second)
			synctest.Wait()
			w.stop()
			var hours []string
			for _, at := range w.tasks.moments(t, "s") {
				hours = append(hours, fmt.Sprint(at.Hour()))
			}
			if got := strings.Join(hours, " "); got != tt.want {
				t.Errorf("%s after %v: %q, want %q", tt.missed, tt.down, got, tt.want)
			}
			if told := len(eventsOf(w, event.ScheduleMissed)) == 1; told != tt.told {
				t.Errorf("%s after %v: that some were missed is told: %v", tt.missed, tt.down, told)
			}
		})
	}
}

func eventsOf(w *world, of event.Type) (found []event.Event) {
	w.events.Close()
	r := w.events.Follow(event.ID{}, event.Filter{Types: []event.Type{of}})
	for {
		e, err := r.Next(w.t.Context())
		if err != nil {
			return found
		}
		found = append(found, e)
	}
}

func TestOfVeryManyMissedMomentsTheLatestAreMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		w.put("s", `{"plugin":"p","every_ms":1000,"missed":"all"}`)
		synctest.Wait()
		w.stop()
		time.Sleep(20 * time.Hour)
		w.start()
		synctest.Wait()
		w.stop()
		got := w.tasks.moments(t, "s")
		if len(got) != schedule.MostMissed || !slices.IsSortedFunc(got, time.Time.Compare) || !got[len(got)-1].Equal(time.Now().UTC()) {
			t.Errorf("%d moments, the last %v, now %v", len(got), got[len(got)-1], time.Now().UTC())
		}
	})
}

func TestAClockThatIsSetHasNoMomentTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		defer func() { w.stop() }()
		w.put("s", `{"plugin":"p","cron":"*/10 * * * *"}`)
		time.Sleep(65 * time.Minute)   // 01:05, after 6
		w.set.Store(int64(-time.Hour)) // 00:05
		time.Sleep(time.Minute)
		w.put("other", `{"plugin":"p","cron":"*/10 * * * *"}`)
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		if got := w.tasks.moments(t, "s"); len(got) != 6 {
			t.Errorf("set back by an hour: %v", got)
		}
		if got := w.tasks.moments(t, "other"); len(got) != 6 {
			t.Errorf("put after that: %v", got)
		}
		w.stop()
		w.start() // at 01:05 again
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if got := w.tasks.moments(t, "s"); len(got) != 7 || got[6].Minute() != 10 {
			t.Errorf("and then on: %v", got)
		}
		w.set.Add(int64(time.Hour)) // 02:11
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := w.tasks.moments(t, "s"); len(got) != 8 || got[7].Hour() != 2 || got[7].Minute() != 10 {
			t.Errorf("set forward by an hour: %v", got)
		}
	})
}
