//go:build unix

package bench_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"github.com/marketprism/prismrt/host/prism"
	"github.com/marketprism/prismrt/runtime/task"
)

// plainProgram is a guest on wazero by itself, with wazero's own WASI. What it has
// of prismrt are the functions of the prism ABI.
type plainProgram struct {
	guest
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	config   wazero.ModuleConfig
}

func (g guest) plain(tb testing.TB) *plainProgram {
	module, script := g.mustFiles(tb)
	ctx := tb.Context()
	cache, err := wazero.NewCompilationCacheWithDir(filepath.Join(compiledCode, "plain"))
	if err != nil {
		tb.Fatal(err)
	}
	// With debug information, of which CPython has 7 MB, wazero takes seconds to end a
	// program that exits: it looks up the lines of its stack, which nobody asked for.
	config := wazero.NewRuntimeConfig().WithCompilationCache(cache).WithDebugInfoEnabled(false)
	p := &plainProgram{guest: g, runtime: wazero.NewRuntimeWithConfig(ctx, config)}
	tb.Cleanup(func() {
		if err := errors.Join(p.runtime.Close(context.Background()), cache.Close(context.Background())); err != nil {
			tb.Error(err)
		}
	})
	wasi_snapshot_preview1.MustInstantiate(ctx, p.runtime)
	if err := prism.Instantiate(ctx, p.runtime); err != nil {
		tb.Fatal(err)
	}
	if p.compiled, err = p.runtime.CompileModule(ctx, module); err != nil {
		tb.Fatal(err)
	}
	p.config = moduleConfig().WithRandSource(rand.Reader)
	switch {
	case g.script != nil:
		p.config = p.config.WithArgs("python", "-c", string(script))
	case g.abi == task.ABIPrism:
		p.config = p.config.WithStartFunctions("_initialize")
	}
	return p
}

// fresh serves a call with an instance of its own.
func (p *plainProgram) fresh(ctx context.Context) ([]byte, error) {
	c := &plainCall{Context: ctx, input: order}
	m, err := p.instantiate(c)
	if err != nil {
		return nil, err
	}
	output := c.Bytes()
	if p.abi == task.ABIPrism {
		output, err = c.handle(m.ExportedFunction("handle"))
	}
	return output, errors.Join(err, m.Close(ctx))
}

// instantiate makes an instance. Doing so runs a command.
func (p *plainProgram) instantiate(c *plainCall) (api.Module, error) {
	config := p.config
	if p.abi == task.ABICommand {
		config = config.WithStdin(bytes.NewReader(c.input)).WithStdout(c)
	}
	m, err := p.runtime.InstantiateModule(c, p.compiled, config)
	if exit, exited := errors.AsType[*sys.ExitError](err); exited && exit.ExitCode() == 0 {
		err = nil
	}
	return m, err
}

// plainCall is a call as the functions of prism want it. What is written to it is
// the output.
type plainCall struct {
	context.Context
	input []byte
	bytes.Buffer
}

// handle calls a reactor's handler.
func (c *plainCall) handle(f api.Function) ([]byte, error) {
	result := []uint64{0}
	if err := f.CallWithStack(c, result); err != nil {
		return nil, err
	}
	if code := int32(uint32(result[0])); code != 0 {
		return nil, fmt.Errorf("the handler returned %d", code)
	}
	return c.Bytes(), nil
}

func (c *plainCall) Input() []byte { return c.input }

func (c *plainCall) ReadAt(p []byte, from int) int { return copy(p, c.input[from:]) }

// Value is the call itself for its key.
func (c *plainCall) Value(key any) any {
	if _, ok := key.(task.CallKey); ok {
		return c
	}
	return c.Context.Value(key)
}

// The guests here need none of these, and nothing counts their fuel.

func (*plainCall) Fail(string)                        {}
func (*plainCall) Log(slog.Level, string)             {}
func (*plainCall) Progress(int64, int64, string)      {}
func (*plainCall) Config(string) (string, bool)       { return "", false }
func (*plainCall) About(string) (string, bool)        { return "", false }
func (*plainCall) Awaiting() bool                     { return false }
func (*plainCall) Await(func(context.Context) uint64) {}
func (*plainCall) Spend(int64)                        {}

var _ prism.Call = (*plainCall)(nil)
