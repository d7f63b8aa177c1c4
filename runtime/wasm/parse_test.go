package wasm_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/marketprism/prismrt/runtime/wasm"
)

// module assembles a binary from sections given as id and content.
func module(sections ...[]byte) []byte {
	b := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	for _, s := range sections {
		b = append(b, s[0], byte(len(s)-1))
		b = append(b, s[1:]...)
	}
	return b
}

// coded is a module of one function, called "named", with the given body.
func coded(body []byte) []byte {
	n := byte(1)
	if body == nil {
		n = 0
	}
	return module([]byte{1, 1, 0x60, 0, 0}, []byte{3, 1, 0}, append([]byte{10, n}, body...), append([]byte{0, 4}, "name\x01\x08\x01\x00\x05named"...))
}

func TestParseReadsWhatAModuleNeedsAndOffers(t *testing.T) {
	m, err := wasm.Parse(module(
		[]byte{1, 2, 0x60, 2, 0x7f, 0x7e, 0, 0x60, 0, 1, 0x7f}, // types (i32, i64) -> (), () -> (i32)
		append([]byte{2, 1, 5}, "prism\x04fail\x00\x00"...),    // import prism.fail, of the first
		[]byte{3, 1, 1},       // a function of the second
		[]byte{5, 1, 1, 2, 3}, // memory of 2 to 3 pages
		append([]byte{7, 3}, "\x06memory\x02\x00\x06handle\x00\x01\x04fail\x00\x00"...),
		[]byte{10, 1, 5, 0, 0x41, 0, 0x0f, 0x0b}, // i32.const 0, return
		append([]byte{0, 1}, "xignored"...),
	))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Imports) != 1 || m.Imports[0].String() != "prism.fail" || m.Imports[0].Type.String() != "(i32, i64) -> ()" {
		t.Errorf("imports %v", m.Imports)
	}
	if *m.Memory != (wasm.Memory{Min: 2, Max: 3}) {
		t.Errorf("memory %v", *m.Memory)
	}
	if got := m.Handlers(); !slices.Equal(got, []string{"handle"}) {
		t.Errorf("handlers %v, want handle alone: fail takes parameters", got)
	}
	if e, ok := m.Export("handle"); !ok || e.Type.String() != "() -> (i32)" {
		t.Errorf("export handle: %v, %v", e, ok)
	}
	if m.Functions != 1 || m.HasStart || !m.ImportsFrom("prism") || m.ImportsFrom("env") {
		t.Errorf("module %+v", m)
	}
}

func TestParseRefusesAndSaysWhatToDo(t *testing.T) {
	for name, tt := range map[string]struct {
		module []byte
		want   string
	}{
		"empty":                  {nil, "the module is empty"},
		"text":                   {[]byte("#!/bin/sh\n"), "upload the .wasm file"},
		"cut in the preamble":    {[]byte("\x00as"), "too early"},
		"cut in a section":       {module([]byte{1, 1, 0x60, 0, 0})[:11], "too early"},
		"a later version":        {[]byte("\x00asm\x02\x00\x00\x00"), "version 2"},
		"a component":            {[]byte("\x00asm\x0d\x00\x01\x00"), "component"},
		"sections out of order":  {module([]byte{3, 0}, []byte{1, 0}), "wrong place"},
		"a section twice":        {module([]byte{1, 0}, []byte{1, 0}), "twice"},
		"an unknown section":     {module([]byte{99, 0}), "section 99"},
		"more than it says":      {module([]byte{1, 0, 0}), "more than it says"},
		"a type that is absent":  {module([]byte{3, 1, 0}), "type 0 is not there"},
		"a huge vector":          {module([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f}), "does not fit"},
		"an overlong integer":    {module([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x1f}), "32 bits"},
		"two memories":           {module([]byte{5, 2, 0, 1, 0, 1}), "more than one memory"},
		"max under min":          {module([]byte{5, 1, 1, 2, 1}), "under the minimum"},
		"a memory past 4 GiB":    {module([]byte{5, 1, 0, 0x81, 0x80, 4}), "65537 pages"},
		"a table of 2^27":        {module([]byte{4, 1, 0x70, 0, 0x80, 0x80, 0x80, 0x40}), "over the limit"},
		"a name not in UTF-8":    {module([]byte{2, 1, 1, 0xff, 0, 0, 0}), "UTF-8"},
		"an export of nothing":   {module([]byte{7, 1, 1, 'x', 0, 0}), "not there"},
		"functions without code": {module([]byte{1, 1, 0x60, 0, 0}, []byte{3, 1, 0}), "have no code"},
		"a body too few":         {coded(nil), "bodies for 0 functions and types for 1"},
		"a body cut short":       {coded([]byte{3, 0, 0x01}), "too early"},
		"a body without an end":  {coded([]byte{2, 0, 0x01}), "too early"},
		"code after the end":     {coded([]byte{3, 0, 0x0b, 0x01}), "after its end"},
		"an atomic instruction":  {coded([]byte{5, 0, 0xfe, 0x10, 0, 0x0b}), "threads"},
		"a made-up instruction":  {coded([]byte{3, 0, 0xff, 0x0b}), "not an instruction"},
		"a made-up SIMD one":     {coded([]byte{5, 0, 0xfd, 0x9a, 0x01, 0x0b}), "not an instruction"},
		"50,001 locals":          {coded([]byte{6, 1, 0xd1, 0x86, 3, 0x7f, 0x0b}), "function 0 (named): 50001 locals"},
	} {
		_, err := wasm.Parse(tt.module)
		if _, ok := errors.AsType[*wasm.Error](err); !ok || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one that says %q", name, err, tt.want)
		}
	}
}

