package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/marketprism/prismrt/runtime/task"
)

// Interpreter is a command that reads a script and then serves calls with it. What it is
// before it has read one is made once, and all scripts share it: its code, and the image of
// its memory. An instance that has come that far is kept ready, since each has to run
// there by itself: stacks hold addresses. It is safe for concurrent use.
type Interpreter struct {
	program *Program // of the interpreter alone
	holds   int      // of those who opened it, and of programs of scripts; guarded by Engine.mu
	wanted  chan struct{}

	mu     sync.Mutex
	base   *image // of instances that have read nothing; nil before the first
	ready  *blank // nil: there is none
	closed bool
}

// blank is an instance of an interpreter that is about to read its script, and the world
// as it has seen it until then.
type blank struct {
	*Instance
	birth *birth
}

// Open makes scripts of the command with v.Digest possible: Compile finds it by
// task.Version.Interpreter. The memory that its version allows bounds that of its
// scripts. Who opens it closes it; opened twice it is one and the same.
func (e *Engine) Open(ctx context.Context, v task.Version, module []byte) (*Interpreter, error) {
	if v.ABI != task.ABICommand {
		return nil, task.Faultf(task.KindInvalid, "only a command can be an interpreter: a program that reads standard input")
	}
	if in := e.interpreter(v.Digest); in != nil {
		return in, nil
	}
	p, err := e.Compile(ctx, v, module)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	in := e.interpreters[v.Digest]
	if in == nil {
		in = &Interpreter{program: p, holds: 1, wanted: make(chan struct{}, 1)}
		e.interpreters[v.Digest] = in
		e.mu.Unlock()
		return in, nil
	}
	in.holds++ // of who was faster
	e.mu.Unlock()
	if err := p.Close(ctx); err != nil {
		return nil, errors.Join(err, in.Close(ctx))
	}
	return in, nil
}

// interpreter finds an open interpreter and holds it; nil where there is none.
func (e *Engine) interpreter(d task.Digest) *Interpreter {
	e.mu.Lock()
	defer e.mu.Unlock()
	in := e.interpreters[d]
	if in != nil {
		in.holds++
	}
	return in
}

// Close gives up what Open gave. Programs of scripts that are still open keep what they
// use.
func (in *Interpreter) Close(ctx context.Context) error {
	e := in.program.engine
	e.mu.Lock()
	in.holds--
	last := in.holds == 0
	if last {
		delete(e.interpreters, in.program.version.Digest)
	}
	e.mu.Unlock()
	if !last {
		return nil
	}
	in.mu.Lock()
	b, base := in.ready, in.base
	in.ready, in.closed = nil, true
	in.mu.Unlock()
	var errs []error
	if b != nil {
		errs = append(errs, b.Close(ctx))
	}
	if base != nil {
		errs = append(errs, base.close(in.program.usage))
	}
	return errors.Join(append(errs, in.program.Close(ctx))...)
}

// Wanted gets a value when the instance that was kept ready has been taken: it is time for
// Prepare.
func (in *Interpreter) Wanted() <-chan struct{} { return in.wanted }

// Prepare makes an instance ready for the next script, where none is. Faults are those of
// a command that is no interpreter. The turn is as in Program.Instantiate.
func (in *Interpreter) Prepare(ctx context.Context, turn Turn) error {
	in.mu.Lock()
	ready := in.ready != nil
	in.mu.Unlock()
	if ready {
		return nil
	}
	b, err := in.begin(ctx, turn)
	if err != nil {
		return err
	}
	in.mu.Lock()
	if in.ready == nil && !in.closed {
		in.ready, b = b, nil
	}
	in.mu.Unlock()
	if b != nil {
		return b.Close(ctx)
	}
	return nil
}

