package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
)

// program assembles a command of functions of type () -> (), given by their
// code without locals and end; the first is _start. It has a page of memory.
func program(functions ...[]byte) []byte {
	u := func(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }
	section := func(id byte, content []byte) []byte { return slices.Concat([]byte{id}, u(len(content)), content) }
	types, code := u(len(functions)), u(len(functions))
	for _, f := range functions {
		types = append(types, 0)
		code = slices.Concat(code, u(len(f)+2), []byte{0}, f, []byte{0x0b})
	}
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, []byte{1, 0x60, 0, 0}), section(3, types), section(5, []byte{1, 0, 1}),
		section(7, append(append([]byte{1, 6}, "_start"...), 0, 0)), section(10, code))
}

// Guests that would run for ever, or as good as.
var endless = map[string][]byte{
	"an infinite loop": program([]byte{0x03, 0x40, 0x0c, 0, 0x0b}),
	"a tree of calls without a loop": program(func() (functions [][]byte) {
		for i := range 50 { // function i calls function i+1 twice: 2^50 calls
			functions = append(functions, []byte{0x10, byte(i + 1), 0x10, byte(i + 1)})
		}
		return append(functions, []byte{0x01})
	}()...),
	"filling memory in a loop": program([]byte{0x03, 0x40, 0x41, 0, 0x41, 0, 0x41, 0x80, 0x80, 4, 0xfc, 0x0b, 0, 0x0c, 0, 0x0b}),
	"growing memory in a loop": program([]byte{0x03, 0x40, 0x41, 0, 0x40, 0, 0x1a, 0x0c, 0, 0x0b}),
}

func TestDeadlinesHoldForGuestsThatWouldRunForEver(t *testing.T) {
	// That they do not come to read their input is found out first.
	e := newEngine(t, engine.Options{StartTimeout: 50 * time.Millisecond})
	for name, module := range endless {
		p := compile(t, e, task.ABICommand, module)
		if _, err := run(t.Context(), t, p, "no function", ""); err == nil {
			t.Error("a command has functions")
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				_, err := run(ctx, t, p, "", "")
				if f := task.FaultOf(err); err == nil || f.Kind != task.KindDeadline {
					t.Errorf("%s: %v, want a deadline fault", name, err)
				} else if len(f.Stack) == 0 || strings.Contains(strings.Join(f.Stack, " "), "refuel") {
					t.Errorf("%s: the stack is %q", name, f.Stack)
				}
			})
		}
		wg.Wait()
	}
}

