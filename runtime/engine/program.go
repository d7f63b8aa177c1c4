package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// Program is a compiled version, ready to make instances. It is safe for
// concurrent use; the caller closes its instances before it closes the Program.
type Program struct {
	version   task.Version
	engine    *Engine
	cache     wazero.CompilationCache
	runtime   wazero.Runtime
	compiled  wazero.CompiledModule
	args      []string
	environ   []string
	hasMemory bool
	hasStart  bool // instantiating it already runs its code
}

// Compile makes a Program of the module with v.Digest, from the cache where it
// was compiled before. Faults of kind invalid say what is wrong with it.
func (e *Engine) Compile(ctx context.Context, v task.Version, module []byte) (*Program, error) {
	parsed, err := wasm.Parse(module)
	if err != nil {
		return nil, task.Faultf(task.KindInvalid, "%w", err)
	}
	if m := parsed.Memory; m != nil && int64(m.Min)*wasm.PageSize > int64(v.Limits.Memory) {
		return nil, task.Faultf(task.KindInvalid, "the module begins with %v of memory and limits.memory is %v; "+
			"raise the limit in the manifest", task.Bytes(m.Min)*wasm.PageSize, v.Limits.Memory)
	}
	defer e.use(v.Digest)()
	module, err = wasm.Meter(module)
	if err != nil {
		return nil, task.Faultf(task.KindInvalid, "%w", err)
	}
	if err := e.ensureCompiled(ctx, v.Digest, module); err != nil {
		return nil, err
	}
	p, err := e.load(ctx, v, module)
	if err != nil && strings.HasPrefix(err.Error(), "compilationcache:") {
		// The file on disk is damaged: it is only a cache.
		if err := e.removeCode(v.Digest); err != nil {
			return nil, err
		}
		if err := e.ensureCompiled(ctx, v.Digest, module); err != nil {
			return nil, err
		}
		p, err = e.load(ctx, v, module)
	}
	if err != nil {
		return nil, err
	}
	p.hasMemory, p.hasStart = parsed.Memory != nil, parsed.HasStart
	return p, nil
}

func (e *Engine) load(ctx context.Context, v task.Version, module []byte) (_ *Program, err error) {
	p := &Program{version: v, engine: e}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close(ctx))
		}
	}()
	dir := e.cacheDir(v.Digest)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder for compiled code: %w", err)
	}
	if p.cache, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
		return nil, fmt.Errorf("folder for compiled code: %w", err)
	}
	p.runtime = wazero.NewRuntimeWithConfig(ctx, runtimeConfig().WithCompilationCache(p.cache))
	if err := e.instantiateHosts(ctx, p.runtime); err != nil {
		return nil, err
	}
	p.compiled, err = p.runtime.CompileModule(ctx, module)
	if err != nil {
		if strings.HasPrefix(err.Error(), "compilationcache:") {
			return nil, err
		}
		return nil, task.Faultf(task.KindInvalid, "the module does not compile: %w", err)
	}
	p.args = []string{v.Ref.Plugin}
	for key, value := range v.Config {
		p.environ = append(p.environ, key+"="+value)
	}
	slices.Sort(p.environ) // the same for every instance
	return p, nil
}

// Close frees the program and its code. It must have no instances left.
func (p *Program) Close(ctx context.Context) error {
	var errs []error
	if p.runtime != nil {
		errs = append(errs, p.runtime.Close(ctx))
	}
	if p.cache != nil {
		errs = append(errs, p.cache.Close(ctx))
	}
	return errors.Join(errs...)
}

// initialisers are the exports of a reactor that set it up, in the order in
// which one of them is taken.
var initialisers = []string{"_initialize", "__wasm_call_ctors"}

// Instantiate makes an instance and, for a reactor, initialises it. It takes at
// most the engine's StartTimeout. Faults are those of the guest's own start.
func (p *Program) Instantiate(ctx context.Context) (_ *Instance, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.engine.options.StartTimeout)
	defer cancel()

	i := &Instance{program: p}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.Close(ctx))
		}
	}()
	if p.hasMemory {
		if i.memory, err = reserve(int64(p.version.Limits.Memory)); err != nil {
			return nil, fmt.Errorf("reserve %v for a guest: %w", p.version.Limits.Memory, err)
		}
		p.engine.reserved.Add(i.memory.limit)
		// wazero asks for memory where it cannot be refused, hence before.
		ctx = experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(
			func(_, _ uint64) experimental.LinearMemory { return i.memory }))
	}
	p.engine.instances.Add(1)

	c := i.begin(ctx, task.Invocation{})
	defer i.end()
	if p.hasStart && !c.enter() {
		return nil, c.started(errEnded)
	}
	i.module, err = p.runtime.InstantiateModule(c, p.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if c.leave(); err != nil {
		return nil, c.started(err)
	}
	i.meters(i.module)
	if p.version.ABI == task.ABICommand {
		return i, nil
	}
	for _, name := range initialisers {
		if f := i.module.ExportedFunction(name); f != nil {
			if err := c.run(f, nil); c.outcome(err) != nil {
				return nil, c.started(err)
			}
			break
		}
	}
	i.handler = i.module.ExportedFunction(p.version.Function)
	return i, nil
}
