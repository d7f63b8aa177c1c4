package prism_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
)

// zigGuest builds sdk/zig/testdata/guest.zig.
func zigGuest(t testing.TB) []byte {
	t.Helper()
	if message, err := exec.Command("make", "-C", "../../sdk/zig", "testdata/guest.wasm").CombinedOutput(); err != nil {
		t.Skipf("make guests installs a zig that builds guests: %v\n%s", err, message)
	}
	module, err := os.ReadFile("../../sdk/zig/testdata/guest.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func TestAGuestInZigDrawsAnewInEachCall(t *testing.T) {
	p := load(t, task.ABIPrism, zigGuest(t), true)
	instances := []*engine.Instance{instance(t, p), instance(t, p)}
	started := ""
	seen := map[string]bool{}
	for n := range 6 {
		out := call(t, instances[n%2], task.Invocation{})
		live, image, ok := strings.Cut(out, "started:")
		if started == "" {
			started = image
		}
		if !ok || image != started || !strings.HasSuffix(image, "started:hooks resumed\n") {
			t.Errorf("started with %q, then %q", started, image)
		}
		for line := range strings.Lines(live) {
			if seen[line] {
				t.Errorf("%s is drawn again", line)
			}
			seen[line] = true
		}
	}
	if len(seen) != 18 {
		t.Errorf("drew %d numbers, want 18: %v", len(seen), seen)
	}
}

func TestAGuestInZigHasAllThatTheHostOffers(t *testing.T) {
	p := load(t, task.ABIPrism, zigGuest(t), true)
	i := instance(t, p)
	for _, in := range []string{"first", strings.Repeat("second", 20_000)} {
		if got := call(t, i, task.Invocation{Function: "stream", Input: []byte(in)}); got != in {
			t.Errorf("%d bytes came back of %d", len(got), len(in))
		}
		var told heard
		call(t, i, task.Invocation{Function: "advance", Input: []byte(in), Listener: &told})
		cut := in[:min(len(in), 4096)]
		if want := (heard{"1/2 " + cut, "warn " + cut, "5000000000/0 "}); !slices.Equal(told, want) {
			t.Errorf("told %.200q, want %.200q", told, want)
		}
	}
	deadline := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	out, _, err := i.Run(ctx, task.Invocation{ID: "1", Function: "about"}, nil)
	if want := fmt.Sprint("1 about seven 7 ", deadline.UnixMilli()); string(out) != want || err != nil {
		t.Errorf("got %q, %v; want %q", out, err, want)
	}
	for _, test := range []struct {
		function, want string
		kind           task.Kind
		told           string
	}{
		{"refuse", "as it was told", task.KindGuest, ""},
		{"configured", "NotSet", task.KindGuest, ""},
		{"panic", "", task.KindTrap, "it panicked as it was told"},
	} {
		var told heard
		_, _, err := instance(t, p).Run(t.Context(), task.Invocation{Function: test.function, Listener: &told}, nil)
		fault := task.FaultOf(err)
		if err == nil || fault.Kind != test.kind || !strings.Contains(fault.Message, test.want) {
			t.Errorf("%s: %v", test.function, err)
		}
		if log := strings.Join(told, "\n"); !strings.Contains(log, test.told) {
			t.Errorf("%s logged %q", test.function, log)
		}
	}
}
