package invoke

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// loading is a version on its way to being loaded.
type loading struct {
	ended  chan struct{}      // closed once it is loaded, or is not
	giveUp context.CancelFunc // does nothing where it waits for somebody who has a context
	err    error              // why it is not
	told   time.Time          // until then others who ask for it are told so; zero: they try, too
}

// failedFor is how long those who ask for a version that could not be loaded are told so
// without another try, which may take a processor for seconds.
const failedFor = time.Second

// errGone tells that a version was unloaded, or its plugin deleted, while it was being
// loaded.
var errGone = errors.New("it was taken away meanwhile")

func errStopping() error { return task.Faultf(task.KindUnavailable, "the server is stopping") }

// find finds where a call goes. Where a version has to be loaded, it moves begun on to
// when it was.
func (i *Invoker) find(ctx context.Context, in *task.Invocation, begun *time.Time) (*route, error) {
	if in.Version == 0 {
		return i.resolve(ctx, name{in.Namespace, in.Plugin})
	}
	ref := task.Ref{Namespace: in.Namespace, Plugin: in.Plugin, Version: in.Version}
	if d := i.pinned(ref, *begun); d != nil {
		return d.alone, nil
	}
	patience := time.NewTimer(loadPatience)
	defer patience.Stop()
	for {
		l, err := i.bring(ref)
		if err != nil {
			return nil, err
		}
		select {
		case <-l.ended:
		case <-patience.C:
			return nil, task.Faultf(task.KindUnavailable, "version %d of %s is still being loaded; try again in a moment", ref.Version, ref.Plugin)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		*begun = time.Now()
		if d := i.pinned(ref, *begun); d != nil {
			return d.alone, nil
		}
		// Who loads for an upload fails with that; and a plugin that was deleted may be
		// there again.
		if l.err != nil && !l.told.IsZero() {
			return nil, l.err
		}
	}
}

// pinned returns a version that is loaded and can be asked for by its number, or nil.
func (i *Invoker) pinned(ref task.Ref, now time.Time) *deployment {
	i.mu.RLock()
	defer i.mu.RUnlock()
	d := i.loaded[ref]
	if d == nil || !d.exists {
		return nil
	}
	d.asked.Store(int64(now.Sub(i.began)))
	return d
}

// bring has a version loaded, unless somebody does that already.
func (i *Invoker) bring(ref task.Ref) (*loading, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return nil, errStopping()
	}
	l := i.loading[ref]
	if l == nil || isClosed(l.ended) && time.Now().After(l.told) {
		ctx, cancel := context.WithCancel(context.Background())
		l = &loading{ended: make(chan struct{}), giveUp: cancel}
		i.loading[ref] = l
		i.retiring.Go(func() {
			defer cancel()
			d, err := i.fetch(ctx, ref)
			if err = i.loadedAs(l, ref, d, err, false); err != nil && task.FaultOf(err).Kind != task.KindNotFound {
				i.options.Log.Warn("a version that was asked for cannot be loaded", slog.Any("version", ref), slog.Any("error", err))
			}
		})
	}
	return l, nil
}

// fetch finds a version and opens it. It returns nil where it is loaded already.
func (i *Invoker) fetch(ctx context.Context, ref task.Ref) (*deployment, error) {
	if i.options.Versions == nil {
		return nil, task.Faultf(task.KindNotFound, "version %d of %s is not loaded", ref.Version, ref.Plugin)
	}
	v, module, err := i.options.Versions(ref)
	if task.FaultOf(err) != nil && task.FaultOf(err).Kind == task.KindNotFound {
		return nil, err
	}
	i.mu.RLock()
	there := i.loaded[ref] != nil
	i.mu.RUnlock()
	if there {
		return nil, nil
	}
	var d *deployment
	if err == nil {
		d, err = i.open(ctx, v, module)
	}
	if err != nil {
		err = task.Faultf(task.KindUnavailable, "version %d of %s cannot be loaded: %s", ref.Version, ref.Plugin, task.FaultOf(err).Message).CausedBy(err)
	}
	return d, err
}

