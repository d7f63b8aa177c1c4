package main_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// stranger is a module that others made, and what it is to do here.
type stranger struct {
	file     string // within the Go module that it ships in
	manifest string
	function string
	input    string

	// What a call answers, or what it fails with: the kind, and a part of the detail or of
	// the log.
	output       string
	kind, detail string

	// refused is a part of what an upload is answered that cannot be a plugin.
	refused string
}

// strangers are by the Go module, and version, that they ship in.
var strangers = map[string][]stranger{
	"github.com/tetratelabs/wazero@v1.12.0": {
		// They print the files that their arguments name, of which there are none.
		{file: "imports/wasi_snapshot_preview1/example/testdata/tinygo/cat.wasm", input: "not asked for"},
		{file: "imports/wasi_snapshot_preview1/example/testdata/cargo-wasi/cat.wasm"},
		{file: "imports/wasi_snapshot_preview1/example/testdata/zig/cat.wasm"},
		{file: "imports/wasi_snapshot_preview1/example/testdata/zig-cc/cat.wasm"},
		// They do what their first argument says, and trap without one.
		{file: "imports/wasi_snapshot_preview1/testdata/zig-cc/wasi.wasm", manifest: `args = ["stat"]`, output: "stdin isatty: false\nstdout isatty: false\nstderr isatty: false\n/ isatty: false\n"},
		{file: "imports/wasi_snapshot_preview1/testdata/zig-cc/wasi.wasm", kind: "trap", detail: "wasi.c:190"},
		{file: "imports/wasi_snapshot_preview1/testdata/tinygo/wasi.wasm", kind: "trap", detail: "main.runtime.lookupPanic()"},
		{file: "imports/wasi_snapshot_preview1/testdata/exit_on_start.wasm", kind: "exit", detail: "the program ended with exit code 2"},
		{file: "imports/wasi_snapshot_preview1/testdata/exit_on_start_unstable.wasm", refused: "wasi_unstable.proc_exit, of a WASI before preview 1"},
		{file: "imports/assemblyscript/example/testdata/index.wasm", refused: "--use abort="},
		{file: "imports/emscripten/testdata/grow.wasm", refused: "env.emscripten_notify_memory_growth, which Emscripten has JavaScript for"},
		{file: "examples/allocation/rust/testdata/greet.wasm", refused: "env.log, which nothing here provides"},
		{file: "examples/allocation/tinygo/testdata/greet.wasm", refused: "env.log, which nothing here provides"},
		{file: "examples/allocation/zig/testdata/greet.wasm", refused: "env.log, which nothing here provides"},
		{file: "internal/integration_test/engine/testdata/infinite_loop.wasm", refused: "it exports infinite_loop of type () -> (), and nothing here calls those"},
		{file: "internal/integration_test/engine/testdata/hugestack.wasm", refused: "neither a command"},
		{file: "internal/integration_test/engine/testdata/unreachable.wasm", refused: "host.cause_unreachable, which nothing here provides"},
		{file: "internal/integration_test/engine/testdata/overflow.wasm", refused: `if i32 is a handler that needs no input, say abi = "prism"`},
		{file: "internal/integration_test/engine/testdata/overflow.wasm", manifest: `abi = "prism"`, refused: "no memory"},
		{file: "internal/integration_test/engine/testdata/threads/mutex.wasm", refused: "shared memories (threads) are not supported; build without -pthread"},
	},
	"github.com/extism/go-sdk@v1.7.1": {
		{file: "wasm/noop.wasm"},
		{file: "wasm/nested.c.instr.wasm", refused: "instrumented for Dylibso's Observe SDK"},
	},
}

// extisms are those of them that speak the contract of Extism. What each does in full is
// TestExtismPluginsDoAsElsewhere's to see.
var extisms = []stranger{
	{file: "wasm/alloc.wasm", function: "run_test"},
	{file: "wasm/fail.wasm", function: "run_test", kind: "guest", detail: "Some error message"},
	{file: "wasm/hello.wasm", function: "run_test", output: "Hello, world!"},
	{file: "wasm/hello_haskell.wasm", function: "testing", manifest: "[grants.config]\ngreeting = \"Howdy\"", input: "John", output: "Howdy, John"},
	{file: "wasm/sleep.wasm", function: "run_test", manifest: "[grants.config]\nduration = \"0\"", output: "slept for 0 seconds"},
	{file: "wasm/exit.wasm", function: "_start", manifest: "[grants.config]\ncode = \"500\"", kind: "exit", detail: "500"},
	{file: "wasm/std_command.wasm", function: "_start", input: "ben", output: "hello ben"},
	{file: "wasm/count_vowels.wasm", function: "count_vowels", input: "hello world", output: `{"count":3,"total":3,"vowels":"aeiouAEIOU"}`},
}

