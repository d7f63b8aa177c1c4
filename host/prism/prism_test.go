package prism_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/host/prism"
	"github.com/marketprism/prismrt/host/wasi"
	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
)

// code is where the engine keeps what it compiled, for all tests.
var code string

func TestMain(m *testing.M) {
	var err error
	if code, err = os.MkdirTemp("", "prismrt-prism-"); err != nil {
		panic(err)
	}
	failed := m.Run()
	_ = os.RemoveAll(code)
	os.Exit(failed)
}

// goGuest builds one of the SDK, which is a module of its own.
func goGuest(t testing.TB, path string, flags ...string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.Command("go", slices.Concat([]string{"build", "-C", "../../sdk/go", "-o", out}, flags, []string{path})...)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if message, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the guest: %v\n%s", err, message)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// cGuest builds one in C. CLANG and WASI_SYSROOT mean what they mean to sdk/c/Makefile.
func cGuest(t testing.TB, source string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "guest.wasm")
	args := []string{"--target=wasm32-wasi", "-O2", "-mexec-model=reactor", "-Wall", "-Werror", "-I../../sdk/c", "-o", out, source}
	if root := os.Getenv("WASI_SYSROOT"); root != "" {
		args = append(args, "--sysroot="+root)
	}
	if message, err := exec.Command(cmp.Or(os.Getenv("CLANG"), "clang"), args...).CombinedOutput(); err != nil {
		t.Skipf("make guests installs a clang that builds guests: %v\n%s", err, message)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// sdkGuest builds the one with handlers.
func sdkGuest(t testing.TB) []byte { return goGuest(t, "./testdata/guest", "-buildmode=c-shared") }

// load makes a program of a guest, which is version 7 of the plugin "seven".
func load(t testing.TB, abi task.ABI, module []byte, image bool) *engine.Program {
	t.Helper()
	e, err := engine.New(t.Context(), engine.Options{CacheDir: code, Hosts: []engine.Host{
		{Name: wasi.Module, Instantiate: wasi.Instantiate}, {Name: prism.Module, Instantiate: prism.Instantiate},
	}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.Compile(t.Context(), task.Version{
		Ref: task.Ref{Namespace: "default", Plugin: "seven", Version: 7}, Digest: task.DigestOf(module),
		ABI: abi, Function: "handle", ImageOff: !image,
		Limits: task.Limits{Memory: 32 << 20, Timeout: task.Duration(time.Minute), Fuel: 1e12, Stack: 1 << 20, Input: 1 << 20, Output: 1 << 20},
	}, module)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(context.Background()) })
	return p
}

// instance makes one that lives as long as the test.
func instance(t testing.TB, p *engine.Program) *engine.Instance {
	t.Helper()
	i, err := p.Instantiate(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close(context.Background()) })
	return i
}

// call has an instance serve one and rewinds it.
func call(t testing.TB, i *engine.Instance, in task.Invocation) string {
	t.Helper()
	out, _, err := i.Run(t.Context(), in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.Rewind(); err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestAGuestKnowsItsCall(t *testing.T) {
	i := instance(t, load(t, task.ABIPrism, sdkGuest(t), true))
	for range 2 {
		id := task.NewID()
		if got, want := call(t, i, task.Invocation{ID: id, Function: "about"}), string(id)+" about seven 7 false "; !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	out, _, err := i.Run(ctx, task.Invocation{ID: "1", Function: "about"}, nil)
	if want := "1 about seven 7 true 1h0m0s\n"; string(out) != want || err != nil {
		t.Errorf("got %q, %v; want %q", out, err, want)
	}
}

// What a command asks before it reads its input, it asks of the call.
func TestACommandKnowsItsCallAndDrawsAnewInEach(t *testing.T) {
	p := load(t, task.ABICommand, goGuest(t, "./testdata/command"), true)
	seen := map[string]bool{}
	for range 2 {
		i := instance(t, p)
		for range 3 {
			id := string(task.NewID())
			got := call(t, i, task.Invocation{ID: task.ID(id), Input: []byte("in")})
			number, ok := strings.CutPrefix(got, "in|seven 5|"+id+" 26|"+id[:5]+" 26| -1| -1| 1 ")
			if !ok || seen[number] {
				t.Errorf("the call %s answers %q", id, got)
			}
			seen[number] = true
		}
	}
}

// heard is a task.Listener that writes down what it is told.
type heard []string

func (h *heard) Logged(level, line string) { *h = append(*h, level+" "+line) }

func (h *heard) Progressed(done, total int64, message string) {
	*h = append(*h, fmt.Sprintf("%d/%d %s", done, total, message))
}

func TestAGuestTellsHowFarItIs(t *testing.T) {
	for name, module := range map[string][]byte{"Go": sdkGuest(t), "C": cGuest(t, "testdata/advances.c")} {
		i := instance(t, load(t, task.ABIPrism, module, true))
		for _, in := range []string{"first", "second"} {
			var told heard
			call(t, i, task.Invocation{Function: "advance", Input: []byte(in), Listener: &told})
			if want := (heard{"1/2 " + in, "warn " + in, "5000000000/0 "}); !slices.Equal(told, want) {
				t.Errorf("in %s: told %q, want %q", name, told, want)
			}
			call(t, i, task.Invocation{Function: "advance", Input: []byte(in)}) // to nobody
		}
	}
}

// draw calls sdk/go/testdata/guest and takes apart what it answers.
func draw(t testing.TB, i *engine.Instance) map[string]string {
	t.Helper()
	out, _, err := i.Run(t.Context(), task.Invocation{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		values[name] = value
	}
	if len(values) != 13 {
		t.Fatalf("drew %v", values)
	}
	return values
}

func TestAGuestInGoDrawsAnewInEachCall(t *testing.T) {
	p := load(t, task.ABIPrism, sdkGuest(t), true)
	instances := []*engine.Instance{instance(t, p), instance(t, p)}
	var first map[string]string
	seen := map[string]bool{}
	for n := range 6 {
		i := instances[n%2]
		values := draw(t, i)
		if _, err := i.Rewind(); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			first = values
		}
		for name, value := range values {
			switch {
			case strings.HasPrefix(name, "started:"):
				if value != first[name] {
					t.Errorf("%s was %q, then %q", name, first[name], value)
				}
			case seen[value]:
				t.Errorf("%s is %s again", name, value)
			}
			seen[value] = true
		}
	}
	if got, want := first["started:hooks"], "first second"; got != want {
		t.Errorf("hooks ran: %q, want %q", got, want)
	}
}

func TestAGuestInGoWithoutAnImageRunsNoHooks(t *testing.T) {
	p := load(t, task.ABIPrism, sdkGuest(t), false)
	first, second := draw(t, instance(t, p)), draw(t, instance(t, p))
	for name, value := range first {
		if hooks := name == "started:hooks"; hooks && value != "" || !hooks && value == second[name] {
			t.Errorf("%s was %q, then %q", name, value, second[name])
		}
	}
}

func TestAGuestInCReseedsInEachCall(t *testing.T) {
	p := load(t, task.ABIPrism, cGuest(t, "testdata/reseeds.c"), true)
	seen := map[string]bool{}
	started := ""
	for range 3 {
		i := instance(t, p)
		for range 3 {
			id := task.NewID()
			fields := strings.Fields(call(t, i, task.Invocation{ID: id}))
			if len(fields) != 4 || fields[0] != string(id) || seen[fields[1]] || seen[fields[2]] {
				t.Fatalf("the call %s answers %q", id, fields)
			}
			if started = cmp.Or(started, fields[3]); fields[3] != started {
				t.Errorf("started with %s and with %s", started, fields[3])
			}
			seen[fields[1]], seen[fields[2]] = true, true
		}
	}
}

func TestAGuestInAssemblyScriptReseedsInEachCall(t *testing.T) {
	const sdk = "../../sdk/assemblyscript"
	if out, err := exec.Command("sh", sdk+"/tools.sh", "check").CombinedOutput(); err != nil {
		t.Skipf("make tools installs what this guest is built with: %v\n%s", err, out)
	}
	if out, err := exec.Command("make", "-C", sdk, "test/guest.wasm").CombinedOutput(); err != nil {
		t.Fatalf("build the guest: %v\n%s", err, out)
	}
	module, err := os.ReadFile(sdk + "/test/guest.wasm")
	if err != nil {
		t.Fatal(err)
	}
	p := load(t, task.ABIPrism, module, true)
	seen := map[string]bool{}
	born := ""
	for range 3 {
		i := instance(t, p)
		for range 3 {
			fields := strings.Fields(call(t, i, task.Invocation{ID: task.NewID(), Function: "draws"}))
			if len(fields) != 4 {
				t.Fatalf("the call answers %q", fields)
			}
			if born = cmp.Or(born, fields[0]); fields[0] != born {
				t.Errorf("the top level drew %s and %s", born, fields[0])
			}
			for _, drawn := range fields[1:] { // Math.random, a hook, and the host
				if seen[drawn] {
					t.Errorf("%s was drawn twice", drawn)
				}
				seen[drawn] = true
			}
		}
	}
}
