//go:build unix

package bench_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/host/prism"
	"github.com/marketprism/prismrt/host/wasi"
	prismrt "github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/sdk/sdktest"
)

// guest is what is called: a module of build/ and, for an interpreter, its script.
type guest struct {
	name   string
	module string
	abi    task.ABI
	script []string // files of guests/python, one after another
}

// guests answer an order in JSON.
var guests = []guest{
	{name: "upper-c", module: "upper", abi: task.ABIPrism},
	{name: "upper-go", module: "upper-go", abi: task.ABIPrism},
	{name: "json-go", module: "json-go", abi: task.ABICommand},
	{name: "json-python", module: "python", abi: task.ABICommand, script: []string{"json.py"}},
	{name: "json-python-exit", module: "python", abi: task.ABICommand, script: []string{"json.py", "exit.py"}},
}

const inputLength = 256 // bytes

// order is the input, the same for all.
var order = func() []byte {
	const begin, end = `{"symbol": "btc-usdt", "side": "sell", "fills": [[97123.5, 0.0125], [97120.25, 7.5], [97118, 0.25], [97110.75, 1.125]], ` +
		`"tags": {"desk": "delta one", "venue": "binance", "note": "`, `"}}`
	return []byte(begin + strings.Repeat("x", inputLength-len(begin)-len(end)) + end)
}()

// capitals is what a reactor is to answer, made beforehand: it would take as long as
// a call.
var capitals = bytes.ToUpper(order)

// answered tells whether an output is the guest's answer to the order.
func (g guest) answered(output []byte) bool {
	switch {
	case g.abi == task.ABIPrism:
		return bytes.Equal(output, capitals)
	case g.script == nil:
		return bytes.HasPrefix(output, []byte(`{"symbol":"BTC-USDT","quantity":-8.8875,"notional":863145.0125`)) && bytes.HasSuffix(output, []byte("}\n"))
	}
	return bytes.HasPrefix(output, []byte(`{"symbol": "BTC/USDT", `)) && bytes.HasSuffix(output, []byte(`"quantity": 8.8875}`+"\n"))
}

// compiledCode keeps compiled code between runs: CPython takes seconds.
const compiledCode = "build/code"

// files reads the module and the script.
func (g guest) files() (module, script []byte, err error) {
	file := filepath.Join("build", g.module+".wasm")
	if module, err = os.ReadFile(file); os.IsNotExist(err) {
		return nil, nil, fmt.Errorf("bench/%s was not built: make -C bench does it", file)
	}
	for _, name := range g.script {
		part, err := os.ReadFile(filepath.Join("guests", "python", name))
		if err != nil {
			return nil, nil, err
		}
		script = append(script, part...)
	}
	return module, script, err
}

// mustFiles ends what needs files that were not built.
func (g guest) mustFiles(tb testing.TB) (module, script []byte) {
	module, script, err := g.files()
	if err != nil {
		missing(tb, err)
	}
	return module, script
}

// missing ends a test or benchmark for which nothing was built. Under the race detector that is no
// fault: make test builds what is here for the run without it.
func missing(tb testing.TB, err error) {
	fmt.Fprintln(os.Stderr, err) // a benchmark that skips does not say why
	if raceEnabled() {
		tb.Skip(err)
	}
	sdktest.Missing(tb, "%v", err)
}

// slow says why a test is skipped that compiles an interpreter.
const slow = "with -short, since to compile this takes seconds, and under the race detector, where it takes minutes: make test runs it without"

// program compiles the guest for prismrt.
func (g guest) program(tb testing.TB) *prismrt.Program {
	module, script := g.mustFiles(tb)
	e, err := prismrt.New(tb.Context(), prismrt.Options{
		CacheDir:     filepath.Join(compiledCode, "prismrt"),
		StartTimeout: time.Minute, // CPython on a busy machine
		Hosts:        []prismrt.Host{{Name: wasi.Module, Instantiate: wasi.Instantiate}, {Name: prism.Module, Instantiate: prism.Instantiate}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	v := task.Version{
		Ref:      task.Ref{Namespace: "default", Plugin: g.name, Version: 1},
		Digest:   task.DigestOf(module),
		ABI:      g.abi,
		Function: "handle",
		Limits:   limits,
	}
	if script != nil {
		openInterpreter(tb, e, v, module)
		v.Interpreter, v.Prelude = v.Digest, script
	}
	p, err := e.Compile(tb.Context(), v, module)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return p
}

var limits = task.Limits{Memory: 64 << 20, Timeout: task.Duration(time.Minute), Fuel: 1e12, Stack: 1 << 20, Input: 1 << 20, Output: 1 << 20}

// openInterpreter opens an interpreter for the rest of the test.
func openInterpreter(tb testing.TB, e *prismrt.Engine, v task.Version, module []byte) *prismrt.Interpreter {
	in, err := e.Open(tb.Context(), v, module)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := in.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return in
}

// instance makes an instance for the rest of the test.
func instance(tb testing.TB, p *prismrt.Program) *prismrt.Instance {
	i, err := p.Instantiate(tb.Context(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := i.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return i
}

// Whatever runs a guest, it answers the same.
func TestGuestsAnswer(t *testing.T) {
	for _, g := range guests {
		t.Run("guest="+g.name, func(t *testing.T) {
			if g.script != nil && (testing.Short() || raceEnabled()) {
				t.Skip(slow)
			}
			i, plain := instance(t, g.program(t)), g.plain(t)
			for range 3 {
				output, _, err := i.Run(t.Context(), task.Invocation{Input: order}, nil)
				if err != nil || !g.answered(output) {
					t.Errorf("prismrt: %q, %v", output, err)
				}
				if _, err := i.Rewind(); err != nil {
					t.Fatal(err)
				}
			}
			if output, err := plain.fresh(t.Context()); err != nil || !g.answered(output) {
				t.Errorf("plain wazero: %q, %v", output, err)
			}
		})
	}
}
