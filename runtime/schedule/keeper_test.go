package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/schedule"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/volatile"
	"github.com/marketprism/prismrt/runtime/task"
)

// tasks is a queue that keeps what is submitted, once for each key.
type tasks struct {
	mu     sync.Mutex
	of     map[string]queue.Submission // by namespace and key
	keys   []string                    // in the order in which they were submitted
	seen   int                         // submissions of what was there
	refuse func(queue.Submission) error
	fail   error  // of the whole call
	after  func() // called when tasks were taken
}

func newTasks() *tasks { return &tasks{of: map[string]queue.Submission{}} }

func (q *tasks) Submit(ctx context.Context, of []queue.Submission) ([]queue.Submitted, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fail != nil {
		return nil, q.fail
	}
	if len(of) > 256 {
		panic("too many at once")
	}
	var answers []queue.Submitted
	for _, s := range of {
		var a queue.Submitted
		if q.refuse != nil {
			a.Err = q.refuse(s)
		}
		at := s.Namespace + " " + s.Key
		if _, there := q.of[at]; there {
			q.seen++
			a.Seen = true
		} else if a.Err == nil {
			q.of[at] = s
			q.keys = append(q.keys, at)
		}
		a.ID = task.ID(at)
		answers = append(answers, a)
	}
	if q.after != nil {
		q.after()
	}
	return answers, nil
}

func (q *tasks) set(f func(*tasks)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	f(q)
}

// moments are those that tasks of a schedule were submitted for, in that order, as times
// after an epoch.
func (q *tasks) moments(t *testing.T, name string) (moments []time.Time) {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, at := range q.keys {
		if text, ok := strings.CutPrefix(at, "default schedule:"+name+":"); ok {
			moment, err := time.Parse(time.RFC3339, text)
			if err != nil || moment.Location() != time.UTC {
				t.Fatalf("the key %q: %v", at, err)
			}
			moments = append(moments, moment)
		}
	}
	return moments
}

// world is where a keeper lives: what is stored, the queue, and a clock that can be set.
type world struct {
	t      *testing.T
	store  store.Schedules
	tasks  *tasks
	set    atomic.Int64 // nanoseconds by which the clock is ahead
	events *event.Log
	check  func(context.Context, queue.Submission) error
	look   time.Duration

	keeper *schedule.Keeper
	stop   func()
}

func newWorld(t *testing.T) *world {
	return &world{t: t, store: volatile.New(), tasks: newTasks(), events: event.New(event.Options{}), stop: func() {}}
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.set.Load())) }

