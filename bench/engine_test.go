package bench_test

import (
	"bytes"
	"context"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/marketprism/prismrt/runtime/wasm"
)

// engine is one way to run a module.
type engine struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
}

// newEngine compiles a module, metered or not, and offers what it imports.
func newEngine(tb testing.TB, config wazero.RuntimeConfig, module []byte) *engine {
	ctx := tb.Context()
	e := &engine{runtime: wazero.NewRuntimeWithConfig(ctx, config.WithCoreFeatures(api.CoreFeaturesV2))}
	tb.Cleanup(func() { e.runtime.Close(context.Background()) })
	wasi_snapshot_preview1.MustInstantiate(ctx, e.runtime)
	var err error
	if e.compiled, err = e.runtime.CompileModule(ctx, module); err != nil {
		tb.Fatal(err)
	}
	for _, f := range e.compiled.ImportedFunctions() {
		if from, name, _ := f.Import(); from == wasm.MeterModule && name == wasm.RefuelFunction {
			offerRefuel(tb, e.runtime, f)
		}
	}
	return e
}

func meter(tb testing.TB, module []byte) []byte {
	metered, err := wasm.Meter(module)
	if err != nil {
		tb.Fatal(err)
	}
	return metered
}

// offerRefuel offers the function that a metered module imports, whatever its type.
func offerRefuel(tb testing.TB, r wazero.Runtime, imported api.FunctionDefinition) {
	if _, err := r.NewHostModuleBuilder(wasm.MeterModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, _ []uint64) {
			ctx.(*fuel).refuel(m)
		}), imported.ParamTypes(), imported.ResultTypes()).
		Export(wasm.RefuelFunction).Instantiate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// fuel is the context of an instance's runs. It does what a call of package engine
// does in runtime/engine/meter.go, without limits and run slots.
type fuel struct {
	context.Context
	global api.MutableGlobal
	slice  int64
	since  time.Time // when the slice was given
}

// The same as in package engine.
const (
	sliceTime  = 200 * time.Microsecond
	firstSlice = 100_000
	minSlice   = 1_000
	maxSlice   = 10_000_000
)

func (f *fuel) refuel(m api.Module) {
	if f.global == nil { // while it is instantiated
		f.attach(m)
	}
	if f.Err() != nil {
		panic(f.Err())
	}
	if took := time.Since(f.since); !f.since.IsZero() {
		wanted := float64(f.slice) * float64(sliceTime) / float64(max(took, time.Microsecond))
		f.slice = int64(min(max(math.Sqrt(float64(f.slice)*wanted), minSlice), maxSlice))
	}
	runtime.Gosched()
	f.give()
}

// attach finds the globals of an instance, if it is metered, and lets it have as
// much stack as there is.
func (f *fuel) attach(m api.Module) {
	if global, ok := m.ExportedGlobal(wasm.FuelGlobal).(api.MutableGlobal); ok {
		f.global = global
		m.ExportedGlobal(wasm.StackGlobal).(api.MutableGlobal).Set(1 << 40)
	}
}

func (f *fuel) give() {
	f.since = time.Now()
	f.global.Set(uint64(f.slice))
}

// run does a workload once and returns what came out. Programs ignore n.
type run func(n int32) (any, error)

// instance makes an instance for all runs of a kernel.
func (e *engine) instance(tb testing.TB, name string) run {
	ctx := newContext(tb)
	m, err := e.runtime.InstantiateModule(ctx, e.compiled, moduleConfig().WithStartFunctions("_initialize"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { m.Close(context.Background()) })
	f := m.ExportedFunction(name)
	if f == nil {
		tb.Fatalf("no kernel %s; make -C bench builds it", name)
	}
	ctx.attach(m)
	stack := []uint64{0}
	return func(n int32) (any, error) {
		stack[0] = api.EncodeI32(n)
		if ctx.global != nil {
			ctx.give()
		}
		err := f.CallWithStack(ctx, stack)
		return api.DecodeI32(stack[0]), err
	}
}

// program makes an instance for each run of a Python program.
func (e *engine) program(tb testing.TB, code string) run {
	ctx := newContext(tb)
	// Without a seed, the order in sets would differ from run to run.
	config := moduleConfig().WithArgs("python", "-c", code).WithEnv("PYTHONHASHSEED", "0")
	return func(int32) (any, error) {
		*ctx = fuel{Context: ctx.Context, slice: firstSlice}
		var stdout bytes.Buffer
		m, err := e.runtime.InstantiateModule(ctx, e.compiled, config.WithStdout(&stdout))
		if err != nil {
			return nil, err
		}
		return stdout.String(), m.Close(context.Background())
	}
}

// newContext has a deadline, which is what there is to check and to watch for.
func newContext(tb testing.TB) *fuel {
	ctx, cancel := context.WithTimeout(tb.Context(), time.Hour)
	tb.Cleanup(cancel)
	return &fuel{Context: ctx, slice: firstSlice}
}

// moduleConfig gives guests the real time, by which Go paces its collector. Random
// numbers are always the same, so that all engines do the same work.
func moduleConfig() wazero.ModuleConfig {
	return wazero.NewModuleConfig().WithName("").WithSysWalltime().WithSysNanotime()
}
