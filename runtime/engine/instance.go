package engine

import (
	"context"

	"github.com/tetratelabs/wazero/api"

	"github.com/marketprism/prismrt/runtime/task"
)

// Instance is one instantiation of a Program. It serves one invocation and is
// then closed: until memory can be rewound, only a fresh instance is clean. It
// is not safe for concurrent use.
type Instance struct {
	program *Program
	module  api.Module
	memory  *memory      // nil for a module without memory
	handler api.Function // the default handler, looked up once; nil for a command
	fuel    api.MutableGlobal
	stack   api.MutableGlobal
	files   [3]uint32 // what WASI knows of descriptors 0 to 2
	slice   int64     // fuel given at once, learnt from how fast this guest burns it
	call    *call     // the invocation being served
	closed  bool
}

// Run serves one invocation: it binds the input, runs the guest until it
// returns or ctx ends, and gives the output, which belongs to the caller, and the
// fuel used, also when it failed. Errors are faults (DESIGN.md, "Failure, told
// apart").
func (i *Instance) Run(ctx context.Context, in task.Invocation) (output []byte, fuel int64, err error) {
	c := i.begin(ctx, in)
	defer i.end()

	f, err := i.function(in.Function)
	if err != nil {
		return nil, 0, err
	}
	result := []uint64{0}
	err = c.run(f, result)
	if f := c.outcome(err); f != nil {
		return nil, c.used, f
	}
	if code := int32(uint32(result[0])); code != 0 {
		return nil, c.used, c.fault(task.KindGuest, "the handler returned %d", code)
	}
	return c.output, c.used, nil
}

// function finds what an invocation of the named handler calls.
func (i *Instance) function(name string) (api.Function, error) {
	v := &i.program.version
	if v.ABI == task.ABICommand {
		if name != "" {
			return nil, task.Faultf(task.KindNotFound, "%s is a command and has no function %q; call it without one", v.Ref.Plugin, name)
		}
		return i.module.ExportedFunction("_start"), nil
	}
	f := i.handler
	if name != "" && name != v.Function {
		f = i.module.ExportedFunction(name)
	}
	if f == nil || !isHandler(f.Definition()) {
		if name == "" {
			name = v.Function
		}
		return nil, task.Faultf(task.KindNotFound, "%s has no function %q of type () -> i32", v.Ref.Plugin, name)
	}
	return f, nil
}

func isHandler(d api.FunctionDefinition) bool {
	return len(d.ParamTypes()) == 0 && len(d.ResultTypes()) == 1 && d.ResultTypes()[0] == api.ValueTypeI32
}

func (i *Instance) begin(ctx context.Context, in task.Invocation) *call {
	i.call = &call{Context: ctx, instance: i, in: in}
	return i.call
}

func (i *Instance) end() { i.call = nil }

// Close frees the instance. It must not be running. A second time it does nothing.
func (i *Instance) Close(ctx context.Context) error {
	if i.closed {
		return nil
	}
	i.closed = true
	i.program.engine.instances.Add(-1)
	var err error
	if i.module != nil {
		err = i.module.Close(ctx)
	}
	if i.memory != nil {
		i.memory.Free()
		i.program.engine.reserved.Add(-i.memory.limit)
	}
	return err
}
