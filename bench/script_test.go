//go:build unix

package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
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
	*script.Language
	engine      *prismrt.Engine
	interpreter *prismrt.Interpreter
	digest      task.Digest
	part        []byte // of guests: it parses an order and answers a part of it
	all         []byte // handle of guests: it works on all of it and answers that
	limits      task.Limits
}

// openLanguage opens an interpreter as prismrt does for scripts.
func openLanguage(tb testing.TB, name string) scripts {
	language, err := script.Named(name)
	if err != nil {
		tb.Fatal(err)
	}
	module, _ := guest{module: name}.mustFiles(tb)
	if raceEnabled() {
		tb.Skip(slow)
	}
	if module, err = language.Interpreter(module); err != nil {
		tb.Fatal(err)
	}
	var sources [2][]byte
	for n, file := range []string{"part", "handle"} {
		if sources[n], err = os.ReadFile(filepath.Join("guests", name, file+language.Suffix)); err != nil {
			tb.Fatal(err)
		}
	}
	e, err := prismrt.New(tb.Context(), prismrt.Options{
		CacheDir:     filepath.Join(compiledCode, "prismrt"),
		StartTimeout: time.Minute,
		Hosts:        []prismrt.Host{{Name: wasi.Module, Instantiate: wasi.Instantiate}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	limits := limits
	limits.Memory = max(limits.Memory, language.Memory)
	d := task.DigestOf(module)
	in := openInterpreter(tb, e, task.Version{Ref: task.Ref{Plugin: name}, Digest: d, ABI: task.ABICommand, Args: language.Args, Limits: limits}, module)
	return scripts{language, e, in, d, sources[0], sources[1], limits}
}

// open makes an instance of a script, for the rest of the test.
func (s scripts) open(tb testing.TB, name string, source []byte) (*prismrt.Program, *prismrt.Instance) {
	p, err := s.engine.Compile(tb.Context(), task.Version{
		Ref: task.Ref{Plugin: name}, Digest: task.DigestOf(source), ABI: task.ABIScript,
		Interpreter: s.digest, Prelude: script.Prelude(name+s.Suffix, nil, source), Limits: s.limits,
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

// answers has a script that answers all of the order do that once.
func (s scripts) answers(tb testing.TB, i *prismrt.Instance) {
	var answer struct {
		Symbol   string
		Quantity float64
		Tags     struct{ Desk string }
	}
	output, _, err := i.Run(tb.Context(), task.Invocation{Input: order}, nil)
	if err != nil || json.Unmarshal(output, &answer) != nil || answer.Symbol != "BTC/USDT" || answer.Quantity != 8.8875 || answer.Tags.Desk != "delta one" {
		tb.Fatalf("%q, %v", output, err)
	}
	if _, err := i.Rewind(); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkScript is a call of a script with its rewind: one that parses an order and
// answers a part of it, and one that works on all of it and answers that.
func BenchmarkScript(b *testing.B) {
	for _, language := range script.Names() {
		b.Run(language, func(b *testing.B) {
			s := openLanguage(b, language)
			b.Run("part", func(b *testing.B) {
				_, i := s.open(b, "part", s.part)
				var took []time.Duration
				for b.Loop() {
					begun := time.Now()
					output, _, err := i.Run(b.Context(), task.Invocation{Input: order}, nil)
					if err != nil || !bytes.HasPrefix(output, []byte(`{"symbol":`)) {
						b.Fatalf("%q, %v", output, err)
					}
					if _, err := i.Rewind(); err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(begun))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[0].Microseconds()), "best-us")
				b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
				b.ReportMetric(float64(took[len(took)*9/10].Microseconds()), "p90-us")
			})
			b.Run("all", func(b *testing.B) {
				_, i := s.open(b, "orders", s.all)
				for b.Loop() {
					s.answers(b, i)
				}
			})
		})
	}
}

// mostScripts is enough to see what each takes; each waits for its interpreter to start.
const mostScripts = 10

// Scripts share their interpreter, and each answers soon after it came.
func TestScriptsShareAnInterpreter(t *testing.T) {
	for _, language := range script.Names() {
		t.Run(language, func(t *testing.T) { shareInterpreter(t, openLanguage(t, language)) })
	}
}

func shareInterpreter(t *testing.T, s scripts) {
	var first []time.Duration
	own := int64(0)
	for n := range mostScripts {
		if err := s.interpreter.Prepare(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		p, i := s.open(t, fmt.Sprint("orders", n), append(slices.Clone(s.all), fmt.Sprintf("\n'number %d'\n", n)...))
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
