package engine_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
)

// sampler keeps what it is told, stacks as their functions' names, outermost first.
type sampler struct {
	mu     sync.Mutex
	fuel   int64
	stacks map[string]int64
	waited map[string]time.Duration
	cut    bool
	broken []string // calls that are not as many as their frames tell
}

func (s *sampler) Sample(one *task.Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := []string{}
	if one.Starts {
		names = append(names, "start")
	}
	for _, f := range slices.Backward(one.Frames()) {
		names = append(names, f.Name)
	}
	if again := one.Frames(); len(again) > len(one.Calls) {
		s.broken = append(s.broken, fmt.Sprint(names, one.Calls))
	}
	stack := strings.Join(names, " ")
	s.fuel += one.Fuel
	s.stacks[stack] += one.Fuel
	s.waited[stack] += one.Waited
	s.cut = s.cut || one.Cut
}

// sampled makes an engine whose programs are sampled.
func sampled(t testing.TB) (*engine.Engine, *sampler) {
	s := &sampler{stacks: map[string]int64{}, waited: map[string]time.Duration{}}
	return newEngine(t, engine.Options{Sampler: func(task.Version) engine.Sampler { return s }}), s
}

// handlers assembles a library of functions of type () -> i32, given by their code
// without end, with one local of type i32. They are exported as f0, f1, and so on.
func handlers(functions ...[]byte) []byte {
	u := func(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }
	section := func(id byte, content []byte) []byte { return slices.Concat([]byte{id}, u(len(content)), content) }
	types, exports, code := u(len(functions)), u(len(functions)), u(len(functions))
	for i, f := range functions {
		types = append(types, 0)
		exports = append(exports, 2, 'f', byte('0'+i), 0, byte(i))
		code = slices.Concat(code, u(len(f)+4), []byte{1, 1, 0x7f}, f, []byte{0x0b})
	}
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, []byte{1, 0x60, 0, 1, 0x7f}), section(3, types), section(7, exports), section(10, code))
}

// turns is code that goes round n times, about six instructions each, and answers 0.
func turns(n int) []byte {
	var count []byte
	for v := n; ; v >>= 7 {
		if v < 64 {
			count = append(count, byte(v))
			break
		}
		count = append(count, byte(v&0x7f)|0x80)
	}
	return slices.Concat([]byte{0x41}, count, []byte{0x21, 0, 0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x41, 0})
}

// countdownFrom is code that counts memory[0] down from n.
func countdownFrom(n int) []byte {
	code := append([]byte{0x41, 0}, 0x41)
	for v := n; ; v >>= 7 { // signed LEB128
		b := byte(v & 0x7f)
		if v < 64 {
			code = append(code, b)
			break
		}
		code = append(code, b|0x80)
	}
	return append(code, 0x36, 2, 0,
		0x03, 0x40, // loop
		0x41, 0, 0x41, 0, 0x28, 2, 0, 0x41, 1, 0x6b, 0x36, 2, 0, // memory[0]--
		0x41, 0, 0x28, 2, 0, 0x0d, 0, // br_if 0 (memory[0])
		0x0b)
}

// calling is code that calls a function.
func calling(function byte) []byte { return []byte{0x10, function, 0x1a, 0x41, 0} }