// moduleFolder is where go has the files of a Go module, which it fetches if it must. The
// test is skipped where that cannot be done.
func moduleFolder(t *testing.T, module string) string {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", module)
	cmd.Dir = t.TempDir() // outside of a module: it becomes no dependency
	out, err := cmd.Output()
	var found struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &found); err != nil || jsonErr != nil {
		t.Skipf("%s cannot be had: %v %s", module, err, found.Error)
	}
	return found.Dir
}

func TestModulesThatOthersMadeRunOrAreRefusedForTheRightReason(t *testing.T) {
	s := start(t, t.TempDir())
	seen := make(map[string]bool)
	for module, list := range strangers {
		folder := moduleFolder(t, module)
		if strings.Contains(module, "extism") {
			list = append(list, extisms...)
		}
		for _, m := range list {
			path := filepath.Join(folder, filepath.FromSlash(m.file))
			seen[path] = true
			t.Run(m.file+m.manifest, func(t *testing.T) { s.meet(t, path, m) })
		}
	}
	if len(seen) != 28 {
		t.Errorf("%d modules, want 28", len(seen))
	}
}

// meet uploads a module and calls it, twice: what it does once it does again.
func (s *server) meet(t *testing.T, path string, m stranger) {
	module, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	body, contentType := form(t, module, m.manifest)
	status, answer := s.do("PUT", "/v1/plugins/stranger", body, "Content-Type", contentType)
	if m.refused != "" {
		if detail := detailOf(answer); status != http.StatusBadRequest || !strings.Contains(detail, m.refused) {
			t.Errorf("upload: %d %s; want a refusal that says %q", status, answer, m.refused)
		}
		return
	}
	if status != http.StatusCreated {
		t.Fatalf("upload: %d %s", status, answer)
	}
	for range 2 {
		status, answer := s.do("POST", strings.TrimSuffix("/v1/plugins/stranger/invoke/"+m.function, "/"), []byte(m.input))
		if m.kind == "" {
			if status != http.StatusOK || !bytes.Equal(answer, []byte(m.output)) {
				t.Errorf("call: %d %s; want %q", status, answer, m.output)
			}
			continue
		}
		if status == http.StatusOK || !strings.Contains(string(answer), `"kind":"`+m.kind+`"`) || !strings.Contains(string(answer), m.detail) {
			t.Errorf("call: %d %s; want a fault of kind %s that says %q", status, answer, m.kind, m.detail)
		}
	}
}

// detailOf is what a problem document says.
func detailOf(document []byte) string {
	var p struct{ Detail string }
	_ = json.Unmarshal(document, &p)
	return cmp.Or(p.Detail, string(document))
}

func TestHostileModulesAreRefusedWithWhatToDo(t *testing.T) {
	const corpus = "../../../shared/corpus/hostile"
	if _, err := os.Stat(corpus); err != nil {
		t.Skipf("%s is not here: it is kept beside the repository, not in it", corpus)
	}
	s := start(t, t.TempDir())
	for file, want := range map[string]string{
		"component_header": "build for WASI preview 1, such as --target wasm32-wasip1", "memory64": "build for wasm32",
		"gc_struct": "garbage-collected types are not supported; build without them", "tailcall": "-mno-tail-call", "eh_legacy": "-fno-exceptions",
		"shared_memory": "build without -pthread", "unknown_import": "env.launch_missiles, which nothing here provides",
		"not_wasm": "upload the .wasm file a compiler made", "empty": "the module is empty", "huge_locals": "over the limit of 50000",
		"nested_blocks_50k": "blocks nested deeper than the limit of 5000", "huge_initial_memory": "raise the limit in the manifest",
		"no_memory": "neither a command", "handle_bad_ptr": "handle of type (i32, i32) -> (i64)", "loop_handle": "handle of type (i32, i32) -> (i64)",
	} {
		module, err := os.ReadFile(filepath.Join(corpus, file+".wasm"))
		if err != nil {
			t.Fatal(err)
		}
		t.Log(file)
		s.fails(http.StatusBadRequest, "invalid", want, "PUT", "/v1/plugins/hostile", module)
	}
	module, err := os.ReadFile(filepath.Join(corpus, "loop_handle.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	body, contentType := form(t, module, `abi = "prism"`)
	s.fails(http.StatusBadRequest, "invalid", "it exports no handler, which is a function of type () -> (i32), such as \"handle\", that takes its input with input_read; its export handle is of type (i32, i32) -> (i64)",
		"PUT", "/v1/plugins/hostile", body, "Content-Type", contentType)
}
