package wasm_test

import (
	"context"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/marketprism/prismrt/runtime/wasm"
	"github.com/marketprism/prismrt/runtime/wasm/lines/linestest"
)

// traps is where the C programs are that are traced. They have an export for each
// way to trap.
var traps = filepath.Join("lines", "testdata", "trap")

func metered(tb testing.TB, module []byte) []byte {
	tb.Helper()
	out, err := wasm.Meter(module)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// refuelled is a runtime in which metered modules and commands run, that gives them
// little fuel at a time.
func refuelled(tb testing.TB, config wazero.RuntimeConfig) wazero.Runtime {
	tb.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, config)
	tb.Cleanup(func() { r.Close(ctx) })
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	if _, err := r.NewHostModuleBuilder(wasm.MeterModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, m api.Module, _ []uint64) {
			m.ExportedGlobal(wasm.FuelGlobal).(api.MutableGlobal).Set(50)
			m.ExportedGlobal(wasm.StackGlobal).(api.MutableGlobal).Set(1 << 40)
		}), nil, nil).Export(wasm.RefuelFunction).Instantiate(ctx); err != nil {
		tb.Fatal(err)
	}
	return r
}

// traces returns what wazero says when the exports of a module are called, or its
// _start.
func traces(tb testing.TB, config wazero.RuntimeConfig, module []byte) map[string]string {
	tb.Helper()
	ctx := tb.Context()
	r := refuelled(tb, config)
	c, err := r.CompileModule(ctx, module)
	if err != nil {
		tb.Fatal(err)
	}
	texts := map[string]string{}
	for name, f := range c.ExportedFunctions() {
		if name == "_initialize" || len(f.ParamTypes()) > 0 {
			continue
		}
		m, err := r.InstantiateModule(ctx, c, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize"))
		if err != nil {
			tb.Fatal(err)
		}
		if _, err = m.ExportedFunction(name).Call(ctx); err != nil {
			texts[name] = err.Error()
		}
		m.Close(ctx)
	}
	return texts
}

// place is where a line of a trace has the offset in the code, or, of callers of
// what was inlined, as much space.
var place = regexp.MustCompile(`(?m)^\t\t(?:0x[0-9a-f]+: | +)`)

// compareTraces holds the traces of a module when it is metered to those before, or
// of the same code with lines that wazero can read.
func compareTraces(t *testing.T, module, readable []byte, exports int) {
	t.Helper()
	module = metered(t, module)
	for name, config := range map[string]wazero.RuntimeConfig{"compiler": wazero.NewRuntimeConfigCompiler(), "interpreter": wazero.NewRuntimeConfigInterpreter()} {
		want, got := traces(t, config, readable), traces(t, config, module)
		if len(want) != exports {
			t.Errorf("%s: %d exports trap, want %d", name, len(want), exports)
		}
		for export, text := range want {
			if !place.MatchString(text) {
				t.Errorf("%s, %s: there are no lines:\n%s", name, export, text)
			}
			if got, want := place.ReplaceAllString(got[export], "\t\t"), place.ReplaceAllString(text, "\t\t"); got != want {
				t.Errorf("%s, %s: got\n%s\nwant\n%s", name, export, got, want)
			}
		}
	}
}

func TestTracesOfMeteredModulesTellTheAuthorsLines(t *testing.T) {
	const exports = 17
	for _, flags := range []string{
		"-O0", "-O1", "-O2", "-O3", "-Os", "-O0 -gdwarf-2", "-O2 -gdwarf-2", "-O1 -gdwarf-3", "-O2 -gdwarf-3", "-O2 -g1", "-O2 -Wl,--no-gc-sections",
		"-O0 -mbulk-memory", "-O1 -mbulk-memory", "-O2 -mbulk-memory", "-Os -mbulk-memory -gdwarf-3",
		"-O2 -mmultivalue -Xclang -target-abi -Xclang experimental-mv",
	} {
		t.Run(flags, func(t *testing.T) {
			module := linestest.Compile(t, traps, "-g "+flags)
			compareTraces(t, module, module, exports)
		})
	}
	for _, flags := range []string{"-O0", "-O1", "-O2", "-Os -mbulk-memory"} { // wazero does not read version 5
		t.Run(flags+" -gdwarf-5", func(t *testing.T) {
			compareTraces(t, linestest.Compile(t, traps, flags+" -gdwarf-5"), linestest.Compile(t, traps, flags+" -gdwarf-4"), exports)
		})
	}
	for _, name := range linestest.Others {
		t.Run(name, func(t *testing.T) {
			module := linestest.Other(t, name)
			exports := 1
			if name == "rust" {
				exports = 2 // main is _start again
			}
			compareTraces(t, module, module, exports)
		})
	}
}

// What the trace of a trap costs: with the author's debug information, with what
// metering leaves of it, and without.
func BenchmarkTrace(b *testing.B) {
	module := linestest.Other(b, "rust")
	without := slices.Clone(module[:8])
	for s := range linestest.Sections(module) {
		if !s.IsDebug() {
			without = append(without, s.Whole...)
		}
	}
	for _, v := range []struct {
		name   string
		module []byte
	}{{"authors", module}, {"metered", metered(b, module)}, {"none", metered(b, without)}} {
		b.Run("lines="+v.name, func(b *testing.B) {
			ctx := b.Context()
			r := refuelled(b, wazero.NewRuntimeConfig())
			c, err := r.CompileModule(ctx, v.module)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.InstantiateModule(ctx, c, wazero.NewModuleConfig().WithName("")); err == nil || !strings.Contains(err.Error(), "wasm stack trace") {
					b.Fatalf("it did not trap: %v", err)
				}
			}
		})
	}
}
