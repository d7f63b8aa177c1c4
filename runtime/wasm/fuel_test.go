package wasm_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/marketprism/prismrt/runtime/wasm"
)

// TestTheSameCallsUseTheSameFuelEverywhere makes a thousand calls of kernels that
// nobody here wrote (TinyGo, wazero's own benchmark), twice and with other slices.
// What they use is written down here: the race detector, another machine or
// another day must not change it. A change of the metering does, and of RewriteVersion.
func TestTheSameCallsUseTheSameFuelEverywhere(t *testing.T) {
	const want = "1105d827100230e9"
	module, err := os.ReadFile(wazeroFile(t, "internal/integration_test/bench/testdata/case.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	metered, err := wasm.Meter(module)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(2) {
		random := rand.New(rand.NewPCG(seed, 0))
		ctx := t.Context()
		r := wazero.NewRuntime(ctx)
		defer r.Close(context.Background())
		wasi_snapshot_preview1.MustInstantiate(ctx, r)
		nothing := api.GoModuleFunc(func(context.Context, api.Module, []uint64) {})
		if _, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().
			WithGoModuleFunction(nothing, []api.ValueType{api.ValueTypeI32, api.ValueTypeI32}, nil).Export("get_random_string").Instantiate(ctx); err != nil {
			t.Fatal(err)
		}
		given := int64(0)
		if _, err := r.NewHostModuleBuilder(wasm.MeterModule).NewFunctionBuilder().
			WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, m api.Module, _ []uint64) {
				slice := 1 + random.Int64N(100_000)
				fuel := m.ExportedGlobal(wasm.FuelGlobal).(api.MutableGlobal)
				fuel.Set(uint64(int64(fuel.Get()) + slice))
				given += slice
				m.ExportedGlobal(wasm.StackGlobal).(api.MutableGlobal).Set(1 << 40)
			}), nil, nil).Export(wasm.RefuelFunction).Instantiate(ctx); err != nil {
			t.Fatal(err)
		}
		m, err := r.InstantiateWithConfig(ctx, metered, wazero.NewModuleConfig())
		if err != nil {
			t.Fatal(err)
		}
		fuel := m.ExportedGlobal(wasm.FuelGlobal).(api.MutableGlobal)
		hash, total := sha256.New(), int64(0)
		for n := range 1000 {
			kernel := []string{"fibonacci", "string_manipulation", "reverse_array", "random_mat_mul"}[n%4]
			before := given - int64(fuel.Get())
			if _, err := m.ExportedFunction(kernel).Call(ctx, uint64(20+n/4%5)); err != nil {
				t.Fatalf("%s: %v", kernel, err)
			}
			used := given - int64(fuel.Get()) - before
			total += used
			hash.Write(binary.BigEndian.AppendUint64(nil, uint64(used)))
		}
		if got := hex.EncodeToString(hash.Sum(nil)[:8]); got != want {
			t.Errorf("with slices of seed %d: %s, want %s; %d in all", seed, got, want, total)
		}
	}
}
