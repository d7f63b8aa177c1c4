package wasm_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/marketprism/prismrt/runtime/wasm"
	"github.com/marketprism/prismrt/runtime/wasm/wasmtest"
)

// forwarding is a library that exports all functions of a module by its own, which call them.
func forwarding(m *wasm.Module) []byte {
	var types, imports, functions, exports, bodies []byte
	n := 0
	named := func(b []byte, name string) []byte {
		return append(binary.AppendUvarint(b, uint64(len(name))), name...)
	}
	values := func(b []byte, types []wasm.ValueType) []byte {
		b = binary.AppendUvarint(b, uint64(len(types)))
		for _, t := range types {
			b = append(b, byte(t))
		}
		return b
	}
	var all []wasm.Export
	for _, e := range m.Exports {
		if e.Kind == wasm.ExternFunc {
			all = append(all, e)
		}
	}
	for _, e := range all {
		types = values(values(append(types, 0x60), e.Type.Params), e.Type.Results)
		imports = binary.AppendUvarint(append(named(named(imports, "env"), e.Name), 0), uint64(n))
		functions = binary.AppendUvarint(functions, uint64(n))
		exports = binary.AppendUvarint(append(named(exports, e.Name), 0), uint64(len(all)+n))
		body := []byte{0, 0x02} // no locals; a block of the function's results, by the number of a type if there are several
		switch r := e.Type.Results; len(r) {
		case 0:
			body = append(body, 0x40)
		case 1:
			body = append(body, byte(r[0]))
		default:
			body = signed(body, len(all)+n)
		}
		for p := range e.Type.Params {
			body = binary.AppendUvarint(append(body, 0x20), uint64(p))
		}
		body = append(binary.AppendUvarint(append(body, 0x10), uint64(n)), 0x0b, 0x0b)
		bodies = append(binary.AppendUvarint(bodies, uint64(len(body))), body...)
		n++
	}
	for _, e := range all {
		types = values(append(types, 0x60, 0), e.Type.Results)
	}
	b := bytes.Clone(empty)
	for _, s := range []struct {
		id       byte
		n        int
		contents []byte
	}{{1, 2 * n, types}, {2, n, imports}, {3, n, functions}, {7, n, exports}, {10, n, bodies}} {
		content := append(binary.AppendUvarint(nil, uint64(s.n)), s.contents...)
		b = append(binary.AppendUvarint(append(b, s.id), uint64(len(content))), content...)
	}
	return b
}

