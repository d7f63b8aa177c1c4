package invoke_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/marketprism/prismrt/host/prism"
	"github.com/marketprism/prismrt/host/wasi"
	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/invoke"
	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/sched"
	"github.com/marketprism/prismrt/runtime/task"
)

// counting is a module whose handler "handle" adds one to a byte of its memory
// and answers it, beginning with first; its handler "spin" never returns and "trap"
// traps.
func counting(first byte) []byte {
	return slices.Concat(
		[]byte{0, 'a', 's', 'm', 1, 0, 0, 0},
		[]byte{1, 10, 2, 0x60, 2, 0x7f, 0x7f, 0, 0x60, 0, 1, 0x7f},
		[]byte{2, 22, 1, 5}, []byte("prism"), []byte{12}, []byte("output_write"), []byte{0, 0},
		[]byte{3, 4, 3, 1, 1, 1, 5, 3, 1, 0, 1},
		[]byte{7, 33, 4, 6}, []byte("memory"), []byte{2, 0, 6}, []byte("handle"), []byte{0, 1, 4}, []byte("spin"), []byte{0, 2, 4}, []byte("trap"), []byte{0, 3},
		[]byte{10, 39, 3},
		[]byte{23, 0, 0x41, 0, 0x41, 0, 0x2d, 0, 0, 0x41, 1, 0x6a, 0x3a, 0, 0, 0x41, 0, 0x41, 1, 0x10, 0, 0x41, 0, 0x0b},
		[]byte{9, 0, 0x03, 0x40, 0x0c, 0, 0x0b, 0x41, 0, 0x0b},
		[]byte{3, 0, 0x00, 0x0b},
		[]byte{11, 7, 1, 0, 0x41, 0, 0x0b, 1, first - 1},
	)
}

func newInvoker(t testing.TB) (*invoke.Invoker, *monitor.Monitor) { return newInvokerOf(t, nil) }

func newInvokerOf(t testing.TB, s *sched.Scheduler, change ...func(*invoke.Options)) (*invoke.Invoker, *monitor.Monitor) {
	e, err := engine.New(t.Context(), engine.Options{
		CacheDir: t.TempDir(), Hosts: []engine.Host{{Name: wasi.Module, Instantiate: wasi.Instantiate}, {Name: prism.Module, Instantiate: prism.Instantiate}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var i *invoke.Invoker
	m := monitor.New(monitor.Sources{
		Pools: func() []monitor.Pool { return i.Pools() }, Guests: func() monitor.Guests { return monitor.Guests(e.Stats()) },
		Scheduler: func() monitor.Scheduler { return i.Scheduler() },
	})
	o := invoke.Options{Engine: e, Monitor: m, Scheduler: s, Pool: invoke.Pool{Waiting: 100}, Breaker: health.Options{MinCalls: 1 << 20}, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	for _, f := range change {
		f(&o)
	}
	i = invoke.New(o)
	t.Cleanup(func() {
		if err := i.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if s := e.Stats(); s != (engine.Stats{}) {
			t.Errorf("after Close there is %+v", s)
		}
	})
	return i, m
}

func version(number int, module []byte) task.Version {
	return task.Version{
		Ref:    task.Ref{Namespace: "default", Plugin: "count", Version: number},
		Digest: task.DigestOf(module), ABI: task.ABIPrism, Function: "handle", Min: 1, Max: 4,
		Limits: task.Limits{Memory: 1 << 20, Timeout: task.Duration(10 * time.Second), Fuel: 1e12, Stack: 1 << 20, Input: 100, Output: 100},
	}
}

func deploy(t testing.TB, i *invoke.Invoker, number int, first byte) task.Version {
	t.Helper()
	module := counting(first)
	v := version(number, module)
	if err := i.Load(t.Context(), v, module); err != nil {
		t.Fatal(err)
	}
	i.Route(v.Ref)
	return v
}

func call(ctx context.Context, i *invoke.Invoker, in task.Invocation) (task.Result, error) {
	in.ID, in.Namespace, in.Plugin = task.NewID(), "default", "count"
	return i.Invoke(ctx, in)
}

func TestNoCallSeesWhatAnotherLeft(t *testing.T) {
	i, m := newInvoker(t)
	v := deploy(t, i, 1, 'a')
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				result, err := call(t.Context(), i, task.Invocation{})
				if err != nil || string(result.Output) != "a" {
					t.Errorf("answer %q, %v; want \"a\" from an instance nobody used before", result.Output, err)
				}
				if result.Ref != v.Ref || result.Digest != v.Digest || result.Timing.Run <= 0 {
					t.Errorf("result %+v", result)
				}
			}
		})
	}
	wg.Wait()
	if row := m.Stats().Plugins[0]; row.Calls != 160 || len(row.Faults) != 0 || row.OutputBytes != 160 {
		t.Errorf("the monitor saw %+v", row)
	}
}

