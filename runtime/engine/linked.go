package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero/api"

	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// linked is a module that a program's imports from (wasm.Link), as a program of its own: each
// instance of the one has an instance of the other, with a memory and an image of its own, and
// calls it by way of the host. What they share is the call: its fuel, its time, its log and
// what host modules hold of it. Limits of memory and stack are of each.
type linked struct {
	name    string
	program *Program
}

// link compiles what v's module is linked with. Their code is kept with the module's own.
func (e *Engine) link(ctx context.Context, p *Program, modules []wasm.Linked) error {
	for n, l := range modules {
		v := p.version
		v.Digest += task.Digest(fmt.Sprintf("/linked-%d", n))
		program, err := e.compileOne(ctx, v, l.Module, false)
		if err != nil {
			if f, ok := errors.AsType[*task.Fault](err); ok {
				f.Message = fmt.Sprintf("in the linked module %q, %s", l.Name, f.Message)
			}
			return err
		}
		p.linked = append(p.linked, linked{l.Name, program})
		if err := p.forward(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// forward offers the functions of a linked module that are imported.
func (p *Program) forward(ctx context.Context, n int) error {
	b := p.runtime.NewHostModuleBuilder(p.linked[n].name)
	seen := make(map[string]bool)
	for _, f := range p.compiled.ImportedFunctions() {
		module, name, _ := f.Import()
		if module != p.linked[n].name || seen[name] {
			continue
		}
		seen[name] = true
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, _ api.Module, stack []uint64) {
			ctx.Value(task.CallKey{}).(*call).forward(n, name, stack)
		}), f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		return fmt.Errorf("linked module %s: %w", p.linked[n].name, err)
	}
	return nil
}

// instantiateLinked makes an instance of each linked module.
func (i *Instance) instantiateLinked(ctx context.Context, turn Turn) error {
	for _, l := range i.program.linked {
		other, err := l.program.Instantiate(ctx, turn)
		if err != nil {
			return err
		}
		i.linked = append(i.linked, other)
	}
	return nil
}

// forward has a linked module's instance run a function for the guest. Its fuel is the guest's,
// and so are the ends that it comes to.
func (c *call) forward(n int, name string, stack []uint64) {
	c.unwatch(unwatched)
	i := c.instance.linked[n]
	i.ran = true
	if c.birth != nil {
		c.instance.entangled = true
	}
	c.settle()
	d := i.begin(c.Context, c.in, c.turn)
	d.output, d.birth, d.log, d.errors, d.failure, d.held, d.stopped = nil, c.birth, c.log, c.errors, c.failure, c.held, c.stopped
	d.meter = c.meter
	if i.slice == 0 {
		i.slice = firstSlice
	}
	d.give()
	i.stack.Set(uint64(i.program.version.Limits.Stack))
	err := i.function(name).CallWithStack(d, stack)
	d.settle()
	c.log, c.errors, c.failure, c.held, c.stopped = d.log, d.errors, d.failure, d.held, d.stopped
	c.meter = d.meter
	for _, w := range i.waits {
		c.waited(w)
	}
	i.call = call{}
	if err != nil {
		panic(err)
	}
	c.give()
}

// rewindLinked rewinds what the call has used of linked modules.
func (i *Instance) rewindLinked() (pages int, err error) {
	for _, other := range i.linked {
		if !other.ran {
			continue
		}
		n, err := other.Rewind()
		if err != nil {
			return pages, err
		}
		other.ran = false
		pages += n
	}
	return pages, nil
}

// refused tells whether the guest, or what it is linked with, was refused memory past its limit.
func (i *Instance) refused() bool {
	for _, other := range i.linked {
		if other.refused() {
			return true
		}
	}
	return i.memory != nil && i.memory.Refused() && task.Bytes(i.program.memory+wasm.PageSize) > i.program.version.Limits.Memory
}
