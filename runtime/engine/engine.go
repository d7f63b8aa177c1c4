// Package engine is wazero's home. It compiles modules, makes instances of
// them, runs one invocation on an instance and says what came of it.
//
// Each version of a plugin is a Program with a wazero.Runtime of its own:
// versions share no lock and no compiled code, and closing one frees all it had.
package engine

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// Options says how modules are compiled and what guests may import.
type Options struct {
	// CacheDir keeps compiled code, a folder a digest. It is made with mode
	// 0700, since what lies there will be run.
	CacheDir string

	// Compiler is the command that compiles a module away from this process,
	// which a hostile one could kill: it gets CacheDir's folder of the module as
	// its last argument and, on standard input, what ReadModule reads; it calls
	// CompileInto and ends with 0, or with 1 and the reason on standard error.
	// Empty: compile in this process.
	Compiler []string

	// CompileTimeout bounds one run of Compiler [1m].
	CompileTimeout time.Duration

	// StartTimeout bounds the initialisation of an instance [10s].
	StartTimeout time.Duration

	// Compilations is how many modules are compiled at once [GOMAXPROCS].
	Compilations int

	// Hosts are the modules guests may import.
	Hosts []Host

	// Sampler gives the sampler of each program that is loaded. Nil: none are sampled.
	Sampler func(task.Version) Sampler

	// Log gets the guests' log lines, at level debug. Nil drops them.
	Log *slog.Logger
}

// Host is a module of functions that guests may import.
type Host struct {
	Name        string
	Instantiate func(context.Context, wazero.Runtime) error

	// Waits are the functions in which guests may wait. Their callers are sampled.
	Waits []string
}

// Engine compiles modules and counts what lives.
type Engine struct {
	options  Options
	provided map[string]wasm.FuncType // by "module.name"
	compile  chan struct{}            // a place for each compilation at once

	mu        sync.Mutex
	compiling map[task.Digest]int // modules whose folders are being used
	worlds    map[place]*world

	interpreters map[task.Digest]*Interpreter // that are open

	usage *usage // of all programs
}

// New makes the cache folder and finds out what the hosts offer.
func New(ctx context.Context, o Options) (*Engine, error) {
	if o.CompileTimeout == 0 {
		o.CompileTimeout = time.Minute
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(o.CacheDir, 0o700); err != nil {
		return nil, fmt.Errorf("folder for compiled code: %w", err)
	}
	// MkdirAll leaves a folder that was there as it was.
	if err := os.Chmod(o.CacheDir, 0o700); err != nil {
		return nil, fmt.Errorf("folder for compiled code: %w", err)
	}
	if o.Compilations == 0 {
		o.Compilations = goruntime.GOMAXPROCS(0)
	}
	e := &Engine{options: o, compile: make(chan struct{}, o.Compilations), compiling: make(map[task.Digest]int), worlds: make(map[place]*world), interpreters: make(map[task.Digest]*Interpreter), usage: newUsage(nil)}

	r := wazero.NewRuntimeWithConfig(ctx, runtimeConfig())
	defer r.Close(ctx)
	if err := e.instantiateHosts(ctx, r); err != nil {
		return nil, err
	}
	e.provided = make(map[string]wasm.FuncType)
	for _, host := range e.options.Hosts {
		for name, def := range r.Module(host.Name).ExportedFunctionDefinitions() {
			e.provided[host.Name+"."+name] = wasm.FuncType{
				Params: valueTypes(def.ParamTypes()), Results: valueTypes(def.ResultTypes()),
			}
		}
	}
	// What guests get without asking.
	e.options.Hosts = slices.Concat(o.Hosts, []Host{{wasm.MeterModule, instantiateMeter, []string{wasm.RefuelFunction}}})
	return e, nil
}

// Provides returns the type of the host function behind an import.
func (e *Engine) Provides(i wasm.Import) (wasm.FuncType, bool) {
	t, ok := e.provided[i.String()]
	return t, ok
}

// Forget removes the compiled code of a module, unless it is being compiled: then
// somebody wants it again.
func (e *Engine) Forget(d task.Digest) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.compiling[d] > 0 {
		return nil
	}
	return e.removeCode(d)
}

// use keeps Forget from a module's folder until the returned function is called.
func (e *Engine) use(d task.Digest) (done func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.compiling[d]++
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.compiling[d]--; e.compiling[d] == 0 {
			delete(e.compiling, d)
		}
	}
}

func (e *Engine) removeCode(d task.Digest) error {
	return os.RemoveAll(filepath.Join(e.options.CacheDir, d.Hex()))
}

func (e *Engine) cacheDir(d task.Digest) string {
	return filepath.Join(e.options.CacheDir, d.Hex(), "rewritten-"+wasm.RewriteVersion)
}

// instantiateHosts gives r all that guests may import.
func (e *Engine) instantiateHosts(ctx context.Context, r wazero.Runtime) error {
	for _, host := range e.options.Hosts {
		ctx := ctx
		if e.options.Sampler != nil {
			ctx = tells(ctx, host.Waits)
		}
		if err := host.Instantiate(ctx, r); err != nil {
			return fmt.Errorf("host module %s: %w", host.Name, err)
		}
	}
	return nil
}

func valueTypes(types []api.ValueType) []wasm.ValueType {
	out := make([]wasm.ValueType, len(types))
	for i, t := range types {
		out[i] = wasm.ValueType(t)
	}
	return out
}

// runtimeConfig must be the same wherever a module is compiled or run: it is
// part of the cache's key. Guests are stopped by their fuel, so CloseOnContextDone
// stays off: RATIONALE.md, "Why rewriting and not the engine's switch?".
func runtimeConfig() wazero.RuntimeConfig {
	return wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2)
}
