package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marketprism/prismrt/host/prism"
	"github.com/marketprism/prismrt/host/wasi"
	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
)

// guests are built once, since a build takes a second.
var guests = struct {
	sync.Mutex
	modules map[string][]byte
}{modules: map[string][]byte{}}

func guest(t testing.TB, abi task.ABI) []byte {
	guests.Lock()
	defer guests.Unlock()
	if guests.modules[string(abi)] == nil {
		out := filepath.Join(t.TempDir(), "guest.wasm")
		args := []string{"build", "-o", out}
		if abi == task.ABIPrism {
			args = append(args, "-buildmode=c-shared", "-tags=handlers")
		}
		cmd := exec.Command("go", append(args, "./testdata/guest")...)
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
		if msg, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build the guest: %v\n%s", err, msg)
		}
		module, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		guests.modules[string(abi)] = module
	}
	return guests.modules[string(abi)]
}

// code is shared by the tests that are not about compiling: it takes seconds
// under the race detector.
var code string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "prismrt-engine-")
	if err != nil {
		panic(err)
	}
	code = dir
	failed := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(failed)
}

func newEngine(t testing.TB, o engine.Options) *engine.Engine {
	if o.CacheDir == "" {
		o.CacheDir = code
	}
	o.Hosts = []engine.Host{{Name: wasi.Module, Instantiate: wasi.Instantiate, Waits: wasi.Waits}, {Name: prism.Module, Instantiate: prism.Instantiate}}
	e, err := engine.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func version(abi task.ABI, module []byte) task.Version {
	return task.Version{
		Ref:      task.Ref{Namespace: "default", Plugin: "guest", Version: 1},
		Digest:   task.DigestOf(module),
		ABI:      abi,
		Function: "handle",
		Config:   map[string]string{"REGION": "eu", "long": "abcdefghi"},
		Limits:   task.Limits{Memory: 32 << 20, Timeout: task.Duration(time.Second), Fuel: 1e12, Stack: 1 << 20, Input: 1 << 20, Output: 1 << 20},
	}
}

func compile(t testing.TB, e *engine.Engine, abi task.ABI, module []byte) *engine.Program {
	p, err := e.Compile(t.Context(), version(abi, module), module)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// run serves one invocation on an instance of its own.
func run(ctx context.Context, t testing.TB, p *engine.Program, function, input string) (string, error) {
	i, err := p.Instantiate(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := i.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	out, _, err := i.Run(ctx, task.Invocation{ID: task.NewID(), Function: function, Input: []byte(input)}, nil)
	return string(out), err
}

func TestACommandReadsItsInputAndAnswers(t *testing.T) {
	p := compile(t, newEngine(t, engine.Options{}), task.ABICommand, guest(t, task.ABICommand))
	big := strings.Repeat("märz ", 10_000)
	for input, want := range map[string]string{
		"upper abc":    "ABC",
		"upper " + big: strings.ToUpper(big),
		"":             "",
		"env REGION":   "eu guest",
		"sleep 1ms":    "slept",
	} {
		if got, err := run(t.Context(), t, p, "", input); got != want || err != nil {
			t.Errorf("%.20q answers %.40q, %v; want %.40q", input, got, err, want)
		}
	}
	at, err := run(t.Context(), t, p, "", "time")
	ms, _ := strconv.ParseInt(at, 10, 64)
	if err != nil || time.Since(time.UnixMilli(ms)).Abs() > time.Minute {
		t.Errorf("the guest's clock says %q, %v", at, err)
	}
}

func TestAHandlerPullsItsInputAndPushesItsOutput(t *testing.T) {
	p := compile(t, newEngine(t, engine.Options{}), task.ABIPrism, guest(t, task.ABIPrism))
	for _, tt := range []struct{ function, input, want string }{
		{"", "a message longer than a piece", "A MESSAGE LONGER THAN A PIECE1"},
		{"handle", "", "1"},
		{"config", "REGION", "eu\x00\x00"[:2] + " 2"},
		{"config", "long", "abcd 9"},
		{"config", "unset", " /"}, // '0' - 1
		{"strayread", "12345678", ""},
	} {
		if got, err := run(t.Context(), t, p, tt.function, tt.input); got != tt.want || err != nil {
			t.Errorf("%s(%q) answers %q, %v; want %q", tt.function, tt.input, got, err, tt.want)
		}
	}
}

func TestEveryEndingIsToldApart(t *testing.T) {
	e := newEngine(t, engine.Options{})
	command := compile(t, e, task.ABICommand, guest(t, task.ABICommand))
	reactor := compile(t, e, task.ABIPrism, guest(t, task.ABIPrism))
	for _, tt := range []struct {
		program         *engine.Program
		function, input string
		kind            task.Kind
		message, log    string
	}{
		{command, "", "exit 3", task.KindExit, "exit code 3", "leaving with 3"},
		{command, "", "panic ouch", task.KindExit, "exit code 2", "panic: ouch"},
		{command, "", "loop", task.KindDeadline, "deadline", ""},
		{command, "", "sleep 1h", task.KindDeadline, "deadline", ""},
		{command, "", "grow", task.KindMemory, "32MiB", "out of memory"},
		{command, "", "flood", task.KindTooLarge, "limit of 1MiB", ""},
		{command, "", "chatter", task.KindExit, "exit code 1", "line 0\nline 1\n"},
		{command, "", "chatter", task.KindExit, "exit code 1", "[...]"},
		{command, "", "chatter", task.KindExit, "exit code 1", "line 4999"},
		{command, "other", "upper x", task.KindNotFound, "is a command", ""},
		{reactor, "refuse", "", task.KindGuest, "no price in it", "warn: looking at it"},
		{reactor, "three", "", task.KindGuest, "returned 3", ""},
		{reactor, "stray", "", task.KindTrap, "outside the guest's memory", ""},
		{reactor, "takes", "", task.KindNotFound, `no function "takes"`, ""},
		{reactor, "absent", "", task.KindNotFound, `no function "absent"`, ""},
	} {
		timeout := time.Minute // for slow machines
		if tt.kind == task.KindDeadline {
			timeout = 200 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		out, err := run(ctx, t, tt.program, tt.function, tt.input)
		cancel()
		f, ok := errors.AsType[*task.Fault](err)
		switch {
		case !ok:
			t.Errorf("%s(%q) answers %q, %v; want a fault", tt.function, tt.input, out, err)
		case f.Kind != tt.kind || !strings.Contains(f.Message, tt.message) || !strings.Contains(strings.Join(f.Log, "\n"), tt.log):
			t.Errorf("%s(%q): %v\nlog %q\nwant kind %s, message %q, log %q", tt.function, tt.input, f, f.Log, tt.kind, tt.message, tt.log)
		case len(f.Log) > 41:
			t.Errorf("%s(%q): %d lines of log", tt.function, tt.input, len(f.Log))
		}
		if tt.kind == task.KindDeadline && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q: a deadline fault is not context.DeadlineExceeded", tt.input)
		}
	}
	if s := e.Stats(); s != (engine.Stats{ImageBytes: s.ImageBytes, CodeBytes: s.CodeBytes}) {
		t.Errorf("after all instances were closed there is %+v", s)
	}
}

func TestACallerThatLeavesStopsTheGuest(t *testing.T) {
	p := compile(t, newEngine(t, engine.Options{}), task.ABICommand, guest(t, task.ABICommand))
	for _, input := range []string{"loop", "sleep 1h"} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		_, err := run(ctx, t, p, "", input)
		if f := task.FaultOf(err); err == nil || f.Kind != task.KindCanceled {
			t.Errorf("%s: %v, want a canceled fault", input, err)
		}
	}
}

// trapping is (module (func $explode unreachable) (func $outer call $explode)
// (export "_start" (func $outer))) with a name section.
var trapping = slices.Concat(
	[]byte{0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 3, 2, 0, 0},
	[]byte{7, 10, 1, 6}, []byte("_start"), []byte{0, 1},
	[]byte{10, 10, 2, 3, 0, 0x00, 0x0b, 4, 0, 0x10, 0, 0x0b},
	[]byte{0, 24, 4}, []byte("name"), []byte{1, 17, 2, 0, 7}, []byte("explode"), []byte{1, 5}, []byte("outer"),
)

func TestATrapCarriesTheGuestsStack(t *testing.T) {
	p := compile(t, newEngine(t, engine.Options{}), task.ABICommand, trapping)
	_, err := run(t.Context(), t, p, "", "")
	f, ok := errors.AsType[*task.Fault](err)
	if !ok || f.Kind != task.KindTrap || f.Message != "the guest trapped: unreachable" {
		t.Fatalf("got %v", err)
	}
	if want := []string{"explode()", "outer()"}; !slices.Equal(f.Stack, want) {
		t.Errorf("stack %q, want %q", f.Stack, want)
	}
}

func TestAModuleWhoseStartFailsSaysSo(t *testing.T) {
	loop := []byte{0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 8, 1, 0, 10, 9, 1, 7, 0, 3, 0x40, 0x0c, 0, 0x0b, 0x0b}
	p := compile(t, newEngine(t, engine.Options{StartTimeout: 50 * time.Millisecond}), task.ABICommand, loop)
	_, err := p.Instantiate(t.Context(), nil)
	if f := task.FaultOf(err); err == nil || f.Kind != task.KindDeadline || !strings.Contains(f.Message, "while it started") {
		t.Errorf("a start function that loops: %v", err)
	}
}

func TestMemoryPastTheLimitAtTheStartIsRefused(t *testing.T) {
	module := guest(t, task.ABICommand)
	v := version(task.ABICommand, module)
	v.Limits.Memory = 64 << 10
	_, err := newEngine(t, engine.Options{}).Compile(t.Context(), v, module)
	if err == nil || !strings.Contains(err.Error(), "limits.memory is 64KiB") {
		t.Errorf("got %v", err)
	}
}

func TestCompiledCodeIsKeptPrivateAndUsedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "code")
	if err := os.MkdirAll(dir, 0o755); err != nil { // as somebody else may have left it
		t.Fatal(err)
	}
	digest := task.DigestOf(trapping)
	compile(t, newEngine(t, engine.Options{CacheDir: dir}), task.ABICommand, trapping)
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v; want 0700", info.Mode().Perm(), err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, digest.Hex(), "*", "*", "*"))
	if len(files) != 1 {
		t.Fatalf("files %q, want one", files)
	}

	// With a compiler that always refuses, only the cache can have served.
	again := newEngine(t, engine.Options{CacheDir: dir, Compiler: []string{"false"}})
	compile(t, again, task.ABICommand, trapping)

	if err := again.Forget(digest); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Compile(t.Context(), version(task.ABICommand, trapping), trapping); err == nil {
		t.Error("a forgotten module was compiled without the compiler")
	}
}

func TestDamagedCodeIsCompiledAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "code")
	digest := task.DigestOf(trapping)
	compile(t, newEngine(t, engine.Options{CacheDir: dir}), task.ABICommand, trapping)
	files, _ := filepath.Glob(filepath.Join(dir, digest.Hex(), "*", "*", "*"))
	good, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{
		"empty": {}, "cut": good[:len(good)/2], "flipped": bytes.ReplaceAll(good, good[40:48], []byte("damaged!")),
	} {
		if err := os.WriteFile(files[0], damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		p := compile(t, newEngine(t, engine.Options{CacheDir: dir}), task.ABICommand, trapping)
		if _, err := run(t.Context(), t, p, "", ""); task.FaultOf(err).Kind != task.KindTrap {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheCompilerCommandsRefusalsAreTold(t *testing.T) {
	for name, tt := range map[string]struct {
		script, want string
		timeout      time.Duration
	}{
		"refused":   {"echo 'function 3 is odd' >&2; exit 1", "does not compile: function 3 is odd", time.Minute},
		"memory":    {"echo 'fatal error: runtime: out of memory' >&2; exit 2", "more memory", time.Minute},
		"killed":    {"kill -9 $$", "brings the compiler down", time.Minute},
		"too slow":  {"exec sleep 100", "longer than 200ms", 200 * time.Millisecond},
		"talkative": {"yes | head -c 100000 >&2; exit 1", "does not compile", time.Minute},
	} {
		dir := t.TempDir()
		e := newEngine(t, engine.Options{CacheDir: dir, Compiler: []string{"sh", "-c", tt.script, "sh"}, CompileTimeout: tt.timeout})
		digest := task.DigestOf(trapping)
		_, err := e.Compile(t.Context(), version(task.ABICommand, trapping), trapping)
		f, ok := errors.AsType[*task.Fault](err)
		if !ok || f.Kind != task.KindInvalid || !strings.Contains(f.Message, tt.want) || len(f.Message) > 5000 {
			t.Errorf("%s: %.200v, want an invalid fault that says %q", name, err, tt.want)
		}
		if _, err := os.Stat(filepath.Join(dir, digest.Hex())); !os.IsNotExist(err) {
			t.Errorf("%s: a folder was left behind", name)
		}
	}
}

func TestInstancesOfOneProgramRunAtTheSameTime(t *testing.T) {
	e := newEngine(t, engine.Options{})
	p := compile(t, e, task.ABIPrism, guest(t, task.ABIPrism))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 5 {
				input := fmt.Sprintf("caller %d, call %d", g, n)
				if got, err := run(t.Context(), t, p, "", input); got != strings.ToUpper(input)+"1" || err != nil {
					t.Errorf("%q answers %q, %v", input, got, err)
				}
			}
		})
	}
	wg.Wait()
	if s := e.Stats(); s != (engine.Stats{ImageBytes: s.ImageBytes, CodeBytes: s.CodeBytes}) {
		t.Errorf("after all instances were closed there is %+v", s)
	}
}

func TestCodeThatIsBeingMadeIsNotForgotten(t *testing.T) {
	dir := t.TempDir()
	gate := filepath.Join(t.TempDir(), "gate")
	script := `touch "$1/begun"; while [ ! -e ` + gate + ` ]; do sleep 0.01; done; echo no >&2; exit 1`
	e := newEngine(t, engine.Options{CacheDir: dir, Compiler: []string{"sh", "-c", script, "sh"}})
	refused := make(chan error)
	go func() {
		_, err := e.Compile(t.Context(), version(task.ABICommand, trapping), trapping)
		refused <- err
	}()
	digest := task.DigestOf(trapping)
	begun := filepath.Join(dir, digest.Hex(), "*", "begun")
	for files, _ := filepath.Glob(begun); len(files) == 0; files, _ = filepath.Glob(begun) {
		time.Sleep(time.Millisecond)
	}
	if err := e.Forget(digest); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(begun); len(files) != 1 {
		t.Error("the folder was taken from under a compilation")
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-refused; task.FaultOf(err).Kind != task.KindInvalid {
		t.Errorf("got %v", err)
	}
}