func TestReplacingAVersionUnderLoadFailsNoCall(t *testing.T) {
	i, _ := newInvoker(t)
	deploy(t, i, 1, 'a')
	ctx, stop := context.WithCancel(t.Context())
	var calls atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			last := 0
			for ctx.Err() == nil {
				result, err := call(t.Context(), i, task.Invocation{})
				if err != nil {
					t.Errorf("a call failed: %v", err)
					return
				}
				if want := string(rune('a' + result.Ref.Version - 1)); string(result.Output) != want || result.Ref.Version < last {
					t.Errorf("version %d after %d answered %q", result.Ref.Version, last, result.Output)
				}
				last = result.Ref.Version
				calls.Add(1)
			}
		})
	}
	for number := 2; number < 12; number++ {
		deploy(t, i, number, byte('a'+number-1))
	}
	stop()
	wg.Wait()
	if pools := i.Pools(); len(pools) != 1 || pools[0].Ref.Version != 11 {
		t.Errorf("loaded are %+v, want version 11 alone", pools)
	}
	t.Logf("%d calls", calls.Load())
}

func TestADeadlineEndsTheGuestAndIsLowerable(t *testing.T) {
	i, m := newInvoker(t)
	deploy(t, i, 1, 'a')
	_, err := call(t.Context(), i, task.Invocation{Function: "spin", Timeout: 50 * time.Millisecond})
	f := task.FaultOf(err)
	if err == nil || f.Kind != task.KindDeadline || !strings.Contains(f.Message, "50ms") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if result, err := call(t.Context(), i, task.Invocation{}); err != nil || string(result.Output) != "a" {
		t.Errorf("the next call answers %q, %v", result.Output, err)
	}
	if n := m.Stats().Plugins[0].Faults[task.KindDeadline]; n != 1 {
		t.Errorf("%d deadline faults were counted", n)
	}
}

