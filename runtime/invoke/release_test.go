package invoke_test

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/marketprism/prismrt/host/prism"
	"github.com/marketprism/prismrt/host/wasi"
	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/invoke"
	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/task"
)

func section(id byte, content ...byte) []byte {
	return append([]byte{id, byte(len(content))}, content...)
}

// moody is a module whose handler answers some text, and traps when the input begins
// with one letter.
func moody(answer string, letter byte) []byte {
	code := slices.Concat(
		[]byte{0},
		[]byte{0x41, 0xc0, 0, 0x41, 0, 0x41, 1, 0x10, 0, 0x1a},                                  // input_read(64, 0, 1)
		[]byte{0x41, 0xc0, 0, 0x2d, 0, 0, 0x41, letter | 0x80, 0, 0x46, 0x04, 0x40, 0x00, 0x0b}, // if that is the letter, trap
		[]byte{0x41, 0, 0x41, byte(len(answer)), 0x10, 1, 0x41, 0, 0x0b},                        // output_write(0, len)
	)
	str := func(s string) []byte { return append([]byte{byte(len(s))}, s...) }
	return slices.Concat(
		[]byte{0, 'a', 's', 'm', 1, 0, 0, 0},
		section(1, 3, 0x60, 2, 0x7f, 0x7f, 0, 0x60, 0, 1, 0x7f, 0x60, 3, 0x7f, 0x7f, 0x7f, 1, 0x7f),
		section(2, slices.Concat([]byte{2}, str("prism"), str("input_read"), []byte{0, 2}, str("prism"), str("output_write"), []byte{0, 0})...),
		section(3, 1, 1), section(5, 1, 0, 1),
		section(7, slices.Concat([]byte{2}, str("memory"), []byte{2, 0}, str("handle"), []byte{0, 2})...),
		section(10, slices.Concat([]byte{1, byte(len(code))}, code)...),
		section(11, slices.Concat([]byte{1, 0, 0x41, 0, 0x0b}, str(answer))...),
	)
}

// watched is an invoker with what it told of fences, and what it published.
type watched struct {
	*invoke.Invoker
	t      *testing.T
	fenced chan string
	events *event.Log
}

