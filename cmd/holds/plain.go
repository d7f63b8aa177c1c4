package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"

	"github.com/tetratelabs/wazero"                                //nolint:depguard // what prismrt is measured beside is wazero without its engine
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1" //nolint:depguard // as above

	"github.com/marketprism/prismrt/host/prism"
	"github.com/marketprism/prismrt/runtime/task"
)

// plain runs guests as wazero does by itself: nothing counts what they do, and
// nothing can stop them.
type plain struct {
	runtime wazero.Runtime
	modules map[string]wazero.CompiledModule
}

// newPlain compiles the named guests.
func newPlain(ctx context.Context, g *globals, names ...string) (_ *plain, err error) {
	p := &plain{runtime: wazero.NewRuntime(ctx), modules: make(map[string]wazero.CompiledModule)}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.runtime.Close(ctx))
		}
	}()
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, p.runtime); err != nil {
		return nil, err
	}
	if err := prism.Instantiate(ctx, p.runtime); err != nil {
		return nil, err
	}
	for _, name := range names {
		module, err := g.module(name)
		if err != nil {
			return nil, err
		}
		if p.modules[name], err = p.runtime.CompileModule(ctx, module); err != nil {
			return nil, fmt.Errorf("compile %s: %w", name, err)
		}
	}
	return p, nil
}

// call runs a guest on an input, on an instance of its own as prismrt does.
func (p *plain) call(ctx context.Context, name string, input []byte) ([]byte, error) {
	c := &plainCall{Context: ctx, input: input}
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize").WithRandSource(rand.Reader)
	m, err := p.runtime.InstantiateModule(c, p.modules[name], config)
	if err != nil {
		return nil, err
	}
	defer m.Close(ctx)
	result, err := m.ExportedFunction("handle").Call(c)
	if err != nil {
		return nil, err
	}
	if code := uint32(result[0]); code != 0 {
		return nil, fmt.Errorf("%s returned %d", name, code)
	}
	return c.Bytes(), nil
}

// plainCall is a call as the functions of prism want it. What is written to it is
// the output.
type plainCall struct {
	context.Context
	input []byte
	bytes.Buffer
}

// Input returns what the guest was called with.
func (c *plainCall) Input() []byte { return c.input }

// Fail is for guests that fail, which those of freeze and gc do not.
func (*plainCall) Fail(string) {}

// Log drops a line.
func (*plainCall) Log(slog.Level, string) {}

// Config finds nothing.
func (*plainCall) Config(string) (string, bool) { return "", false }

// About knows nothing.
func (*plainCall) About(string) (string, bool) { return "", false }

// Value is the call itself for its key.
func (c *plainCall) Value(key any) any {
	if _, ok := key.(task.CallKey); ok {
		return c
	}
	return c.Context.Value(key)
}

// Awaiting says that there are no checkpoints.
func (*plainCall) Awaiting() bool { return false }

// Await is not called.
func (*plainCall) Await(func(context.Context) uint64) {}

// Spend takes nothing: plain wazero does not count.
func (*plainCall) Spend(int64) {}
