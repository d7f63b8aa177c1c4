// Package servedtest builds what tests of commands need that start servers.
package servedtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Need skips a test where what it needs cannot be built, or takes too long.
func Need(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts servers and takes its time")
	}
	clang := os.Getenv("CLANG")
	if clang == "" {
		clang = "clang"
	}
	if _, err := exec.LookPath(clang); err != nil {
		t.Skipf("the guests are written in C and there is no %s; sdk/c/tools.sh, which make test runs, installs it", clang)
	}
}

// Build builds a prismrt and the guests of the command whose tests run, into a folder,
// and returns the flags that name them.
func Build(folder string) (flags []string, err error) {
	server := filepath.Join(folder, "prismrt")
	for _, argv := range [][]string{
		{"make", "-C", "guests", "OUT=" + folder},
		{"go", "build", "-o", server, "../prismrt"},
	} {
		if out, err := exec.CommandContext(context.Background(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%q: %w\n%s", argv, err, out)
		}
	}
	return []string{"--server", server, "--guests", folder}, nil
}
