package wasmtest_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/marketprism/prismrt/runtime/wasm"
	"github.com/marketprism/prismrt/runtime/wasm/wasmtest"
)

// seeds gives n choices of differing lengths, the same in every run, and a
// tenth of them with -short.
func seeds(n int) func(yield func([]byte) bool) {
	if testing.Short() {
		n /= 10
	}
	return func(yield func([]byte) bool) {
		random := rand.NewChaCha8([32]byte{4})
		for range n {
			choices := make([]byte, random.Uint64()%3000)
			random.Read(choices)
			if !yield(choices) {
				return
			}
		}
	}
}

func TestModulesAreValid(t *testing.T) {
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer r.Close(t.Context())
	valid := func(choices, module []byte) {
		if _, err := wasm.Parse(module); err != nil {
			t.Errorf("%x: %v", choices, err)
		}
		compiled, err := r.CompileModule(t.Context(), module)
		if err != nil {
			t.Errorf("%x: %v", choices, err)
			return
		}
		compiled.Close(t.Context())
	}
	size, modules := 0, 0
	for choices := range seeds(2000) {
		module := wasmtest.Generate(choices)
		if !bytes.Equal(module, wasmtest.Generate(choices)) {
			t.Fatalf("%x: the same choices gave two modules", choices)
		}
		valid(choices, module)
		valid(choices, wasmtest.GenerateCounting(choices))
		size += len(module)
		modules++
	}
	valid(nil, wasmtest.State())
	t.Logf("%d modules of %d bytes on average", modules, size/modules)
}

// depth is how many calls of guests are under way.
type depth struct{ now, most int }

func (d *depth) NewFunctionListener(api.FunctionDefinition) experimental.FunctionListener { return d }

func (d *depth) Before(context.Context, api.Module, api.FunctionDefinition, []uint64, experimental.StackIterator) {
	d.now++
	d.most = max(d.most, d.now)
}
func (d *depth) After(context.Context, api.Module, api.FunctionDefinition, []uint64) { d.now-- }
func (d *depth) Abort(context.Context, api.Module, api.FunctionDefinition, error)    { d.now-- }

// What a module may cost, whatever it was generated from.
func TestModulesEndAndNestFewCalls(t *testing.T) {
	d := &depth{}
	ctx := experimental.WithFunctionListenerFactory(t.Context(), d)
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(true))
	defer r.Close(ctx)
	env := r.NewHostModuleBuilder("env")
	env.NewFunctionBuilder().WithFunc(func(uint32) {}).Export("log")
	env.NewFunctionBuilder().WithFunc(func() uint32 { return 3 }).Export("pick")
	if _, err := env.Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	state, err := r.CompileModule(ctx, wasmtest.State())
	if err != nil {
		t.Fatal(err)
	}
	calls, under, instructions := 0, 0, uint64(0)
	for choices := range seeds(1000) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		compiled, err := r.CompileModule(ctx, wasmtest.GenerateCounting(choices))
		if err != nil {
			t.Fatalf("%x: %v", choices, err)
		}
		s, err := r.InstantiateModule(ctx, state, wazero.NewModuleConfig().WithName("state"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
		if err == nil { // its start function did not trap
			for name, f := range m.ExportedFunctionDefinitions() {
				stack := make([]uint64, 2*max(len(f.ParamTypes()), len(f.ResultTypes())))
				m.ExportedGlobal(wasmtest.BudgetGlobal).(api.MutableGlobal).Set(wasmtest.MaxBudget)
				d.now, d.most = 0, 0
				before := m.ExportedGlobal(wasmtest.CountGlobal).Get()
				m.ExportedFunction(name).CallWithStack(ctx, stack) // and may trap
				ran := m.ExportedGlobal(wasmtest.CountGlobal).Get() - before
				if d.most > wasmtest.MaxDepth || ran > 10_000_000 || ctx.Err() != nil {
					t.Fatalf("%x: %s: %d calls under way, %d instructions, %v", choices, name, d.most, ran, ctx.Err())
				}
				calls++
				under, instructions = max(under, d.most), max(instructions, ran)
			}
			m.Close(ctx)
		}
		s.Close(ctx)
		compiled.Close(ctx)
		cancel()
	}
	t.Logf("%d calls of at most %d instructions, at most %d of them under way", calls, instructions, under)
}
