package engine_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
)

// A plugin that is deleted and made anew has the numbers of its versions again.
func TestAnImageIsKeptForWhatTheGuestSawWhileItStarted(t *testing.T) {
	dir := t.TempDir()
	module := guest(t, task.ABIPrism)
	compile(t, newEngine(t, engine.Options{CacheDir: dir}), task.ABIPrism, module)
	e := newEngine(t, engine.Options{CacheDir: dir, Compiler: []string{"false"}}) // only such an engine keeps images
	kept := func(v task.Version) int {
		t.Helper()
		p, err := e.Compile(t.Context(), v, module)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close(context.Background())
		i, err := p.Instantiate(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer i.Close(context.Background())
		files, _ := filepath.Glob(filepath.Join(dir, "*", "*", "state-*"))
		return len(files)
	}
	v := version(task.ABIPrism, module)
	if n := kept(v); n != 1 {
		t.Fatalf("%d images are kept, want 1", n)
	}
	for name, change := range map[string]func(v *task.Version){
		"config":    func(v *task.Version) { v.Config = map[string]string{"a": "b"} },
		"log level": func(v *task.Version) { v.LogLevel = task.LevelOff },
		"vars":      func(v *task.Version) { v.Vars = 1 },
		"fuel":      func(v *task.Version) { v.Limits.Fuel++ },
	} {
		before, other := kept(v), v
		change(&other)
		if n := kept(other); n != before+1 {
			t.Errorf("with another %s there are %d images, and before there were %d", name, n, before)
		}
	}
}
