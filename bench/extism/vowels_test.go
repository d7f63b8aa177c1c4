package extism_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"

	"github.com/marketprism/prismrt/host/extism"
	"github.com/marketprism/prismrt/host/wasi"
	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
)

// input is 1 KiB of text.
var input = []byte(strings.Repeat("the quick brown fox jumps over the lazy dog ", 24)[:1024])

// plugin is count_vowels.wasm, in Rust.
func plugin(t testing.TB) []byte {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/extism/go-sdk").Output()
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "wasm", "count_vowels.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// check fails where an answer is not of a call that nobody was before.
func check(t testing.TB, answer []byte, err error) {
	t.Helper()
	if !strings.HasSuffix(string(answer), `"vowels":"aeiouAEIOU"}`) || err != nil {
		t.Fatalf("%s, %v", answer, err)
	}
}

// ours makes a call as the server does, on an instance that is rewound after it.
func ours(t testing.TB) func() []byte {
	t.Helper()
	host, err := extism.New(extism.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(t.Context(), engine.Options{CacheDir: t.TempDir(), Hosts: []engine.Host{
		{Name: wasi.Module, Instantiate: wasi.Instantiate}, {Name: extism.Module, Instantiate: host.Instantiate},
	}})
	if err != nil {
		t.Fatal(err)
	}
	module := plugin(t)
	p, err := e.Compile(t.Context(), task.Version{
		Ref: task.Ref{Namespace: "default", Plugin: "vowels", Version: 1}, Digest: task.DigestOf(module), ABI: task.ABIExtism, Function: "count_vowels", Vars: task.MostVars,
		Limits: task.Limits{Memory: 64 << 20, Timeout: task.Duration(time.Minute), Fuel: 1e12, Stack: 4 << 20, Input: 1 << 20, Output: 1 << 20},
	}, module)
	if err != nil {
		t.Fatal(err)
	}
	i, err := p.Instantiate(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close(context.Background()); p.Close(context.Background()) })
	return func() []byte {
		output, _, err := i.Run(t.Context(), task.Invocation{Input: input}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := i.Rewind(); err != nil {
			t.Fatal(err)
		}
		return output
	}
}

// theirs compiles the plug-in once, as their documentation says to.
func theirs(t testing.TB) *sdk.CompiledPlugin {
	t.Helper()
	c, err := sdk.NewCompiledPlugin(t.Context(), sdk.Manifest{Wasm: []sdk.Wasm{sdk.WasmData{Data: plugin(t)}}}, sdk.PluginConfig{
		EnableWasi: true, RuntimeConfig: wazero.NewRuntimeConfig(),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// fresh makes a call on an instance of its own, the only way there to keep a call's state from
// the next.
func fresh(t testing.TB) func() []byte {
	c := theirs(t)
	return func() []byte {
		p, err := c.Instance(t.Context(), sdk.PluginInstanceConfig{})
		if err != nil {
			t.Fatal(err)
		}
		_, output, err := p.Call("count_vowels", input)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		return output
	}
}

// reused makes calls on one instance, which keeps its state.
func reused(t testing.TB) func() []byte {
	p, err := theirs(t).Instance(t.Context(), sdk.PluginInstanceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(context.Background()) })
	return func() []byte {
		_, output, err := p.Call("count_vowels", input)
		if err != nil {
			t.Fatal(err)
		}
		return output
	}
}

func BenchmarkCountVowels(b *testing.B) {
	for _, way := range []struct {
		name string
		make func(testing.TB) func() []byte
	}{{"prismrt", ours}, {"go-sdk, an instance a call", fresh}, {"go-sdk, one instance", reused}} {
		b.Run(way.name, func(b *testing.B) {
			call := way.make(b)
			check(b, call(), nil)
			b.ReportAllocs()
			for b.Loop() {
				call()
			}
		})
	}
}

func TestBothCountTheSame(t *testing.T) {
	a, b := ours(t), fresh(t)
	for range 3 {
		if x, y := string(a()), string(b()); x != y || x == "" {
			t.Fatalf("%s here and %s there", x, y)
		}
	}
}

// TestCallsAreFifteenTimesAsFast compares medians of short rounds that take turns, so that both
// have the same noise.
func TestCallsAreFifteenTimesAsFast(t *testing.T) {
	if testing.Short() {
		t.Skip("with -short, since it measures: make test runs it")
	}
	a, b := ours(t), fresh(t)
	took := func(call func() []byte, n int) time.Duration {
		begun := time.Now()
		for range n {
			call()
		}
		return time.Since(begun) / time.Duration(n)
	}
	took(a, 100)
	took(b, 10)
	var ratios []float64
	for range 15 {
		x := took(a, 200)
		ratios = append(ratios, float64(took(b, 10))/float64(x))
	}
	slices.Sort(ratios)
	t.Logf("%.1f times, %.1f to %.1f", ratios[7], ratios[0], ratios[14])
	if ratios[7] < 15 {
		t.Errorf("calls are %.1f times as fast as on fresh instances of Extism's own host, want 15", ratios[7])
	}
}
