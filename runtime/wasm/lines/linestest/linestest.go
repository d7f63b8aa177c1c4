// Package linestest builds modules with debug information, and takes them apart,
// for tests of whatever reads it. It imports nothing that it is used to test.
package linestest

import (
	"encoding/binary"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Clang is the compiler of C, and whether there is one. CLANG and WASI_SYSROOT name
// another toolchain than the system's, as in sdk/c.
func Clang() (name string, found bool) {
	if name = os.Getenv("CLANG"); name == "" {
		name = "clang"
	}
	_, err := exec.LookPath(name)
	return name, err == nil
}

// Compile builds the C files of a folder into one module, a reactor, and skips the
// test where there is no clang.
func Compile(tb testing.TB, dir, flags string) []byte {
	tb.Helper()
	clang, found := Clang()
	if !found {
		tb.Skipf("there is no %s to build what is traced: make tools installs it", clang)
	}
	sources, err := filepath.Glob(filepath.Join(dir, "*.c"))
	if err != nil || len(sources) == 0 {
		tb.Fatalf("%d C files in %s, %v", len(sources), dir, err)
	}
	out := filepath.Join(tb.TempDir(), "module.wasm")
	args := []string{"--target=wasm32-wasi", "-mexec-model=reactor", "-o", out}
	if sysroot := os.Getenv("WASI_SYSROOT"); sysroot != "" {
		args = append(args, "--sysroot="+sysroot)
	}
	args = append(args, strings.Fields(flags)...)
	for _, source := range sources {
		args = append(args, filepath.Base(source))
	}
	cmd := exec.CommandContext(tb.Context(), clang, args...)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("clang %v: %v\n%s", args, err, text)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		tb.Fatal(err)
	}
	return module
}

// Others are the modules that Other returns.
var Others = []string{"tinygo", "zig", "zig-cc", "rust"}

// Other is a module of another compiler, which wazero's Go module carries. Its
// _start traps. The test is skipped where it cannot be unpacked.
func Other(tb testing.TB, name string) []byte {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join(strings.TrimSpace(string(out)), "internal/testing/dwarftestdata/testdata", name, "main.wasm")
	module, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		if module, err = exec.CommandContext(tb.Context(), "xz", "-dc", file+".xz").Output(); err != nil {
			tb.Skipf("xz does not unpack %s: %v", name, err)
		}
	} else if err != nil {
		tb.Fatal(err)
	}
	return module
}

// Section is a section of a module.
type Section struct {
	ID      byte
	Name    string // of a custom one
	Content []byte // behind the name
	Whole   []byte // with id and size
}

// IsDebug tells whether DWARF is in it.
func (s Section) IsDebug() bool { return strings.HasPrefix(s.Name, ".debug_") }

// Sections takes a module apart, which must be a valid one.
func Sections(module []byte) iter.Seq[Section] {
	return func(yield func(Section) bool) {
		for rest := module[8:]; len(rest) > 0; {
			size, n := binary.Uvarint(rest[1:])
			s := Section{ID: rest[0], Content: rest[1+n:][:size], Whole: rest[:1+n+int(size)]}
			rest = rest[len(s.Whole):]
			if s.ID == 0 {
				length, n := binary.Uvarint(s.Content)
				s.Name, s.Content = string(s.Content[n:][:length]), s.Content[n+int(length):]
			}
			if !yield(s) {
				return
			}
		}
	}
}

// Debug returns a module's sections of DWARF by their names.
func Debug(module []byte) map[string][]byte {
	debug := map[string][]byte{}
	for s := range Sections(module) {
		if s.IsDebug() {
			debug[s.Name] = s.Content
		}
	}
	return debug
}
