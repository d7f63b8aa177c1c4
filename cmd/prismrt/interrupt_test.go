package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// npm is one that does not come to an end.
const npm = `#!/bin/sh
echo $$ > "$PIPE.pid"
exec cat "$PIPE"
`

func TestWhatIsInterruptedLeavesNothingBehind(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	bin, temporary, pipe := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "pipe")
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte(npm), 0o755); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "runtime", "add", "python")
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "TMPDIR="+temporary, "PIPE="+pipe)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitForFile(t, pipe+".pid")
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("it ended with %v", err)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) != 0 {
		t.Errorf("%v, %v are left", left, err)
	}
}
