package script_test

import (
	"strings"
	"testing"

	"github.com/marketprism/prismrt/runtime/script"
	"github.com/marketprism/prismrt/runtime/task"
)

func TestALanguageIsFoundByItsNameAndByItsFiles(t *testing.T) {
	for _, name := range script.Names() {
		l, err := script.Named(name)
		if err != nil || script.OfFile("dir/handler"+l.Suffix) != l {
			t.Errorf("%s: %v", name, err)
		}
		if !l.Source.Digest.Valid() || len(l.Args) == 0 || l.Probe == "" {
			t.Errorf("%s lacks something: %+v", name, l)
		}
	}
	if l := script.OfFile("handler.mjs"); l == nil || l.Name != "javascript" {
		t.Errorf("a module of JavaScript is of %v", l)
	}
	if script.OfFile("handler.wasm") != nil || script.OfFile("py") != nil {
		t.Error("a module is taken for a script")
	}
	if _, err := script.Named("cobol"); task.FaultOf(err).Kind != task.KindInvalid || !strings.Contains(err.Error(), "python") {
		t.Errorf("%v, want a fault that names those there are", err)
	}
}

func TestAFileNameIsOneThatATracebackCanShow(t *testing.T) {
	for _, good := range []string{"handler.py", "Händler 2.py", "_a-b.py"} {
		if err := script.CheckFile(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "a/b.py", ".py", "a\nb.py", "<string>", strings.Repeat("a", 101), "a\x00.py"} {
		if err := script.CheckFile(bad); task.FaultOf(err) == nil {
			t.Errorf("%q is allowed", bad)
		}
	}
}

func TestAPreludeIsALineOfJSONAndTheSource(t *testing.T) {
	got := string(script.Prelude("a.py", map[string]string{"line": "one\ntwo"}, []byte("x = 1\n")))
	if want := `{"file":"a.py","config":{"line":"one\ntwo"}}` + "\nx = 1\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := string(script.Prelude("a.py", nil, nil)); got != `{"file":"a.py","config":{}}`+"\n" {
		t.Errorf("without anything: %q", got)
	}
}
