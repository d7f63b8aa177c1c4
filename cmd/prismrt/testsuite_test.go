package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// suiteCase is how a test of the WASI test suite wants to be run, beside its module.
type suiteCase struct {
	Args     []string
	Env      map[string]string
	Root     string // the folder that is to be /
	Dirs     []string
	ExitCode int `json:"exit_code"`
	Stdout   *string
}

// TestTheWASITestSuite runs the tests of github.com/WebAssembly/wasi-testsuite that need no
// directory, through the real server. Its modules are on the branch prod/testsuite-base, in
// a folder that WASI_TESTSUITE names:
//
//	git clone --branch prod/testsuite-base https://github.com/WebAssembly/wasi-testsuite
func TestTheWASITestSuite(t *testing.T) {
	root := os.Getenv("WASI_TESTSUITE")
	if root == "" {
		t.Skip("WASI_TESTSUITE names no clone of github.com/WebAssembly/wasi-testsuite, branch prod/testsuite-base")
	}
	modules, err := filepath.Glob(filepath.Join(root, "tests", "*", "testsuite", "wasm32-wasip1", "*.wasm"))
	if err != nil || len(modules) == 0 {
		t.Fatalf("no modules in %s: %v", root, err)
	}
	s := start(t, t.TempDir())
	ran, directories := 0, 0
	for _, path := range modules {
		var c suiteCase
		if text, err := os.ReadFile(strings.TrimSuffix(path, ".wasm") + ".json"); err == nil {
			if err := json.Unmarshal(text, &c); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
		}
		if c.Root != "" || len(c.Dirs) > 0 {
			directories++
			continue
		}
		name := strings.TrimSuffix(filepath.Base(path), ".wasm")
		ran++
		t.Run(name, func(t *testing.T) { s.conform(t, path, c) })
	}
	t.Logf("%d tests ran, %d need a directory", ran, directories)
}

// conform runs one test, twice: what is left of the first must not matter.
func (s *server) conform(t *testing.T, path string, c suiteCase) {
	module, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	env := c.Env
	if env == nil {
		env = map[string]string{} // TOML, by which manifests are read, has no null
	}
	manifest, err := json.Marshal(map[string]any{"args": slices.Concat([]string{}, c.Args), "grants": map[string]any{"config": env}})
	if err != nil {
		t.Fatal(err)
	}
	body, contentType := form(t, module, string(manifest))
	if status, answer := s.do("PUT", "/v1/plugins/wasi", body, "Content-Type", contentType); status != http.StatusCreated {
		t.Fatalf("upload: %d %s", status, answer)
	}
	for range 2 {
		status, answer := s.do("POST", "/v1/plugins/wasi/invoke", nil, "Prism-Timeout", "10s")
		if c.ExitCode != 0 {
			if want := fmt.Sprintf("exit code %d", c.ExitCode); status != http.StatusUnprocessableEntity || !strings.Contains(string(answer), want) {
				t.Errorf("%d %s, want %s", status, answer, want)
			}
			continue
		}
		if status != http.StatusOK || c.Stdout != nil && string(answer) != *c.Stdout {
			t.Errorf("%d %s", status, answer)
		}
	}
}
