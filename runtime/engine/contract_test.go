package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// specimen is a module that the contract is tried on: between two invocations no
// byte of guest state survives.
type specimen struct {
	name   string
	module []byte
	inputs []string // besides those that all get

	timeout  time.Duration // of a call [20ms]; only with one that is ample, endings at the deadline tell something
	settings []setting     // [all]
	calls    int           // of one instance, at least [55 in the first setting, 10 in others]; fewer where they take long
	exports  int           // that are called, at most [16]
}

// setting is a version's limits, such that calls end in one way or another.
type setting struct {
	name   string
	limits func(l *task.Limits, m *wasm.Module, started int64)
}

var (
	roomy = setting{"roomy", func(l *task.Limits, _ *wasm.Module, _ int64) { l.Fuel = 1e9 }}
	// Enough to come to the first look at the input, and then not for much.
	littleFuel = setting{"little fuel", func(l *task.Limits, _ *wasm.Module, started int64) { l.Fuel = started + 2_000 }}
	littleRoom = setting{"little room", func(l *task.Limits, m *wasm.Module, _ int64) {
		if l.Output = 100; m.Memory != nil {
			l.Memory = min(l.Memory, task.Bytes(m.Memory.Min+2)*wasm.PageSize)
		}
	}}
	littleStack = setting{"little stack", func(l *task.Limits, _ *wasm.Module, _ int64) { l.Stack = 3 << 10 }}
)

// trial is one call.
type trial struct {
	task.Invocation
	command bool
	typ     wasm.FuncType // of what is called, where it is no command
	args    []uint64
}

// ending is all that a caller can see of a call.
type ending struct {
	kind, message, output string
	fuel                  int64
}

func (e ending) String() string {
	return fmt.Sprintf("%s (%.200s, %d of fuel), output %.60q", e.kind, e.message, e.fuel, e.output)
}

// ledger counts what the contract was tried on.
type ledger struct {
	modules, programs, calls, rewinds int
	endings, refused, spent           map[string]int

	// fresh, if there is one, has what calls came to before, which they come to again.
	fresh map[string]ending
}

func newLedger() *ledger {
	return &ledger{endings: map[string]int{}, refused: map[string]int{}, spent: map[string]int{}}
}

func (l *ledger) String() string {
	return fmt.Sprintf("%d modules ran as %d programs: %d calls, %d rewinds\nendings %v\nspent %v\nrefused %v",
		l.modules, l.programs, l.calls, l.rewinds, l.endings, l.spent, l.refused)
}

// wants fails where not all kinds of ending were seen.
func (l *ledger) wants(t *testing.T, endings ...string) {
	t.Helper()
	for _, e := range endings {
		if l.endings[e] == 0 {
			t.Errorf("no call ended by %s", e)
		}
	}
}

// try calls a specimen in all its settings.
func (l *ledger) try(t *testing.T, e *engine.Engine, s specimen) {
	t.Helper()
	parsed, err := wasm.Parse(s.module)
	if err != nil {
		l.refused["it cannot be read"]++
		return
	}
	for _, i := range parsed.Imports {
		if want, provided := e.Provides(i); !provided || !want.Equal(i.Type) {
			l.refused["it imports what is not provided"]++
			return
		}
	}
	if s.timeout == 0 {
		s.timeout = 20 * time.Millisecond
	}
	if s.settings == nil {
		s.settings = []setting{roomy, littleFuel, littleRoom, littleStack}
	}
	v := version(task.ABIPrism, s.module)
	if start, exported := parsed.Export("_start"); exported && start.Kind == wasm.ExternFunc && start.Type.Equal(wasm.FuncType{}) {
		v.ABI = task.ABICommand
	}
	trials := s.trials(parsed, v.ABI)
	if len(trials) == 0 {
		l.refused["it has nothing to call"]++
		return
	}
	begin := int64(0)
	if v.ABI == task.ABICommand {
		begin = started(t, e, v, s.module)
	}
	programs := l.programs
	for n, in := range s.settings {
		v := v
		v.Limits.Fuel = 1e9
		in.limits(&v.Limits, parsed, begin)
		a := &attempt{ledger: l, setting: n, where: s.name + ", " + in.name, timeout: s.timeout, alike: !drawsOrLooksAtClocks(parsed)}
		a.run(t, e, v, s, trials)
	}
	if l.programs > programs {
		l.modules++
	}
}