// shared returns a folder beside the repository, or skips where there is none.
func shared(t *testing.T, name string) string {
	dir := filepath.Join("..", "..", "..", "shared", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("%s is not here: it is kept beside the repository, not in it", dir)
	}
	return dir
}

func TestHostileModulesAreRefused(t *testing.T) {
	dir := shared(t, "corpus/hostile")
	for name, want := range map[string]string{
		"component_header": "component", "memory64": "memory64", "gc_struct": "garbage-collected", "eh_legacy": "exceptions",
		"shared_memory": "threads", "not_wasm": "not a WebAssembly module", "empty": "empty",
		"huge_locals":       "function 0: 4294967280 locals are over the limit of 50000",
		"nested_blocks_50k": `function 0 (exported as "_start"): blocks nested deeper than the limit of 5000`,
		"tailcall":          `function 1 (exported as "g"): instruction 0x12: tail calls`,
	} {
		b, err := os.ReadFile(filepath.Join(dir, name+".wasm"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wasm.Parse(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that says %q", name, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(module([]byte{1, 1, 0x60, 0, 1, 0x7f}, []byte{3, 1, 0}, []byte{7, 1, 1, 'h', 0, 0}))
	f.Add(module([]byte{4, 1, 0x70, 0, 1}, []byte{5, 1, 0, 1}))
	f.Add([]byte("\x00asm\x0d\x00\x01\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		m, err := wasm.Parse(b)
		if (m == nil) == (err == nil) {
			t.Errorf("module %v and error %v", m, err)
		}
		if !bytes.Equal(b, before) {
			t.Error("Parse changed its input")
		}
	})
}

// specification returns the modules of the WebAssembly core specification's test
// suites, v1 and v2, which wazero's Go module carries.
func specification(t testing.TB) []string {
	var files []string
	for _, version := range []string{"v1", "v2"} {
		found, err := filepath.Glob(wazeroFile(t, "internal/integration_test/spectest/"+version+"/testdata/*.wasm"))
		if err != nil || len(found) < 1000 {
			t.Fatalf("%d modules of %s, %v", len(found), version, err)
		}
		files = append(files, found...)
	}
	return files
}

// wazeroFile is the path of a file in wazero's own module.
func wazeroFile(t testing.TB, name string) string {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), filepath.FromSlash(name))
}

func TestEveryModuleOfTheSpecificationThatIsValidIsRead(t *testing.T) {
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer r.Close(t.Context())
	read, refused := 0, 0
	for _, file := range specification(t) {
		module, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, parseErr := wasm.Parse(module)
		compiled, compileErr := r.CompileModule(t.Context(), module)
		switch {
		case compileErr == nil && parseErr != nil:
			t.Errorf("%s is valid: %v", filepath.Base(file), parseErr)
		case compileErr == nil:
			read++
			compiled.Close(t.Context())
		case parseErr != nil:
			refused++
		}
	}
	t.Logf("%d modules were read, %d invalid ones refused", read, refused)
	if read < 2000 {
		t.Errorf("only %d modules were read", read)
	}
}

func BenchmarkParse(b *testing.B) {
	module, err := os.ReadFile("../../sdk/go/examples/normalise/normalise.wasm")
	if err != nil {
		b.Skip("make guests builds what is read here")
	}
	b.SetBytes(int64(len(module)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wasm.Parse(module); err != nil {
			b.Fatal(err)
		}
	}
}
