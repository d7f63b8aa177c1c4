package plugins

import (
	"context"
	"log/slog"
	"sync"

	"github.com/marketprism/prismrt/runtime/task"
)

// Load makes every live version callable, a few at a time, and returns when all
// are or cannot be. What cannot be loaded answers why, and is logged.
func (c *Catalogue) Load(ctx context.Context, atOnce int) {
	var wg sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for _, p := range c.all() {
		if p.Live == 0 {
			continue
		}
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			c.loadLive(ctx, p.ref(p.Live))
		})
	}
	for _, r := range c.Runtimes() { // so that the first upload does not wait for it
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			if err := c.openInterpreter(ctx, r.Name, r.Digest); err != nil {
				c.options.Log.Error("an interpreter cannot be opened", slog.String("runtime", r.Name), slog.Any("error", err))
			}
		})
	}
	wg.Wait()
}

// loadLive makes a live version callable, and the canary beside it. Where the one
// cannot be, the version before may take over; where the other cannot be, its release
// ends.
func (c *Catalogue) loadLive(ctx context.Context, ref task.Ref) {
	unlock, err := c.releases.lock(ctx, key{ref.Namespace, ref.Plugin})
	if err != nil {
		return
	}
	defer unlock()
	p, err := c.Plugin(ref.Namespace, ref.Plugin)
	if err != nil || p.Live != ref.Version {
		return // an upload came first
	}
	v, err := c.load(ctx, p, ref.Version)
	if err != nil {
		c.options.Log.Error("a plugin cannot be loaded", slog.Any("version", ref), slog.Any("error", err))
		c.publishFailed(ref, err)
		if v.Run.Health.Failover && c.takeOver(ctx, p, "it could not be loaded: "+task.FaultOf(err).Message) {
			return
		}
		c.options.Runner.Fail(ref.Namespace, ref.Plugin, err)
		return
	}
	c.options.Runner.Route(ref)
	if p.Canary == nil {
		return
	}
	if _, err := c.load(ctx, p, p.Canary.Version); err != nil {
		c.publishFailed(p.ref(p.Canary.Version), err)
		c.rollBack(p, "it could not be loaded: "+task.FaultOf(err).Message)
		return
	}
	c.options.Runner.Share(ref, p.ref(p.Canary.Version), p.Canary.Share)
}

// load makes a stored version callable.
func (c *Catalogue) load(ctx context.Context, p Plugin, number int) (Version, error) {
	v, err := p.Version(number)
	if err != nil {
		return Version{}, err
	}
	run, module, err := c.Runnable(ctx, v.Ref)
	if err != nil {
		return v, err
	}
	return v, c.options.Runner.Load(ctx, run, module)
}
