package prism_test

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
)

// rustGuest builds one of sdk/rust/testdata.
func rustGuest(t testing.TB, name string) []byte {
	t.Helper()
	file := "testdata/" + name + ".wasm"
	if message, err := exec.Command("make", "-C", "../../sdk/rust", file).CombinedOutput(); err != nil {
		t.Skipf("make guests installs a rustc that builds guests: %v\n%s", err, message)
	}
	module, err := os.ReadFile("../../sdk/rust/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// drawn takes apart what the guest answers.
func drawn(t testing.TB, out string) map[string]string {
	t.Helper()
	values := map[string]string{}
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		values[name] = value
	}
	if len(values) != 9 {
		t.Fatalf("drew %v", values)
	}
	return values
}

func TestAGuestInRustDrawsAnewInEachCall(t *testing.T) {
	p := load(t, task.ABIPrism, rustGuest(t, "guest"), true)
	instances := []*engine.Instance{instance(t, p), instance(t, p)}
	var first map[string]string
	seen := map[string]bool{}
	for n := range 6 {
		values := drawn(t, call(t, instances[n%2], task.Invocation{}))
		if n == 0 {
			first = values
		}
		for name, value := range values {
			switch {
			case strings.HasPrefix(name, "started:"):
				if value != first[name] {
					t.Errorf("%s was %q, then %q", name, first[name], value)
				}
			case seen[value]:
				t.Errorf("%s is %s again", name, value)
			}
			seen[value] = true
		}
	}
	if got := first["started:hooks"]; got != "resumed" {
		t.Errorf("hooks ran: %q", got)
	}
}

// The standard library draws a map's keys where it first makes one: in the call, when nothing did before.
func TestMapsOfAGuestInRustDifferInEachCall(t *testing.T) {
	p := load(t, task.ABIPrism, rustGuest(t, "maps"), true)
	instances := []*engine.Instance{instance(t, p), instance(t, p)}
	seen := map[string]bool{}
	for n := range 6 {
		order := call(t, instances[n%2], task.Invocation{})
		if seen[order] {
			t.Errorf("call %d has the order of another: %s", n+1, order)
		}
		seen[order] = true
	}
}

// Without an image init runs for each call, and there is nothing to resume.
func TestAGuestInRustWithoutAnImageRunsNoHooks(t *testing.T) {
	p := load(t, task.ABIPrism, rustGuest(t, "guest"), false)
	var answers [2]map[string]string
	for n := range answers {
		out, _, err := instance(t, p).Run(t.Context(), task.Invocation{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		answers[n] = drawn(t, string(out))
	}
	first, second := answers[0], answers[1]
	for name, value := range first {
		if hooks := name == "started:hooks"; hooks && value != "" || !hooks && value == second[name] {
			t.Errorf("%s was %q, then %q", name, value, second[name])
		}
	}
}

func TestAGuestInRustHasAllThatTheHostOffers(t *testing.T) {
	i := instance(t, load(t, task.ABIPrism, rustGuest(t, "guest"), true))
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
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	out, _, err := i.Run(ctx, task.Invocation{ID: "1", Function: "about"}, nil)
	if want := "1 about seven 7 Some(60)"; string(out) != want || err != nil {
		t.Errorf("got %q, %v; want %q", out, err, want)
	}
}

func TestAGuestInRustFailsWithItsMessageAndLogsItsPanics(t *testing.T) {
	p := load(t, task.ABIPrism, rustGuest(t, "guest"), true)
	for _, test := range []struct {
		function, want string
		kind           task.Kind
		told           string
	}{
		{"refuse", "as it was told", task.KindGuest, ""},
		{"configured", "it is not set", task.KindGuest, ""},
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
