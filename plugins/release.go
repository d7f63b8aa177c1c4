package plugins

import (
	"context"
	"log/slog"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// The least and the most of the calls that a canary may get.
const (
	LeastShare = 0.0001
	MostShare  = 0.9999
)

// SetLive makes a version answer all calls, loading it first: when it cannot be loaded
// the one before goes on. It ends a canary release, in favour of the version it names.
func (c *Catalogue) SetLive(ctx context.Context, ref task.Ref) (Plugin, error) {
	return c.change(ctx, ref, func(p Plugin) (Plugin, error) { return c.setLive(ctx, p, ref.Version) })
}

// SetCanary sends a share of the calls to a version, loading it first, while the live
// version goes on with the others. With judge the two are compared, and the weaker goes
// by itself.
func (c *Catalogue) SetCanary(ctx context.Context, ref task.Ref, share float64, judge bool) (Plugin, error) {
	if !(share >= LeastShare && share <= MostShare) { // not a number is neither
		return Plugin{}, task.Faultf(task.KindInvalid, "share is %v; it must be from %v to %v", share, LeastShare, MostShare)
	}
	return c.change(ctx, ref, func(p Plugin) (Plugin, error) {
		switch p.Live {
		case 0:
			return p, task.Faultf(task.KindConflict, "%s has no live version that %d could share calls with; make it live", p.Name, ref.Version)
		case ref.Version:
			return p, task.Faultf(task.KindConflict, "version %d is the live one and gets all calls that no other gets; give the other's share", ref.Version)
		}
		if _, err := c.load(ctx, p, ref.Version); err != nil {
			return p, err
		}
		r := p.Release
		r.Canary, r.LastCanary = &store.Canary{Version: ref.Version, Share: share, Judge: judge, Since: now()}, nil
		out, err := c.release(ctx, p, r)
		if err != nil {
			c.options.Runner.Unload(ref)
		}
		return out, err
	})
}

// change holds the lock on where a plugin's calls go while f changes it.
func (c *Catalogue) change(ctx context.Context, ref task.Ref, f func(Plugin) (Plugin, error)) (Plugin, error) {
	unlock, err := c.releases.lock(ctx, key{ref.Namespace, ref.Plugin})
	if err != nil {
		return Plugin{}, err
	}
	defer unlock()
	p, err := c.Plugin(ref.Namespace, ref.Plugin)
	if err != nil {
		return Plugin{}, err
	}
	if p, err = f(p); err != nil {
		return Plugin{}, err
	}
	return p, nil
}

// setLive does SetLive's work for a plugin whose lock is held.
func (c *Catalogue) setLive(ctx context.Context, p Plugin, number int) (Plugin, error) {
	if _, err := c.load(ctx, p, number); err != nil {
		return p, err
	}
	out, err := c.release(ctx, p, live(p.Release, number))
	if err != nil {
		c.options.Runner.Unload(p.ref(number))
	}
	return out, err
}

// release commits where p's calls go, and sends them there. Versions that it names
// were loaded.
func (c *Catalogue) release(ctx context.Context, p Plugin, r store.Release) (Plugin, error) {
	at := now()
	if err := c.options.Store.SetRelease(context.WithoutCancel(ctx), p.Namespace, p.Name, r, at); err != nil {
		return p, err
	}
	before := p.Release
	p.Release, p.UpdatedAt = r, at
	c.put(p)
	if r.Canary == nil {
		c.options.Runner.Route(p.ref(r.Live))
	} else {
		c.options.Runner.Share(p.ref(r.Live), p.ref(r.Canary.Version), r.Canary.Share)
	}
	c.publishRelease(p, before)
	return p, nil
}

// live is a release once a version was made live.
func live(r store.Release, number int) store.Release {
	if r.Live != number {
		r.Previous, r.Takeover = r.Live, nil
	}
	r.Live, r.Canary = number, nil
	return r
}

// TakeOver answers for a version that was fenced: another takes its calls where there
// is one that may. That is, for a canary, the live version; for the live version, the
// canary if the two are judged, or else the version that was live before if the
// manifest has failover. Where there is none, calls go on to be refused by the fence.
func (c *Catalogue) TakeOver(ctx context.Context, ref task.Ref, reason string) {
	unlock, err := c.releases.lock(ctx, key{ref.Namespace, ref.Plugin})
	if err != nil {
		return
	}
	defer unlock()
	defer c.options.Runner.Resume(ref.Namespace, ref.Plugin) // calls that still wait
	p, err := c.Plugin(ref.Namespace, ref.Plugin)
	if err != nil {
		return
	}
	switch {
	case p.Canary != nil && p.Canary.Version == ref.Version:
		c.rollBack(p, reason)
	case p.Live != ref.Version:
	case p.Canary != nil && p.Canary.Judge:
		c.promote(ctx, p, "the live version was fenced: "+reason)
	default:
		if v, err := p.Version(ref.Version); err == nil && v.Run.Health.Failover {
			c.takeOver(ctx, p, reason)
		}
	}
}

// takeOver makes the version live that was so before, and reports whether there was one
// that could be. The one that is given up is forgotten as the one before: it does not
// get its calls back by itself.
func (c *Catalogue) takeOver(ctx context.Context, p Plugin, reason string) bool {
	to := p.Previous
	if to == 0 {
		c.options.Log.Warn("no version was live before that could take over", slog.Any("version", p.ref(p.Live)))
		return false
	}
	if _, err := c.load(ctx, p, to); err != nil {
		c.options.Log.Error("the version before cannot take over", slog.Any("version", p.ref(to)), slog.Any("error", err))
		c.publishFailed(p.ref(to), err)
		return false
	}
	r := store.Release{Live: to, LastCanary: p.LastCanary, Takeover: &store.Takeover{From: p.Live, To: to, At: now(), Reason: reason}}
	if p.Canary != nil && p.Canary.Version != to {
		r.LastCanary = &store.CanaryEnd{Version: p.Canary.Version, At: now(), Reason: "the live version was fenced: " + reason}
	}
	if _, err := c.release(ctx, p, r); err != nil {
		c.options.Log.Error("a takeover cannot be stored", slog.Any("version", p.ref(to)), slog.Any("error", err))
		c.options.Runner.Unload(p.ref(to))
		return false
	}
	c.options.Log.Warn("the version before took over", slog.Any("version", p.ref(p.Live)), slog.Int("to", to), slog.String("reason", reason))
	return true
}

// rollBack ends a canary release in favour of the live version, which was loaded.
func (c *Catalogue) rollBack(p Plugin, reason string) {
	r := p.Release
	r.Canary, r.LastCanary = nil, &store.CanaryEnd{Version: p.Canary.Version, At: now(), Reason: reason}
	c.conclude(p, r)
}

// promote ends a canary release in favour of the canary.
func (c *Catalogue) promote(ctx context.Context, p Plugin, reason string) {
	number := p.Canary.Version
	if _, err := c.load(ctx, p, number); err != nil {
		c.options.Log.Error("a canary cannot be made live", slog.Any("version", p.ref(number)), slog.Any("error", err))
		c.publishFailed(p.ref(number), err)
		return
	}
	r := live(p.Release, number)
	r.LastCanary = &store.CanaryEnd{Version: number, Live: true, At: now(), Reason: reason}
	c.conclude(p, r)
}

// conclude commits the end of a canary release. It is of the moment, whoever waits.
func (c *Catalogue) conclude(p Plugin, r store.Release) {
	end := r.LastCanary
	if _, err := c.release(context.Background(), p, r); err != nil {
		c.options.Log.Error("the end of a canary release cannot be stored", slog.Any("version", p.ref(end.Version)), slog.Any("error", err))
		return
	}
	c.options.Log.Warn("a canary release ended by itself", slog.Any("version", p.ref(end.Version)),
		slog.Bool("live", end.Live), slog.String("reason", end.Reason))
}
