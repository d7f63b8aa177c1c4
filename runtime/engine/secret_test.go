package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// What guests that pass secrets are put together of: sections and instructions of
// the binary format.
func section(id byte, entries ...[]byte) []byte {
	content := binary.AppendUvarint(nil, uint64(len(entries)))
	content = append(content, bytes.Join(entries, nil)...)
	return slices.Concat([]byte{id}, binary.AppendUvarint(nil, uint64(len(content))), content)
}

func named(name string, rest ...byte) []byte {
	return slices.Concat([]byte{byte(len(name))}, []byte(name), rest)
}

// constant is an i32.const.
func constant(n int) []byte {
	b := []byte{0x41}
	for ; n < -64 || n > 63; n >>= 7 {
		b = append(b, byte(n)&0x7f|0x80)
	}
	return append(b, byte(n)&0x7f)
}

func body(locals, instructions []byte) []byte {
	b := slices.Concat(locals, instructions, []byte{0x0b})
	return append(binary.AppendUvarint(nil, uint64(len(b))), b...)
}

// The functions that the guest imports, in order, and the places of its types.
const (
	callInputRead = iota
	callOutputWrite
	callFail
	callLog
	callClose
	callRenumber
	callSetFlags
	callFdstat
	callExit
	imported

	typeNothing     = 0
	typeAnswer      = 1 // () -> i32
	typeOne         = 2
	typeTwo         = 3
	typeThree       = 4
	typeTwoNothing  = 5
	typeThreeNothng = 6
	typeOneNothing  = 7
)

// What is at address 0 goes from there to local 0 and back.
var (
	wiped  = slices.Concat(constant(0), []byte{0x42, 0, 0x37, 3, 0})
	stored = slices.Concat(constant(0), []byte{0x20, 0, 0x37, 3, 0})
)

// Where a guest can put a secret, which is in its local 0. Local 1 is free.
var places = map[string][]byte{
	// All that it has and all that it can get, filled with the secret.
	"memory": slices.Concat(
		[]byte{0x03, 0x40}, constant(1), []byte{0x40, 0}, constant(-1), []byte{0x47, 0x0d, 0, 0x0b}, // grow until that is refused
		[]byte{0x03, 0x40, 0x20, 1, 0x20, 0, 0x37, 3, 0}, // store at local 1
		[]byte{0x20, 1}, constant(8), []byte{0x6a, 0x22, 1, 0x3f, 0}, constant(16), []byte{0x74, 0x49, 0x0d, 0, 0x0b}),
	"one byte of data":   slices.Concat(constant(1030), []byte{0x20, 0, 0xa7, 0x3a, 0, 0}),
	"memory's last byte": slices.Concat(constant(3<<16-1), []byte{0x20, 0, 0xa7, 0x3a, 0, 0}),
	"size of memory":     slices.Concat(constant(1), []byte{0x40, 0, 0x1a}),
	"memory that grew":   slices.Concat(constant(2), []byte{0x40, 0, 0x1a}, constant(3<<16+5), []byte{0x20, 0, 0xa7, 0x3a, 0, 0}),
	"filled memory":      slices.Concat(constant(2048), []byte{0x20, 0, 0xa7}, constant(100_000), []byte{0xfc, 11, 0}),
	"copied memory":      slices.Concat(constant(70_000), constant(1000), constant(100), []byte{0xfc, 10, 0, 0}),
	"global i32":         {0x20, 0, 0xa7, 0x24, 0},
	"global i64":         {0x20, 0, 0x24, 1},
	"global f32":         {0x20, 0, 0xa7, 0xbe, 0x24, 2},
	"global f64":         {0x20, 0, 0xbf, 0x24, 3},
	"closed descriptor":  slices.Concat(constant(0), []byte{0x10, callClose, 0x1a}),
	"moved descriptor":   slices.Concat(constant(2), constant(1), []byte{0x10, callRenumber, 0x1a}),
	"descriptor's flags": slices.Concat(constant(1), constant(4), []byte{0x10, callSetFlags, 0x1a}),
	"failure":            slices.Concat(stored, constant(0), constant(8), []byte{0x10, callFail}, wiped),
	"log":                slices.Concat(stored, constant(2), constant(0), constant(8), []byte{0x10, callLog}, wiped),
	"output":             slices.Concat(stored, constant(0), constant(8), []byte{0x10, callOutputWrite}, wiped),
	"table.set":          slices.Concat(constant(3), []byte{0xd2, imported, 0x26, 0}),
	"table.fill":         slices.Concat(constant(0), []byte{0xd0, 0x70}, constant(4), []byte{0xfc, 17, 0}),
	"table.grow":         slices.Concat([]byte{0xd0, 0x70}, constant(5), []byte{0xfc, 15, 0, 0x1a}),
	"table.copy":         slices.Concat(constant(2), constant(0), constant(2), []byte{0xfc, 14, 0, 0}),
	"table.init":         slices.Concat(constant(2), constant(0), constant(2), []byte{0xfc, 12, 1, 0}),
	"data.drop":          {0xfc, 9, 1},
	"elem.drop":          {0xfc, 13, 1},
}

