package invoke

import (
	"context"
	"errors"
	"log/slog"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/sched"
	"github.com/marketprism/prismrt/runtime/task"
)

// Open makes scripts of an interpreter loadable, whose Version.Interpreter is v.Digest. One
// of its instances is started, so that what cannot run scripts is known before there are
// any, and another each time that one was taken. Opening what is open does nothing.
func (i *Invoker) Open(ctx context.Context, v task.Version, module []byte) error {
	if i.IsOpen(v.Digest) {
		return nil
	}
	in, err := i.options.Engine.Open(ctx, v, module)
	if err != nil {
		return err
	}
	o := &interpreter{Interpreter: in, version: v, flow: i.options.Scheduler.Flow(v.Ref.Namespace, v.Ref.Plugin), log: i.options.Log}
	if err := o.prepare(ctx); err != nil {
		return errors.Join(err, o.close())
	}
	keep, stop := context.WithCancel(context.Background())
	o.stop = stop
	i.mu.Lock()
	closed, open := i.closed, i.interpreters[v.Digest] != nil
	if !closed && !open {
		i.interpreters[v.Digest] = o
		i.keeping.Go(func() { o.run(keep) })
	}
	i.mu.Unlock()
	switch {
	case closed:
		stop()
		return errors.Join(errStopping(), o.close())
	case open: // by somebody who was faster
		stop()
		return o.close()
	}
	return nil
}

// IsOpen tells whether an interpreter is open.
func (i *Invoker) IsOpen(d task.Digest) bool {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.interpreters[d] != nil
}

// Shut is the end of what Open began. Scripts that are loaded go on.
func (i *Invoker) Shut(d task.Digest) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if o := i.interpreters[d]; o != nil {
		delete(i.interpreters, d)
		o.stop()
	}
}

// interpreter is one that is open.
type interpreter struct {
	*engine.Interpreter
	version task.Version
	flow    *sched.Flow // in which its instances are started
	log     *slog.Logger
	stop    context.CancelFunc
}

// run keeps an instance ready until ctx ends, and then closes the interpreter.
func (o *interpreter) run(ctx context.Context) {
	for {
		select {
		case <-o.Wanted():
			if err := o.prepare(ctx); err != nil && ctx.Err() == nil {
				o.log.Warn("keep an interpreter ready", slog.Any("version", o.version.Ref), slog.Any("error", err))
			}
		case <-ctx.Done():
			if err := o.close(); err != nil {
				o.log.Warn("close an interpreter", slog.Any("version", o.version.Ref), slog.Any("error", err))
			}
			return
		}
	}
}

func (o *interpreter) prepare(ctx context.Context) error {
	b := &birth{ctx: ctx, flow: o.flow}
	defer b.end()
	return o.Prepare(ctx, b)
}

func (o *interpreter) close() error {
	o.flow.Close()
	return o.Close(context.Background())
}