// run makes all calls in one setting.
func (a *attempt) run(t *testing.T, e *engine.Engine, v task.Version, s specimen, trials []trial) {
	t.Helper()
	p, err := e.Compile(t.Context(), v, s.module)
	if err != nil {
		a.refused["it does not compile"]++
		return
	}
	defer p.Close(context.Background())
	first, err := p.Instantiate(t.Context(), nil)
	if err != nil {
		a.refused["it does not start"]++
		return
	}
	a.program = p
	a.programs++
	who := []*instance{{Instance: first}, {}, {}}
	defer func() {
		for _, w := range who {
			w.close(t)
		}
	}()

	// What each call comes to on an instance that served none before.
	fresh := make([]ending, len(trials))
	for n, c := range trials {
		fresh[n] = a.call(t, &instance{}, c, true)
		if a.fresh != nil {
			key := a.where + ", " + c.String()
			if known, seen := a.fresh[key]; seen {
				a.compare(t, c, known, fresh[n])
			} else {
				a.fresh[key] = fresh[n]
			}
		}
	}
	least := s.calls
	if least == 0 {
		if least = 10; a.setting == 0 {
			least = 55
		}
	}
	random := rand.New(rand.NewPCG(1, uint64(len(s.module))))
	begun := time.Now()
	for served := 0; served < least && (served < 2*len(trials) || time.Since(begun) < 300*time.Millisecond); served += len(trials) {
		for _, w := range who[:2] {
			for _, n := range random.Perm(len(trials)) {
				a.compare(t, trials[n], fresh[n], a.call(t, w, trials[n], false))
			}
		}
	}
	for n := range trials { // one that was born late
		a.compare(t, trials[n], fresh[n], a.call(t, who[2], trials[n], false))
	}
}

// started is the fuel that a command takes to begin and to end with an empty input,
// 0 where it does not end soon.
func started(t *testing.T, e *engine.Engine, v task.Version, module []byte) int64 {
	t.Helper()
	v.ImageOff = true
	p, err := e.Compile(t.Context(), v, module)
	if err != nil {
		return 0
	}
	defer p.Close(context.Background())
	i, err := p.Instantiate(t.Context(), nil)
	if err != nil {
		return 0
	}
	defer i.Close(context.Background())
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, fuel, err := i.Run(ctx, task.Invocation{}, nil); err == nil || task.FaultOf(err).Kind == task.KindExit {
		return fuel
	}
	return 0
}

// instance is one that is made when it is first called, and again where it is spent.
type instance struct{ *engine.Instance }

func (i *instance) close(t *testing.T) {
	t.Helper()
	if i.Instance == nil {
		return
	}
	if err := i.Close(context.Background()); err != nil {
		t.Errorf("close an instance: %v", err)
	}
	i.Instance = nil
}

// attempt is a program in one setting.
type attempt struct {
	*ledger
	where   string
	setting int // from 0
	program *engine.Program
	timeout time.Duration
	alike   bool // the same call comes to the same
}

