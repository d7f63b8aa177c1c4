package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
)

// opened opens the interpreter in testdata/edges/interpreter.c.
func opened(t *testing.T, e *engine.Engine) *engine.Interpreter {
	t.Helper()
	module := cProgram(t, "edges/interpreter.c")
	in, err := e.Open(t.Context(), version(task.ABICommand, module), module)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// interpret makes a program of that interpreter, which is open, and a script.
func interpret(t *testing.T, e *engine.Engine, script []byte) *engine.Program {
	t.Helper()
	v := version(task.ABICommand, script)
	v.Prelude, v.Interpreter = script, task.DigestOf(cProgram(t, "edges/interpreter.c"))
	p, err := e.Compile(t.Context(), v, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func closes(t *testing.T, p *engine.Program) {
	t.Helper()
	if err := p.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func closesInterpreter(t *testing.T, in *engine.Interpreter) {
	t.Helper()
	if err := in.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestScriptsOfOneInterpreterDoNotDisturbEachOther(t *testing.T) {
	e := newEngine(t, engine.Options{})
	interpreter := opened(t, e)
	type open struct {
		script    string
		program   *engine.Program
		instances []*instance
	}
	var all []*open
	begin := func(n int) *open {
		script := fmt.Sprintf("name script %d\nprint hello %d\nlog loaded\nallocate %d", n, n, n*1000)
		o := &open{script: fmt.Sprintf("hello %d;script %d", n, n), program: interpret(t, e, []byte(script))}
		for range 2 {
			o.instances = append(o.instances, begin(t, o.program))
		}
		return o
	}
	end := func(o *open) {
		for _, i := range o.instances {
			i.close(t)
		}
		closes(t, o.program)
	}
	for n := range 5 {
		all = append(all, begin(n))
	}
	calls := 0
	random := rand.New(rand.NewPCG(7, 7))
	sum := ""
	for round := range 40 {
		o := all[random.IntN(len(all))]
		i := o.instances[random.IntN(len(o.instances))]
		for _, input := range []string{"abc", "spoil", "!exit 3", "", "!trap", "!close 1", "!name other", "!allocate 3000000"} {
			got := told(t.Context(), i.Instance, input)
			var want string
			switch input {
			case "spoil":
				want = "exit: the program ended with exit code 4"
			case "!exit 3":
				want = "exit: the program ended with exit code 3"
			case "!trap":
				want = "trap: the guest trapped: unreachable"
			case "!close 1":
				want = "" // it writes as it ends
			default:
				if sum == "" {
					_, sum, _ = strings.Cut(got, "turn 1, ")
				}
				want = fmt.Sprintf("%s: %s, turn 1, %s", o.script, input, sum)
			}
			if !strings.HasPrefix(got, want) || strings.HasPrefix(got, "exit") && !strings.Contains(got, `"loaded"`) {
				t.Fatalf("round %d, %q: %q, want %q", round, input, got, want)
			}
			calls++
			if rewound(t, o.program, i) {
				t.Errorf("spent by %q", input)
			}
		}
		if round%8 == 7 { // one is replaced; those after it are not those of the others' base alone
			n := random.IntN(len(all))
			end(all[n])
			all[n] = begin(5 + round)
		}
	}
	if len(sum) < 4 {
		t.Errorf("the interpreter's library adds up to %q", sum)
	}
	for _, o := range all {
		end(o)
	}
	t.Logf("%d calls", calls)
	closesInterpreter(t, interpreter)
	if s := e.Stats(); s != (engine.Stats{}) || e.Unlike() != 0 {
		t.Errorf("at the end there is %+v, and %d were unlike the first", s, e.Unlike())
	}
}

// The one that is ready is taken by one script, whoever asks at the same time.
func TestScriptsBeginAtOnceWhileAnInstanceIsKeptReady(t *testing.T) {
	e := newEngine(t, engine.Options{})
	interpreter := opened(t, e)
	ctx, stop := context.WithCancel(t.Context())
	var keeping, beginning sync.WaitGroup
	keeping.Go(func() {
		for {
			if err := interpreter.Prepare(ctx, nil); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			select {
			case <-interpreter.Wanted():
			case <-ctx.Done():
				return
			}
		}
	})
	for n := range 4 {
		beginning.Go(func() {
			for round := range 5 {
				name := fmt.Sprintf("script %d of %d", n, round)
				p := interpret(t, e, []byte("name "+name))
				i, err := p.Instantiate(ctx, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if got := told(ctx, i, "abc"); !strings.HasPrefix(got, name+": abc, turn 1,") {
					t.Errorf("%s: %q", name, got)
				}
				if err := i.Close(context.Background()); err != nil {
					t.Error(err)
				}
				closes(t, p)
			}
		})
	}
	beginning.Wait()
	stop()
	keeping.Wait()
	closesInterpreter(t, interpreter)
	if s := e.Stats(); s != (engine.Stats{}) || e.Unlike() != 0 {
		t.Errorf("at the end there is %+v, and %d were unlike the first", s, e.Unlike())
	}
}

func TestImagesOfScriptsShareTheirInterpreters(t *testing.T) {
	e := newEngine(t, engine.Options{})
	const library = 3 << 19
	defer closesInterpreter(t, opened(t, e))
	own := func(script []byte) int {
		var p *engine.Program
		if script == nil {
			module := cProgram(t, "edges/interpreter.c")
			p = compile(t, e, task.ABICommand, module)
		} else {
			p = interpret(t, e, script)
		}
		t.Cleanup(func() { closes(t, p) })
		begin(t, p).close(t)
		return p.OwnBytes()
	}
	alone := own(nil)
	small, large := own([]byte("name small")), own([]byte("name large\nallocate 500000"))
	t.Logf("without a script %d bytes, with one %d, with one that allocates %d", alone, small, large)
	if alone < library || small > 256<<10 || large > small+600_000 || large < 500_000 {
		t.Errorf("without a script an image takes %d bytes, with one %d, with one that allocates 500,000 %d", alone, small, large)
	}
}

func TestAScriptThatDoesNotComeToItsInputSaysWhy(t *testing.T) {
	e := newEngine(t, engine.Options{StartTimeout: 500 * time.Millisecond})
	interpreter := opened(t, e)
	for script, want := range map[string]struct {
		kind         task.Kind
		message, log string
	}{
		"log no such module\nexit 3": {task.KindExit, "while it started, the program ended with exit code 3", "no such module"},
		"log bye\nexit 0":            {task.KindInvalid, "came to its end without a look at its input", "bye"},
		"trap":                       {task.KindTrap, "while it started, the guest trapped: unreachable", ""},
		"log on and on\nspin":        {task.KindDeadline, "while it started", "on and on"},
		"close 0":                    {task.KindInvalid, "came to its end without a look at its input", ""},
	} {
		p := interpret(t, e, []byte(script))
		for range 2 { // the second is asked anew
			_, err := p.Instantiate(t.Context(), nil)
			f := task.FaultOf(err)
			if err == nil || f.Kind != want.kind || !strings.Contains(f.Message, want.message) || !strings.Contains(strings.Join(f.Log, "\n"), want.log) {
				t.Errorf("%q: %v, log %q; want %+v", script, err, f, want)
			}
		}
		closes(t, p)
	}
	if s := e.Stats(); s.Instances != 0 {
		t.Errorf("instances that did not start are left: %+v", s)
	}
	// Nor do they leave anything to a script that does.
	p := interpret(t, e, []byte("name well"))
	i := begin(t, p)
	if got := told(t.Context(), i.Instance, "abc"); !strings.HasPrefix(got, "well: abc, turn 1,") {
		t.Error(got)
	}
	i.close(t)
	closes(t, p)
	closesInterpreter(t, interpreter)
	if s := e.Stats(); s != (engine.Stats{}) {
		t.Errorf("at the end there is %+v", s)
	}
}

func TestAnEmptyScriptIsOneToo(t *testing.T) {
	e := newEngine(t, engine.Options{})
	defer closesInterpreter(t, opened(t, e))
	p := interpret(t, e, []byte{})
	defer closes(t, p)
	i := begin(t, p)
	defer i.close(t)
	for range 3 {
		if got := told(t.Context(), i.Instance, "abc"); !strings.HasPrefix(got, ": abc, turn 1,") {
			t.Error(got)
		}
		rewound(t, p, i)
	}
}

// An interpreter without a checkpoint would run its callers' input as scripts.
func TestWhatDoesNotReadAScriptIsNoInterpreter(t *testing.T) {
	e := newEngine(t, engine.Options{})
	for name, tt := range map[string]struct {
		abi    task.ABI
		module []byte
		want   string
	}{
		"a library":                      {task.ABIPrism, guest(t, task.ABIPrism), "only a command"},
		"a program that reads no script": {task.ABICommand, cProgram(t, "edges/silent.c"), "before it has read a script"},
	} {
		in, err := e.Open(t.Context(), version(tt.abi, tt.module), tt.module)
		if err == nil {
			err = in.Prepare(t.Context(), nil)
			closesInterpreter(t, in)
		}
		if f := task.FaultOf(err); f == nil || f.Kind != task.KindInvalid || !strings.Contains(f.Message, tt.want) {
			t.Errorf("%s: %v, want an invalid fault with %q", name, err, tt.want)
		}
	}
	if s := e.Stats(); s != (engine.Stats{}) {
		t.Errorf("at the end there is %+v", s)
	}
}

func TestAScriptWithoutItsInterpreterIsUnavailable(t *testing.T) {
	v := version(task.ABICommand, []byte("name it"))
	v.Prelude, v.Interpreter = []byte("name it"), task.DigestOf([]byte("no interpreter"))
	_, err := newEngine(t, engine.Options{}).Compile(t.Context(), v, nil)
	if f := task.FaultOf(err); f == nil || f.Kind != task.KindUnavailable || !strings.Contains(f.Message, "runtime add") {
		t.Errorf("%v, want an unavailable fault that says what to do", err)
	}
}
