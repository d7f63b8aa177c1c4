package wasm_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/marketprism/prismrt/runtime/wasm"
)

// What metering costs, on kernels of wazero's own benchmark (TinyGo): plain
// wazero, metered with slices of a million, and wazero's CloseOnContextDone.
func BenchmarkMeter(b *testing.B) {
	out, err := exec.CommandContext(b.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		b.Fatal(err)
	}
	module, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "internal/integration_test/bench/testdata/case.wasm"))
	if err != nil {
		b.Fatal(err)
	}
	metered, err := wasm.Meter(module)
	if err != nil {
		b.Fatal(err)
	}
	for _, kernel := range []struct {
		name string
		n    uint64
	}{{"fibonacci", 25}, {"string_manipulation", 300}, {"reverse_array", 20_000}, {"random_mat_mul", 40}} {
		for _, engine := range []struct {
			name   string
			module []byte
			config wazero.RuntimeConfig
		}{
			{"plain", module, wazero.NewRuntimeConfig()},
			{"metered", metered, wazero.NewRuntimeConfig()},
			{"closing", module, wazero.NewRuntimeConfig().WithCloseOnContextDone(true)},
		} {
			b.Run("kernel="+kernel.name+"/engine="+engine.name, func(b *testing.B) {
				f := kernelOf(b, engine.config, engine.module, kernel.name)
				ctx, cancel := context.WithCancel(b.Context()) // CloseOnContextDone wants one that can end
				defer cancel()
				stack := []uint64{0}
				for b.Loop() {
					stack[0] = kernel.n
					if err := f.CallWithStack(ctx, stack); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func kernelOf(b *testing.B, config wazero.RuntimeConfig, module []byte, name string) api.Function {
	ctx := b.Context()
	r := wazero.NewRuntimeWithConfig(ctx, config)
	b.Cleanup(func() { r.Close(context.Background()) })
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	nothing := api.GoModuleFunc(func(context.Context, api.Module, []uint64) {})
	if _, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().
		WithGoModuleFunction(nothing, []api.ValueType{api.ValueTypeI32, api.ValueTypeI32}, nil).Export("get_random_string").Instantiate(ctx); err != nil {
		b.Fatal(err)
	}
	if _, err := r.NewHostModuleBuilder(wasm.MeterModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, m api.Module, _ []uint64) {
			m.ExportedGlobal(wasm.FuelGlobal).(api.MutableGlobal).Set(1_000_000)
			m.ExportedGlobal(wasm.StackGlobal).(api.MutableGlobal).Set(1 << 40)
		}), nil, nil).Export(wasm.RefuelFunction).Instantiate(ctx); err != nil {
		b.Fatal(err)
	}
	m, err := r.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig())
	if err != nil {
		b.Fatal(err)
	}
	if f := m.ExportedFunction(name); f != nil {
		return f
	}
	b.Fatalf("no kernel %s", name)
	return nil
}

// How long rewriting takes, beside reading: BenchmarkParse.
func BenchmarkRewrite(b *testing.B) {
	module, err := os.ReadFile("../../sdk/go/examples/normalise/normalise.wasm")
	if err != nil {
		b.Skip("make guests builds what is rewritten here")
	}
	b.SetBytes(int64(len(module)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wasm.Meter(module); err != nil {
			b.Fatal(err)
		}
	}
}