func TestTheLineIsBoundedAndItsDeadlineHolds(t *testing.T) {
	e, err := engine.New(t.Context(), engine.Options{CacheDir: t.TempDir(), Hosts: []engine.Host{{Name: wasi.Module, Instantiate: wasi.Instantiate}, {Name: prism.Module, Instantiate: prism.Instantiate}}})
	if err != nil {
		t.Fatal(err)
	}
	var i *invoke.Invoker
	m := monitor.New(monitor.Sources{
		Pools: func() []monitor.Pool { return i.Pools() }, Guests: func() monitor.Guests { return monitor.Guests(e.Stats()) },
		Scheduler: func() monitor.Scheduler { return i.Scheduler() },
	})
	s := sched.New(sched.Options{Cores: 1, Waiting: 1})
	i = invoke.New(invoke.Options{Engine: e, Monitor: m, Scheduler: s, Log: slog.Default()})
	module := counting('a')
	v := version(1, module)
	v.Max = 1
	if err := i.Load(t.Context(), v, module); err != nil {
		t.Fatal(err)
	}
	i.Route(v.Ref)

	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = call(ctx, i, task.Invocation{Function: "spin"}) })
	for i.Pools()[0].Lent == 0 {
		time.Sleep(time.Millisecond)
	}
	var waiting sync.WaitGroup
	wait := func(timeout time.Duration) {
		waiting.Go(func() {
			_, err := call(t.Context(), i, task.Invocation{Timeout: timeout})
			if f := task.FaultOf(err); err == nil || f.Kind != task.KindDeadline || !strings.Contains(f.Message, "waited") {
				t.Errorf("who waited past its deadline got %v", err)
			}
		})
	}
	wait(time.Second) // for the instance
	for i.Pools()[0].Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	wait(2 * time.Second) // for its turn, and then for the instance
	for s.Stats().Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := call(t.Context(), i, task.Invocation{}); task.FaultOf(err).Kind != task.KindBusy {
		t.Errorf("who found the line full got %v", err)
	}
	waiting.Wait()
	cancel()
	wg.Wait()
	if err := i.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// Traps are the guest's: the instance is rewound as after any call, and lives on.
