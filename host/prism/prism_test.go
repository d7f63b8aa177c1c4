package prism_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/host/prism"
	"github.com/marketprism/prismrt/host/wasi"
	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/sdk/sdktest"
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

// granted is the config of all guests.
var granted = map[string]string{"word": "said", "empty": "", "long": strings.Repeat("é", 10_000)}

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
		ABI: abi, Function: "handle", Config: granted, ImageOff: !image,
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

// What a command asks before it reads its input, it asks of the call.
func TestACommandKnowsItsCallAndDrawsAnewInEach(t *testing.T) {
	p := load(t, task.ABICommand, sdktest.Make(t, folder("go"), "testdata/command.wasm"), true)
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