func newWatched(t *testing.T, o health.Options) *watched {
	e, err := engine.New(t.Context(), engine.Options{
		CacheDir: t.TempDir(), Hosts: []engine.Host{{Name: wasi.Module, Instantiate: wasi.Instantiate}, {Name: prism.Module, Instantiate: prism.Instantiate}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{t: t, fenced: make(chan string, 1000), events: event.New(event.Options{})}
	m := monitor.New(monitor.Sources{
		Pools: func() []monitor.Pool { return w.Pools() }, Guests: func() monitor.Guests { return monitor.Guests(e.Stats()) },
		Scheduler: func() monitor.Scheduler { return w.Scheduler() },
	})
	w.Invoker = invoke.New(invoke.Options{
		Engine: e, Monitor: m, Pool: invoke.Pool{Waiting: 100}, Log: slog.New(slog.DiscardHandler), Breaker: o,
		Fenced: func(_ task.Ref, why string) { w.fenced <- why }, Publish: w.events.Publish,
	})
	t.Cleanup(func() {
		if err := w.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if s := e.Stats(); s != (engine.Stats{}) {
			t.Errorf("after Close there is %+v", s)
		}
	})
	return w
}

// load loads a version that answers its number, and traps when the input begins with
// the letter.
func (w *watched) load(number int, letter byte, h task.Health) task.Ref {
	w.t.Helper()
	module := moody(string(rune('0'+number)), letter)
	v := version(number, module)
	v.Health = h
	if err := w.Load(w.t.Context(), v, module); err != nil {
		w.t.Fatal(err)
	}
	return v.Ref
}

// answer makes a call and returns its answer, or the kind of its fault.
func (w *watched) answer(input string) string {
	result, err := call(w.t.Context(), w.Invoker, task.Invocation{Input: []byte(input)})
	if err != nil {
		return string(task.FaultOf(err).Kind)
	}
	return string(result.Output)
}

// trap makes calls with "x" trap until the breaker opens, and returns what it said.
func (w *watched) trap() (why string) {
	w.t.Helper()
	for state := ""; state != "fenced"; state, _ = w.State("default", "count") {
		if a := w.answer("x"); a != "trap" {
			w.t.Fatalf("a call answered %q", a)
		}
	}
	return <-w.fenced
}

func TestAVersionThatFailsItsCanaryCallIsNotLoaded(t *testing.T) {
	w := newWatched(t, health.Options{})
	module := moody("[1, 2.0]", 'x')
	for name, tt := range map[string]struct {
		health task.Health
		kind   task.Kind // "" where it is well
		says   string
	}{
		"a trap":             {task.Health{Input: []byte("x")}, task.KindTrap, "the health check failed: the guest trapped: unreachable"},
		"another text":       {task.Health{Input: []byte{}, Expect: []byte("pong")}, task.KindGuest, `the answer was "[1, 2.0]" and health.expect is "pong"`},
		"another value":      {task.Health{Input: []byte{}, Expect: []byte("[1, 3]")}, task.KindGuest, "health.expect"},
		"one that is longer": {task.Health{Input: []byte{}, Expect: []byte(strings.Repeat("x", 300))}, task.KindGuest, `x"... (300B)`},
		"any answer":         {task.Health{Input: []byte{}}, "", ""},
		"the same value":     {task.Health{Input: []byte{}, Expect: []byte("[1.0,2]\n")}, "", ""},
		"the same text":      {task.Health{Input: []byte{}, Expect: []byte("[1, 2.0] \n")}, "", ""},
	} {
		v := version(1, module)
		v.Health = tt.health
		err := w.Load(t.Context(), v, module)
		if tt.kind == "" {
			if err != nil || len(w.Pools()) != 1 {
				t.Errorf("%s: %v", name, err)
			}
			w.Unload(v.Ref)
			continue
		}
		f := task.FaultOf(err)
		if err == nil || f.Kind != tt.kind || !strings.Contains(f.Message, tt.says) || len(f.Message) > 500 {
			t.Errorf("%s: %v, want %s that says %q", name, err, tt.kind, tt.says)
		}
		if tt.kind == task.KindTrap && len(f.Stack) == 0 {
			t.Errorf("%s: no stack in %+v", name, f)
		}
		if pools := w.Pools(); len(pools) != 0 {
			t.Errorf("%s: loaded are %+v", name, pools)
		}
	}
}

func TestACanaryCallIsNoCallerAndLeavesNothingBehind(t *testing.T) {
	i, m := newInvoker(t)
	module := counting('a')
	for n, off := range []bool{false, true} {
		v := version(n+1, module)
		v.Health, v.ImageOff = task.Health{Input: []byte{}, Expect: []byte("a")}, off
		if err := i.Load(t.Context(), v, module); err != nil {
			t.Fatal(err)
		}
		i.Route(v.Ref)
		if result, err := call(t.Context(), i, task.Invocation{}); err != nil || string(result.Output) != "a" {
			t.Errorf("after the canary call a call answers %q, %v", result.Output, err)
		}
	}
	for _, row := range m.Stats().Plugins {
		if row.Calls != 1 {
			t.Errorf("version %d: %d calls were counted, want the caller's", row.Version, row.Calls)
		}
	}
}

func TestAVersionThatFailsIsFencedAndTriedAgain(t *testing.T) {
	w := newWatched(t, health.Options{Open: 300 * time.Millisecond})
	w.Route(w.load(1, 'x', task.Health{}))
	why := w.trap()
	if !strings.HasPrefix(why, "20 of 20 calls failed within a second, the last of them with trap: ") {
		t.Errorf("it says %q", why)
	}
	_, err := call(t.Context(), w.Invoker, task.Invocation{})
	f := task.FaultOf(err)
	if err == nil || f.Kind != task.KindUnavailable || f.RetryAfter <= 0 || f.RetryAfter > 300*time.Millisecond || !strings.Contains(f.Message, "20 of 20 calls failed") {
		t.Fatalf("a fenced version: %+v", f)
	}
	if state, reason := w.State("default", "count"); state != "fenced" || !strings.Contains(reason, "20 of 20") {
		t.Errorf("state %q, %q", state, reason)
	}
	for w.answer("") == "unavailable" {
		time.Sleep(time.Millisecond)
	}
	for range 10 {
		if a := w.answer(""); a != "1" {
			t.Fatalf("after it went well again it answers %q", a)
		}
	}
	if state, _ := w.State("default", "count"); state != "ready" {
		t.Errorf("state %q", state)
	}
}

func TestFaultsThatAreNotTheVersionsOwnDoNotFenceIt(t *testing.T) {
	w := newWatched(t, health.Options{MinCalls: 5})
	w.Route(w.load(1, 'x', task.Health{}))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		for name, in := range map[string]task.Invocation{"too_large": {Input: make([]byte, 101)}, "not_found": {Function: "absent"}} {
			if _, err := call(t.Context(), w.Invoker, in); task.FaultOf(err).Kind != task.Kind(name) {
				t.Errorf("%s: %v", name, err)
			}
		}
		call(ended, w.Invoker, task.Invocation{})
	}
	if a := w.answer(""); a != "1" || len(w.fenced) > 0 {
		t.Errorf("answer %q, %d fences", a, len(w.fenced))
	}
}

func TestCallsWaitForWhatTakesOver(t *testing.T) {
	w := newWatched(t, health.Options{Open: time.Hour})
	w.Route(w.load(2, 'x', task.Health{Failover: true}))
	w.trap()
	answers := make(chan string)
	for range 5 {
		go func() { answers <- w.answer("x") }()
	}
	if state, _ := w.State("default", "count"); state != "fenced" {
		t.Errorf("state %q", state)
	}
	select {
	case a := <-answers:
		t.Fatalf("a call was answered %q before another version took over", a)
	case <-time.After(20 * time.Millisecond):
	}
	w.Route(w.load(1, 'y', task.Health{}))
	for range 5 {
		if a := <-answers; a != "1" {
			t.Errorf("a call that waited was answered %q", a)
		}
	}
	if pools := w.Pools(); len(pools) != 1 || pools[0].Ref.Version != 1 {
		t.Errorf("loaded are %+v", pools)
	}
}

// Callers come at any moment: also between the opening of the breaker and the new route.
func TestNoCallIsRefusedWhereAnotherVersionTakesOver(t *testing.T) {
	w := newWatched(t, health.Options{MinCalls: 3, Open: time.Hour})
	for n := range 40 {
		w.Route(w.load(1+n%2, 'x', task.Health{Failover: true}))
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				for trapped := 0; ; trapped++ {
					a := w.answer("x")
					if a == "3" {
						return
					}
					if a != "trap" {
						t.Errorf("answer %q", a)
						return
					}
				}
			})
		}
		<-w.fenced
		w.Route(w.load(3, 'y', task.Health{}))
		callers.Wait()
	}
}

