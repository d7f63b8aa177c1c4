package engine

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/tetratelabs/wazero/api"

	"github.com/marketprism/prismrt/runtime/memory"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// Instance is one instantiation of a Program. It serves one invocation at a time,
// and is rewound before it serves another. Only Private is safe for concurrent use.
type Instance struct {
	program    *Program
	module     api.Module
	memory     *memory.Memory // nil for a module without memory
	functions  []function     // those that were looked up
	fuel       api.MutableGlobal
	stack      api.MutableGlobal
	spoilt     api.MutableGlobal   // nil: the module cannot be
	globals    []api.MutableGlobal // the author's
	files      [3]uint32           // what WASI knows of descriptors 0 to 2
	image      *image              // what it is rewound to; nil: it serves one call
	own        *image              // that image, where no other instance has it
	beginning  *frames             // where a command's run begins; nil before its first
	checkpoint *checkpoint         // where a command goes on; nil: at its beginning
	ended      api.MutableGlobal   // tells a command's run that the program has ended
	slice      int64               // fuel given at once, learnt from how fast this guest burns it
	sampling   sampling
	call       call        // the invocation being served, if there is one
	spent      task.Timing // in the last one: Bind, Host and Collect
	waits      []task.Wait // in the last one
	result     [1]uint64   // of the handler
	atRest     int         // bytes of a command's native stack at its checkpoint
	hasty      bool        // a command that was ended before its checkpoint
	linked     []*Instance // of the program's linked modules, in their order
	ran        bool        // a linked module's, in the call that is served
	entangled  bool        // it has run linked modules at birth, whose state no image of its own has
	closed     bool
	private    atomic.Int64 // bytes of its memory that are its own and not the image's, as of the last Rewind or Trim
	reserved   int64        // bytes of address space under its memory
	stacks     int64        // bytes of its native stacks, as of the last Rewind
}

// function is an export that was looked up: each time, wazero makes a native stack
// for it.
type function struct {
	api.Function
	name    string
	handles bool    // it can be a handler
	stack   *[]byte // the native stack; nil where it cannot be told
}

// resumeFunction is an optional export of type () -> () that runs before the
// handler does, in each call of an instance that has an image: what is to differ
// from call to call, such as the state of a random generator, is made there.
const resumeFunction = "prism_resume"

// Run serves one invocation: it binds the input, runs the guest until it
// returns or ctx ends, and gives the output, in the invocation's buffer as far as that
// reaches, and the fuel used, also when it failed. Errors are faults (DESIGN.md, "Failure, told
// apart"). The turn, which may be nil, is held when it begins and when it ends, unless
// the turn itself refused. What it was not told of the fuel remains to be told.
func (i *Instance) Run(ctx context.Context, in task.Invocation, turn Turn) (output []byte, fuel int64, err error) {
	c := i.begin(ctx, in, turn)
	defer i.end()
	c.entered = true

	f, fault := i.handler(&in)
	if fault != nil {
		return nil, 0, fault
	}
	i.result[0] = 0
	if i.resumes() {
		err = c.run(i.result[:], i.function(resumeFunction).Function, f)
	} else {
		err = c.run(i.result[:], f)
	}
	c.endLog()
	c.collect(err)
	if f := c.outcome(err); f != nil {
		return nil, c.used, f
	}
	if code := int32(uint32(i.result[0])); code != 0 {
		return nil, c.used, c.fault(task.KindGuest, "the handler returned %d", code)
	}
	return c.output, c.used, nil
}

// resumes tells whether the guest is to make anew what calls do not share. One that
// begins anew for each call has not made it yet.
func (i *Instance) resumes() bool {
	return i.program.resumes && i.image != nil && (i.checkpoint != nil || !i.program.version.ABI.IsProgram())
}

