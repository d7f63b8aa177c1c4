package plugins_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// hosts provides prism.fail and one function of WASI.
type hosts struct{}

func (hosts) Provides(i wasm.Import) (wasm.FuncType, bool) {
	switch i.String() {
	case "prism.fail":
		return wasm.FuncType{Params: []wasm.ValueType{wasm.I32, wasm.I32}}, true
	case "wasi_snapshot_preview1.proc_exit":
		return wasm.FuncType{Params: []wasm.ValueType{wasm.I32}}, true
	}
	return wasm.FuncType{}, false
}

func section(id byte, content ...byte) []byte {
	return append([]byte{id, byte(len(content))}, content...)
}

func str(s string) []byte { return append([]byte{byte(len(s))}, s...) }

// guest assembles a module of type ()->i32 functions with the given imports
// ("module name", all of type (i32, i32) -> ()) and exports, "_start" among them
// being () -> (), and traps.
func guest(memory bool, imports []string, exports ...string) []byte {
	imp := []byte{byte(len(imports))}
	for _, i := range imports {
		module, name, _ := strings.Cut(i, " ")
		imp = slices.Concat(imp, str(module), str(name), []byte{0, 0})
	}
	functions, exp := []byte{byte(len(exports))}, []byte{byte(len(exports))}
	for n, e := range exports {
		kind := byte(1)
		if e == "_start" {
			kind = 2
		}
		functions = append(functions, kind)
		exp = slices.Concat(exp, str(e), []byte{0, byte(len(imports) + n)})
	}
	m := slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, 3, 0x60, 2, 0x7f, 0x7f, 0, 0x60, 0, 1, 0x7f, 0x60, 0, 0), section(2, imp...), section(3, functions...))
	if memory {
		m = append(m, section(5, 1, 0, 1)...)
	}
	code := []byte{byte(len(exports))}
	for range exports {
		code = append(code, 3, 0, 0x00, 0x0b) // no locals, unreachable, end
	}
	return slices.Concat(m, section(7, exp...), section(10, code...))
}

func TestTheContractIsFoundByItself(t *testing.T) {
	for name, tt := range map[string]struct {
		module    []byte
		abi       task.ABI
		functions []string
	}{
		"a program":         {guest(true, nil, "_start"), task.ABICommand, nil},
		"handlers":          {guest(true, []string{"prism fail"}, "score", "handle"), task.ABIPrism, []string{"score", "handle"}},
		"a talking program": {guest(true, []string{"prism fail"}, "_start"), task.ABICommand, nil},
	} {
		r, err := plugins.Inspect(tt.module, hosts{}, "")
		if err != nil || r.ABI != tt.abi || !slices.Equal(r.Functions, tt.functions) || len(r.Problems) > 0 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if r, err := plugins.Inspect(guest(true, nil, "handle"), hosts{}, task.ABIPrism); err != nil || len(r.Problems) > 0 {
		t.Errorf("a library that needs nothing, called prism by its manifest: %+v, %v", r, err)
	}
}

func TestWhatCannotBeAPluginIsToldWhy(t *testing.T) {
	for name, tt := range map[string]struct {
		module []byte
		abi    task.ABI
		want   string
	}{
		"nothing to call":             {guest(true, nil, "compute"), "", "neither a command"},
		"handlers built as a program": {guest(true, []string{"prism fail"}, "_start", "handle"), "", "-buildmode=c-shared"},
		"an unknown import":           {guest(true, []string{"env launch_missiles"}, "_start"), "", "env.launch_missiles, which nothing here provides"},
		"an import of another type":   {guest(true, []string{"wasi_snapshot_preview1 proc_exit"}, "_start"), "", "as (i32, i32) -> (); it is (i32) -> ()"},
		"preview 2":                   {guest(true, []string{"wasi:cli/run run"}, "_start"), "", "--target wasm32-wasip1"},
		"before preview 1":            {guest(true, []string{"wasi_unstable fd_write"}, "_start"), "", "current toolchain"},
		"an Extism plug-in's own":     {guest(true, []string{"extism:host/user hello"}, "run"), "", "functions of the program that it was a plug-in of"},
		"waPC":                        {guest(true, []string{"wapc __guest_request", "wapc __guest_response"}, "compute"), "", "wapc.__guest_request, wapc.__guest_response, so it is a waPC guest"},
		"http-wasm":                   {guest(true, []string{"http_handler get_method"}, "compute"), "", "http-wasm handler"},
		"Emscripten":                  {guest(true, []string{"env emscripten_resize_heap"}, "_start"), "", "Emscripten"},
		"AssemblyScript":              {guest(true, []string{"env abort", "env seed"}, "compute"), "", "--use abort="},
		"wasm-bindgen":                {guest(true, []string{"wbg __wbg_log_1"}, "compute"), "", "wasm-bindgen"},
		"Go for browsers":             {guest(true, []string{"gojs runtime.wasmExit"}, "compute"), "", "GOOS=wasip1"},
		"threads":                     {guest(true, []string{"wasi thread-spawn"}, "_start"), "", "threads"},
		"not of preview 1":            {guest(true, []string{"wasi_snapshot_preview1 sock_open"}, "_start"), "", "which WASI preview 1 does not have"},
		"many that nobody has":        {guest(true, []string{"env a1", "env b1", "env c1", "env d1", "env e1"}, "_start"), "", "env.a1, env.b1, env.c1 and 2 more, which nothing here provides"},
		"a handler by another name":   {guest(true, nil, "compute"), "", "say abi = \"prism\""},
		"no handler":                  {guest(true, []string{"prism fail"}), "", "no handler"},
		"no memory":                   {guest(false, []string{"prism fail"}, "handle"), "", "no memory"},
		"no _start":                   {guest(true, nil, "handle"), task.ABICommand, "a program must export _start"},
	} {
		r, err := plugins.Inspect(tt.module, hosts{}, tt.abi)
		if got := strings.Join(r.Problems, "\n"); err != nil || !strings.Contains(got, tt.want) {
			t.Errorf("%s: problems %q, %v; want one that says %q", name, got, err, tt.want)
		}
	}
	for text, want := range map[string]string{
		"text": "upload the .wasm file", "\x7fELF\x02\x01": "GOOS=wasip1", "(module)": "wat2wasm", "\x1f\x8b\x08": "unpack it",
	} {
		if _, err := plugins.Inspect([]byte(text), hosts{}, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want an error that says %q", text, err, want)
		}
	}
	if _, err := plugins.Inspect([]byte("text"), hosts{}, ""); task.FaultOf(err).Kind != task.KindInvalid {
		t.Errorf("text: %v", err)
	}
}

func TestAGuestOfAnotherContractIsNotToldWhatElseItIsNot(t *testing.T) {
	for _, imports := range []string{"wapc __guest_request", "http_handler get_method", "gojs runtime.wasmExit"} {
		r, err := plugins.Inspect(guest(true, []string{imports}, "compute"), hosts{}, "")
		if err != nil || len(r.Problems) != 1 {
			t.Errorf("%s: problems %q, %v; want one", imports, r.Problems, err)
		}
	}
}

func TestTheUnknownImportOfTheCorpusIsNamed(t *testing.T) {
	file := filepath.Join("..", "..", "shared", "corpus", "hostile", "unknown_import.wasm")
	module, err := os.ReadFile(file)
	if err != nil {
		t.Skipf("%s is not here: it is kept beside the repository, not in it", file)
	}
	r, err := plugins.Inspect(module, hosts{}, "")
	if err != nil || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "env.launch_missiles") {
		t.Errorf("%+v, %v", r, err)
	}
}