// call makes one call, rewinds the instance and compares all of it to its image.
func (a *attempt) call(t *testing.T, i *instance, c trial, last bool) ending {
	t.Helper()
	if i.Instance == nil {
		var err error
		if i.Instance, err = a.program.Instantiate(t.Context(), nil); err != nil {
			t.Fatalf("%s: another instance: %v", a.where, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), a.timeout)
	defer cancel()
	var end ending
	var out []byte
	var results []uint64
	var err error
	if c.command || c.typ.IsHandler() && c.Function != "" {
		out, end.fuel, err = i.Run(ctx, c.Invocation, nil)
	} else {
		results, out, end.fuel, err = i.Call(ctx, c.Invocation, c.args)
	}
	end.kind = "returning"
	if err != nil {
		f := task.FaultOf(err)
		end.kind, end.message = string(f.Kind), f.Message
		if strings.Contains(f.Message, "limits.stack") {
			end.kind = "recursion"
		}
	}
	if end.kind == string(task.KindTooLarge) {
		end.fuel = 0 // it is ended where its slice is used up, which may be long or short
	}
	end.output = shown(c.typ, results) + string(out)
	a.calls++
	a.endings[end.kind]++
	a.rewind(t, i, c)
	if last {
		i.close(t)
	}
	return end
}

// rewind puts an instance back, or closes it where it cannot be.
func (a *attempt) rewind(t *testing.T, i *instance, c trial) {
	t.Helper()
	_, err := i.Rewind()
	if err == nil {
		a.rewinds++
		if what := i.Differs(); what != "" {
			t.Errorf("%s, after %s: %s", a.where, c, what)
		}
		return
	}
	why := i.Spent()
	switch {
	case !errors.Is(err, engine.ErrSpent):
		t.Errorf("%s, after %s: rewinding: %v", a.where, c, err)
	case why == "its tables are spoilt", strings.HasPrefix(why, "the stack that"):
	case strings.HasPrefix(why, "it has no image: it is linked"), strings.HasPrefix(why, "it has no image: it has a mutable global"),
		strings.HasPrefix(why, "it has no image: it changes its tables"):
	default:
		t.Errorf("%s, after %s: it cannot be rewound, and the reason is none: %q", a.where, c, why)
	}
	a.spent[why]++
	i.close(t)
}

func (a *attempt) compare(t *testing.T, c trial, fresh, got ending) {
	t.Helper()
	// When a deadline passes is for the machine to say.
	if fresh.kind == string(task.KindDeadline) || got.kind == string(task.KindDeadline) || !a.alike {
		return
	}
	if got != fresh {
		t.Errorf("%s, %s: %v, and on an instance of its own %v", a.where, c, got, fresh)
	}
}

func (c trial) String() string {
	return fmt.Sprintf("%s%x with %d bytes %.20q", c.Function, c.args, len(c.Input), c.Input)
}

// drawsOrLooksAtClocks tells whether what a module does may differ from call to call.
func drawsOrLooksAtClocks(m *wasm.Module) bool {
	return slices.ContainsFunc(m.Imports, func(i wasm.Import) bool {
		return i.Name == "random_get" || i.Name == "clock_time_get"
	})
}

// inputs are what every guest is called with.
var inputs = func() [][]byte {
	random := rand.NewChaCha8([32]byte{5})
	noise := make([]byte, 3000)
	_, _ = random.Read(noise) // never fails
	return [][]byte{{}, bytes.Repeat([]byte("0123456789abcde\n"), 16), bytes.Repeat([]byte{0xff, 0, 7, 'x'}, 16<<10), noise}
}()

// trials are the calls of all that a module exports.
func (s specimen) trials(m *wasm.Module, abi task.ABI) []trial {
	all := slices.Clone(inputs)
	for _, in := range s.inputs {
		all = append(all, []byte(in))
	}
	var trials []trial
	if abi == task.ABICommand {
		for _, in := range all {
			trials = append(trials, trial{Invocation: task.Invocation{Input: in}, command: true})
		}
		return trials
	}
	random := rand.New(rand.NewPCG(3, uint64(len(s.module))))
	left := s.exports
	if left == 0 {
		left = 16
	}
	for _, e := range m.Exports {
		switch {
		case e.Kind != wasm.ExternFunc:
			continue
		case left == 0:
			return trials
		case e.Type.IsHandler() && m.ImportsFrom("prism"):
			for _, in := range all {
				trials = append(trials, trial{Invocation: task.Invocation{Function: e.Name, Input: in}, typ: e.Type})
			}
		default:
			for n := range min(3, 1+2*len(e.Type.Params)) {
				trials = append(trials, trial{Invocation: task.Invocation{Function: e.Name, Input: all[n]}, typ: e.Type, args: arguments(e.Type, n, random)})
			}
		}
		left--
	}
	return trials
}

// arguments are the n-th of a function: zeros, small numbers, then any. References
// are null, since a host has no other.
func arguments(f wasm.FuncType, n int, random *rand.Rand) []uint64 {
	var args []uint64
	for _, p := range f.Params {
		var v [2]uint64
		switch {
		case p == wasm.FuncRef || p == wasm.ExternRef:
		case n == 1:
			v[0] = random.Uint64N(64)
		case n == 2:
			v = [2]uint64{random.Uint64(), random.Uint64()}
		}
		switch p {
		case wasm.I32, wasm.F32:
			args = append(args, v[0]&math.MaxUint32)
		case wasm.V128:
			args = append(args, v[:]...)
		default:
			args = append(args, v[0])
		}
	}
	return args
}

// shown are results as text. References are addresses; the upper half of an i32
// may hold anything.
func shown(f wasm.FuncType, results []uint64) string {
	text := ""
	for _, t := range f.Results {
		if len(results) == 0 {
			break // a handler's is told otherwise
		}
		n := 1
		switch t {
		case wasm.I32, wasm.F32:
			text += fmt.Sprintf("%x ", uint32(results[0]))
		case wasm.FuncRef, wasm.ExternRef:
			text += fmt.Sprintf("null: %t ", results[0] == 0)
		case wasm.V128:
			n = 2
			fallthrough
		default:
			text += fmt.Sprintf("%x ", results[:n])
		}
		results = results[n:]
	}
	return text
}
