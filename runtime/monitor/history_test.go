package monitor_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/task"
)

// running is a monitor that looks every second, and what its sources tell.
type running struct {
	*monitor.Monitor
	mu        sync.Mutex
	pools     []monitor.Pool
	scheduler monitor.Scheduler
}

func run(t *testing.T) *running {
	r := &running{scheduler: monitor.Scheduler{Policy: "fair", Cores: 2}}
	r.Monitor = monitor.New(monitor.Sources{
		Pools: func() []monitor.Pool { r.mu.Lock(); defer r.mu.Unlock(); return r.pools }, Guests: func() monitor.Guests { return monitor.Guests{} },
		Scheduler: func() monitor.Scheduler { r.mu.Lock(); defer r.mu.Unlock(); return r.scheduler },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

// set changes what the sources tell.
func (r *running) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

var one = task.Ref{Namespace: "default", Plugin: "one", Version: 1}

func call(took time.Duration) monitor.Observation {
	return monitor.Observation{Total: took, Fuel: 10, Timing: task.Timing{Run: took}}
}

func TestAWindowHasWhatHappenedInIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t)
		row := r.Row(one)
		time.Sleep(500 * time.Millisecond) // between two looks
		for range 30 {                     // seconds, with a call in each that takes longer and longer
			row.Observe(call(time.Millisecond))
			time.Sleep(time.Second)
		}
		row.Waited([]task.Wait{{Capability: "http", Destination: "h", Calls: 2, Failed: 1, Time: time.Second}})
		row.Observe(call(time.Second), monitor.Observation{Kind: task.KindTrap, Total: time.Second})
		for range 3 {
			r.Commits.Observe(100 * time.Millisecond)
		}
		r.set(func() { r.scheduler.Busy = 4 * time.Second })
		time.Sleep(250 * time.Millisecond)

		w := r.Window(5 * time.Second)
		if got := w.Length(); got < 5*time.Second || got > 6*time.Second+time.Millisecond {
			t.Errorf("the window is %v long", got)
		}
		v := w.Versions[0]
		if v.Calls != 7 || v.Faults[task.KindTrap] != 1 || len(v.Faults) != 1 || v.Fuel != 60 || v.Took != 2005*time.Millisecond || v.Ever.Calls != 32 {
			t.Errorf("of the version: %d calls, %v, fuel %d, %v; %d ever", v.Calls, v.Faults, v.Fuel, v.Took, v.Ever.Calls)
		}
		if run := v.Phases[monitor.PhaseRun]; run.Calls != 6 || run.Time != 1005*time.Millisecond || run.Times.Count() != 6 ||
			run.Quantile(0.5, v.Calls) > 2*time.Millisecond || run.Quantile(0.99, v.Calls) < time.Second || run.Quantile(0.1, v.Calls) != 0 {
			t.Errorf("of its runs: %+v", run)
		}
		if len(v.Waits) != 1 || v.Waits[0].Calls != 2 || v.Waits[0].Failed != 1 {
			t.Errorf("of its waits: %+v", v.Waits)
		}
		if w.Disk != (monitor.Disk{Syncs: 3, Time: 300 * time.Millisecond}) || w.Busy != 4*time.Second || w.Cores != 2 {
			t.Errorf("of the server: %+v, %v on %d cores", w.Disk, w.Busy, w.Cores)
		}
		if all := r.Window(time.Hour); all.Versions[0].Calls != 31 && all.Versions[0].Calls != 32 || all.Length() < 30*time.Second {
			t.Errorf("since the beginning: %d calls in %v", all.Versions[0].Calls, all.Length())
		}
		if quiet := r.Window(time.Second); quiet.Versions[0].Phases[monitor.PhasePool].Calls != 0 {
			t.Errorf("a phase that nobody was in has %+v", quiet.Versions[0].Phases[monitor.PhasePool])
		}
	})
}