// handler finds what an invocation calls.
func (i *Instance) handler(in *task.Invocation) (api.Function, *task.Fault) {
	v, name := &i.program.version, in.Function
	if asked := in.Environ != nil; asked != (v.ABI == task.ABICGI) {
		if asked {
			return nil, task.Faultf(task.KindNotFound, "%s is no CGI program (its abi is %s); call it with POST /v1/plugins/%[1]s/invoke", v.Ref.Plugin, v.ABI)
		}
		return nil, task.Faultf(task.KindInvalid, "%s is a CGI program, which answers HTTP requests; call it at /x/%[1]s", v.Ref.Plugin)
	}
	if v.ABI.IsProgram() {
		if name != "" && i.program.interpreter != nil {
			return nil, task.Faultf(task.KindNotFound, "%s is a script and has no function %q; call it without one", v.Ref.Plugin, name)
		}
		if name != "" {
			return nil, task.Faultf(task.KindNotFound, "%s is a command and has no function %q; call it without one", v.Ref.Plugin, name)
		}
		return i.function(wasm.RunFunction).Function, nil
	}
	if name == "" {
		name = v.Function
	}
	if f := i.function(name); f != nil && f.handles {
		return f.Function, nil
	}
	types := "() -> i32"
	if v.ABI == task.ABIExtism {
		types += " or () -> ()"
	}
	return nil, task.Faultf(task.KindNotFound, "%s has no function %q of type %s", v.Ref.Plugin, name, types)
}

// function looks an export up, once. It is nil where there is no such function.
func (i *Instance) function(name string) *function {
	for n := range i.functions {
		if f := &i.functions[n]; f.name == name {
			return f
		}
	}
	f := i.module.ExportedFunction(name)
	if f == nil {
		return nil // names that callers make up are not kept
	}
	i.functions = append(i.functions, function{f, name, i.isHandler(f.Definition(), name), stackOf(f)})
	return &i.functions[len(i.functions)-1]
}

// isHandler tells whether an export can be called. Handlers of Extism plug-ins may have no
// result; what sets them up is none.
func (i *Instance) isHandler(d api.FunctionDefinition, name string) bool {
	if len(d.ParamTypes()) > 0 {
		return false
	}
	if i.program.version.ABI == task.ABIExtism && len(d.ResultTypes()) == 0 {
		return !wasm.Reserved(name) && !slices.Contains(initialisers, name)
	}
	return len(d.ResultTypes()) == 1 && d.ResultTypes()[0] == api.ValueTypeI32
}

// Timed sets in a Timing what the last Run spent of its time on Bind, Host and Collect.
func (i *Instance) Timed(t *task.Timing) {
	t.Bind, t.Host, t.Collect = i.spent.Bind, i.spent.Host, i.spent.Collect
}

// Waits is what the guest waited for in the last Run, without its turn. They are the
// instance's, which uses them again.
func (i *Instance) Waits() []task.Wait { return i.waits }

// Private is how many bytes of the guest's memory are the instance's own and not shared
// with others, as of the last Rewind or Trim. What was not rewound yet counts for nothing.
func (i *Instance) Private() int64 { return i.private.Load() }

func (i *Instance) begin(ctx context.Context, in task.Invocation, turn Turn) *call {
	i.call = call{Context: ctx, instance: i, in: in, turn: orAlone(turn), output: in.Buffer[:0]}
	i.spent, i.waits = task.Timing{}, i.waits[:0]
	return &i.call
}

// end lets go of what the call held.
func (i *Instance) end() {
	i.program.usage.ran(&i.call.meter)
	if i.call.held != nil {
		i.call.held.End()
	}
	i.call = call{}
}

// Close frees the instance. It must not be running. A second time it does nothing.
func (i *Instance) Close(ctx context.Context) error {
	if i.closed {
		return nil
	}
	i.closed = true
	i.endSampling()
	var errs []error
	for _, other := range i.linked {
		errs = append(errs, other.Close(ctx))
	}
	if i.module != nil {
		errs = append(errs, i.module.Close(ctx))
	}
	if i.memory != nil {
		i.memory.Free()
		i.setPrivate(0)
		i.program.usage.add(reserved, -i.reserved)
	}
	if i.own != nil {
		errs = append(errs, i.own.close(i.program.usage))
	}
	i.setStacks(0)
	i.program.usage.add(instances, -1)
	return errors.Join(errs...)
}