func TestAVersionThatHangsIsFenced(t *testing.T) {
	w := newWatched(t, health.Options{MinCalls: 5, Open: time.Hour})
	module := counting('a')
	v := version(1, module)
	if err := w.Load(t.Context(), v, module); err != nil {
		t.Fatal(err)
	}
	w.Route(v.Ref)
	for range 5 {
		_, err := call(t.Context(), w.Invoker, task.Invocation{Function: "spin", Timeout: 5 * time.Millisecond})
		if f := task.FaultOf(err); err == nil || f.Kind != task.KindDeadline {
			t.Fatalf("got %v", err)
		}
	}
	if a := w.answer(""); a != "unavailable" {
		t.Errorf("answer %q", a)
	}
}

func TestCallsGoOnWhereNothingTakesOver(t *testing.T) {
	w := newWatched(t, health.Options{Open: time.Hour})
	w.Route(w.load(1, 'x', task.Health{Failover: true}))
	w.Resume("default", "count") // nothing waits
	w.trap()
	answered := make(chan string)
	go func() { answered <- w.answer("") }()
	w.Unload(task.Ref{Namespace: "default", Plugin: "count", Version: 1}) // it is needed yet
	w.Resume("default", "count")
	w.Resume("default", "absent")
	if a := <-answered; a != "unavailable" {
		t.Errorf("a call that waited in vain was answered %q", a)
	}
	if a := w.answer(""); a != "unavailable" || len(w.Pools()) != 1 {
		t.Errorf("the next one was answered %q, %d versions are loaded", a, len(w.Pools()))
	}
}

