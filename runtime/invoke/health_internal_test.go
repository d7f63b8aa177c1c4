package invoke

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/host/prism"
	"github.com/marketprism/prismrt/host/wasi"
	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/pool"
	"github.com/marketprism/prismrt/runtime/task"
)

// silent is a module whose handler answers nothing.
var silent = []byte{
	0, 'a', 's', 'm', 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7f, 3, 2, 1, 0, 5, 3, 1, 0, 1,
	7, 10, 1, 6, 'h', 'a', 'n', 'd', 'l', 'e', 0, 0, 10, 6, 1, 4, 0, 0x41, 0, 0x0b,
}

func TestThreeCanaryCallsThatFailInARowFenceAVersion(t *testing.T) {
	e, err := engine.New(t.Context(), engine.Options{
		CacheDir: t.TempDir(), Hosts: []engine.Host{{Name: wasi.Module, Instantiate: wasi.Instantiate}, {Name: prism.Module, Instantiate: prism.Instantiate}},
	})
	if err != nil {
		t.Fatal(err)
	}
	fenced := make(chan string, 10)
	events := event.New(event.Options{})
	m := monitor.New(monitor.Sources{
		Pools: func() []monitor.Pool { return nil }, Guests: func() monitor.Guests { return monitor.Guests{} },
		Scheduler: func() monitor.Scheduler { return monitor.Scheduler{} },
	})
	i := New(Options{
		Engine: e, Monitor: m, Log: slog.New(slog.DiscardHandler), Fenced: func(_ task.Ref, why string) { fenced <- why },
		Publish: events.Publish,
	})
	defer func() {
		if err := i.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	v := task.Version{
		Ref: task.Ref{Namespace: "default", Plugin: "mute", Version: 1}, Digest: task.DigestOf(silent), ABI: task.ABIPrism, Function: "handle", Min: 1, Max: 1,
		Limits: task.Limits{Memory: 1 << 20, Timeout: task.Duration(10 * time.Second), Fuel: 1e12, Stack: 1 << 20, Input: 100, Output: 100},
		Health: task.Health{Input: []byte{}, Expect: []byte{}},
	}
	if err := i.Load(t.Context(), v, silent); err != nil {
		t.Fatal(err)
	}
	i.Route(v.Ref)
	d := i.loaded[v.Ref]
	loan, err := d.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer loan.Discard(pool.Report{})
	probe := func(expect string) {
		t.Helper()
		d.version.Health.Expect = []byte(expect)
		if err := d.probe(t.Context(), loan.Instance); (err != nil) != (expect != "") {
			t.Fatalf("a canary call that expects %q: %v", expect, err)
		}
	}
	for _, expect := range []string{"", "x", "x", "", "x", "x"} { // never three in a row
		probe(expect)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	d.version.Health.Input = []byte("x")
	if err := d.probe(ended, loan.Instance); !errors.Is(err, context.Canceled) {
		t.Errorf("a canary call that was given up: %v", err)
	}
	if why := d.breaker.Fenced(); why != "" {
		t.Fatalf("it is fenced: %s", why)
	}
	probe("x")
	if why := <-fenced; !strings.HasPrefix(why, "3 canary calls in a row failed; the health check failed: the answer was") {
		t.Errorf("it says %q", why)
	}
	if _, err := i.Invoke(t.Context(), task.Invocation{Namespace: "default", Plugin: "mute"}); task.FaultOf(err).Kind != task.KindUnavailable {
		t.Errorf("a call is answered with %v", err)
	}
	if rows := m.Stats().Plugins; rows[0].Calls != 1 {
		t.Errorf("%d calls were counted, want the caller's", rows[0].Calls)
	}

	told := events.Follow(events.Last(), event.Filter{})
	if err := d.checkUp()(ended, loan.Instance); err == nil {
		t.Error("a canary call between others that was given up went well")
	}
	if err := d.checkUp()(t.Context(), loan.Instance); err == nil {
		t.Error("a canary call between others went well")
	}
	if e, ok := told.Take(); !ok || e.Type != event.InstanceDied || e.Ref != v.Ref || string(e.Data) != `{"cause":"probe"}` || !strings.HasPrefix(e.Message, "the health check failed") {
		t.Errorf("published is %+v", e)
	}
	if e, ok := told.Take(); ok {
		t.Errorf("published is %+v besides", e)
	}
}