// spoils are the places that no image carries.
func spoils(place string) bool {
	return strings.HasPrefix(place, "table.") || strings.HasSuffix(place, ".drop")
}

// How a call ends that has put its secret somewhere.
var (
	ways = map[string][]byte{
		"returning":  constant(0),
		"refusing":   constant(1),
		"trapping":   {0x00},
		"exiting":    slices.Concat(constant(3), []byte{0x10, callExit}, constant(0)),
		"looping":    {0x03, 0x40, 0x0c, 0, 0x0b, 0x00},
		"recursion":  nil, // by calling itself
		"flooding":   slices.Concat([]byte{0x03, 0x40}, constant(0), constant(1<<16), []byte{0x10, callOutputWrite, 0x0c, 0, 0x0b, 0x00}),
		"exhaustion": slices.Concat([]byte{0x03, 0x40}, constant(1), []byte{0x40, 0}, constant(-1), []byte{0x47, 0x0d, 0, 0x0b, 0x00}),
	}
	endsBy = map[string]string{
		"returning": "", "refusing": "guest", "trapping": "trap", "exiting": "exit", "looping": "fuel", "recursion": "trap", "flooding": "too_large", "exhaustion": "memory",
	}
)

// smuggler is a reactor with a handler "PLACE, WAY" for each, and one "get" that tells
// all it can find out.
func smuggler() []byte {
	functions := [][]byte{body([]byte{0}, slices.Concat(constant(111))), body([]byte{0}, slices.Concat(constant(222)))}
	types := [][]byte{{typeAnswer}, {typeAnswer}}
	var exports [][]byte
	add := func(name string, code []byte) {
		exports = append(exports, named(name, append([]byte{0}, binary.AppendUvarint(nil, uint64(imported+len(functions)))...)...))
		types = append(types, []byte{typeAnswer})
		functions = append(functions, code)
	}
	// It is set up by growing and writing, so that its image is not what its data says.
	initialise := slices.Concat(constant(1), []byte{0x40, 0, 0x1a}, constant(2<<16), constant(77), []byte{0x36, 2, 0}, constant(9), []byte{0x24, 0}, constant(0))
	add("_initialize", body([]byte{0}, initialise))
	types[len(types)-1] = []byte{typeNothing}
	functions[len(functions)-1] = body([]byte{0}, initialise[:len(initialise)-2])

	locals := []byte{2, 1, 0x7e, 1, 0x7f} // i64, i32
	for _, place := range slices.Sorted(maps.Keys(places)) {
		for _, way := range slices.Sorted(maps.Keys(ways)) {
			end := ways[way]
			secret := slices.Concat(constant(0), constant(0), constant(8), []byte{0x10, callInputRead, 0x1a}, constant(0), []byte{0x29, 3, 0, 0x21, 0}, wiped)
			if way == "recursion" {
				end = append([]byte{0x10}, binary.AppendUvarint(nil, uint64(imported+len(functions)))...)
			}
			add(place+", "+way, body(locals, slices.Concat(secret, places[place], end)))
		}
	}
	add("get", body(locals, findings()))

	host := func(module, name string, typ byte) []byte { return append(named(module), named(name, 0, typ)...) }
	const wasi = "wasi_snapshot_preview1"
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, []byte{0x60, 0, 0}, []byte{0x60, 0, 1, 0x7f}, []byte{0x60, 1, 0x7f, 1, 0x7f}, []byte{0x60, 2, 0x7f, 0x7f, 1, 0x7f},
			[]byte{0x60, 3, 0x7f, 0x7f, 0x7f, 1, 0x7f}, []byte{0x60, 2, 0x7f, 0x7f, 0}, []byte{0x60, 3, 0x7f, 0x7f, 0x7f, 0}, []byte{0x60, 1, 0x7f, 0}),
		section(2, host("prism", "input_read", typeThree), host("prism", "output_write", typeTwoNothing), host("prism", "fail", typeTwoNothing),
			host("prism", "log", typeThreeNothng), host(wasi, "fd_close", typeOne), host(wasi, "fd_renumber", typeTwo),
			host(wasi, "fd_fdstat_set_flags", typeTwo), host(wasi, "fd_fdstat_get", typeTwo), host(wasi, "proc_exit", typeOneNothing)),
		section(3, types...),
		section(4, []byte{0x70, 1, 4, 100}, []byte{0x70, 0, 2}),
		section(5, []byte{1, 2, 8}),
		section(6, []byte{0x7f, 1, 0x41, 1, 0x0b}, []byte{0x7e, 1, 0x42, 2, 0x0b}, []byte{0x7d, 1, 0x43, 0, 0, 0, 0, 0x0b}, []byte{0x7c, 1, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b}),
		section(7, append(exports, named("i32", 3, 0), named("f64", 3, 3), named("table", 1, 0))...),
		section(9, []byte{0, 0x41, 0, 0x0b, 2, imported, imported + 1}, []byte{1, 0, 2, imported + 1, imported}),
		[]byte{12, 1, 2},
		section(10, functions...),
		section(11, append([]byte{0, 0x41, 0x80, 8, 0x0b}, named("data that the module has")...), append([]byte{1}, named("passive")...)),
	)
}