// start opens a keeper on what is stored and runs it until the world is stopped.
func (w *world) start() {
	w.t.Helper()
	k, err := schedule.Open(w.t.Context(), schedule.Options{
		Store: w.store, Queue: w.tasks, Now: w.now, Publish: w.events.Publish, Check: w.check, Look: w.look,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.keeper = k
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	w.tasks.set(func(q *tasks) {
		if q.after == nil {
			return
		}
		q.after = func() {
			if rand.IntN(20) == 0 {
				cancel() // it is killed right after it submitted
			}
		}
	})
}

func spec(t *testing.T, text string) schedule.Spec {
	t.Helper()
	s, err := schedule.ParseSpec([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) put(name, text string) {
	w.t.Helper()
	if _, _, err := w.keeper.Put(w.t.Context(), "default", name, spec(w.t, text)); err != nil {
		w.t.Fatal(err)
	}
}

func TestATaskIsSubmittedForEachMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // from 2000-01-01 00:00 UTC on
		w := newWorld(t)
		w.look = 24 * time.Hour // it is woken by what is due, and by what is put
		w.start()
		defer w.stop()
		time.Sleep(90 * time.Second)
		w.put("hourly", `{"plugin":"p","cron":"30 * * * *","function":"f","priority":7,"retries":2,"backoff_ms":500,"timeout_ms":1500,"keep_ms":60000,
			"callback":"https://example.com/","version":"pinned","input":{"a": "<b>"}}`)
		w.put("often", `{"plugin":"q","every_ms":7000,"input":"text"}`)
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if got := w.tasks.moments(t, "hourly"); len(got) != 3 || !got[0].Equal(time.Date(2000, 1, 1, 0, 30, 0, 0, time.UTC)) {
			t.Errorf("hourly: %v", got)
		}
		often := w.tasks.moments(t, "often")
		if len(often) != 3*3600/7 {
			t.Errorf("every 7 s: %d tasks in 3 h", len(often))
		}
		for n, at := range often {
			if want := time.Date(2000, 1, 1, 0, 1, 30+7*(n+1), 0, time.UTC); !at.Equal(want) {
				t.Fatalf("task %d is of %v, want %v", n, at, want)
			}
		}
		got := w.tasks.of["default schedule:hourly:2000-01-01T01:30:00Z"]
		want := queue.Submission{
			Namespace: "default", Plugin: "p", Version: "pinned", Priority: new(7), Input: []byte(`{"a":"<b>"}`), Key: "schedule:hourly:2000-01-01T01:30:00Z",
			Terms: task.Terms{Function: "f", Timeout: 1500 * time.Millisecond, Retries: new(2), Backoff: 500 * time.Millisecond, Keep: time.Minute, Callback: "https://example.com/", Schedule: "hourly"},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("submitted is %+v, want %+v", got, want)
		}
		s, err := w.keeper.Get("default", "hourly")
		if err != nil || s.Fired.Hour() != 2 || s.Last != "default schedule:hourly:2000-01-01T02:30:00Z" || s.Next.Hour() != 3 || s.Failure != "" {
			t.Errorf("it stands at %+v, %v", s, err)
		}
		if next := s.NextN(2); len(next) != 2 || next[1].Sub(next[0]) != time.Hour {
			t.Errorf("next are %v", next)
		}
		if string(w.tasks.of["default schedule:often:2000-01-01T00:01:37Z"].Input) != "text" {
			t.Error("a string does not stand for its text")
		}
	})
}

// A year of schedules in three zones, with a server that is stopped, started, and killed
// between submitting a task and storing that it did.
func TestEachMomentOfAYearHasOneTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.look = 12 * time.Hour
		w.tasks.after = func() {}
		w.start()
		begun := time.Now()
		specs := map[string]string{
			"new-york":  `{"plugin":"p","cron":"30 2 * * *","zone":"America/New_York","missed":"all","late_ms":2678400000}`,
			"berlin":    `{"plugin":"p","cron":"0,30 2,3 * * *","zone":"Europe/Berlin","missed":"all","late_ms":2678400000}`,
			"lord-howe": `{"plugin":"p","cron":"45 */3 * * *","zone":"Australia/Lord_Howe","missed":"all","late_ms":2678400000}`,
			"hours":     `{"plugin":"p","every_ms":18000000,"missed":"all","late_ms":2678400000}`,
		}
		firsts := map[string][]time.Time{}
		for name, text := range specs {
			w.put(name, text)
			s, err := w.keeper.Get("default", name)
			if err != nil {
				t.Fatal(err)
			}
			firsts[name] = s.NextN(6000)
		}
		stops := 0
		for time.Since(begun) < 366*24*time.Hour {
			time.Sleep(rand.N(6 * 24 * time.Hour)) // and 48 h make less than MostMissed
			w.stop()
			stops++
			time.Sleep(rand.N(48*time.Hour) * time.Duration(rand.IntN(2)))
			w.start()
		}
		w.tasks.set(func(q *tasks) { q.after = nil })
		w.stop()
		w.start()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		w.stop()
		now := time.Now()
		for name, all := range firsts {
			want := all[:slices.IndexFunc(all, now.Before)]
			got := w.tasks.moments(t, name)
			if !slices.EqualFunc(got, want, time.Time.Equal) {
				t.Errorf("%s: %d moments, want %d", name, len(got), len(want))
			}
		}
		if w.tasks.seen == 0 {
			t.Error("it was never killed at the wrong moment")
		}
		t.Logf("%d stops, %d tasks, %d of them were submitted again", stops, len(w.tasks.keys), w.tasks.seen)
	})
}

func TestAChangeMissesNothingAndMakesUpForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		defer func() { w.stop() }()
		time.Sleep(8*time.Hour + 30*time.Minute)
		w.put("s", `{"plugin":"p","cron":"0 12 * * *"}`)
		before, _ := w.keeper.Get("default", "s")
		time.Sleep(time.Hour)
		w.put("s", `{"cron":"0 12 * * *","plugin":"p"}`) // the same
		if same, _ := w.keeper.Get("default", "s"); !same.Updated.Equal(before.Updated) {
			t.Error("what is put as it is was changed")
		}
		w.put("s", `{"plugin":"p","cron":"0 9 * * *"}`) // was at 9, half an hour ago
		after, _ := w.keeper.Get("default", "s")
		if !after.Created.Equal(before.Created) || !after.Updated.After(before.Updated) || after.Next.Day() != 2 {
			t.Errorf("before %+v\nafter %+v", before, after)
		}
		w.stop()
		w.start()
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := w.tasks.moments(t, "s"); len(got) != 0 {
			t.Errorf("made up for %v", got)
		}
		time.Sleep(24 * time.Hour)
		w.put("s", `{"plugin":"p","cron":"0 9 * * *","paused":true}`)
		if s, _ := w.keeper.Get("default", "s"); !s.Next.IsZero() || s.NextN(3) != nil || s.Fired.Day() != 2 {
			t.Errorf("paused: %+v", s)
		}
		w.stop()
		w.start()
		time.Sleep(72 * time.Hour)
		w.put("s", `{"plugin":"p","cron":"0 9 * * *"}`)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := w.tasks.moments(t, "s"); len(got) != 1 {
			t.Errorf("with a pause: %v", got)
		}
		if err := w.keeper.Delete(t.Context(), "default", "s"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(72 * time.Hour)
		synctest.Wait()
		if got := w.tasks.moments(t, "s"); len(got) != 1 {
			t.Errorf("once it was deleted: %v", got)
		}
		for _, err := range []error{w.keeper.Delete(t.Context(), "default", "s"), second(w.keeper.Get("default", "s"))} {
			if task.FaultOf(err).Kind != task.KindNotFound {
				t.Errorf("of one that is gone: %v", err)
			}
		}
	})
}

func second(_ schedule.Schedule, err error) error { return err }

func TestATaskThatIsNotTakenIsSubmittedAgainOrPassedOver(t *testing.T) {
	for kind, want := range map[task.Kind]string{
		task.KindBusy:     "60 61", // minutes; the first is submitted once there is room
		task.KindNotFound: "61",
		task.KindConflict: "60 61", // the moment has a task; it is in the queue, in this test, by another's hand
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			defer func() { w.stop() }()
			time.Sleep(59*time.Minute + 30*time.Second)
			w.put("s", `{"plugin":"p","cron":"* * * * *"}`)
			tries := 0
			w.tasks.set(func(q *tasks) {
				q.refuse = func(s queue.Submission) error {
					tries++
					if kind == task.KindConflict {
						q.of["default "+s.Key] = s
						q.keys = append(q.keys, "default "+s.Key)
					}
					return task.Faultf(kind, "it is not taken")
				}
			})
			time.Sleep(50 * time.Second)
			synctest.Wait()
			s, _ := w.keeper.Get("default", "s")
			if failed := kind != task.KindConflict; failed != (s.Failure == "it is not taken") || failed != s.Fired.IsZero() {
				t.Errorf("%s: %+v", kind, s)
			}
			if most := map[bool]int{true: 6, false: 1}[kind == task.KindBusy]; tries > most || tries == 0 {
				t.Errorf("%s: %d tries in 20 s", kind, tries)
			}
			w.tasks.set(func(q *tasks) { q.refuse = nil })
			time.Sleep(40 * time.Second)
			synctest.Wait()
			var minutes []string
			for _, at := range w.tasks.moments(t, "s") {
				minutes = append(minutes, fmt.Sprint(60*at.Hour()+at.Minute()))
			}
			if got := strings.Join(minutes, " "); got != want {
				t.Errorf("%s: %s, want %s", kind, got, want)
			}
			if s, _ := w.keeper.Get("default", "s"); s.Failure != "" || s.Fired.Minute() != 1 {
				t.Errorf("%s: %+v", kind, s)
			}
			failed := eventsOf(w, event.ScheduleFailed)
			if kind == task.KindConflict && len(failed) != 0 || kind != task.KindConflict && (len(failed) != 1 || failed[0].Kind != kind || failed[0].Ref.Plugin != "p") {
				t.Errorf("%s: %+v", kind, failed)
			}
		})
	}
}

type kept = store.Schedules

