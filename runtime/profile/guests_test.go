package profile_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/host/prism"
	"github.com/marketprism/prismrt/host/wasi"
	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/profile"
	"github.com/marketprism/prismrt/runtime/task"
)

// race tells whether the race detector is on.
var race bool

// code is what guests are compiled to, once: it takes seconds under the race detector.
var code string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "prismrt-profile-")
	if err != nil {
		panic(err)
	}
	code = dir
	failed := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(failed)
}

// build builds testdata/burn with a command, of which OUT is what it makes. The test is
// skipped where a guest's compiler is not there.
func build(t testing.TB, env string, command ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(command[0]); err != nil {
		t.Skipf("make testtools installs %s: %v", command[0], err)
	}
	out := filepath.Join(t.TempDir(), "guest.wasm")
	for i := range command {
		if command[i] == "OUT" {
			command[i] = out
		}
	}
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = "testdata/burn"
	cmd.Env = append(os.Environ(), strings.Fields(env)...)
	if text, err := cmd.CombinedOutput(); bytes.Contains(text, []byte("can't find crate for `std`")) {
		t.Skipf("make testtools installs what %s lacks: %s", command[0], text)
	} else if err != nil {
		t.Fatalf("%v: %v\n%s", command, err, text)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func inC(t testing.TB) []byte {
	clang := "clang"
	if name := os.Getenv("CLANG"); name != "" {
		clang = name
	}
	command := []string{clang, "--target=wasm32-wasi", "-O2", "-g", "-fno-unroll-loops", "-o", "OUT", "main.c"}
	if root := os.Getenv("WASI_SYSROOT"); root != "" {
		command = append(command, "--sysroot="+root)
	}
	return build(t, "", command...)
}

func inGo(t testing.TB) []byte {
	return build(t, "GOOS=wasip1 GOARCH=wasm", "go", "build", "-o", "OUT", "main.go")
}

func inRust(t testing.TB) []byte {
	rustc, target := "/usr/bin/rustc", "wasm32-wasi"
	if name := os.Getenv("RUSTC"); name != "" {
		rustc = name
	}
	if list, err := exec.CommandContext(t.Context(), rustc, "--print", "target-list").Output(); err == nil && bytes.Contains(list, []byte("wasm32-wasip1\n")) {
		target = "wasm32-wasip1"
	}
	return build(t, "", rustc, "-C", "opt-level=s", "-C", "panic=abort", "--target", target, "-o", "OUT", "main.rs")
}

// burning is an instance of a guest that is sampled.
type burning struct {
	*engine.Instance
	t        testing.TB
	profiler *profile.Profiler
	ref      task.Ref
	fuel     int64 // by all calls
}

func burn(t testing.TB, module []byte) *burning { return run(t, module, task.ABICommand, true) }

// run makes an instance that is sampled or not.
func run(t testing.TB, module []byte, abi task.ABI, sampled bool) *burning {
	t.Helper()
	var e *engine.Engine
	p := profile.New(profile.Options{Lines: func(d task.Digest) func(uint64) (string, int) { return e.Lines(d) }})
	o := engine.Options{CacheDir: code, Hosts: []engine.Host{
		{Name: wasi.Module, Instantiate: wasi.Instantiate, Waits: wasi.Waits}, {Name: prism.Module, Instantiate: prism.Instantiate},
	}}
	if sampled {
		o.Sampler = func(v task.Version) engine.Sampler { return p.Recorder(v) }
	}
	e, err := engine.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	v := task.Version{
		Ref: guest.Ref, Digest: task.DigestOf(module), ABI: abi, Function: "handle",
		Limits: task.Limits{Memory: 64 << 20, Timeout: task.Duration(time.Minute), Fuel: 1e12, Stack: 1 << 20, Input: 1 << 10, Output: 1 << 10},
	}
	program, err := e.Compile(t.Context(), v, module)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := program.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	i, err := program.Instantiate(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &burning{Instance: i, t: t, profiler: p, ref: v.Ref}
}

// call makes a call and returns what it burnt.
func (b *burning) call(input string) int64 {
	b.t.Helper()
	_, fuel, err := b.Run(b.t.Context(), task.Invocation{Input: []byte(input)}, nil)
	if err == nil {
		_, err = b.Rewind()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.fuel += fuel
	return fuel
}

// parts are the parts of all fuel that a call burns in its three functions.
func (b *burning) parts(turns int) map[string]float64 {
	nothing := b.call(fmt.Sprint("-", turns))
	all := b.call(fmt.Sprint("pcr", turns))
	parts := map[string]float64{}
	for _, letter := range []string{"p", "c", "r"} {
		parts[letter] = float64(b.call(fmt.Sprint(letter, turns))-nothing) / float64(all)
	}
	return parts
}

// letterOf is the letter of a guest's function, in whichever language.
func letterOf(function string) string {
	for name, letter := range map[string]string{"parse": "p", "checksum": "c", "render": "r"} {
		if strings.Contains(function, name) {
			return letter
		}
	}
	return ""
}

// agrees makes calls until there are so many samples, and compares the parts that the profile
// tells with those of the fuel.
func (b *burning) agrees(turns int, samples int64) {
	b.t.Helper()
	parts := b.parts(turns)
	var p *profile.Profile
	for p == nil || p.Total.Samples < samples {
		for begun := time.Now(); time.Since(begun) < 200*time.Millisecond; {
			b.call(fmt.Sprint("pcr", turns))
		}
		p = b.profiler.Take(profile.Query{Ref: b.ref, Window: profile.Longest})
	}
	got := map[string]float64{}
	for _, f := range p.Functions() {
		got[letterOf(f.Name)] += f.FlatShare
	}
	for _, letter := range []string{"p", "c", "r"} {
		if math.Abs(got[letter]-parts[letter]) > 0.03 {
			b.t.Errorf("%s has %.3f of the profile and %.3f of the fuel", letter, got[letter], parts[letter])
		}
	}
	b.t.Logf("%d samples: %.3v of the profile, %.3v of the fuel", p.Total.Samples, got, parts)
}

func TestAProfileSaysWhereTheFuelGoes(t *testing.T) {
	for name, module := range map[string]func(testing.TB) []byte{"C": inC, "Go": inGo, "Rust": inRust} {
		t.Run(name, func(t *testing.T) {
			b := burn(t, module(t))
			parts := b.parts(1_000_000)
			for letter, want := range map[string]float64{"p": 0.6, "c": 0.3, "r": 0.1} {
				if math.Abs(parts[letter]-want) > 0.01 {
					t.Errorf("of the guest's fuel %.3f is in %s, it is meant to be %.2f", parts[letter], letter, want)
				}
			}
			b.agrees(1_000_000, 500)
		})
	}
}

// Calls of some 3,000 instructions, a thousand between two samples: each sample is a throw of
// the dice, and with so many a point is the standard deviation of the larger parts.
func TestManyShortCallsAreSampledAsLongOnesAre(t *testing.T) {
	if race {
		t.Skip("make test runs it without the race detector, too: it takes millions of calls")
	}
	for name, module := range map[string]func(testing.TB) []byte{"C": inC, "Rust": inRust} {
		t.Run(name, func(t *testing.T) { burn(t, module(t)).agrees(20, 2500) })
	}
}

func TestStacksOfACommandThatGoesOnFromItsCheckpointAreWhole(t *testing.T) {
	b := burn(t, inC(t))
	for range 20 {
		b.call("pcr1000000")
	}
	p := b.profiler.Take(profile.Query{Ref: b.ref, Window: time.Minute, Lines: true})
	for _, line := range strings.Split(strings.TrimSpace(folded(t, p, nil, profile.ByFuel)), "\n") {
		if !strings.HasPrefix(line, "_start.command_export;_start;__original_main;") && !strings.HasPrefix(line, "[start];") {
			t.Errorf("the stack is %s", line)
		}
	}
	if len(p.Stacks) == 0 || len(p.Stacks[0].Frames) < 4 {
		t.Fatalf("%+v", p.Stacks)
	}
	loop, main := p.Stacks[0].Frames[0], p.Stacks[0].Frames[1]
	if loop.Function != "parse_price" || filepath.Base(loop.File) != "main.c" || loop.Line != 14 || main.Line < 25 {
		t.Errorf("the innermost frames are %+v and %+v", loop, main)
	}
}
