package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero"

	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// Program is a compiled version, ready to make instances. It is safe for
// concurrent use; the caller closes its instances before it closes the Program.
type Program struct {
	version     task.Version
	engine      *Engine
	cache       wazero.CompilationCache
	runtime     wazero.Runtime
	compiled    wazero.CompiledModule
	rewritten   *wasm.Rewritten
	memory      int // bytes an instance's memory may have
	args        []string
	environ     []string
	linked      []linked
	world       *world // what instances are born into
	resumes     bool   // there is a resumeFunction
	usage       *usage
	interpreter *Interpreter // whose code it shares; nil: it has its own
	sampler     Sampler      // nil: it is not sampled
	unsampled   atomic.Int64 // fuel of instances that have ended

	// first is held while the first instance is made and its image taken.
	first sync.Mutex
	state atomic.Pointer[state] // nil before
}

// maxPages bounds a guest's memory: one page less than can be addressed, so that
// there is one to ask for when it is to be made shorter (Instance.resize).
const maxPages = 1<<16 - 1

// state is how instances of a program begin, once that is known.
type state struct {
	image *image // nil: each is set up for itself, and serves one call

	// checkpointed tells that each instance runs up to the image by itself, since
	// stacks hold addresses. All have the same image nevertheless.
	checkpointed bool

	// hasty tells that it was not seen to the end: a program ran out of time or fuel
	// before it read its input.
	hasty bool

	// why says, of an image or a checkpoint that there is not, what the reason is.
	why string
}

// Compile makes a Program of the module with v.Digest, from the cache where it
// was compiled before. Faults of kind invalid say what is wrong with it. Of a script
// nothing is compiled, and no module is needed: its interpreter is open (Open).
func (e *Engine) Compile(ctx context.Context, v task.Version, module []byte) (*Program, error) {
	if v.Interpreter != "" {
		return e.compileScript(v)
	}
	defer e.use(v.Digest)()
	module, linked := wasm.Unlink(module)
	p, err := e.compileOne(ctx, v, module, true)
	if err != nil {
		return nil, err
	}
	if err := e.link(ctx, p, linked); err != nil {
		return nil, errors.Join(err, p.Close(ctx))
	}
	return p, nil
}

// compileOne makes a Program of a module by itself.
func (e *Engine) compileOne(ctx context.Context, v task.Version, module []byte, sampled bool) (*Program, error) {
	rewritten, err := e.rewrite(v.Digest, module)
	if err != nil {
		return nil, err
	}
	if m := rewritten.Memory; m != nil && int64(m.Min)*wasm.PageSize > int64(v.Limits.Memory) {
		return nil, task.Faultf(task.KindInvalid, "the module begins with %v of memory and limits.memory is %v; "+
			"raise the limit in the manifest", task.Bytes(m.Min)*wasm.PageSize, v.Limits.Memory)
	} else if m != nil && m.Min > maxPages {
		return nil, task.Faultf(task.KindInvalid, "the module begins with %v of memory; %v is the most that can be given",
			task.Bytes(m.Min)*wasm.PageSize, task.Bytes(maxPages*wasm.PageSize))
	}
	if err := e.ensureCompiled(ctx, v.Digest, rewritten.Module); err != nil {
		return nil, err
	}
	p, err := e.load(ctx, v, rewritten, sampled)
	if err != nil && strings.HasPrefix(err.Error(), "compilationcache:") {
		// The file on disk is damaged: it is only a cache.
		if err := e.removeCode(v.Digest); err != nil {
			return nil, err
		}
		if err := e.ensureCompiled(ctx, v.Digest, rewritten.Module); err != nil {
			return nil, err
		}
		p, err = e.load(ctx, v, rewritten, sampled)
	}
	return p, err
}

// rewrite makes the module that is compiled, or finds it where that was done before.
func (e *Engine) rewrite(d task.Digest, module []byte) (*wasm.Rewritten, error) {
	file := filepath.Join(e.cacheDir(d), "rewritten")
	var kept wasm.Rewritten
	if recall(file, &kept) {
		return &kept, nil
	}
	rewritten, err := wasm.Rewrite(module)
	if err != nil {
		return nil, task.Faultf(task.KindInvalid, "%w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("folder for compiled code: %w", err)
	}
	return rewritten, keep(file, rewritten)
}

func (e *Engine) load(ctx context.Context, v task.Version, rewritten *wasm.Rewritten, sampled bool) (_ *Program, err error) {
	p := &Program{version: v, engine: e, rewritten: rewritten, world: e.enter(v.Ref.Namespace, v.Digest), usage: newUsage(e.usage)}
	if e.options.Sampler != nil && sampled {
		p.sampler = e.options.Sampler(v)
	}
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
	p.compiled, err = p.runtime.CompileModule(ctx, rewritten.Module)
	if err != nil {
		if strings.HasPrefix(err.Error(), "compilationcache:") {
			return nil, err
		}
		return nil, task.Faultf(task.KindInvalid, "the module does not compile: %w", err)
	}
	p.usage.add(code, loadedCode(dir))
	p.args = append([]string{v.Ref.Plugin}, v.Args...)
	for key, value := range v.Config {
		p.environ = append(p.environ, key+"="+value)
	}
	resume, exported := p.compiled.ExportedFunctions()[resumeFunction]
	p.resumes = exported && len(resume.ParamTypes())+len(resume.ResultTypes()) == 0
	slices.Sort(p.environ) // the same for every instance
	if m := rewritten.Memory; m != nil {
		p.memory = min(pagesOf(v.Limits.Memory), int(m.Max)*wasm.PageSize)
	}
	return p, nil
}

// pagesOf is how many bytes of memory a guest may have within a limit.
func pagesOf(limit task.Bytes) int {
	return int(min(int64(limit)/wasm.PageSize, maxPages)) * wasm.PageSize
}

// Close frees the program and its code. It must have no instances left.
func (p *Program) Close(ctx context.Context) error {
	var errs []error
	for _, l := range p.linked {
		errs = append(errs, l.program.Close(ctx))
	}
	p.linked = nil
	if p.runtime != nil && p.interpreter == nil {
		errs = append(errs, p.runtime.Close(ctx))
	}
	if p.cache != nil {
		errs = append(errs, p.cache.Close(ctx))
	}
	p.usage.add(code, -p.usage.code.Load())
	if s := p.state.Swap(nil); s != nil && s.image != nil {
		errs = append(errs, s.image.close(p.usage))
	}
	if p.world != nil {
		p.engine.leave(p.world)
		p.world = nil
	}
	if p.interpreter != nil {
		errs = append(errs, p.interpreter.Close(ctx))
		p.interpreter = nil
	}
	return errors.Join(errs...)
}
