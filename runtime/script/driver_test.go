package script_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/marketprism/prismrt/runtime/script"
	"github.com/marketprism/prismrt/runtime/wasm"
	"github.com/marketprism/prismrt/sdk/sdktest"
)

// The library that is kept is what is built of the source beside it.
func TestTheDriverIsBuiltOfItsSource(t *testing.T) {
	version, err := exec.Command("clang", "--version").Output()
	switch {
	case err != nil:
		sdktest.Missing(t, "there is no clang, which make guests installs: %v", err)
	case !bytes.Contains(version, []byte("clang version 14.")):
		t.Skip("another clang than 14 builds other bytes")
	}
	built := filepath.Join(t.TempDir(), "quickjs.wasm")
	if out, err := exec.Command("make", "-C", "driver", "OUT="+built).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want, err := os.ReadFile(built)
	if err != nil {
		t.Fatal(err)
	}
	javascript, err := script.Named("javascript")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(javascript.Library, want) {
		t.Error("driver/quickjs.wasm is another than make builds of quickjs.c: run make -C runtime/script/driver")
	}
}

func TestAnotherModuleIsNoInterpreter(t *testing.T) {
	javascript, err := script.Named("javascript")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wasm.Parse(javascript.Library); err != nil {
		t.Errorf("the library is none: %v", err)
	}
	if _, err := javascript.Interpreter([]byte("\x00asm\x01\x00\x00\x00")); err == nil {
		t.Error("an empty module is taken for QuickJS")
	}
	python, err := script.Named("python")
	if err != nil {
		t.Fatal(err)
	}
	module := []byte("whatever")
	if got, err := python.Interpreter(module); err != nil || !bytes.Equal(got, module) {
		t.Errorf("what is a command by itself is changed: %q, %v", got, err)
	}
}
