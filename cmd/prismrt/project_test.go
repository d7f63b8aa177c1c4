package main_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/cmd/internal/project"
	"github.com/marketprism/prismrt/runtime/script"
)

// newProject makes a project with the real binary, and skips the test where its tools are
// missing.
func newProject(t *testing.T, lang string) (dir string) {
	t.Helper()
	if zig, err := filepath.Abs("../../.tools/zig-0.17.1/ziglang"); err == nil && lang == "zig" { // where sdk/zig/tools.sh puts it
		t.Setenv("PATH", zig+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	if err := project.Lookup(lang).Check(t.Context()); err != nil {
		t.Skip(err)
	}
	sdk, err := filepath.Abs("../../sdk")
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "greet")
	out, complaint, code := command(t, nil, "new", lang, "--lang", lang, "--dir", dir, "--sdk", sdk)
	if code != 0 || !strings.Contains(out, "prismrt dev") {
		t.Fatalf("new ended with %d: %s%s", code, out, complaint)
	}
	return dir
}

func TestANewProjectBuildsAndItsTestPasses(t *testing.T) {
	s := start(t, t.TempDir())
	for _, l := range project.Languages {
		t.Run(l.Name, func(t *testing.T) {
			dir, s := newProject(t, l.Name), s
			if _, err := script.Named(l.Name); err == nil {
				s, _ = startWith(t, l.Name)
			}
			p, err := project.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range p.Prepare() {
				cmd := exec.Command("sh", "-c", line)
				cmd.Dir = dir
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%s", line, err, out)
				}
			}
			out, complaint, code := command(t, nil, "build", dir, "--json")
			var built struct{ Module, Language string }
			if err := json.Unmarshal([]byte(out), &built); err != nil || code != 0 || built.Language != l.Name {
				t.Fatalf("build ended with %d: %s%s", code, out, complaint)
			}
			out, complaint, code = command(t, nil, "push", built.Module, "--name", l.Name, "--manifest", filepath.Join(dir, "prism.toml"), "--url", s.url)
			if code != 0 {
				t.Fatalf("push ended with %d: %s%s", code, out, complaint)
			}
			if status, answer := s.do("POST", "/v1/plugins/"+l.Name+"/invoke", []byte("Ada")); status != 200 || string(answer) != "Hello, Ada!\n" {
				t.Errorf("it answers %d %s", status, answer)
			}
			if status, answer := s.do("POST", "/v1/plugins/"+l.Name+"/invoke", nil); status != 422 || !bytes.Contains(answer, []byte("whom shall I greet?")) {
				t.Errorf("to nobody it answers %d %s", status, answer)
			}
		})
	}
}

func TestAFolderThatIsNoProjectIsNotBuilt(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"build", empty}, "there is none of go.mod"},
		{[]string{"dev", empty, "--data", "-"}, "name a @FILE"},
		{[]string{"dev", empty}, "\"prismrt new\" makes one"},
		{[]string{"build", filepath.Join(empty, "nowhere")}, "there is no folder"},
		{[]string{"new", "greet"}, "with --lang: go"},
		{[]string{"new", "greet", "--lang", "cobol"}, "there is no \"cobol\""},
		{[]string{"new", "Greet!", "--lang", "go"}, "cannot name a plugin"},
		{[]string{"new", "greet", "--lang", "go", "--dir", "."}, "not empty"},
	} {
		out, complaint, code := command(t, nil, c.args...)
		if code != 2 || !strings.Contains(complaint, c.says) || out != "" {
			t.Errorf("%q ended with %d: %s%s; want 2 and %q", c.args, code, out, complaint, c.says)
		}
	}
	// Without its tools, it says which, and what to do.
	dir := newProject(t, "go")
	_, complaint, code := command(t, []string{"PATH=" + empty}, "build", dir)
	if code != 2 || !strings.Contains(complaint, "building Go takes go, which is not here; install Go") {
		t.Errorf("without Go, build ended with %d: %s", code, complaint)
	}
}