func TestInstancesOutliveTheTrapsOfTheirCalls(t *testing.T) {
	const every = 20
	i, m := newInvoker(t)
	deploy(t, i, 1, 'a')
	var wg sync.WaitGroup
	var trapped, wrong atomic.Int64
	for range 4 {
		wg.Go(func() {
			for n := range 1000 {
				function := ""
				if n%every == 0 {
					function = "trap"
				}
				result, err := call(t.Context(), i, task.Invocation{Function: function})
				switch {
				case function != "" && task.FaultOf(err) != nil && task.FaultOf(err).Kind == task.KindTrap:
					trapped.Add(1)
				case function != "" || err != nil || string(result.Output) != "a":
					wrong.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if trapped.Load() != 4000/every || wrong.Load() != 0 {
		t.Errorf("%d calls trapped and %d went wrong", trapped.Load(), wrong.Load())
	}
	p := i.Pools()[0]
	for cause, n := range p.Deaths {
		if n > 0 {
			t.Errorf("%d instances ended: %s", n, cause)
		}
	}
	// One replaced at each trap would serve so many on average.
	if calls := m.Stats().Plugins[0].Calls; calls/p.Births < 2*every {
		t.Errorf("%d calls on %d instances, which is not twice the life of one that ends with each trap", calls, p.Births)
	}
}

func TestGuestsHaveTheCoresWhenThereIsMoreToDo(t *testing.T) {
	s := sched.New(sched.Options{Cores: 2})
	i, _ := newInvokerOf(t, s)
	deploy(t, i, 1, 'a')
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _ = call(ctx, i, task.Invocation{Function: "spin", Timeout: 30 * time.Millisecond})
			}
		})
	}
	for s.Stats().Long < 2 {
		time.Sleep(time.Millisecond)
	}
	from := s.Stats()
	for s.Stats().Time-from.Time < 500*time.Millisecond {
		time.Sleep(10 * time.Millisecond)
	}
	u := s.Stats().Utilisation(from)
	t.Logf("guests had the cores for %.3f of the time", u)
	if u < 0.8 {
		t.Error("want 0.8 of it at least")
	}
	cancel()
	wg.Wait()
}

func TestWhatIsAskedOfNothingIsToldSo(t *testing.T) {
	i, _ := newInvoker(t)
	if _, err := call(t.Context(), i, task.Invocation{}); task.FaultOf(err).Kind != task.KindNotFound {
		t.Errorf("no plugin: %v", err)
	}
	deploy(t, i, 1, 'a')
	if _, err := call(t.Context(), i, task.Invocation{Function: "absent"}); task.FaultOf(err).Kind != task.KindNotFound {
		t.Errorf("no function: %v", err)
	}
	if _, err := call(t.Context(), i, task.Invocation{Input: make([]byte, 101)}); task.FaultOf(err).Kind != task.KindTooLarge {
		t.Errorf("too much input: %v", err)
	}
	i.Unroute("default", "count")
	if _, err := call(t.Context(), i, task.Invocation{}); task.FaultOf(err).Kind != task.KindNotFound {
		t.Errorf("after Unroute: %v", err)
	}
}

func TestCallsWaitForAPluginThatIsBeingLoaded(t *testing.T) {
	i, _ := newInvoker(t)
	i.Expect("default", "count")
	if state, _ := i.State("default", "count"); state != "loading" {
		t.Errorf("state %q", state)
	}
	answered := make(chan error)
	go func() { _, err := call(t.Context(), i, task.Invocation{}); answered <- err }()

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := call(ctx, i, task.Invocation{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an impatient caller got %v", err)
	}
	deploy(t, i, 1, 'a')
	if err := <-answered; err != nil {
		t.Error(err)
	}

	i.Fail("default", "count", task.Faultf(task.KindInvalid, "its file is damaged"))
	_, err := call(t.Context(), i, task.Invocation{})
	if f := task.FaultOf(err); err == nil || f.Kind != task.KindUnavailable || !strings.Contains(f.Message, "damaged") {
		t.Errorf("a plugin that cannot be loaded: %v", err)
	}
	if state, reason := i.State("default", "count"); state != "failed" || !strings.Contains(reason, "damaged") {
		t.Errorf("state %q, %q", state, reason)
	}
}

func TestAVersionThatCannotStartIsNotLoaded(t *testing.T) {
	i, _ := newInvoker(t)
	start := slices.Concat([]byte{0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 8, 1, 0, 10, 5, 1, 3, 0, 0x00, 0x0b})
	err := i.Load(t.Context(), version(1, start), start)
	if f := task.FaultOf(err); err == nil || f.Kind != task.KindTrap || !strings.Contains(f.Message, "while it started") {
		t.Errorf("got %v", err)
	}
	if pools := i.Pools(); len(pools) != 0 {
		t.Errorf("loaded are %+v", pools)
	}
}

// Calls that wait for an instance do not keep it from being made.
func TestOneInstanceACallServesManyCallers(t *testing.T) {
	i, _ := newInvoker(t)
	module := starting
	v := version(1, module)
	v.ImageOff, v.Min, v.Max = true, 0, 1
	v.Limits.Timeout = task.Duration(time.Minute)
	if err := i.Load(t.Context(), v, module); err != nil {
		t.Fatal(err)
	}
	i.Route(v.Ref)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if result, err := call(t.Context(), i, task.Invocation{}); err != nil || string(result.Output) != "a" {
					t.Errorf("%q, %v", result.Output, err)
				}
			}
		})
	}
	wg.Wait()
}

// starting is a module that runs something when it is instantiated, and whose handler
// answers "a".
var starting = slices.Concat(
	[]byte{0, 'a', 's', 'm', 1, 0, 0, 0},
	[]byte{1, 13, 3, 0x60, 2, 0x7f, 0x7f, 0, 0x60, 0, 1, 0x7f, 0x60, 0, 0},
	[]byte{2, 22, 1, 5}, []byte("prism"), []byte{12}, []byte("output_write"), []byte{0, 0},
	[]byte{3, 3, 2, 1, 2, 5, 3, 1, 0, 1},
	[]byte{7, 19, 2, 6}, []byte("memory"), []byte{2, 0, 6}, []byte("handle"), []byte{0, 1},
	[]byte{8, 1, 2},
	[]byte{10, 22, 2, 10, 0, 0x41, 0, 0x41, 1, 0x10, 0, 0x41, 0, 0x0b, 9, 0, 0x41, 0, 0x41, 7, 0x36, 0, 4, 0x0b},
	[]byte{11, 7, 1, 0, 0x41, 0, 0x0b, 1, 'a'},
)
