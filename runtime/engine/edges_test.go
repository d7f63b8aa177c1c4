package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
)

// edges are the programs of testdata/edges/edges.c by their names, with what tells
// that their call was the one that was meant.
var edges = []struct {
	name       string
	checkpoint bool
	marks      string // in the answer to "abc", or in the fault
	why        string // of what has no checkpoint
}{
	{"prompt", true, "name? <abc>", ""},
	{"pieces", true, "[abc]<abc>", ""},
	{"poll", true, "errno 0, 1 ready, first 1;<abc>", ""},
	{"poll with a clock", true, "errno 0, 1 ready, first 1;<abc>", ""},
	{"prism", true, "<abc>", ""},
	{"prism, then input", true, "<abcabc>", ""}, // input_read of prism takes nothing away
	{"nothing at first", true, "<abc>", ""},
	{"past the end", true, "<abc>", ""},
	{"never", false, "reads nothing", "it ends before"},
	{"exits", false, "exit code 7", "it ends before"},
	{"traps", false, "unreachable", "it ends before"},
	{"fails", true, "before it read", ""},
	{"logs", true, "<abc>", ""},
	{"floods its log", true, "<abc>", ""},
	{"closes its input", false, "errno 8;<>", "it ends before"},
	{"closes its log", true, "closed;<abc>", ""},
	{"answers on its log", true, "", ""},
	{"swaps its input", true, "<abc>", ""},
	{"deep", true, "deep;<abc>", ""},
	{"allocates", true, "<abc>", ""},
	{"is refused memory", true, "refused;<abc>", ""},
}

var edgeInputs = []string{"abc", "", "silent", "fail", "exit", "trap", "deep", "closed", "large", strings.Repeat("0123456789", 6554)}

// told is all that a caller is told of a call, but the fuel it took.
func told(ctx context.Context, i *engine.Instance, input string) string {
	out, _, err := i.Run(ctx, task.Invocation{Input: []byte(input)}, nil)
	if err == nil {
		return string(out)
	}
	f := task.FaultOf(err)
	return fmt.Sprintf("%s: %s, log %q, stack %q", f.Kind, f.Message, f.Log, f.Stack)
}

func edge(t *testing.T, e *engine.Engine, name string, imageOff bool) *engine.Program {
	t.Helper()
	module := cProgram(t, "edges/edges.c")
	v := version(task.ABICommand, module)
	v.Config = map[string]string{"EDGE": name}
	v.Limits.Memory, v.ImageOff = 16<<20, imageOff
	p, err := e.Compile(t.Context(), v, module)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func begin(t *testing.T, p *engine.Program) *instance {
	t.Helper()
	i, err := p.Instantiate(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &instance{i}
}

// rewound puts an instance back, or begins another where it cannot be.
func rewound(t *testing.T, p *engine.Program, i *instance) (spent bool) {
	t.Helper()
	if _, err := i.Rewind(); errors.Is(err, engine.ErrSpent) {
		i.close(t)
		*i = *begin(t, p)
		return true
	} else if err != nil {
		t.Fatal(err)
	}
	if what := i.Differs(); what != "" {
		t.Error(what)
	}
	return false
}

func TestAProgramAnswersAsIfItHadBegunForEachCall(t *testing.T) {
	e := newEngine(t, engine.Options{})
	calls, spent := 0, 0
	for _, tt := range edges {
		t.Run(tt.name, func(t *testing.T) {
			want := map[string]string{}
			plain := edge(t, e, tt.name, true)
			for _, input := range edgeInputs {
				i := begin(t, plain)
				want[input] = told(t.Context(), i.Instance, input)
				i.close(t)
			}
			if !strings.Contains(want["abc"], tt.marks) {
				t.Fatalf("as it is, it answers %.300q", want["abc"])
			}
			p := edge(t, e, tt.name, false)
			var instances []*instance
			for range 3 {
				i := begin(t, p)
				if i.Checkpointed() != tt.checkpoint || !strings.HasPrefix(p.Why(), tt.why) {
					t.Errorf("a checkpoint: %t, %q", i.Checkpointed(), p.Why())
				}
				instances = append(instances, i)
			}
			for round := range 3 {
				for n, i := range instances {
					for at := range edgeInputs {
						input := edgeInputs[(at*[]int{1, 3, 7}[round]+n)%len(edgeInputs)] // in differing orders
						if tt.name == "is refused memory" && strings.HasPrefix(want[input], "memory: ") {
							continue // what it was refused before is not held against its calls
						}
						if got := told(t.Context(), i.Instance, input); got != want[input] {
							t.Errorf("instance %d, round %d, %.20q: %.300q, and as it is %.300q", n, round, input, got, want[input])
						}
						calls++
						if rewound(t, p, i) {
							spent++
							if input != "deep" && tt.name != "deep" {
								t.Errorf("spent by %.20q", input)
							}
						}
					}
				}
			}
			for _, i := range instances {
				i.close(t)
			}
		})
	}
	t.Logf("%d calls, after %d of which another instance was needed", calls, spent)
	if n := e.Unlike(); n != 0 {
		t.Errorf("%d instances came to another state than the first", n)
	}
}

func TestWhatWasDrawnBeforeTheInputIsAlikeAndAfterItIsNot(t *testing.T) {
	e := newEngine(t, engine.Options{})
	p := edge(t, e, "draws", false)
	before, after := map[string]bool{}, map[string]bool{}
	for range 3 {
		i := begin(t, p)
		for range 5 {
			b, a, _ := strings.Cut(told(t.Context(), i.Instance, "abc"), ";")
			for _, drawn := range strings.Fields(a) {
				if after[drawn] {
					t.Errorf("%s was drawn in two calls", drawn)
				}
				after[drawn] = true
			}
			before[b] = true
			rewound(t, p, i)
		}
		i.close(t)
	}
	if len(before) != 1 || len(after) != 3*3*5 {
		t.Errorf("before %v, after %v", before, after)
	}
}

func TestWhatIsSleptBeforeTheInputTakesNoTime(t *testing.T) {
	e := newEngine(t, engine.Options{})
	p := edge(t, e, "sleeps", false)
	i := begin(t, p)
	defer i.close(t)
	for range 3 {
		if got := told(t.Context(), i.Instance, "abc"); got != "slept for an hour: 1;<abc>" {
			t.Error(got)
		}
		rewound(t, p, i)
	}
}

func TestOutputBelongsToItsCaller(t *testing.T) {
	p := edge(t, newEngine(t, engine.Options{}), "prompt", false)
	i := begin(t, p)
	defer i.close(t)
	for range 3 {
		for input, want := range map[string]string{"silent": "name? ", "abc": "name? <abc>"} {
			out, _, err := i.Run(t.Context(), task.Invocation{Input: []byte(input)}, nil)
			if err != nil || string(out) != want {
				t.Errorf("%q answers %q, %v; want %q", input, out, err, want)
			}
			copy(out, bytes.Repeat([]byte("!"), len(out)))
			_ = append(out, "and more"...)
			rewound(t, p, i)
		}
	}
}
