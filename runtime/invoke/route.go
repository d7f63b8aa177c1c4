package invoke

import (
	"context"
	"maps"
	"time"

	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/task"
)

// name is where a call goes before its version is known.
type name struct{ namespace, plugin string }

func nameOf(ref task.Ref) name { return name{ref.Namespace, ref.Plugin} }

// target is where a plugin's calls go.
type target struct {
	live   *deployment // nil: nowhere
	canary *canary     // nil: live gets all of them
}

// leadsTo tells whether calls may reach d.
func (t *target) leadsTo(d *deployment) bool {
	return t.live == d || t.canary != nil && t.canary.to == d
}

// route is what a name leads to. Once settled it does not change.
type route struct {
	settled chan struct{} // closed once target or err is set
	target
	err error

	// pinned tells that it is one version's own, whatever happens to the name.
	pinned bool

	// was is where calls went before a version was fenced. They wait for the one that
	// takes over, or for Resume.
	was target
}

// leads returns where calls go, or while they wait, where they went.
func (r *route) leads() *target {
	if isClosed(r.settled) {
		return &r.target
	}
	return &r.was
}

// route returns what a name leads to, nil: nothing. It takes no lock.
func (i *Invoker) route(n name) *route { return (*i.routes.Load())[n] }

// pointLocked makes a name lead to r, nil: to nothing. Maps are not changed once they
// can be read.
func (i *Invoker) pointLocked(n name, r *route) {
	routes := maps.Clone(*i.routes.Load())
	if r == nil {
		delete(routes, n)
	} else {
		routes[n] = r
	}
	i.routes.Store(&routes)
}

// settleLocked points a name somewhere, waking those who wait for it, and
// releases what it does not lead to any more.
func (i *Invoker) settleLocked(n name, to target, err error) {
	r := i.route(n)
	var before target
	if r != nil {
		before = *r.leads()
	}
	if r == nil || isClosed(r.settled) {
		r = &route{settled: make(chan struct{})}
		i.pointLocked(n, r)
	}
	r.target, r.err = to, err
	close(r.settled)
	if before.live != nil && !to.leadsTo(before.live) {
		i.releaseLocked(before.live)
	}
	if before.canary != nil && !to.leadsTo(before.canary.to) {
		i.releaseLocked(before.canary.to)
	}
	if to.live != nil {
		to.live.held, to.live.exists = true, true
	}
	if to.canary != nil {
		to.canary.to.held, to.canary.to.exists = true, true
	}
}

// resolve finds where calls go, waiting for a version that is being loaded.
func (i *Invoker) resolve(ctx context.Context, n name) (*route, error) {
	r := i.route(n)
	if r == nil {
		return nil, noPlugin(n.plugin)
	}
	select {
	case <-r.settled:
		return r, r.err
	default:
	}
	patience := time.NewTimer(loadPatience)
	defer patience.Stop()
	select {
	case <-r.settled:
		return r, r.err
	case <-patience.C:
		return nil, task.Faultf(task.KindUnavailable, "%s is still being loaded; try again in a moment", n.plugin)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func noPlugin(plugin string) *task.Fault {
	return task.Faultf(task.KindNotFound, "there is no plugin %q, or it has no live version", plugin)
}

// admit chooses the version that serves a call which came at now, and asks its breaker.
// Where that refuses, the fault comes with the version that is fenced.
func (t *target) admit(now time.Time) (*deployment, health.Pass, error) {
	if t.canary != nil && t.canary.turn() {
		// What a fenced canary cannot have is the live version's.
		if pass, wait := t.canary.to.breaker.Allow(now); wait == 0 {
			return t.canary.to, pass, nil
		}
	}
	pass, wait := t.live.breaker.Allow(now)
	if wait > 0 {
		return t.live, 0, t.live.refuse(wait)
	}
	return t.live, pass, nil
}

// limits are the most that either version lets through.
func (t *target) limits() task.Limits {
	l := t.live.version.Limits
	if t.canary != nil {
		of := &t.canary.to.version.Limits
		l.Input, l.Timeout = max(l.Input, of.Input), max(l.Timeout, of.Timeout)
	}
	return l
}
