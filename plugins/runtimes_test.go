package plugins_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/task"
)

// scripted is an upload of a script in Python, called up.
func scripted() plugins.Upload {
	return plugins.Upload{Namespace: "default", Name: "up", Module: []byte("one"), Runtime: "python", Live: true}
}

// install adds an interpreter, which is a command that differs by its note.
func install(t *testing.T, c *plugins.Catalogue, note string) (plugins.Runtime, bool) {
	t.Helper()
	r, added, err := c.AddRuntime(t.Context(), "python", program(note))
	if err != nil {
		t.Fatal(err)
	}
	return r, added
}

func TestAScriptIsPinnedToTheInterpreterItCameTo(t *testing.T) {
	dir := t.TempDir()
	c, r := open(t, dir)
	if _, _, err := c.Add(t.Context(), scripted()); err == nil || task.FaultOf(err).Kind != task.KindNotFound || !strings.Contains(err.Error(), "prismrt runtime add python") {
		t.Errorf("without an interpreter: %v", err)
	}
	old, added := install(t, c, "3.11")
	if _, again := install(t, c, "3.11"); !added || again || !r.open[old.Digest] {
		t.Errorf("added %v, and again %v; open: %v", added, again, r.open)
	}
	u := scripted()
	u.Manifest.Grants.Config = map[string]string{"region": "eu"}
	one, _ := add(t, c, u)
	run := r.loaded[one.Ref]
	if run.Interpreter != old.Digest || run.ABI != task.ABIScript || !bytes.Equal(run.Prelude, []byte(`{"file":"up.py","config":{"region":"eu"}}`+"\none")) {
		t.Errorf("it runs as %+v", run)
	}
	if _, added := add(t, c, u); added {
		t.Error("the same script is a new version")
	}

	later, _ := install(t, c, "3.12")
	two, added := add(t, c, u)
	if !added || two.Run.Interpreter != later.Digest || one.Run.Interpreter != old.Digest {
		t.Errorf("with another interpreter: added %v, %+v", added, two.Facts.Script)
	}
	if got := c.Runtimes(); len(got) != 1 || got[0].Digest != later.Digest || got[0].Scripts != 2 {
		t.Errorf("the runtimes are %+v", got)
	}
	if got := c.Plugins("runtimes"); len(got) != 0 {
		t.Errorf("interpreters are listed as plugins: %+v", got)
	}

	again, r := open(t, dir)
	again.Load(t.Context(), 2)
	if got := r.loaded[two.Ref]; got.Interpreter != later.Digest || !bytes.HasSuffix(got.Prelude, []byte("\none")) || !r.open[later.Digest] {
		t.Errorf("after a restart it runs as %+v, open are %v", got, r.open)
	}
	// The version before is brought back with its own interpreter.
	if _, err := again.SetLive(t.Context(), one.Ref); err != nil || r.loaded[one.Ref].Interpreter != old.Digest || !r.open[old.Digest] {
		t.Errorf("rolled back: %+v, %v", r.loaded[one.Ref], err)
	}
}

func TestAnInterpreterGoesWhenNoScriptNeedsIt(t *testing.T) {
	c, r := open(t, t.TempDir())
	one, _ := install(t, c, "3.11")
	two, _ := install(t, c, "3.12")
	add(t, c, scripted())
	if err := c.RemoveRuntime(t.Context(), "python"); err == nil || task.FaultOf(err).Kind != task.KindConflict || !strings.Contains(err.Error(), "up") {
		t.Errorf("while a script uses it: %v", err)
	}
	if err := c.Delete(t.Context(), "default", "up"); err != nil {
		t.Fatal(err)
	}
	if err := c.RemoveRuntime(t.Context(), "python"); err != nil {
		t.Fatal(err)
	}
	if len(r.open) > 0 || !slices.Contains(r.forgotten, one.Digest) || !slices.Contains(r.forgotten, two.Digest) {
		t.Errorf("open are %v, forgotten %v", r.open, r.forgotten)
	}
	if err := c.RemoveRuntime(t.Context(), "python"); task.FaultOf(err).Kind != task.KindNotFound {
		t.Errorf("a second time: %v", err)
	}
}

func TestWhatIsWrongWithAScriptsManifestIsSaid(t *testing.T) {
	c, _ := open(t, t.TempDir())
	install(t, c, "3.11")
	off, function, abi := "off", "handle", task.ABICommand
	for want, change := range map[string]func(*plugins.Upload){
		"image is off":               func(u *plugins.Upload) { u.Manifest.Image = &off },
		"function is \"handle\"":     func(u *plugins.Upload) { u.Manifest.Function = &function },
		"args are given":             func(u *plugins.Upload) { u.Manifest.Args = []string{"-v"} },
		"abi is \"command\"":         func(u *plugins.Upload) { u.Manifest.ABI = &abi },
		"leave it out; image is off": func(u *plugins.Upload) { u.Manifest.ABI, u.Manifest.Image = &abi, &off },
		"is no language":             func(u *plugins.Upload) { u.Runtime = "cobol" },
		"cannot be the file name ":   func(u *plugins.Upload) { u.File = "a/b.py" },
	} {
		u := scripted()
		change(&u)
		if _, _, err := c.Add(t.Context(), u); err == nil || task.FaultOf(err).Kind != task.KindInvalid || !strings.Contains(task.FaultOf(err).Message, want) {
			t.Errorf("%v, want an invalid fault with %q", err, want)
		}
	}
	abi = task.ABIScript
	u := scripted()
	u.Manifest.ABI = &abi
	if v, added := add(t, c, u); !added || v.ABI != task.ABIScript {
		t.Errorf("%+v", v)
	}
}

func TestAScriptMayHaveTheMemoryThatItsLanguageNeeds(t *testing.T) {
	dir := t.TempDir()
	c, r := open(t, dir)
	if _, _, err := c.AddRuntime(t.Context(), "ruby", program("3.2")); err != nil {
		t.Fatal(err)
	}
	u := scripted()
	u.Runtime = "ruby"
	v, _ := add(t, c, u)
	if got := r.loaded[v.Ref].Limits.Memory; got != 128<<20 { // the most that this server allows
		t.Errorf("it may have %v", got)
	}
	if _, added := add(t, c, u); added {
		t.Error("the same script is a new version")
	}
	again, r := open(t, dir)
	again.Load(t.Context(), 1)
	if got := r.loaded[v.Ref].Limits.Memory; got != 128<<20 {
		t.Errorf("after a restart it may have %v", got)
	}
	less := task.Bytes(8 << 20)
	u.Manifest.Limits.Memory = &less
	if v, _ := add(t, c, u); v.Run.Limits.Memory != less {
		t.Errorf("with a limit of its own it may have %v", v.Run.Limits.Memory)
	}
}

func TestAnInterpreterThatFailsItsProbeIsNotKept(t *testing.T) {
	c, r := open(t, t.TempDir())
	r.sick = map[int]bool{1: true}
	if _, _, err := c.AddRuntime(t.Context(), "python", program("3.11")); err == nil || !strings.Contains(task.FaultOf(err).Message, "does not run a script of python") {
		t.Errorf("%v", err)
	}
	if len(r.open) > 0 || len(c.Runtimes()) > 0 {
		t.Errorf("open are %v, installed %v", r.open, c.Runtimes())
	}
}
