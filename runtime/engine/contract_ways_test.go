package engine_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/memory"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
	"github.com/marketprism/prismrt/runtime/wasm/wasmtest"
)

// few are specimens that between them end in every way.
func few(t *testing.T) []specimen {
	t.Helper()
	all := []specimen{
		{name: "guest", module: guest(t, task.ABICommand), timeout: patience, calls: 10, settings: []setting{roomy}, inputs: []string{"upper abc", "exit 3", "grow", "flood"}},
		{name: "guest's handlers", module: guest(t, task.ABIPrism), timeout: patience, calls: 30, settings: []setting{roomy, littleFuel}},
		{name: "smuggler", module: smuggler(), timeout: patience, calls: 1, exports: 60, settings: []setting{{"little of all", func(l *task.Limits, _ *wasm.Module, _ int64) {
			l.Fuel, l.Stack, l.Memory = 3_000_000, 32<<10, 8*wasm.PageSize
		}}}},
	}
	root := wazeroFolder(t)
	for _, name := range []string{"imports/wasi_snapshot_preview1/example/testdata/zig-cc/cat.wasm", "imports/wasi_snapshot_preview1/testdata/exit_on_start.wasm", "internal/integration_test/engine/testdata/hugestack.wasm", "internal/integration_test/engine/testdata/memory.wasm"} {
		all = append(all, specimen{name: name, module: read(t, filepath.Join(root, filepath.FromSlash(name))), calls: 20})
	}
	random := rand.NewChaCha8([32]byte{8})
	for n := 0; n < 12; {
		choices := make([]byte, random.Uint64()%1500)
		_, _ = random.Read(choices) // never fails
		module := wasmtest.Generate(choices)
		if m, err := wasm.Parse(module); err == nil && !m.ImportsFrom("state") {
			all = append(all, specimen{name: fmt.Sprint("generated ", n), module: module, settings: []setting{roomy}, calls: 20})
			n++
		}
	}
	return all
}

// It is run again, by another process, where memories are rewound in other ways.
func TestNothingSurvivesACallOfAFew(t *testing.T) {
	l, e := newLedger(), stage(t, 0)
	for _, s := range few(t) {
		l.try(t, e, s)
	}
	t.Logf("%v: %v", memory.Method(), l)
	if l.modules < 15 {
		t.Errorf("%d modules ran", l.modules)
	}
	l.wants(t, "returning", string(task.KindTrap), string(task.KindFuel), string(task.KindMemory), string(task.KindTooLarge), string(task.KindExit), string(task.KindGuest), "recursion")
}

// An image that an earlier process took is as good as one's own.
func TestNothingSurvivesACallOfImagesThatWereKept(t *testing.T) {
	many(t)
	dir := t.TempDir()
	fresh := map[string]ending{}
	// The first compiles; no other needs to, and only those that would have it done
	// elsewhere keep what they learn.
	for n, compiler := range [][]string{nil, {"false"}, {"false"}} {
		l, e := newLedger(), stageOf(t, engine.Options{CacheDir: dir, Compiler: compiler, StartTimeout: 10 * time.Second})
		l.fresh = fresh
		before, _ := filepath.Glob(filepath.Join(dir, "*", "*", "state-*"))
		for _, s := range few(t)[1:] { // commands with a checkpoint are not kept
			l.try(t, e, s)
		}
		t.Logf("process %d: %v", n, l)
		after, _ := filepath.Glob(filepath.Join(dir, "*", "*", "state-*"))
		if want := n > 0; l.modules < 15 || len(after) > 10 != want || n == 2 && len(after) != len(before) {
			t.Errorf("process %d: %d modules ran, and then there were %d images kept, before %d", n, l.modules, len(after), len(before))
		}
	}
}
