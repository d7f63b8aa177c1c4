package engine_test

import (
	"context"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/marketprism/prismrt/host/prism"
	"github.com/marketprism/prismrt/host/wasi"
	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
	"github.com/marketprism/prismrt/runtime/wasm/wasmtest"
)

// A guest's start may take long where it is one of Go's; that of a small module
// without an end is waited for no longer than this.
const shortStart = 400 * time.Millisecond

// stage is an engine that offers, besides what guests get, what modules of the
// specification's tests and generated ones import.
func stage(t *testing.T, start time.Duration) *engine.Engine {
	t.Helper()
	return stageOf(t, engine.Options{CacheDir: code, StartTimeout: start})
}

func stageOf(t *testing.T, o engine.Options) *engine.Engine {
	t.Helper()
	const i32, i64, f32, f64 = api.ValueTypeI32, api.ValueTypeI64, api.ValueTypeF32, api.ValueTypeF64
	type types = []api.ValueType
	type function struct {
		name            string
		params, results types
		call            api.GoFunc
	}
	nothing := func(context.Context, []uint64) {}
	host := func(name string, functions ...function) engine.Host {
		return engine.Host{Name: name, Instantiate: func(ctx context.Context, r wazero.Runtime) error {
			b := r.NewHostModuleBuilder(name)
			for _, f := range functions {
				b.NewFunctionBuilder().WithGoFunction(f.call, f.params, f.results).Export(f.name)
			}
			_, err := b.Instantiate(ctx)
			return err
		}}
	}
	o.Hosts = []engine.Host{
		{Name: wasi.Module, Instantiate: wasi.Instantiate, Waits: wasi.Waits},
		{Name: prism.Module, Instantiate: prism.Instantiate},
		host("spectest", function{"print", nil, nil, nothing}, function{"print_i32", types{i32}, nil, nothing},
			function{"print_i64", types{i64}, nil, nothing}, function{"print_f32", types{f32}, nil, nothing}, function{"print_f64", types{f64}, nil, nothing},
			function{"print_i32_f32", types{i32, f32}, nil, nothing}, function{"print_f64_f64", types{f64, f64}, nil, nothing}),
		host("env", function{"log", types{i32}, nil, nothing}, function{"pick", nil, types{i32}, func(_ context.Context, stack []uint64) { stack[0] = 7 }}),
		host("state", function{"call double", types{i32}, types{i32}, func(_ context.Context, stack []uint64) { stack[0] *= 2 }}),
	}
	e, err := engine.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	module, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// wazeroFolder is where wazero's own module lies.
func wazeroFolder(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// race tells that the tests run under the race detector.
var race bool

// many is for tests on many modules, which are compiled: under the race detector that
// takes minutes, and what they look for is no race. "make test" runs them without, too.
func many(t *testing.T) {
	t.Helper()
	if race || testing.Short() {
		t.Skip("it takes long; go test -run NothingSurvives runs it")
	}
}

func TestNothingSurvivesACallOfModulesThatOthersWrote(t *testing.T) {
	many(t)
	l, e := newLedger(), stage(t, shortStart)
	root := wazeroFolder(t)
	if err := filepath.WalkDir(root, func(file string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(file) == ".wasm" && !strings.Contains(file, "spectest") {
			l.try(t, e, specimen{name: file[len(root)+1:], module: read(t, file)})
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Log(l)
	if l.modules < 80 || l.calls < 10_000 {
		t.Errorf("%d modules, %d calls: that is not all there is", l.modules, l.calls)
	}
	l.wants(t, "returning", string(task.KindTrap), string(task.KindDeadline), string(task.KindFuel), string(task.KindExit), "recursion")
}

func TestNothingSurvivesACallOfHostileModules(t *testing.T) {
	many(t)
	files, err := filepath.Glob("../../../shared/corpus/hostile/*.wasm")
	if err != nil || len(files) == 0 {
		t.Skip("there is no folder of hostile modules beside the repository")
	}
	l, e := newLedger(), stage(t, shortStart)
	for _, file := range files {
		l.try(t, e, specimen{name: filepath.Base(file), module: read(t, file)})
	}
	t.Log(l)
	if l.modules < 8 {
		t.Errorf("%d modules ran", l.modules)
	}
	l.wants(t, "returning", string(task.KindTrap), string(task.KindDeadline), string(task.KindFuel), string(task.KindTooLarge), "recursion")
}

// some gives every n-th of a folder's files, and fewer with -short.
func some(t *testing.T, n int, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) < 1000 {
		t.Fatalf("%d files like %s, %v", len(files), pattern, err)
	}
	var chosen []string
	for i := 0; i < len(files); i += n {
		chosen = append(chosen, files[i])
	}
	return chosen
}

func TestNothingSurvivesACallOfTheSpecificationsTests(t *testing.T) {
	many(t)
	l, e := newLedger(), stage(t, shortStart)
	root := filepath.Join(wazeroFolder(t), "internal", "integration_test", "spectest")
	for begun, files := time.Now(), append(some(t, 2, root+"/v1/testdata/*.wasm"), some(t, 2, root+"/v2/testdata/*.wasm")...); len(files) > 0 && time.Since(begun) < 6*time.Second; files = files[1:] {
		l.try(t, e, specimen{name: filepath.Base(files[0]), module: read(t, files[0]), settings: []setting{roomy}, calls: 20, exports: 8})
	}
	t.Log(l)
	if l.modules < 40 {
		t.Errorf("%d modules ran", l.modules)
	}
	l.wants(t, "returning", string(task.KindTrap))
}

func TestNothingSurvivesACallOfGeneratedModules(t *testing.T) {
	many(t)
	l, e := newLedger(), stage(t, shortStart)
	random := rand.NewChaCha8([32]byte{6})
	n := 400
	for begun, made := time.Now(), 0; l.modules < n && made < 10*n && time.Since(begun) < 6*time.Second; made++ {
		choices := make([]byte, random.Uint64()%1500)
		_, _ = random.Read(choices) // never fails
		module := wasmtest.Generate(choices)
		if m, err := wasm.Parse(module); err != nil || m.ImportsFrom("state") {
			l.refused["it is linked with others"]++
			continue
		}
		l.try(t, e, specimen{name: "generated", module: module, settings: []setting{roomy, littleFuel}, calls: 30})
	}
	t.Log(l)
	if l.modules < 20 {
		t.Errorf("%d modules ran", l.modules)
	}
	l.wants(t, "returning", string(task.KindTrap), string(task.KindFuel))
}

// patience is how long a call of a guest from the tree may take that ends by itself.
const patience = 30 * time.Second

func TestNothingSurvivesACallOfTheGuestsInTheTree(t *testing.T) {
	many(t)
	l, e := newLedger(), stage(t, 0)
	l.try(t, e, specimen{
		name: "guest", module: guest(t, task.ABICommand), timeout: patience, calls: 14, settings: []setting{roomy, littleFuel},
		inputs: []string{"upper abc", "exit 3", "panic now", "grow", "flood", "chatter", "sleep 1ms", "env REGION", "time"},
	})
	l.try(t, e, specimen{name: "guest that does not end", module: guest(t, task.ABICommand), settings: []setting{roomy}, calls: 6, inputs: []string{"loop", "sleep 1h"}})
	l.try(t, e, specimen{name: "guest's handlers", module: guest(t, task.ABIPrism), timeout: patience, calls: 60})
	built, _ := filepath.Glob("../../sdk/*/examples/normalise*/normalise.wasm") // make guests builds them
	for _, file := range built {
		l.try(t, e, specimen{name: file, module: read(t, file), timeout: patience, inputs: marketData(t)})
	}
	t.Log(l)
	if l.modules < 2 {
		t.Errorf("%d modules ran", l.modules)
	}
	l.wants(t, "returning", string(task.KindTrap), string(task.KindDeadline), string(task.KindFuel), string(task.KindMemory), string(task.KindTooLarge), string(task.KindExit), string(task.KindGuest))
}

// marketData is what the sample plugins are for.
func marketData(t *testing.T) []string {
	t.Helper()
	files, _ := filepath.Glob("../../sdk/testdata/market/*.ndjson")
	var messages []string
	for _, file := range files {
		message, _, _ := strings.Cut(string(read(t, file)), "\n")
		messages = append(messages, message)
	}
	return messages
}

func TestNothingSurvivesACallOfGuestsThatAttack(t *testing.T) {
	many(t)
	needClang(t)
	out := t.TempDir()
	if msg, err := exec.CommandContext(t.Context(), "make", "-j2", "-C", "../../cmd/holds/guests", "OUT="+out).CombinedOutput(); err != nil {
		t.Fatalf("build the guests: %v\n%s", err, msg)
	}
	files, err := filepath.Glob(out + "/*.wasm")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d guests, %v", len(files), err)
	}
	l, e := newLedger(), stage(t, 0)
	for _, file := range files {
		l.try(t, e, specimen{
			name: filepath.Base(file), module: read(t, file), timeout: 10 * time.Millisecond,
			inputs: []string{"attack"}, calls: 6, settings: []setting{roomy, littleFuel, littleRoom},
		})
	}
	t.Log(l)
	if l.modules < 10 {
		t.Errorf("%d modules ran", l.modules)
	}
	l.wants(t, "returning", string(task.KindDeadline), string(task.KindFuel), string(task.KindTooLarge), "recursion")
}