func TestFuelLimitsAGuest(t *testing.T) {
	e := newEngine(t, engine.Options{StartTimeout: time.Second})
	for name, module := range endless {
		v := version(task.ABICommand, module)
		v.Limits.Fuel = 5_000_000
		p, err := e.Compile(t.Context(), v, module)
		if err != nil {
			t.Fatal(err)
		}
		i, err := p.Instantiate(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, fuel, err := i.Run(t.Context(), task.Invocation{}, nil)
		if f := task.FaultOf(err); err == nil || f.Kind != task.KindFuel || !strings.Contains(f.Message, "5000000") {
			t.Errorf("%s: %v, want a fuel fault", name, err)
		}
		if fuel < 5_000_000 || fuel > 5_100_000 {
			t.Errorf("%s used %d of 5,000,000", name, fuel)
		}
		if err := i.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestRecursionEndsAsATrapLongBeforeItTakesTheMachinesMemory(t *testing.T) {
	e := newEngine(t, engine.Options{})
	recursion := program([]byte{0x10, 0}) // _start calls itself
	for name, module := range map[string][]byte{"recursion": recursion, "in turns": program([]byte{0x10, 1}, []byte{0x10, 2}, []byte{0x10, 0})} {
		p := compile(t, e, task.ABICommand, module)
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		for range 3 { // another instance each time
			_, err := run(t.Context(), t, p, "", "")
			f := task.FaultOf(err)
			if err == nil || f.Kind != task.KindTrap || !strings.Contains(f.Message, "limits.stack") {
				t.Fatalf("%s: %v, want a trap that names limits.stack", name, err)
			}
			if len(f.Stack) == 0 {
				t.Errorf("%s: no stack", name)
			}
		}
		goruntime.ReadMemStats(&after)
		// A stack of 1 MiB, and all the smaller ones it was before; wazero's own limit
		// is reached after 161 MB.
		if took := (after.TotalAlloc - before.TotalAlloc) / 3; took > 12<<20 {
			t.Errorf("%s allocated %d bytes a run", name, took)
		}
	}
}

func TestTheSameWorkUsesTheSameFuel(t *testing.T) {
	// Counts from 300,000 down to 0 in a byte-wise way that takes many slices:
	// memory[0] as an i32, decremented until it is 0.
	countdown := program([]byte{
		0x41, 0, 0x41, 0xe0, 0xa7, 0x12, 0x36, 2, 0, // i32.store 0, 300000
		0x03, 0x40, // loop
		0x41, 0, 0x41, 0, 0x28, 2, 0, 0x41, 1, 0x6b, 0x36, 2, 0, // memory[0]--
		0x41, 0, 0x28, 2, 0, 0x0d, 0, // br_if 0 (memory[0])
		0x0b,
	})
	p := compile(t, newEngine(t, engine.Options{}), task.ABICommand, countdown)
	var first int64
	for n := range 50 {
		i, err := p.Instantiate(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, fuel, err := i.Run(t.Context(), task.Invocation{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			first = fuel
		}
		if fuel != first {
			t.Fatalf("run %d used %d, the first %d", n, fuel, first)
		}
		if err := i.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	// Three instructions before the loop and nine a turn.
	if first != 3+9*300_000 {
		t.Errorf("3 instructions and 300,000 turns of nine used %d", first)
	}
}

// place is the turn of those who share the only one there is.
type place struct {
	free chan struct{}
	ctx  context.Context
}

func (p *place) Enter() error {
	select {
	case p.free <- struct{}{}:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

func (p *place) Leave()          { <-p.free }
func (p *place) Contended() bool { return true }

func (p *place) Slice(int64) error {
	p.Leave()
	goruntime.Gosched()
	return p.Enter()
}

// inTurn runs a guest on an instance of its own, in the only place.
func inTurn(ctx context.Context, t *testing.T, p *engine.Program, free chan struct{}, input string) (string, error) {
	t.Helper()
	turn := &place{free, ctx}
	i, err := p.Instantiate(t.Context(), &place{free, t.Context()})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close(context.Background())
	if err := turn.Enter(); err != nil {
		return "", err
	}
	output, _, err := i.Run(ctx, task.Invocation{Input: []byte(input)}, turn)
	if f := task.FaultOf(err); f == nil || f.Kind != task.KindCanceled {
		turn.Leave()
	}
	return string(output), err
}

func TestAGuestThatSleepsGivesItsTurnUp(t *testing.T) {
	free := make(chan struct{}, 1)
	p := compile(t, newEngine(t, engine.Options{}), task.ABICommand, guest(t, task.ABICommand))
	ctx, wake := context.WithCancel(t.Context())
	asleep := make(chan error)
	go func() {
		_, err := inTurn(ctx, t, p, free, "sleep 1h")
		asleep <- err
	}()
	for range 3 { // the only place comes back each time
		if out, err := inTurn(t.Context(), t, p, free, "upper a"); out != "A" || err != nil {
			t.Errorf("beside a sleeper: %q, %v", out, err)
		}
	}
	select {
	case err := <-asleep:
		t.Errorf("the sleeper ended by itself: %v", err)
	default:
	}
	wake()
	if f := task.FaultOf(<-asleep); f == nil || f.Kind != task.KindCanceled {
		t.Errorf("the sleeper: %v", f)
	}
}

func TestGuestsThatSpinLetOthersGoBefore(t *testing.T) {
	free := make(chan struct{}, 1)
	e := newEngine(t, engine.Options{})
	spin := compile(t, e, task.ABICommand, endless["an infinite loop"])
	short := compile(t, e, task.ABICommand, program([]byte{0x01}))
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := inTurn(ctx, t, spin, free, ""); task.FaultOf(err).Kind != task.KindCanceled {
				t.Errorf("a spinning guest: %v", err)
			}
		})
	}
	for range 20 {
		if _, err := inTurn(t.Context(), t, short, free, ""); err != nil {
			t.Error(err)
		}
	}
	stop()
	wg.Wait()
}

// refusing is a turn that ends a guest after some slices.
type refusing struct {
	place
	slices, fuel int64
	why          error
}

func (r *refusing) Slice(fuel int64) error {
	r.fuel += fuel
	if r.slices--; r.slices < 0 {
		return r.why
	}
	return nil
}

func TestATurnCanEndAGuest(t *testing.T) {
	p := compile(t, newEngine(t, engine.Options{}), task.ABICommand, endless["an infinite loop"])
	i, err := p.Instantiate(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close(context.Background())
	turn := &refusing{slices: 3, why: task.Faultf(task.KindBusy, "there is no room")}
	_, fuel, err := i.Run(t.Context(), task.Invocation{}, turn)
	if !errors.Is(err, turn.why) {
		t.Errorf("the guest ended with %v, want what its turn said", err)
	}
	if fuel < turn.fuel || turn.fuel == 0 {
		t.Errorf("the turn was told of %d of %d instructions", turn.fuel, fuel)
	}
}