// findings is the code of "get": it answers with a hash of all memory, its size, all
// globals, what the tables hold, and what WASI says of the descriptors.
func findings() []byte {
	store := func(at int, value ...byte) []byte {
		return slices.Concat(constant(at), value, []byte{0x36, 2, 0})
	}
	hash := slices.Concat([]byte{0x03, 0x40, 0x20, 0, 0x42, 5, 0x89, 0x20, 1, 0x29, 3, 0, 0x85, 0x20, 1, 0xad, 0x7c, 0x21, 0}, // rotate, xor, add
		[]byte{0x20, 1}, constant(8), []byte{0x6a, 0x22, 1, 0x3f, 0}, constant(16), []byte{0x74, 0x49, 0x0d, 0, 0x0b})
	code := slices.Concat(hash, constant(0), []byte{0x20, 0, 0x37, 3, 0}, store(8, 0x3f, 0), store(12, 0x23, 0),
		constant(16), []byte{0x23, 1, 0x37, 3, 0}, constant(24), []byte{0x23, 2, 0x38, 2, 0}, constant(32), []byte{0x23, 3, 0x39, 3, 0},
		store(40, 0xfc, 16, 0), store(44, 0xfc, 16, 1))
	for n := range 4 {
		element := slices.Concat(constant(n), []byte{0x25, 0, 0xd1, 0x04, 0x7f}, constant(9), []byte{0x05}, constant(n), []byte{0x11, typeAnswer, 0, 0x0b})
		code = append(code, store(48+4*n, element...)...)
	}
	for fd := range 3 {
		code = append(code, store(64+4*fd, slices.Concat(constant(fd), constant(128+24*fd), []byte{0x10, callFdstat})...)...)
	}
	code = slices.Concat(code, constant(200), constant(0), constant(7), []byte{0xfc, 8, 1, 0}) // traps where the data was dropped
	return slices.Concat(code, constant(0), constant(256), []byte{0x10, callOutputWrite}, constant(0))
}