// loads takes it upon the caller to load a version, and ends with loadedAs. It returns nil
// where that is not to be done: without an error, since it is loaded.
func (i *Invoker) loads(ctx context.Context, ref task.Ref) (*loading, error) {
	for {
		i.mu.Lock()
		if i.closed {
			i.mu.Unlock()
			return nil, errStopping()
		}
		if d := i.loaded[ref]; d != nil {
			d.held = true
			i.mu.Unlock()
			return nil, nil
		}
		l := i.loading[ref]
		if l == nil || isClosed(l.ended) {
			l = &loading{ended: make(chan struct{}), giveUp: func() {}}
			i.loading[ref] = l
			i.mu.Unlock()
			return l, nil
		}
		i.mu.Unlock()
		select {
		case <-l.ended:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// loadedAs ends a load: with a deployment, with nil for the one that is loaded already,
// which is known to exist now, or with an error, which it returns. A held one stays until
// it is released.
func (i *Invoker) loadedAs(l *loading, ref task.Ref, d *deployment, err error, held bool) error {
	i.mu.Lock()
	wanted := i.loading[ref] == l // or the plugin was deleted
	switch {
	case err != nil:
	case i.closed:
		err = errStopping()
	case !wanted:
		err = errGone
	case d == nil:
		if there := i.loaded[ref]; there != nil {
			there.exists = true
		} else {
			err = errGone
		}
	default:
		i.loaded[ref], d.held = d, held
		d.serving.Store(true)
		if !held {
			d.exists = true
			i.askedForLocked(d)
		}
	}
	if wanted {
		delete(i.loading, ref)
	}
	if l.err = err; err != nil && !errors.Is(err, errGone) && !held && wanted {
		l.told = time.Now()
		if task.FaultOf(err).Kind != task.KindNotFound {
			l.told = l.told.Add(failedFor)
			i.loading[ref] = l
		}
	}
	i.mu.Unlock()
	close(l.ended)
	if err != nil && d != nil {
		return errors.Join(err, d.close(context.Background()))
	}
	return err
}

// askedForLocked notes that d is there because calls ask for it, and makes room for it.
func (i *Invoker) askedForLocked(d *deployment) {
	d.asked.Store(int64(time.Since(i.began)))
	i.watchLocked(d, i.options.Pool.Idle)
	var idle []*deployment
	pinned := 0
	for _, other := range i.loaded {
		if !other.held {
			pinned++
			if other != d && !other.inUse() {
				idle = append(idle, other)
			}
		}
	}
	slices.SortFunc(idle, func(a, b *deployment) int { return cmp.Compare(a.asked.Load(), b.asked.Load()) })
	for _, other := range idle[:max(0, min(len(idle), pinned-i.options.Pinned))] {
		i.retireLocked(other)
	}
}

// watchLocked looks after a while whether d is still asked for.
func (i *Invoker) watchLocked(d *deployment, after time.Duration) {
	if d.idle == nil {
		d.idle = time.AfterFunc(after, func() { i.evict(d) })
	} else {
		d.idle.Reset(after)
	}
}

// evict unloads a version that nobody has asked for by its number for long, and that no
// other calls go to.
func (i *Invoker) evict(d *deployment) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.loaded[d.version.Ref] != d || d.held {
		return
	}
	switch left := i.patienceLocked(d); {
	case left > 0:
		i.watchLocked(d, left)
	case d.inUse():
		i.watchLocked(d, i.options.Pool.Idle)
	default:
		i.retireLocked(d)
	}
}

// patienceLocked is how long d is still kept for calls that ask for it; 0 or less: it is
// not.
func (i *Invoker) patienceLocked(d *deployment) time.Duration {
	if d.asked.Load() == 0 {
		return 0
	}
	return i.options.Pool.Idle - (time.Since(i.began) - time.Duration(d.asked.Load()))
}

// inUse tells whether calls have instances of d, or wait for them.
func (d *deployment) inUse() bool {
	s := d.pool.Stats()
	return s.Lent+s.Waiting > 0
}

// releaseLocked lets go of a version that calls are not routed to any more. It is retired,
// unless calls ask for it.
func (i *Invoker) releaseLocked(d *deployment) {
	d.held = false
	if left := i.patienceLocked(d); left > 0 {
		i.watchLocked(d, left)
		return
	}
	i.retireLocked(d)
}

// dropLocked ends all versions of a plugin that are loaded or being loaded.
func (i *Invoker) dropLocked(n name) {
	for ref, l := range i.loading {
		if nameOf(ref) == n {
			delete(i.loading, ref)
			l.giveUp()
		}
	}
	for ref, d := range i.loaded {
		if nameOf(ref) == n {
			i.retireLocked(d)
		}
	}
}
