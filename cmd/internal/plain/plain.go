// Package plain runs guests as wazero does by itself: nothing counts what they do,
// and nothing can stop them. It is what prismrt is measured beside.
package plain

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"

	"github.com/tetratelabs/wazero"                                //nolint:depguard // what prismrt is measured beside is wazero without its engine
	"github.com/tetratelabs/wazero/api"                            //nolint:depguard // as above
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1" //nolint:depguard // as above

	"github.com/marketprism/prismrt/host/prism"
	"github.com/marketprism/prismrt/runtime/task"
)

// Runtime holds compiled guests.
type Runtime struct {
	runtime wazero.Runtime
	modules map[string]wazero.CompiledModule
}

// New compiles guests, given by name.
func New(ctx context.Context, modules map[string][]byte) (_ *Runtime, err error) {
	r := &Runtime{runtime: wazero.NewRuntime(ctx), modules: make(map[string]wazero.CompiledModule)}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.runtime.Close(ctx))
		}
	}()
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, r.runtime); err != nil {
		return nil, err
	}
	if err := prism.Instantiate(ctx, r.runtime); err != nil {
		return nil, err
	}
	for name, module := range modules {
		if r.modules[name], err = r.runtime.CompileModule(ctx, module); err != nil {
			return nil, fmt.Errorf("compile %s: %w", name, err)
		}
	}
	return r, nil
}

// Call runs a guest on an input, on an instance of its own as prismrt does.
func (r *Runtime) Call(ctx context.Context, name string, input []byte) (output []byte, err error) {
	i, err := r.Instantiate(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, i.Close(ctx)) }()
	return i.Call(ctx, input)
}

// Instance is a guest that may be called again and again, by one caller at a time.
// A call finds what the one before it left behind.
type Instance struct {
	module api.Module
	handle api.Function
}

// Instantiate makes an instance.
func (r *Runtime) Instantiate(ctx context.Context, name string) (*Instance, error) {
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize").WithRandSource(rand.Reader)
	m, err := r.runtime.InstantiateModule(&call{Context: ctx}, r.modules[name], config)
	if err != nil {
		return nil, err
	}
	return &Instance{m, m.ExportedFunction("handle")}, nil
}

// Call runs the guest on an input.
func (i *Instance) Call(ctx context.Context, input []byte) ([]byte, error) {
	c := &call{Context: ctx, input: input}
	result := []uint64{0}
	if err := i.handle.CallWithStack(c, result); err != nil {
		return nil, err
	}
	if code := uint32(result[0]); code != 0 {
		return nil, fmt.Errorf("the guest returned %d", code)
	}
	return c.Bytes(), nil
}

// Close takes the instance down.
func (i *Instance) Close(ctx context.Context) error { return i.module.Close(ctx) }

// call is a call as the functions of prism want it. What is written to it is
// the output.
type call struct {
	context.Context
	input []byte
	bytes.Buffer
}

var _ prism.Call = (*call)(nil)

// Input returns what the guest was called with.
func (c *call) Input() []byte { return c.input }

// ReadAt copies of it.
func (c *call) ReadAt(p []byte, from int) int { return copy(p, c.input[from:]) }

// Fail is for guests that fail, which those that are measured do not.
func (*call) Fail(string) {}

// Log drops a line.
func (*call) Log(slog.Level, string) {}

// Progress tells nobody.
func (*call) Progress(int64, int64, string) {}

// Config finds nothing.
func (*call) Config(string) (string, bool) { return "", false }

// About knows nothing.
func (*call) About(string) (string, bool) { return "", false }

// Value is the call itself for its key.
func (c *call) Value(key any) any {
	if _, ok := key.(task.CallKey); ok {
		return c
	}
	return c.Context.Value(key)
}

// Awaiting says that there are no checkpoints.
func (*call) Awaiting() bool { return false }

// Await is not called.
func (*call) Await(func(context.Context) uint64) {}

// Spend takes nothing: plain wazero does not count.
func (*call) Spend(int64) {}
