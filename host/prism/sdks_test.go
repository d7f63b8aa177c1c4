package prism_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/sdk/sdktest"
)

// A language is one in which there is a guest, sdk/LANGUAGE/testdata/guest, that answers what all are asked:
//
//	handle      a line for each source of random numbers: its name and what it gave. What was made before the image
//	            has a name that begins with started:, and so has which hooks ran since
//	about       what is known of the call, and when it will be ended, in milliseconds since 1970
//	advance     nothing; it tells twice how far it is, and logs its input
//	configured  the config value of a key, or a failure where it is not set
//	stream      its input
//	refuse      a failure
//	panic       nothing: it ends in the way in which programs of the language do, which logs why
type language struct {
	name string
	sdk  string // in the folder sdk
	file string // that make makes there [testdata/guest.wasm]

	draws int    // lines, as handle answers
	hooks string // that run [resumed]

	unset string // the failure where there is no such config [it is not set]

	// When the call will be ended is told as the server tells it.
	text bool
}

var languages = []language{
	{name: "Go", sdk: "go", draws: 13, hooks: "first second"},
	{name: "C", sdk: "c", draws: 4, text: true},
	{name: "C++", sdk: "c", file: "testdata/guest_cpp.wasm", draws: 4},
	{name: "Rust", sdk: "rust", draws: 9},
	{name: "Zig", sdk: "zig", draws: 5, unset: "NotSet"},
	{name: "AssemblyScript", sdk: "assemblyscript", draws: 6, hooks: "first second"},
}

// folder is where an SDK is.
func folder(sdk string) string { return "../../sdk/" + sdk }

// TestEverySDKAnswersTheSameQuestions asks each guest with an image and, of what it draws, without one.
func TestEverySDKAnswersTheSameQuestions(t *testing.T) {
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			l.file = cmp.Or(l.file, "testdata/guest.wasm")
			l.hooks = cmp.Or(l.hooks, "resumed")
			l.unset = cmp.Or(l.unset, "it is not set")
			module := sdktest.Make(t, folder(l.sdk), l.file)
			p := load(t, task.ABIPrism, module, true)
			t.Run("draws anew in each call", func(t *testing.T) { l.drawsAnew(t, p) })
			t.Run("knows its call", func(t *testing.T) { l.knowsItsCall(t, instance(t, p)) })
			t.Run("tells how far it is", func(t *testing.T) { tellsHowFarItIs(t, instance(t, p)) })
			t.Run("has its config", func(t *testing.T) { hasItsConfig(t, instance(t, p)) })
			t.Run("reads all and writes all", func(t *testing.T) { readsAllAndWritesAll(t, instance(t, p)) })
			t.Run("fails with its message", func(t *testing.T) { l.fails(t, p) })
			t.Run("without an image", func(t *testing.T) { l.runsNoHooks(t, load(t, task.ABIPrism, module, false)) })
		})
	}
}

// drawn takes apart what handle answers.
func (l *language) drawn(t *testing.T, answer string) map[string]string {
	t.Helper()
	values := map[string]string{}
	for line := range strings.Lines(answer) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		values[name] = value
	}
	if len(values) != l.draws {
		t.Fatalf("drew %v, want %d numbers", values, l.draws)
	}
	return values
}

const hooks = "started:hooks"

func (l *language) drawsAnew(t *testing.T, p *engine.Program) {
	instances := []*engine.Instance{instance(t, p), instance(t, p)}
	var first map[string]string
	seen := map[string]bool{}
	for n := range 6 {
		values := l.drawn(t, call(t, instances[n%2], task.Invocation{}))
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
	if got := first[hooks]; got != l.hooks {
		t.Errorf("hooks ran: %q, want %q", got, l.hooks)
	}
}

// runsNoHooks: without an image a guest is initialised for each call, and there is nothing to resume.
func (l *language) runsNoHooks(t *testing.T, p *engine.Program) {
	var answers [2]map[string]string
	for n := range answers {
		out, _, err := instance(t, p).Run(t.Context(), task.Invocation{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		answers[n] = l.drawn(t, string(out))
	}
	first, second := answers[0], answers[1]
	for name, value := range first {
		if name == hooks && value != "" || name != hooks && value == second[name] {
			t.Errorf("%s was %q, then %q", name, value, second[name])
		}
	}
}

func (l *language) knowsItsCall(t *testing.T, i *engine.Instance) {
	id := task.NewID()
	if got, want := call(t, i, task.Invocation{ID: id, Function: "about"}), string(id)+" about seven 7 none"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	deadline := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	out, _, err := i.Run(ctx, task.Invocation{ID: "1", Function: "about"}, nil)
	until := strconv.FormatInt(deadline.UnixMilli(), 10)
	if l.text {
		until = deadline.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	if want := "1 about seven 7 " + until; string(out) != want || err != nil {
		t.Errorf("got %q, %v; want %q", out, err, want)
	}
}

// heard is a task.Listener that writes down what it is told.
type heard []string

func (h *heard) Logged(level, line string) { *h = append(*h, level+" "+line) }

func (h *heard) Progressed(done, total int64, message string) {
	*h = append(*h, fmt.Sprintf("%d/%d %s", done, total, message))
}

func tellsHowFarItIs(t *testing.T, i *engine.Instance) {
	for _, in := range []string{"first", strings.Repeat("second", 20_000)} {
		var told heard
		call(t, i, task.Invocation{Function: "advance", Input: []byte(in), Listener: &told})
		cut := in[:min(len(in), 4096)]
		if want := (heard{"1/2 " + cut, "warn " + cut, "5000000000/0 "}); !slices.Equal(told, want) {
			t.Errorf("told %.200q, want %.200q", told, want)
		}
		call(t, i, task.Invocation{Function: "advance", Input: []byte(in)}) // to nobody
	}
}

func hasItsConfig(t *testing.T, i *engine.Instance) {
	for key, want := range granted {
		if got := call(t, i, task.Invocation{Function: "configured", Input: []byte(key)}); got != want {
			t.Errorf("%s is %.200q, want %.200q", key, got, want)
		}
	}
}

func readsAllAndWritesAll(t *testing.T, i *engine.Instance) {
	for _, in := range []string{"first", strings.Repeat("second", 20_000), ""} {
		if got := call(t, i, task.Invocation{Function: "stream", Input: []byte(in)}); got != in {
			t.Errorf("%d bytes came back of %d", len(got), len(in))
		}
	}
}

func (l *language) fails(t *testing.T, p *engine.Program) {
	for _, test := range []struct {
		function, want string
		kind           task.Kind
		told           string
	}{
		{"refuse", "as it was told", task.KindGuest, ""},
		{"configured", l.unset, task.KindGuest, ""},
		{"panic", "", task.KindTrap, "it panicked as it was told"},
	} {
		var told heard
		_, _, err := instance(t, p).Run(t.Context(), task.Invocation{Function: test.function, Listener: &told}, nil)
		fault := task.FaultOf(err)
		if err == nil || fault.Kind != test.kind || !strings.Contains(fault.Message, test.want) {
			t.Errorf("%s: %v, of kind %v; want %q, of kind %v", test.function, err, fault.Kind, test.want, test.kind)
		}
		if log := strings.Join(told, "\n"); !strings.Contains(log, test.told) {
			t.Errorf("%s logged %q", test.function, log)
		}
	}
}

// The standard library draws a map's keys where it first makes one: in the call, when nothing did before.
func TestMapsOfAGuestInRustDifferInEachCall(t *testing.T) {
	p := load(t, task.ABIPrism, sdktest.Make(t, folder("rust"), "testdata/maps.wasm"), true)
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
