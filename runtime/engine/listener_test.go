package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
)

// heard is a task.Listener that writes down what it is told.
type heard []string

func (h *heard) Logged(level, line string) { *h = append(*h, level+" "+line) }

func (h *heard) Progressed(done, total int64, message string) {
	*h = append(*h, fmt.Sprintf("%d/%d %s", done, total, message))
}

// instantiate makes an instance that lives as long as the test.
func instantiate(t *testing.T, p *engine.Program) *engine.Instance {
	t.Helper()
	i, err := p.Instantiate(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close(context.Background()) })
	return i
}

func TestAListenerIsToldOfLinesOnStandardError(t *testing.T) {
	i := instantiate(t, compile(t, newEngine(t, engine.Options{}), task.ABICommand, guest(t, task.ABICommand)))
	long := strings.Repeat("x", 4095)
	for _, tt := range []struct {
		writes string
		want   heard
	}{
		{"one line\n", heard{"one line"}},
		{"in| pie|ces\nand |more", heard{"in pieces", "and more"}},
		{"\n\nafter\n|\n", heard{"", "", "after", ""}},
		{"dos\r\n|unix\n|\r", heard{"dos", "unix", ""}},
		{long + "y\n", heard{long + "y"}},
		{long + "|yz\n" + long + "y", heard{long + "y", "z", long + "y"}},
		{long + "é\n", heard{long, "é"}}, // no character is cut in two
		{long + "\xff\xfe\n", heard{long + "\ufffd", "\ufffd"}},
		{"a|\xc3|\xa9|b", heard{"aéb"}},
		{"", nil},
	} {
		for range 2 { // what one call leaves is not the next one's
			var told heard
			_, _, err := i.Run(t.Context(), task.Invocation{Input: []byte("mutter " + tt.writes), Listener: &told}, nil)
			for n := range tt.want {
				tt.want[n] = " " + strings.TrimPrefix(tt.want[n], " ")
			}
			if err != nil || !slices.Equal(told, tt.want) {
				t.Errorf("%.40q: told %.60q, %v; want %.60q", tt.writes, told, err, tt.want)
			}
			if _, err := i.Rewind(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// How a call ends makes no difference to what was said before, nor to the next.
func TestAListenerHearsItsOwnCallAlone(t *testing.T) {
	i := instantiate(t, compile(t, newEngine(t, engine.Options{}), task.ABICommand, guest(t, task.ABICommand)))
	for _, input := range []string{"exit 3", "mutter unended", "panic ouch", "chatter", "upper abc"} {
		lines := map[string]int{"exit 3": 1, "mutter unended": 1, "chatter": 5000, "upper abc": 0}
		for _, listens := range []bool{true, false} {
			var told heard
			in := task.Invocation{Input: []byte(input)}
			if listens {
				in.Listener = &told
			}
			_, _, _ = i.Run(t.Context(), in, nil)
			switch want, known := lines[input]; {
			case !listens && len(told) > 0:
				t.Errorf("%s: who does not listen heard %q", input, told)
			case listens && known && len(told) != want:
				t.Errorf("%s: %d lines, want %d: %.80q", input, len(told), want, told)
			case listens && !known && (len(told) < 3 || !strings.Contains(told[0], "panic: ouch")):
				t.Errorf("%s: told %q", input, told)
			}
			if _, err := i.Rewind(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestAListenerIsToldOfTheLogAndOfProgress(t *testing.T) {
	i := instantiate(t, compile(t, newEngine(t, engine.Options{}), task.ABIPrism, guest(t, task.ABIPrism)))
	long := strings.Repeat("y", 5000)
	for _, input := range []string{"a message", "b", long} {
		var told heard
		if _, _, err := i.Run(t.Context(), task.Invocation{Function: "advance", Input: []byte(input), Listener: &told}, nil); err != nil {
			t.Fatal(err)
		}
		cut := input[:min(len(input), 4096)]
		if want := (heard{"1/3 ", "debug " + cut, "2/0 " + cut, "error " + input[:1], "0/0 " + input[:1]}); !slices.Equal(told, want) {
			t.Errorf("told %.80q, want %.80q", told, want)
		}
		if _, err := i.Rewind(); err != nil {
			t.Fatal(err)
		}
	}
	var told heard
	_, _, err := i.Run(t.Context(), task.Invocation{Function: "strayprogress", Listener: &told}, nil)
	if f := task.FaultOf(err); f == nil || f.Kind != task.KindTrap || !strings.Contains(f.Message, "prism.progress: 64 bytes") || told != nil {
		t.Errorf("a message outside of memory: told %q, %v", told, err)
	}
}