func TestASplitIsExactToACall(t *testing.T) {
	w := newWatched(t, health.Options{})
	live, beside := w.load(1, 'x', task.Health{}), w.load(2, 'x', task.Health{})
	for _, share := range []float64{0.1, 1.0 / 3, 0.5, 0.77, 0.0001, 0.9999, math.Pi / 10} {
		w.Route(live)
		beside = w.load(2, 'x', task.Health{})
		w.Share(live, beside, share)
		least, most, canary := 0.0, 0.0, 0
		for n := range 3000 {
			if w.answer("") == "2" {
				canary++
			}
			off := float64(canary) - share*float64(n+1)
			least, most = min(least, off), max(most, off)
		}
		if least < -1 || most > 1 { // so any calls in a row are exact to two
			t.Errorf("share %v: the canary had from %v to %v calls more than that", share, least, most)
		}
		l, c, ok := w.Samples("default", "count")
		if !ok || c.Calls != int64(canary) || l.Calls != int64(3000-canary) || c.Faults+l.Faults != 0 {
			t.Errorf("share %v: samples %+v, %+v", share, l.Calls, c.Calls)
		}
	}
	w.Route(beside)
	if _, _, ok := w.Samples("default", "count"); ok || w.answer("") != "2" || len(w.Pools()) != 1 {
		t.Error("the canary release goes on")
	}
}

func TestASplitIsEvenUnderLoad(t *testing.T) {
	w := newWatched(t, health.Options{})
	live, beside := w.load(1, 'x', task.Health{}), w.load(2, 'x', task.Health{})
	w.Share(live, beside, 0.1)
	var canary, all atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 300 {
				switch a := w.answer(""); a {
				case "2":
					canary.Add(1)
					fallthrough
				case "1":
					all.Add(1)
				default:
					t.Errorf("answer %q", a)
				}
			}
		})
	}
	wg.Wait()
	if got := canary.Load(); all.Load() != 2400 || got < 239 || got > 241 {
		t.Errorf("%d of %d calls went to the canary, want 240", got, all.Load())
	}
}

func TestASplitIsNotInStepWithItsCallers(t *testing.T) {
	w := newWatched(t, health.Options{Threshold: 1})
	for period := 2; period <= 10; period++ {
		w.Share(w.load(1, 'y', task.Health{}), w.load(2, 'x', task.Health{}), 0.1)
		trapped := 0
		for n := range 2000 {
			input := ""
			if n%period == 0 {
				input = "x"
			}
			if w.answer(input) == "trap" {
				trapped++
			}
		}
		// 200 calls of the canary, of which that part should trap.
		want := 200 / float64(period)
		if math.Abs(float64(trapped)-want) > 5*math.Sqrt(want) {
			t.Errorf("inputs of period %d: %d calls of the canary trapped, want some %.0f", period, trapped, want)
		}
	}
}

func TestACanaryThatIsFencedLosesItsCallsToTheLiveVersion(t *testing.T) {
	w := newWatched(t, health.Options{Open: time.Hour})
	w.Share(w.load(1, 'y', task.Health{}), w.load(2, 'x', task.Health{}), 0.5)
	trapped := 0
	for range 200 {
		switch a := w.answer("x"); a {
		case "trap":
			trapped++
		case "1":
		default:
			t.Fatalf("answer %q", a)
		}
	}
	<-w.fenced
	if trapped != 20 || len(w.fenced) != 0 {
		t.Errorf("%d calls trapped and %d fences were told, want 20 and 1", trapped, 1+len(w.fenced))
	}
	if _, c, _ := w.Samples("default", "count"); c.Faults != 20 {
		t.Errorf("%d faults were counted", c.Faults)
	}
}