// failing is a store that is full now and then.
type failing struct {
	kept
	full atomic.Bool
}

func (f *failing) Fire(ctx context.Context, namespace, name string, at time.Time, id task.ID) error {
	if f.full.Load() {
		return store.ErrFull
	}
	return f.kept.Fire(ctx, namespace, name, at, id)
}

func (f *failing) PutSchedule(ctx context.Context, s store.Schedule) error {
	if f.full.Load() {
		return store.ErrFull
	}
	return f.kept.PutSchedule(ctx, s)
}

func TestAMomentThatCannotBeStoredIsSubmittedUnderItsKeyAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		full := &failing{kept: w.store}
		w.store = full
		w.start()
		defer func() { w.stop() }()
		w.put("s", `{"plugin":"p","cron":"@hourly","missed":"all"}`)
		synctest.Wait()
		full.full.Store(true)
		time.Sleep(time.Hour + 10*time.Minute)
		synctest.Wait()
		if w.tasks.seen < 5 || len(w.tasks.keys) != 1 {
			t.Errorf("submitted %v, and %d times again", w.tasks.keys, w.tasks.seen)
		}
		if _, _, err := w.keeper.Put(t.Context(), "default", "other", spec(t, `{"plugin":"p","cron":"@daily"}`)); task.FaultOf(err).Kind != task.KindUnavailable {
			t.Errorf("put into a store that is full: %v", err)
		}
		full.full.Store(false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		seen := w.tasks.seen
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if s, _ := w.keeper.Get("default", "s"); s.Fired.Hour() != 1 || w.tasks.seen != seen {
			t.Errorf("once there is room: %+v", s)
		}
	})
}

func TestAScheduleThatCannotBeReadStaysWhereItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if err := w.store.PutSchedule(t.Context(), store.Schedule{Namespace: "default", Name: "s", Spec: []byte(`{"of":"later"}`)}); err != nil {
			t.Fatal(err)
		}
		w.start()
		defer func() { w.stop() }()
		time.Sleep(time.Hour)
		if s, err := w.keeper.Get("default", "s"); err != nil || !strings.Contains(s.Failure, `"of"`) || !s.Next.IsZero() {
			t.Errorf("got %+v, %v", s, err)
		}
		if _, created, err := w.keeper.Put(t.Context(), "default", "s", spec(t, `{"plugin":"p","cron":"@hourly"}`)); err != nil || created {
			t.Errorf("put over it: %v, %v", created, err)
		}
	})
}

// At midnight, many are due at once.
func TestVeryManyAreDueAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		w := newWorld(t)
		w.start()
		defer func() { w.stop() }()
		time.Sleep(time.Hour)
		for i := range n {
			w.put(fmt.Sprintf("s%d", i), `{"plugin":"p","cron":"@daily"}`)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if len(w.tasks.of) != n || w.tasks.seen != 0 {
			t.Errorf("%d tasks, want %d", len(w.tasks.of), n)
		}
	})
}

func TestSchedulesArePutAndDeletedWhileTheyAreDue(t *testing.T) {
	w := newWorld(t)
	w.look = time.Millisecond
	w.start()
	defer w.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				name := fmt.Sprint("s", (n+i)%3)
				switch i % 9 {
				case 0:
					if err := w.keeper.Delete(ctx, "default", name); err != nil && task.FaultOf(err).Kind != task.KindNotFound && ctx.Err() == nil {
						t.Error(err)
					}
				case 1, 2:
					w.keeper.List("default")
				default:
					s := spec(t, fmt.Sprintf(`{"plugin":"p%d","every_ms":1000}`, i%2))
					if _, _, err := w.keeper.Put(ctx, "default", name, s); err != nil && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
				}
			}
		})
	}
	for ctx.Err() == nil {
		for _, s := range w.keeper.List("default") {
			s.NextN(3)
		}
	}
	wg.Wait()
	stored, err := w.store.Schedules(t.Context())
	known := map[string]string{}
	for _, s := range w.keeper.List("default") {
		known[s.Name] = s.Spec.Plugin
	}
	kept := map[string]string{}
	for _, s := range stored {
		kept[s.Name] = spec(t, string(s.Spec)).Plugin
	}
	if err != nil || !maps.Equal(known, kept) {
		t.Errorf("known are %v and stored %v, %v", known, kept, err)
	}
}
