//go:build unix

package bench_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/marketprism/prismrt/host/wasi"
	prismrt "github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/script"
	"github.com/marketprism/prismrt/runtime/task"
)

// scripts are those of an interpreter that was opened.
type scripts struct {
	engine      *prismrt.Engine
	interpreter *prismrt.Interpreter
	digest      task.Digest
	source      []byte // of handle.py
}

// openPython opens CPython as prismrt does for scripts.
func openPython(tb testing.TB) scripts {
	g := guest{module: "python", script: []string{"handle.py"}}
	module, source := g.mustFiles(tb)
	if raceEnabled() {
		tb.Skip("to compile this takes minutes under the race detector")
	}
	e, err := prismrt.New(tb.Context(), prismrt.Options{
		CacheDir:     filepath.Join(compiledCode, "prismrt"),
		StartTimeout: time.Minute,
		Hosts:        []prismrt.Host{{Name: wasi.Module, Instantiate: wasi.Instantiate}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	language, err := script.Named("python")
	if err != nil {
		tb.Fatal(err)
	}
	d := task.DigestOf(module)
	in := openInterpreter(tb, e, task.Version{Ref: task.Ref{Plugin: "python"}, Digest: d, ABI: task.ABICommand, Args: language.Args, Limits: limits}, module)
	return scripts{e, in, d, source}
}

// open makes an instance of a script, for the rest of the test.
func (s scripts) open(tb testing.TB, name string, source []byte) (*prismrt.Program, *prismrt.Instance) {
	p, err := s.engine.Compile(tb.Context(), task.Version{
		Ref: task.Ref{Plugin: name}, Digest: task.DigestOf(source), ABI: task.ABIScript,
		Interpreter: s.digest, Prelude: script.Prelude(name+".py", nil, source), Limits: limits,
	}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return p, instance(tb, p)
}

func (s scripts) answers(tb testing.TB, i *prismrt.Instance) {
	output, _, err := i.Run(tb.Context(), task.Invocation{Input: order}, nil)
	if err != nil || !bytes.HasPrefix(output, []byte(`{"symbol": "BTC/USDT", `)) || !bytes.HasSuffix(output, []byte(`"quantity": 8.8875}`)) {
		tb.Fatalf("%q, %v", output, err)
	}
	if _, err := i.Rewind(); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkScript is a call of a script in Python with its rewind: one that parses an order
// and answers a part of it, and one that works on all of it and answers that.
func BenchmarkScript(b *testing.B) {
	s := openPython(b)
	b.Run("part", func(b *testing.B) {
		_, i := s.open(b, "part", []byte("import json, re\n\ndef handle(input):\n    return {'symbol': json.loads(input)['symbol']}\n"))
		for b.Loop() {
			if output, _, err := i.Run(b.Context(), task.Invocation{Input: order}, nil); err != nil || !bytes.HasPrefix(output, []byte(`{"symbol": "`)) {
				b.Fatalf("%q, %v", output, err)
			}
			if _, err := i.Rewind(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("all", func(b *testing.B) {
		_, i := s.open(b, "orders", s.source)
		for b.Loop() {
			s.answers(b, i)
		}
	})
}

// mostScripts is enough to see what each takes; each waits for CPython to start.
const mostScripts = 10

// Scripts share their interpreter, and each answers soon after it came.
func TestScriptsShareAnInterpreter(t *testing.T) {
	s := openPython(t)
	var first []time.Duration
	own := int64(0)
	for n := range mostScripts {
		if err := s.interpreter.Prepare(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		p, i := s.open(t, fmt.Sprint("orders", n), append(slices.Clone(s.source), fmt.Sprintf("\nnumber = %d\n", n)...))
		s.answers(t, i)
		first = append(first, time.Since(begun))
		i.Trim()
		own += p.Stats().ImageBytes
	}
	slices.Sort(first)
	all := s.engine.Stats()
	t.Logf("from a script to its first answer: median %v, worst %v", first[mostScripts/2], first[mostScripts-1])
	t.Logf("the interpreter's image is %d KiB; a script's own %d KiB; code %d KiB; private %d KiB an instance", (all.ImageBytes-own)>>10, own/mostScripts>>10, all.CodeBytes>>10, all.PrivateBytes/mostScripts>>10)
	if own/mostScripts > 2<<20 || all.CodeBytes > 64<<20 {
		t.Errorf("a script takes %d bytes of its own, and all of them %d of code", own/mostScripts, all.CodeBytes)
	}
}