// take gives an instance that has read nothing, the one that is ready or else one of its
// own.
func (in *Interpreter) take(ctx context.Context, turn Turn) (*blank, error) {
	in.mu.Lock()
	b := in.ready
	in.ready = nil
	in.mu.Unlock()
	if b == nil {
		return in.begin(ctx, turn)
	}
	select {
	case in.wanted <- struct{}{}:
	default:
	}
	return b, nil
}

// begin runs an instance up to where it looks for its script.
func (in *Interpreter) begin(ctx context.Context, turn Turn) (*blank, error) {
	p := in.program
	b := &blank{birth: p.world.birth()}
	var err error
	if b.Instance, err = p.setUp(ctx, turn, b.birth, p.run); err != nil {
		return nil, err
	}
	switch {
	case b.checkpoint == nil:
		err = task.Faultf(task.KindInvalid, "the interpreter ends before it has read a script, or cannot be stopped there")
	case b.isSpoilt():
		err = task.Faultf(task.KindInvalid, "the interpreter changes its tables before it has read a script")
	default:
		err = in.keepBase(b.Instance)
	}
	if err != nil {
		return nil, errors.Join(err, b.Close(ctx))
	}
	return b, nil
}

// keepBase keeps what an instance has before its script, if none was before it.
func (in *Interpreter) keepBase(i *Instance) (err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.base == nil {
		if in.base, err = i.take(); err != nil {
			return fmt.Errorf("interpreter: %w", err)
		}
	}
	i.image = &image{stack: in.base.stack}
	if i.memory != nil {
		i.setPrivate(int64(i.memory.Private()))
	}
	return nil
}

// compileScript makes a Program of a script, whose interpreter is open.
func (e *Engine) compileScript(v task.Version) (*Program, error) {
	in := e.interpreter(v.Interpreter)
	if in == nil {
		return nil, task.Faultf(task.KindUnavailable, "the interpreter %s of this script is not installed; install it with prismrt runtime add", v.Interpreter)
	}
	of := in.program
	v.ABI = of.version.ABI
	p := &Program{
		version: v, engine: e, interpreter: in, runtime: of.runtime, compiled: of.compiled, rewritten: of.rewritten, args: of.args,
		memory: min(of.memory, pagesOf(v.Limits.Memory)), usage: newUsage(e.usage),
	}
	if e.options.Sampler != nil {
		p.sampler = e.options.Sampler(v)
	}
	return p, nil
}

// interpret makes an instance that has read the program's script and is about to look at
// the input of a call.
func (p *Program) interpret(ctx context.Context, turn Turn) (*Instance, error) {
	b, err := p.interpreter.take(ctx, turn)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.engine.options.StartTimeout)
	defer cancel()
	i := b.Instance
	if err = i.move(p); err == nil {
		c := i.begin(ctx, task.Invocation{Input: p.version.Prelude}, turn)
		c.birth, c.starts = b.birth, true
		c.birth.reseed(p.version.Prelude) // what one script draws is not another's to know
		err = i.readScript(c)
		i.end()
	}
	if err != nil {
		return nil, errors.Join(err, i.Close(ctx))
	}
	return i, nil
}

// move makes an instance that has read nothing one of a script.
func (i *Instance) move(p *Program) error {
	of := i.program
	i.image.stack += uint64(p.version.Limits.Stack - of.version.Limits.Stack)
	if i.memory != nil {
		if has := len(i.contents()); has > p.memory {
			return task.Faultf(task.KindInvalid, "the interpreter has %v of memory before it reads the script, and limits.memory is %v; raise the limit in the manifest",
				task.Bytes(has), p.version.Limits.Memory)
		}
		i.memory.Limit(p.memory)
	}
	i.endSampling()
	i.count(-1)
	i.program = p
	i.count(1)
	i.beginSampling()
	return nil
}

// count adds what the instance takes to its program's usage, or takes it off.
func (i *Instance) count(sign int64) {
	u := i.program.usage
	u.add(instances, sign)
	u.add(reserved, sign*i.reserved)
	u.add(private, sign*i.private.Load())
	u.add(stacks, sign*i.stacks)
}
