// Package sdktest builds what tests call, with the Makefiles of the SDKs, and says what becomes of
// a test that lacks something.
package sdktest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// cannotBeHad is how tools.sh exits where there is no such toolchain for the system (sdk/each.sh).
const cannotBeHad = 69

// Make has the Makefile of an SDK, such as "../../sdk/rust", make a file below it, and returns what is in it. Where the
// toolchain is not here the test is skipped; where CI is set it then fails, unless the toolchain cannot be had.
func Make(t testing.TB, sdk, file string) []byte {
	t.Helper()
	needToolchain(t, filepath.Join(sdk, "tools.sh"))
	if out, err := exec.CommandContext(t.Context(), "make", "-C", sdk, file).CombinedOutput(); err != nil {
		t.Fatalf("make -C %s %s: %v\n%s", sdk, file, err, out)
	}
	made, err := os.ReadFile(filepath.Join(sdk, file))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// needToolchain asks the script, where there is one. Go's toolchain is always here.
func needToolchain(t testing.TB, script string) {
	t.Helper()
	if _, err := os.Stat(script); err != nil {
		return
	}
	out, err := exec.CommandContext(t.Context(), "sh", script, "check").CombinedOutput()
	if err == nil {
		return
	}
	exit, ended := errors.AsType[*exec.ExitError](err)
	if os.Getenv("CI") != "" && (!ended || exit.ExitCode() != cannotBeHad) {
		t.Fatalf("%s: %v; in CI the toolchain must be here\n%s", script, err, out)
	}
	t.Skipf("make tools installs what this is built with, where it can be had\n%s", out)
}

// Missing ends a test for want of something that make test gets: with CI set it fails, elsewhere
// it is skipped. The format says what is missing, and how to get it.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("in CI it must be here: "+format, args...)
	}
	t.Skipf(format, args...)
}
