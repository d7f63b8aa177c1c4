package engine

import (
	"context"

	"github.com/tetratelabs/wazero/api"

	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// Differs says in what an instance is not as its image, "" in nothing.
func (i *Instance) Differs() string { return i.differs() }

// Checkpointed tells whether the instance goes on from a checkpoint.
func (i *Instance) Checkpointed() bool { return i.checkpoint != nil }

// Unlike counts the instances that needed an image of their own.
func (e *Engine) Unlike() int64 { return e.usage.unlike.Load() }

// Why says why a program has no image or no checkpoint.
func (p *Program) Why() string { return p.state.Load().why }

// OwnBytes is what the program's image takes of memory that no other image has.
func (p *Program) OwnBytes() int { return p.state.Load().image.memory.OwnBytes() }

// Spent says why an instance cannot be rewound, "" where it can.
func (i *Instance) Spent() string {
	switch {
	case i.image == nil:
		return "it has no image: " + i.program.Why()
	case i.module.IsClosed():
		return "its module was closed"
	case i.isSpoilt():
		return "its tables are spoilt"
	case !i.releaseStacks():
		return "the stack that its checkpoint lies on has grown"
	}
	return ""
}

// FindsAddresses tells whether the addresses of a stack were found in wazero's iterator.
func (i *Instance) FindsAddresses() bool { return i.sampling.calls.owner != nil }

// SampleEvery is how much fuel there is between samples, on average.
const SampleEvery = sampleEvery

// Call is Run for an export of any type.
func (i *Instance) Call(ctx context.Context, in task.Invocation, args []uint64) (results []uint64, output []byte, fuel int64, err error) {
	c := i.begin(ctx, in, nil)
	defer i.end()
	f := i.function(in.Function)
	words := func(types []api.ValueType) (n int) {
		for _, t := range types {
			if n++; wasm.ValueType(t) == wasm.V128 {
				n++
			}
		}
		return n
	}
	n := words(f.Definition().ResultTypes())
	stack := make([]uint64, max(words(f.Definition().ParamTypes()), n))
	copy(stack, args)
	if f := c.outcome(c.run(stack, f)); f != nil {
		return nil, nil, c.used, f
	}
	return stack[:n], c.output, c.used, nil
}