func TestAWindowKnowsInstancesByWhatWasSeenOfThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t)
		r.set(func() {
			r.pools = []monitor.Pool{{Ref: one, Lent: 1, Max: 4, Births: 2, Deaths: map[string]int64{"idle": 1}, Capacity: time.Second, Guests: monitor.Guests{PrivateBytes: 10}}}
		})
		time.Sleep(2500 * time.Millisecond)
		r.set(func() {
			r.pools = []monitor.Pool{{Ref: one, Lent: 3, Max: 4, Births: 5, Deaths: map[string]int64{"idle": 1, "spoilt": 2}, Capacity: 9 * time.Second, Guests: monitor.Guests{PrivateBytes: 30}}}
		})
		time.Sleep(2 * time.Second)
		i := r.Window(3 * time.Second).Versions[0].Instances
		if !i.Loaded || i.Births != 3 || i.Deaths["spoilt"] != 2 || len(i.Deaths) != 1 || i.Capacity != 8*time.Second {
			t.Errorf("of the instances: %+v", i)
		}
		if i.Lent.Max != 3 || i.Lent.Mean <= 1 || i.Lent.Mean >= 3 || i.Private[0] != 10 || i.Private[len(i.Private)-1] != 30 {
			t.Errorf("seen of the instances: %+v, %v", i.Lent, i.Private)
		}
		// It is loaded anew, and everything begins again.
		r.set(func() { r.pools = []monitor.Pool{{Ref: one, Births: 1, Deaths: map[string]int64{}, Max: 4}} })
		if i := r.Window(3 * time.Second).Versions[0].Instances; i.Births != 1 || len(i.Deaths) != 0 {
			t.Errorf("of the new instances: %+v", i)
		}
		r.set(func() { r.pools = nil })
		if v := r.Window(time.Second).Versions; len(v) != 0 {
			t.Errorf("of what is gone: %+v", v)
		}
	})
}

func TestAPluginThatIsUploadedAgainBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t)
		r.Row(one).Observe(call(time.Second), call(time.Second))
		time.Sleep(1500 * time.Millisecond)
		r.Forget("default", "one")
		r.Row(one).Observe(call(time.Second))
		if v := r.Window(10 * time.Second).Versions[0]; v.Calls != 1 || v.Took != time.Second {
			t.Errorf("%d calls took %v, want the one of the new plugin", v.Calls, v.Took)
		}
	})
}

func TestWindowsReachBackAQuarterOfAnHourAndNoFurther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t)
		time.Sleep(500 * time.Millisecond)
		for range 3600 {
			r.Row(one).Observe(call(time.Millisecond))
			time.Sleep(time.Second)
		}
		for _, length := range []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, monitor.MaxWindow} {
			w := r.Window(length)
			// Before the last minute there is a look every ten seconds.
			if w.Length() < length || w.Length() > length+11*time.Second {
				t.Errorf("a window of %v is %v long", length, w.Length())
			}
			if calls := w.Versions[0].Calls; calls < int64(w.Length().Seconds())-1 || calls > int64(w.Length().Seconds())+1 {
				t.Errorf("%d calls in %v", calls, w.Length())
			}
		}
		if w := r.Window(time.Hour); w.Length() > monitor.MaxWindow+11*time.Second {
			t.Errorf("a window is %v long", w.Length())
		}
		if n := r.Moments(); n > 61+92 {
			t.Errorf("%d looks are kept", n)
		}
	})
}

func TestWindowHammer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for range 4 {
			go func() {
				for ctx.Err() == nil {
					r.Row(one).Observe(call(time.Millisecond))
					time.Sleep(time.Millisecond)
				}
			}()
		}
		for ctx.Err() == nil {
			r.Window(3 * time.Second)
			r.Stats()
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(time.Second)
		if v := r.Window(time.Hour).Versions[0]; v.Ever.Calls != v.Ever.Times.Count() || v.Ever.Calls < 40_000 {
			t.Errorf("%d calls, of which %d have a length", v.Ever.Calls, v.Ever.Times.Count())
		}
	})
}
