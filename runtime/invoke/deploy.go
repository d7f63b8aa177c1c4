package invoke

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/pool"
	"github.com/marketprism/prismrt/runtime/sched"
	"github.com/marketprism/prismrt/runtime/task"
)

// Load compiles a version, starts an instance of it and makes the canary call of its
// manifest, so that what cannot run is known before anybody calls it. Calls reach it
// after Route, unless they ask for it by its number. Loading what is loaded does nothing.
func (i *Invoker) Load(ctx context.Context, v task.Version, module []byte) error {
	l, err := i.loads(ctx, v.Ref)
	if l == nil {
		return err
	}
	d, err := i.open(ctx, v, module)
	return i.loadedAs(l, v.Ref, d, err, true)
}

// open makes a deployment of a version, and tries it.
func (i *Invoker) open(ctx context.Context, v task.Version, module []byte) (*deployment, error) {
	begun := time.Now()
	program, err := i.options.Engine.Compile(ctx, v, module)
	if err != nil {
		return nil, err
	}
	row := i.options.Monitor.Row(v.Ref)
	row.CompiledIn(time.Since(begun))
	d := &deployment{
		version: v, program: program, flow: i.options.Scheduler.Flow(v.Ref.Namespace, v.Ref.Plugin),
		row: row, log: i.options.Log, breaker: health.New(i.options.Breaker, time.Now()),
		news: newNews(v.Ref, i.options.Publish),
	}
	d.alone = &route{settled: make(chan struct{}), target: target{live: d}, pinned: true}
	close(d.alone.settled)
	d.fenced = func(why string) { i.fence(d, why) }
	o := i.options.Pool
	d.pool = pool.New(
		pool.Options[*engine.Instance]{
			Min: v.Min, Max: v.Max, Cores: o.Running, Waiting: o.Waiting, Idle: o.Idle, Age: o.Age, TrimAfter: o.Trim,
			Trim: func(i *engine.Instance) { i.Trim() }, OnSize: d.sized,
			Probe: d.checkUp(), ProbeEvery: time.Duration(v.Health.Every), OnEnd: d.news.ended,
		},
		d.build,
		func(instance *engine.Instance) {
			if err := instance.Close(context.Background()); err != nil {
				i.options.Log.Warn("close an instance", slog.Any("version", v.Ref), slog.Any("error", err))
			}
		})
	first, err := d.pool.Acquire(ctx)
	if err != nil {
		return nil, errors.Join(err, d.close(context.WithoutCancel(ctx)))
	}
	switch err := d.probe(ctx, first.Instance); {
	case err == nil:
		first.Release(pool.Report{})
	case errors.Is(err, engine.ErrSpent):
		first.Discard(pool.Report{})
	default:
		first.Discard(pool.Report{})
		return nil, errors.Join(err, d.close(context.WithoutCancel(ctx)))
	}
	d.sized(d.pool.Stats().Size)
	i.keeping.Go(func() { _ = d.pool.Run(context.Background()) }) // until the pool closes
	return d, nil
}

// sized lets the scheduler begin as many calls as there are instances worth having, and
// one that waits for another instance: so the pool learns when it is too small.
func (d *deployment) sized(n int) { d.flow.Places(d, n+1) }

// build makes an instance, for which the plugin takes a turn of its own.
func (d *deployment) build(ctx context.Context) (*engine.Instance, error) {
	b := &birth{ctx: ctx, flow: d.flow}
	defer b.end()
	i, err := d.program.Instantiate(ctx, b)
	if r, ok := errors.AsType[*sched.Refusal](err); ok {
		return nil, refusal(r, d.version.Ref.Plugin)
	}
	if err != nil && ctx.Err() == nil && d.serving.Load() {
		d.news.unborn(err)
	}
	return i, err
}

// Expect makes calls of a plugin wait for Route or Fail instead of being told
// that there is none.
func (i *Invoker) Expect(namespace, plugin string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.pointLocked(name{namespace, plugin}, &route{settled: make(chan struct{})})
}

// Route sends the calls of a plugin to a version that was loaded. The one that
// answered before finishes the calls it has and is then unloaded, unless it was asked for
// by its number a moment ago.
func (i *Invoker) Route(ref task.Ref) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return
	}
	d := i.loaded[ref]
	if d == nil {
		panic(fmt.Sprintf("invoke: %v is routed to and not loaded", ref))
	}
	i.settleLocked(nameOf(ref), target{live: d}, nil)
}

// Fail makes calls of a plugin answer that it is unavailable, until Route.
func (i *Invoker) Fail(namespace, plugin string, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.settleLocked(name{namespace, plugin}, target{},
		task.Faultf(task.KindUnavailable, "%s cannot be loaded: %s", plugin, task.FaultOf(err).Message).CausedBy(err))
}

// Unroute makes calls of a plugin answer that there is none, unloads all its versions,
// which finish the calls that they have, and drops its counters.
func (i *Invoker) Unroute(namespace, plugin string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := name{namespace, plugin}
	i.settleLocked(n, target{}, noPlugin(plugin))
	i.pointLocked(n, nil)
	i.dropLocked(n)
	i.options.Monitor.Forget(namespace, plugin)
	if i.options.Forgotten != nil {
		i.options.Forgotten(namespace, plugin)
	}
}

// Unload ends a version that nothing is routed to. It does nothing where the
// version is not loaded or still answers. Calls that ask for it by its number have it
// loaded again, if it is one that Options.Versions finds.
func (i *Invoker) Unload(ref task.Ref) {
	i.mu.Lock()
	defer i.mu.Unlock()
	d := i.loaded[ref]
	if r := i.route(nameOf(ref)); d != nil && (r == nil || !r.leads().leadsTo(d)) {
		i.retireLocked(d)
	}
}

// retireLocked lets a deployment finish its calls, and closes it.
func (i *Invoker) retireLocked(d *deployment) {
	delete(i.loaded, d.version.Ref)
	if d.idle != nil {
		d.idle.Stop()
	}
	i.retiring.Go(func() {
		if err := d.close(context.Background()); err != nil {
			i.options.Log.Warn("unload a version", slog.Any("version", d.version.Ref), slog.Any("error", err))
		}
	})
}

// close waits for the last loan until ctx ends, then frees the code. What is
// still lent when it does keeps the code alive.
func (d *deployment) close(ctx context.Context) error {
	defer d.news.end()
	if err := d.pool.Close(ctx); err != nil {
		return err
	}
	d.flow.Places(d, 0)
	d.flow.Close()
	return d.program.Close(ctx)
}

func isClosed(ch chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// State says how a plugin stands: ready, loading, fenced or failed (with the reason),
// or "" when nothing is routed.
func (i *Invoker) State(namespace, plugin string) (state, reason string) {
	r := i.route(name{namespace, plugin})
	switch {
	case r == nil:
		return "", ""
	case r.was.live == nil && !isClosed(r.settled):
		return "loading", ""
	}
	live := r.leads().live
	if live == nil {
		return "failed", task.FaultOf(r.err).Message
	}
	if why := live.breaker.Fenced(); why != "" {
		return "fenced", why
	}
	return "ready", ""
}

// Close unloads everything, giving calls in flight until ctx ends.
func (i *Invoker) Close(ctx context.Context) error {
	i.mu.Lock()
	i.closed = true
	for _, l := range i.loading {
		l.giveUp()
	}
	i.routes.Store(&map[name]*route{})
	for _, d := range i.loaded {
		i.retireLocked(d)
	}
	for _, o := range i.interpreters {
		o.stop()
	}
	i.mu.Unlock()
	done := make(chan struct{})
	go func() { i.retiring.Wait(); i.keeping.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