func TestWhatWasSampledIsWhatWasBurnt(t *testing.T) {
	e, s := sampled(t)
	p := compile(t, e, task.ABIPrism, handlers(turns(300), turns(20_000), turns(3_000_000), turns(6_000)))
	burnt := int64(0)
	call := func(i *engine.Instance, function string) {
		_, fuel, err := i.Run(t.Context(), task.Invocation{Function: function}, nil)
		if err == nil {
			_, err = i.Rewind()
		}
		if err != nil {
			t.Fatal(err)
		}
		burnt += fuel
	}
	check := func(what string, alive int64) {
		t.Helper()
		if left := burnt - s.fuel; left < 0 || left > alive*engine.SampleEvery*2 {
			t.Errorf("%s: %d were burnt and %d sampled", what, burnt, s.fuel)
		}
	}
	for n := range 3 {
		i, err := p.Instantiate(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer i.Close(context.Background())
		for range 1000 {
			call(i, "f0")
		}
		check("short calls", int64(n+1))
		for range 30 {
			call(i, "f1")
		}
		call(i, "f2")
		check("long calls", int64(n+1))
	}
	for range 200 { // none of which comes to where a sample would be
		i, err := p.Instantiate(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		call(i, "f3")
		if err := i.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	check("an instance for each call", 4)
	if s.fuel < burnt/2 {
		t.Errorf("of %d only %d were sampled", burnt, s.fuel)
	}
	if len(s.broken) > 0 {
		t.Errorf("broken stacks: %v", s.broken[:1])
	}
}

func TestASampleHasTheGuestsStack(t *testing.T) {
	e, s := sampled(t)
	p := compile(t, e, task.ABIPrism, handlers(calling(1), calling(2), turns(3_000_000)))
	i, err := p.Instantiate(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close(context.Background())
	for _, function := range []string{"f0", "f2"} {
		if _, _, err := i.Run(t.Context(), task.Invocation{Function: function}, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := i.Rewind(); err != nil {
			t.Fatal(err)
		}
	}
	if s.stacks["$0 $1 $2"] < 10_000_000 || s.stacks["$2"] < 10_000_000 || len(s.stacks) > 3 {
		t.Errorf("the stacks are %v", s.stacks)
	}
	if !i.FindsAddresses() {
		t.Error("wazero's iterator has no field retAddrs: each frame is looked up at each sample")
	}
}

func TestADeepStackIsCut(t *testing.T) {
	e, s := sampled(t)
	var chain [][]byte
	for n := range 9 {
		chain = append(chain, calling(byte(n+1)))
	}
	p := compile(t, e, task.ABIPrism, handlers(append(chain, turns(1_000_000))...))
	deep := compile(t, e, task.ABICommand, program(append(func() (functions [][]byte) {
		for n := range 40 {
			functions = append(functions, []byte{0x10, byte(n + 1)})
		}
		return functions
	}(), countdownFrom(1_000_000))...))
	for _, p := range []*engine.Program{p, deep} {
		i, err := p.Instantiate(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer i.Close(context.Background())
		s.cut = false
		function := ""
		if p != deep {
			function = "f0"
		}
		if _, _, err := i.Run(t.Context(), task.Invocation{Function: function}, nil); err != nil {
			t.Fatal(err)
		}
		if s.cut != (p == deep) {
			t.Errorf("cut is %v of the stacks %v", s.cut, s.stacks)
		}
	}
}

func TestWaitsAreSampledWithTheirCaller(t *testing.T) {
	e, s := sampled(t)
	p := compile(t, e, task.ABICommand, guest(t, task.ABICommand))
	i, err := p.Instantiate(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close(context.Background())
	if out, _, err := i.Run(t.Context(), task.Invocation{Input: []byte("sleep 20ms")}, nil); string(out) != "slept" || err != nil {
		t.Fatalf("%s, %v", out, err)
	}
	for stack, waited := range s.waited {
		if strings.HasSuffix(stack, "runtime.usleep wasi_snapshot_preview1.poll_oneoff") || strings.HasSuffix(stack, " wasi_snapshot_preview1.poll_oneoff") {
			if waited < 20*time.Millisecond || waited < waitedOf(i) {
				t.Errorf("%s waited %v, the instance %v", stack, waited, waitedOf(i))
			}
			return
		}
	}
	t.Errorf("the waits are %v", s.waited)
}

func TestWhatAnInstanceDoesBeforeItServesCallsIsToldApart(t *testing.T) {
	e, s := sampled(t)
	p := compile(t, e, task.ABICommand, guest(t, task.ABICommand))
	for n := 0; n < 100 && len(s.stacks) == 0; n++ {
		i, err := p.Instantiate(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := i.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for stack := range s.stacks {
		if !strings.HasPrefix(stack, "start") {
			t.Errorf("a stack of starts is %s", stack)
		}
	}
	if len(s.stacks) == 0 {
		t.Error("nothing was sampled")
	}
}

func TestSamplingChangesNeitherFuelNorItsLimit(t *testing.T) {
	e, s := sampled(t)
	module := program(countdownFrom(1_000_000))
	for _, e := range []*engine.Engine{e, newEngine(t, engine.Options{})} {
		v := version(task.ABICommand, module)
		for limit, want := range map[int64]int64{1e12: 3 + 9*1_000_000, 4_000_000: 0} {
			v.Limits.Fuel = limit
			p, err := e.Compile(t.Context(), v, module)
			if err != nil {
				t.Fatal(err)
			}
			i, err := p.Instantiate(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			turn := &refusing{slices: 1e9}
			_, fuel, err := i.Run(t.Context(), task.Invocation{}, turn)
			switch {
			case want != 0 && (err != nil || fuel != want):
				t.Errorf("%d were burnt, %v; want %d", fuel, err, want)
			case want == 0 && (task.FaultOf(err).Kind != task.KindFuel || fuel < limit || fuel > limit+100):
				t.Errorf("%d were burnt, %v; the limit is %d", fuel, err, limit)
			}
			if turn.fuel > fuel || turn.fuel == 0 {
				t.Errorf("the turn was told of %d of %d", turn.fuel, fuel)
			}
			if err := i.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	if s.fuel == 0 {
		t.Error("nothing was sampled")
	}
}

// waitedOf is how long the guest waited on the host in its last run.
func waitedOf(i *engine.Instance) time.Duration {
	var t task.Timing
	i.Timed(&t)
	return t.Host
}