func endsAsMeant(place, way, kind string) bool {
	switch {
	case place == "failure" && kind == "guest": // what a guest says of it goes before
		return way == "returning" || way == "exiting" || way == "refusing"
	case place == "memory" && kind == "memory": // it was refused some, then failed in whatever way
		return way != "returning"
	case strings.Contains(place, "memory") && kind == "fuel":
		return way == "looping" || way == "recursion" // the work is done at each level
	}
	return kind == endsBy[way]
}

func TestNoCallFindsWhatAnotherOneHid(t *testing.T) {
	e := newEngine(t, engine.Options{})
	module := smuggler()
	v := version(task.ABIPrism, module)
	v.Limits.Fuel, v.Limits.Stack, v.Limits.Memory = 3_000_000, 32<<10, 8*wasm.PageSize
	p, err := e.Compile(t.Context(), v, module)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	get := func(i *instance) string {
		out, fuel, err := i.Run(t.Context(), task.Invocation{Function: "get"}, nil)
		return fmt.Sprintf("%x, %d of fuel, %v", out, fuel, err)
	}
	another := func() *instance {
		i, err := p.Instantiate(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return &instance{i}
	}
	pristine := another()
	nothing := get(pristine)
	if !strings.HasSuffix(nothing, "<nil>") {
		t.Fatal(nothing)
	}
	pristine.close(t)

	// On the first instance of its program and on another; each serves all calls in turn.
	worn := []*instance{another(), another()}
	calls, found := 0, 0
	for place := range places {
		for way := range ways {
			for n, i := range worn {
				in := task.Invocation{Function: place + ", " + way, Input: []byte("a secret")}
				_, _, err := i.Run(t.Context(), in, nil)
				kind := ""
				if err != nil {
					kind = string(task.FaultOf(err).Kind)
				}
				if !endsAsMeant(place, way, kind) {
					t.Errorf("%s ends by %q: %v", in.Function, kind, err)
				}
				calls++
				_, err = i.Rewind()
				if spoilt := errors.Is(err, engine.ErrSpent); spoilt != spoils(place) || err != nil && !spoilt {
					t.Errorf("rewinding after %s: %v", in.Function, err)
				}
				if err != nil {
					i.close(t)
					worn[n] = another()
					continue
				}
				if what := i.Differs(); what != "" {
					t.Errorf("after %s: %s", in.Function, what)
				}
				if got := get(i); got != nothing {
					t.Errorf("after %s a call finds %s, where there is %s", in.Function, got, nothing)
				}
				if _, err := i.Rewind(); err != nil {
					t.Fatal(err)
				}
			}
		}
		// That nothing is found tells something only where there is something to be
		// found by who does not rewind.
		i := another()
		if _, _, err := i.Run(t.Context(), task.Invocation{Function: place + ", returning", Input: []byte("a secret")}, nil); err != nil && place != "failure" {
			t.Error(err)
		}
		switch seen := get(i) != nothing; {
		case seen:
			found++
		case place != "failure" && place != "log" && place != "output" && place != "elem.drop":
			t.Errorf("%s: the guest finds nothing even without rewinding", place)
		}
		i.close(t)
	}
	for _, i := range worn {
		i.close(t)
	}
	t.Logf("%d calls hid something in one of %d places, and %d of these are seen without rewinding", calls, len(places), found)
}

func TestAVectorInAGlobalServesOneCall(t *testing.T) {
	zero := make([]byte, 16)
	module := slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, []byte{0x60, 0, 1, 0x7f}), section(3, []byte{0}),
		section(6, slices.Concat([]byte{0x7b, 1, 0xfd, 12}, zero, []byte{0x0b})),
		section(7, named("handle", 0, 0)),
		// answers its first lane, in which it puts 5
		section(10, body([]byte{0}, slices.Concat([]byte{0x23, 0, 0xfd, 27, 0}, constant(5), []byte{0xfd, 17, 0x24, 0}))))
	p := compile(t, newEngine(t, engine.Options{}), task.ABIPrism, module)
	for range 3 {
		i, err := p.Instantiate(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := i.Run(t.Context(), task.Invocation{}, nil); err != nil {
			t.Errorf("a call finds another's vector: %v", err)
		}
		if _, err := i.Rewind(); !errors.Is(err, engine.ErrSpent) || !strings.Contains(p.Why(), "v128") {
			t.Errorf("rewinding: %v (%s)", err, p.Why())
		}
		if _, _, err := i.Run(t.Context(), task.Invocation{}, nil); task.FaultOf(err) == nil {
			t.Error("not even a second call on the same instance finds it")
		}
		if err := i.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// A command tells what it finds before and after it has put its secret: SECRET is
// testdata/secret/command.c's own list of places.
func TestNoRunOfACommandFindsWhatAnotherOneHid(t *testing.T) {
	module := cProgram(t, "secret/command.c")
	e := newEngine(t, engine.Options{})
	for _, world := range []string{"", "closes", "moves", "allocates", "reads"} {
		v := version(task.ABICommand, module)
		v.Config = map[string]string{"BEFORE": world}
		p, err := e.Compile(t.Context(), v, module)
		if err != nil {
			t.Fatal(err)
		}
		call := func(i *engine.Instance, input string) string {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if !strings.HasPrefix(input, "put loop") {
				ctx = t.Context()
			}
			out, _, err := i.Run(ctx, task.Invocation{Input: []byte(input)}, nil)
			if err != nil {
				f := task.FaultOf(err)
				return fmt.Sprintf("%s, %v: %v", out, f, f.Log)
			}
			return string(out)
		}
		var instances []*engine.Instance
		for range 3 {
			i, err := p.Instantiate(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer i.Close(context.Background())
			instances = append(instances, i)
		}
		nothing := call(instances[2], "get")
		if len(nothing) < 20 || !instances[2].Checkpointed() {
			t.Errorf("%s: a fresh one answers %q, checkpointed %t (%s)", world, nothing, instances[2].Checkpointed(), p.Why())
		}
		if _, err := instances[2].Rewind(); err != nil {
			t.Fatal(err)
		}
		for round := range 3 {
			for n, i := range instances {
				for _, how := range []string{"return", "exit", "trap", "loop", "recurse", "close", "fail"} {
					call(i, "put "+how+" a secret that is long enough to be found")
					if _, err := i.Rewind(); err != nil {
						if why := i.Spent(); how != "recurse" || !strings.HasPrefix(why, "the stack") {
							t.Fatalf("%s: after %s: %v (%s)", world, how, err, why)
						}
						if err := i.Close(context.Background()); err != nil {
							t.Error(err)
						}
						if i, err = p.Instantiate(t.Context(), nil); err != nil {
							t.Fatal(err)
						}
						defer i.Close(context.Background())
						instances[n] = i
					}
					if what := i.Differs(); what != "" {
						t.Errorf("%s: after %s: %s", world, how, what)
					}
					if got := call(i, "get"); got != nothing {
						t.Errorf("%s: instance %d, round %d, after %s: it finds\n%s, where there is\n%s", world, n, round, how, got, nothing)
					}
					if _, err := i.Rewind(); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		// Without rewinding, it does find something.
		call(instances[0], "put return a secret that is long enough to be found")
		if got := call(instances[0], "get"); got == nothing || !strings.Contains(got, "a secret") {
			t.Errorf("%s: not even without rewinding it finds anything: %s", world, got)
		}
		for _, i := range instances {
			if err := i.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	if n := e.Unlike(); n != 0 {
		t.Errorf("%d instances came to another state than the first", n)
	}
}
