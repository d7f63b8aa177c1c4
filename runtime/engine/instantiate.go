package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/marketprism/prismrt/runtime/memory"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// initialisers are the exports of a reactor that set it up, in the order in
// which one of them is taken.
var initialisers = []string{"_initialize", "__wasm_call_ctors"}

// haskellInitialiser is Haskell's own, which comes after them: (argc, argv) -> ().
const haskellInitialiser = "hs_init"

// Instantiate makes an instance that is ready for a call. The first of a program
// is set up, and initialised or, if it is a command, run until it looks at its
// input; then its image is taken, which later ones begin with. Starting it takes at
// most the engine's StartTimeout. Faults are those of the guest's own start. The turn, which
// may be nil, is entered for what the guest does then, and left after it.
func (p *Program) Instantiate(ctx context.Context, turn Turn) (*Instance, error) {
	s, first, err := p.how(ctx, turn)
	if first != nil || err != nil {
		return first, err
	}
	switch {
	case s.image == nil:
		i, err := p.setUp(ctx, turn, nil, p.initialise)
		if err == nil && i.memory != nil {
			i.setPrivate(int64(i.memory.Private()))
		}
		return i, err
	case s.checkpointed:
		return p.again(ctx, turn, s.image)
	}
	return p.clone(ctx, turn, s.image)
}

// how finds out how instances begin. Who is the first to ask may get the instance
// that was made for it.
func (p *Program) how(ctx context.Context, turn Turn) (*state, *Instance, error) {
	if s := p.state.Load(); s != nil {
		return s, nil, nil
	}
	p.first.Lock()
	defer p.first.Unlock()
	if s := p.state.Load(); s != nil {
		return s, nil, nil
	}
	s, err := p.recallState()
	var i *Instance
	if s == nil && err == nil {
		if i, s, err = p.begin(ctx, turn); err == nil {
			if err := p.keepState(s); err != nil {
				p.engine.options.Log.Warn("keep the image of a version", slog.Any("version", p.version.Ref), slog.Any("error", err))
			}
		}
	}
	if err != nil {
		return nil, nil, err
	}
	p.state.Store(s)
	return s, i, nil
}

// begin makes the first instance and finds out how those after it begin.
func (p *Program) begin(ctx context.Context, turn Turn) (*Instance, *state, error) {
	s := &state{}
	switch {
	case p.interpreter != nil:
		i, err := p.interpret(ctx, turn)
		if err != nil {
			return nil, nil, err
		}
		if i.isSpoilt() {
			// Begun anew, the interpreter would take its callers' input for a script.
			err := task.Faultf(task.KindInvalid, "the script changes its interpreter's tables before it looks at its input, and cannot be run")
			return nil, nil, errors.Join(err, i.Close(ctx))
		}
		s.checkpointed = true
		return p.taken(ctx, i, s)
	case p.version.ImageOff:
		s.why = "the manifest turns it off"
	case p.rewritten.Fixed != "":
		s.why = p.rewritten.Fixed
	case p.version.ABI.IsProgram():
		i, err := p.setUp(ctx, turn, p.world.birth(), p.run)
		if err != nil {
			return nil, nil, err
		}
		if i.checkpoint != nil {
			if s.checkpointed = true; !i.isSpoilt() {
				return p.taken(ctx, i, s)
			}
			s.checkpointed, s.why = false, "it changes its tables before it reads its input"
		} else if s.why = "it ends before it reads its input"; i.hasty {
			s.why, s.hasty = "it does not come to read its input within the time and fuel that a start has", true
		}
		if err := errors.Join(i.Close(ctx), context.Cause(ctx)); err != nil {
			return nil, nil, err
		}
		// What a program does that is begun anew for each call, it does as it is set up.
		if i, err = p.setUp(ctx, turn, p.world.birth(), nil); err != nil {
			return nil, nil, err
		}
		if !i.isSpoilt() {
			return p.taken(ctx, i, s)
		}
		return i, s, nil
	default:
		i, err := p.setUp(ctx, turn, p.world.birth(), p.initialise)
		if err != nil {
			return nil, nil, err
		}
		if !i.isSpoilt() {
			return p.taken(ctx, i, s)
		}
		if s.why = "it changes its tables while it starts"; i.entangled {
			s.why = "it calls what it is linked with while it starts"
		}
		if err := i.Close(ctx); err != nil {
			return nil, nil, err
		}
	}
	i, err := p.setUp(ctx, turn, nil, p.initialise)
	return i, s, err
}

// taken takes the instance's image.
func (p *Program) taken(ctx context.Context, i *Instance, s *state) (*Instance, *state, error) {
	var err error
	if s.image, err = i.take(); err == nil {
		err = i.adopt(s.image)
	}
	if err != nil {
		return nil, nil, errors.Join(err, i.Close(ctx))
	}
	return i, s, nil
}

// clone makes an instance that begins with the image.
func (p *Program) clone(ctx context.Context, turn Turn, m *image) (*Instance, error) {
	i, err := p.instantiate(ctx, turn, m)
	if err != nil {
		return nil, err
	}
	m.restore(i)
	return i, nil
}

