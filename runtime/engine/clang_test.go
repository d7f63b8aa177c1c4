package engine_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// clang is the compiler that the C guests are built with: CLANG and WASI_SYSROOT
// mean what they mean to sdk/c/Makefile.
func clang(args ...string) *exec.Cmd {
	name := os.Getenv("CLANG")
	if name == "" {
		name = "clang"
	}
	args = append([]string{"--target=wasm32-wasi", "-O2", "-std=c11", "-Wall", "-Wextra", "-Werror", "-I../../sdk/c"}, args...)
	if root := os.Getenv("WASI_SYSROOT"); root != "" {
		args = append(args, "--sysroot="+root)
	}
	return exec.Command(name, args...)
}

// clangWorks tries what a program needs: headers, libraries and the linker.
var clangWorks = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "prismrt-clang-")
	if err != nil {
		return err.Error()
	}
	defer os.RemoveAll(dir)
	source := filepath.Join(dir, "main.c")
	if err := os.WriteFile(source, []byte("#include <stdlib.h>\nint main(void) { return malloc(1) == NULL; }\n"), 0o600); err != nil {
		return err.Error()
	}
	if msg, err := clang("-o", filepath.Join(dir, "main.wasm"), source).CombinedOutput(); err != nil {
		return err.Error() + "\n" + string(msg)
	}
	return ""
})

func needClang(t *testing.T) {
	t.Helper()
	if why := clangWorks(); why != "" {
		t.Skipf("make guests installs a clang that builds guests: %s", why)
	}
}

// built are the guests that clang made, by source.
var built = struct {
	sync.Mutex
	modules map[string][]byte
}{modules: map[string][]byte{}}

// program builds a C program of testdata.
func cProgram(t *testing.T, source string) []byte {
	t.Helper()
	needClang(t)
	built.Lock()
	defer built.Unlock()
	if built.modules[source] == nil {
		out := filepath.Join(t.TempDir(), "guest.wasm")
		if msg, err := clang("-Wl,--strip-debug", "-o", out, filepath.Join("testdata", source)).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", source, err, msg)
		}
		built.modules[source] = read(t, out)
	}
	return built.modules[source]
}