// signed appends a signed LEB128 that is not negative.
func signed(b []byte, v int) []byte {
	for ; v >= 64; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

// extendedRunsAsWritten calls a generated module by way of a library.
func (s *stage) extendedRunsAsWritten(t *testing.T, choices []byte) (calls int) {
	t.Helper()
	module := wasmtest.Generate(choices)
	asWritten := s.compile(t, module, choices)
	defer asWritten.Close(t.Context())
	both, err := wasm.Extend(module, forwarding(asWritten.Module))
	if err != nil {
		t.Fatalf("%x: %v", choices, err)
	}
	extended := s.compile(t, both, choices)
	defer extended.Close(t.Context())
	// Functions are called in the order in which the module exports them.
	exports := extended.Exports
	extended.Exports = nil
	for _, e := range asWritten.Exports {
		for _, x := range exports {
			if x.Name == e.Name && x.Kind == e.Kind && x.Type.Equal(e.Type) {
				extended.Exports = append(extended.Exports, x)
			}
		}
	}
	if len(extended.Exports) != len(asWritten.Exports) {
		t.Fatalf("%x: it exports %v and then %v", choices, asWritten.Exports, exports)
	}
	written := s.perform(t, asWritten, choices, 0)
	s.judge(t, choices, "extended", written, s.perform(t, extended, choices, 0))
	return len(written.calls)
}

func TestExtendedModulesRunAsWritten(t *testing.T) {
	n := 400
	if testing.Short() {
		n = 100
	}
	s := newStage(t, wazero.NewRuntimeConfig())
	random := rand.NewChaCha8([32]byte{3})
	calls := 0
	for begun := time.Now(); n > 0 && time.Since(begun) < 8*time.Second && !t.Failed(); n-- {
		choices := make([]byte, random.Uint64()%1500)
		random.Read(choices)
		calls += s.extendedRunsAsWritten(t, choices)
	}
	t.Logf("%d calls", calls)
	if s.miscompiled > 1 {
		t.Errorf("%d modules do what they do when they are interpreted, and not what they do compiled", s.miscompiled)
	}
}

// base exports a memory, a stack pointer, and add1 (i32) -> (i32); it imports twice (i32) -> (i32)
// from its library, and gives run (i32) -> (i32), which is twice of add1, by way of its table.
var base = module(
	[]byte{1, 1, 0x60, 1, 0x7f, 1, 0x7f},
	[]byte("\x02\x02\x03env\x05twice\x00\x00\x03env\x05other\x00\x00"),
	[]byte{3, 2, 0, 0},
	[]byte{4, 1, 0x70, 0, 1},
	[]byte{5, 1, 0, 1},
	[]byte{6, 1, 0x7f, 1, 0x41, 0x10, 0x0b},
	[]byte("\x07\x04\x06memory\x02\x00\x0f__stack_pointer\x03\x00\x04add1\x00\x02\x03run\x00\x03"),
	[]byte{9, 1, 0, 0x41, 0, 0x0b, 1, 2},
	[]byte{
		10, 2,
		7, 0, 0x20, 0, 0x41, 1, 0x6a, 0x0b, // local.get 0, i32.const 1, i32.add
		11, 0, 0x20, 0, 0x41, 0, 0x11, 0, 0, 0x10, 0, 0x0b,
	}, // local.get 0, i32.const 0, call_indirect, call twice
)

// doubling is a library: twice (i32) -> (i32), and main (i32) -> (i32), which runs run on the argument and the stack pointer.
func doubling(imports string) []byte {
	return module(
		[]byte{1, 2, 0x60, 0, 0, 0x60, 1, 0x7f, 1, 0x7f},
		[]byte("\x02\x04\x03env\x06memory\x02\x00\x00\x03env\x0f__stack_pointer\x03\x7f\x01"+imports+"\x03env\x03run\x00\x01"),
		[]byte{3, 2, 1, 1},
		[]byte("\x07\x02\x05twice\x00\x01\x04main\x00\x02"),
		[]byte{
			10, 2,
			7, 0, 0x20, 0, 0x41, 2, 0x6c, 0x0b, // local.get 0, i32.const 2, i32.mul
			9, 0, 0x20, 0, 0x23, 0, 0x6a, 0x10, 0, 0x0b,
		}, // local.get 0, global.get 0, i32.add, call run
	)
}

const memoryBase = "\x03env\x0d__memory_base\x03\x7f\x00"

func TestAModuleAndItsLibraryCallEachOther(t *testing.T) {
	both, err := wasm.Extend(base, doubling(memoryBase))
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Parse(both)
	if err != nil {
		t.Fatal(err)
	}
	var exports []string
	for _, e := range m.Exports {
		exports = append(exports, e.Name)
	}
	if strings.Join(exports, " ") != "memory __stack_pointer main" || len(m.Imports) != 1 || m.Imports[0].String() != "env.other" {
		t.Errorf("it exports %q and imports %v", exports, m.Imports)
	}
	for _, name := range []string{"\x04add1", "\x05twice", "\x04main"} {
		if !bytes.Contains(both, []byte(name)) {
			t.Errorf("a function is not called %q any more", name[1:])
		}
	}
	ctx := t.Context()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	if _, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(func(v uint32) uint32 { return v }).Export("other").Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	i, err := r.Instantiate(ctx, both)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := i.ExportedFunction("main").Call(ctx, 3); err != nil || got[0] != 2*(3+16+1) {
		t.Errorf("main(3) is %v, %v", got, err)
	}
}

func TestWhatCannotBeExtendedIsRefused(t *testing.T) {
	global := strings.Replace(memoryBase, "__memory_base", "__other__base", 1)
	for what, tt := range map[string]struct {
		main, library []byte
		want          string
	}{
		"no module":               {[]byte("x"), doubling(memoryBase), "not a WebAssembly module"},
		"no library":              {base, []byte("x"), "in the library, not a WebAssembly module"},
		"no memory":               {empty, doubling(memoryBase), "in the library, env.memory is a memory that the module does not export"},
		"another type":            {bytes.Replace(base, []byte{0x60, 1, 0x7f, 1, 0x7f}, []byte{0x60, 1, 0x7e, 1, 0x7e}, 1), doubling(memoryBase), "env.twice is imported as (i64) -> (i64), and exported as (i32) -> (i32)"},
		"a circle":                {loop("a", "b"), loop("b", "a"), "import a function of each other that is none's"},
		"a memory of the library": {base, module([]byte{5, 1, 0, 1}), "in the library, there are entries; a library here has functions alone (memory section"},
		"data of the library":     {base, bytes.Replace(doubling(global), []byte{0x23, 0}, []byte{0x23, 1}, 1), "in the library, it names a global of what loads it, which the module does not export"},
	} {
		_, err := wasm.Extend(tt.main, tt.library)
		if _, is := errors.AsType[*wasm.Error](err); !is || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", what, err, tt.want)
		}
	}
}

// loop imports a function and exports it by another name.
func loop(from, as string) []byte {
	return module([]byte{1, 1, 0x60, 0, 0}, []byte("\x02\x01\x03env\x01"+from+"\x00\x00"), []byte("\x07\x01\x01"+as+"\x00\x00"))
}

func TestAnImportCanBeExportedAgain(t *testing.T) {
	// What the library exports is the main module's import of "a", which stays one.
	both, err := wasm.Extend(loop("a", "b"), loop("b", "c"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Parse(both)
	if err != nil || len(m.Imports) != 1 || m.Imports[0].String() != "env.a" || len(m.Exports) != 1 || m.Exports[0].Name != "c" {
		t.Errorf("%+v, %v", m, err)
	}
}

func FuzzExtend(f *testing.F) {
	quickjs, err := os.ReadFile(filepath.Join("..", "script", "driver", "quickjs.wasm"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(base, doubling(memoryBase))
	f.Add(empty, empty)
	f.Add(base, quickjs)
	f.Fuzz(func(t *testing.T, main, library []byte) {
		both, err := wasm.Extend(main, library)
		if err != nil {
			if _, is := errors.AsType[*wasm.Error](err); !is {
				t.Fatal(err)
			}
			return
		}
		if _, err := wasm.Parse(both); err != nil {
			t.Fatalf("what was put together cannot be read: %v", err)
		}
	})
}