// again runs an instance of its own up to the checkpoint.
func (p *Program) again(ctx context.Context, turn Turn, m *image) (*Instance, error) {
	run := func() (*Instance, error) { return p.setUp(ctx, turn, p.world.birth(), p.run) }
	if p.interpreter != nil {
		run = func() (*Instance, error) { return p.interpret(ctx, turn) }
	}
	i, err := run()
	if err != nil {
		return nil, err
	}
	if i.checkpoint == nil {
		return nil, errors.Join(errors.New("a command that read its input once has not done so again"), i.Close(ctx))
	}
	if !m.equals(i) {
		// It does not always come to the same: its image is its own.
		p.usage.add(unlike, 1)
		if m, err = i.take(); err != nil {
			return nil, errors.Join(err, i.Close(ctx))
		}
		i.own = m
	}
	if err := i.adopt(m); err != nil {
		return nil, errors.Join(err, i.Close(ctx))
	}
	return i, nil
}

// setUp makes an instance from what its module says, and starts it: then runs what
// is to run before a call, if there is anything. What it sees of the world is b; nil
// is the real one.
func (p *Program) setUp(ctx context.Context, turn Turn, b *birth, start func(*Instance, *call) error) (*Instance, error) {
	ctx, cancel := context.WithTimeout(ctx, p.engine.options.StartTimeout)
	defer cancel()
	i, err := p.instantiate(ctx, turn, nil)
	if err != nil {
		return nil, err
	}
	c := i.begin(ctx, task.Invocation{}, turn)
	defer i.end()
	c.birth, c.starts = b, true
	if f := i.setUp(c); f != nil {
		err = f
	} else if start != nil {
		err = start(i, c)
	}
	if err != nil {
		return nil, errors.Join(err, i.Close(ctx))
	}
	return i, nil
}

// initialise sets up a reactor.
func (p *Program) initialise(i *Instance, c *call) error {
	if p.version.ABI.IsProgram() {
		return nil
	}
	for _, name := range initialisers {
		if f := i.module.ExportedFunction(name); f != nil {
			if err := c.run(nil, f); c.outcome(err) != nil {
				return c.started(err)
			}
			break
		}
	}
	if f := i.module.ExportedFunction(haskellInitialiser); f != nil && len(f.Definition().ParamTypes()) <= 2 {
		if err := c.run(make([]uint64, 2), f); c.outcome(err) != nil {
			return c.started(err)
		}
	}
	return nil
}

// run runs a command up to its checkpoint. One that does not come to it has none:
// how it ends is told to who calls it.
func (p *Program) run(i *Instance, c *call) error {
	i.toCheckpoint(c)
	return nil
}

// moduleConfig is that of modules without a name, whose start is ours to call. The source
// of random numbers is not used: without it wazero seeds one, for each instance.
var moduleConfig = wazero.NewModuleConfig().WithName("").WithStartFunctions().WithRandSource(rand.Reader)

// instantiate makes an instance that has run nothing, and begins with the image if
// there is one.
func (p *Program) instantiate(ctx context.Context, turn Turn, m *image) (_ *Instance, err error) {
	i := &Instance{program: p}
	i.beginSampling()
	defer func() {
		if err != nil {
			err = errors.Join(err, i.Close(ctx))
		}
	}()
	if err := i.instantiateLinked(ctx, turn); err != nil {
		return nil, err
	}
	if p.rewritten.Memory != nil {
		if i.memory, err = memory.Reserve(p.memory); err != nil {
			return nil, fmt.Errorf("reserve %v for a guest: %w", task.Bytes(p.memory), err)
		}
		i.reserved = int64(p.memory)
		p.usage.add(reserved, i.reserved)
		// wazero asks for memory where it cannot be refused, hence before.
		ctx = experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(
			func(_, _ uint64) experimental.LinearMemory { return i.memory }))
	}
	p.usage.add(instances, 1)
	if m != nil {
		if err := i.adopt(m); err != nil {
			return nil, err
		}
	}
	// Neither data nor a start function is in the module: no code of the guest runs.
	i.module, err = p.runtime.InstantiateModule(ctx, p.compiled, moduleConfig)
	if err != nil {
		return nil, task.Faultf(task.KindInvalid, "the module cannot be instantiated: %w", err)
	}
	i.lookUp(p.rewritten)
	return i, nil
}

// lookUp finds the exports that each call uses.
func (i *Instance) lookUp(r *wasm.Rewritten) {
	i.fuel = mutable(i.module, wasm.FuelGlobal)
	i.stack = mutable(i.module, wasm.StackGlobal)
	if r.Spoils {
		i.spoilt = mutable(i.module, wasm.SpoiltGlobal)
	}
	if r.Command {
		i.ended = mutable(i.module, wasm.EndedGlobal)
	}
	for _, name := range r.Globals {
		i.globals = append(i.globals, mutable(i.module, name))
	}
}