func TestCallsWaitWhereACanaryMayTakeOver(t *testing.T) {
	w := newWatched(t, health.Options{Open: time.Hour})
	w.Share(w.load(1, 'x', task.Health{}), w.load(2, 'y', task.Health{}), 0.01)
	w.trap()
	answered := make(chan string)
	go func() { answered <- w.answer("x") }()
	select {
	case a := <-answered:
		t.Fatalf("a call was answered %q before it was decided", a)
	case <-time.After(20 * time.Millisecond):
	}
	w.Resume("default", "count") // the canary does not take over, and has its share as before
	if a := <-answered; a != "unavailable" {
		t.Errorf("answer %q", a)
	}
	answers := map[string]int{}
	for range 200 {
		answers[w.answer("x")]++
	}
	if n := answers["2"]; n < 1 || n > 3 || answers["unavailable"] != 200-n {
		t.Errorf("answers %v", answers)
	}
}

func TestLimitsAreThoseOfTheMoreLenientVersion(t *testing.T) {
	w := newWatched(t, health.Options{})
	live := w.load(1, 'x', task.Health{})
	module := moody("2", 'x')
	v := version(2, module)
	v.Limits.Input, v.Limits.Timeout = 1000, task.Duration(time.Minute)
	if err := w.Load(t.Context(), v, module); err != nil {
		t.Fatal(err)
	}
	w.Share(live, v.Ref, 0.5)
	if l, err := w.Limits(t.Context(), "default", "count"); err != nil || l.Input != 1000 || l.Timeout != v.Limits.Timeout || l.Output != 100 {
		t.Errorf("limits %+v, %v", l, err)
	}
	answers := map[string]int{}
	for range 10 {
		answers[w.answer(strings.Repeat("a", 500))]++
	}
	if answers["2"] != 5 || answers["too_large"] != 5 {
		t.Errorf("answers %v", answers)
	}
}

func TestRoutingHammer(t *testing.T) {
	w := newWatched(t, health.Options{MinCalls: 5, Open: time.Millisecond})
	w.Route(w.load(1, 'x', task.Health{Failover: true}))
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var calls atomic.Int64
	for g := range 6 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				input := ""
				if (n/50+g)%3 == 0 {
					input = "x"
				}
				if a := w.answer(input); !slices.Contains([]string{"1", "2", "3", "trap", "unavailable"}, a) {
					t.Errorf("answer %q", a)
				}
				calls.Add(1)
				w.State("default", "count")
				w.Samples("default", "count")
			}
		})
	}
	wg.Go(func() { // what the catalogue does
		for ctx.Err() == nil {
			select {
			case <-w.fenced:
				w.Resume("default", "count")
			case <-ctx.Done():
			}
		}
	})
	for n := range 60 {
		one := w.load(1+n%2, 'x', task.Health{Failover: n%3 == 0})
		two := w.load(2+n%2, 'x', task.Health{})
		if n%4 == 0 {
			w.Route(two)
			continue
		}
		w.Share(one, two, 0.3)
		time.Sleep(time.Millisecond)
	}
	stop()
	w.Resume("default", "count")
	wg.Wait()
	if calls.Load() < 100 {
		t.Errorf("only %d calls", calls.Load())
	}
}

func TestIdleInstancesGetTheCanaryCallAgainAndAgain(t *testing.T) {
	w := newWatched(t, health.Options{})
	ref := w.load(1, 'x', task.Health{Input: []byte{}, Every: task.Duration(100 * time.Millisecond)})
	w.Route(ref)
	for w.Pools()[0].Probes < 2 {
		time.Sleep(10 * time.Millisecond)
	}
	if p := w.Pools()[0]; p.FailedProbes > 0 || p.Births != 1 {
		t.Errorf("after canary calls that went well there is %+v", p)
	}
	if a := w.answer(""); a == "" {
		t.Error("there is no answer beside them")
	}
}
