package invoke

import (
	"log/slog"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// refuse is what calls of a fenced version are told.
func (d *deployment) refuse(wait time.Duration) error {
	f := task.Faultf(task.KindUnavailable, "version %d of %s is fenced: %s; it is tried again in %v",
		d.version.Ref.Version, d.version.Ref.Plugin, d.breaker.Fenced(), wait.Round(time.Millisecond))
	f.RetryAfter = wait
	return f
}

// fence tells of a deployment whose breaker has opened. Calls of its plugin wait where
// another version may take over, until there is a new route or Resume.
func (i *Invoker) fence(d *deployment, why string) {
	i.options.Log.Warn("a version is fenced", slog.Any("version", d.version.Ref), slog.String("reason", why))
	d.news.fence(why)
	i.mu.Lock()
	defer i.mu.Unlock()
	defer d.told.Store(d.breaker.Openings()) // last: then the new route is seen, too
	if !i.tellsLocked(d) {
		return
	}
	n := nameOf(d.version.Ref)
	if r := i.route(n); r != nil && isClosed(r.settled) && r.mayHandOver(d) {
		i.suspendLocked(n, r)
	}
	i.retiring.Go(func() { i.options.Fenced(d.version.Ref, why) })
}

// tellsLocked tells whether Fenced is told of d: not once it is being unloaded.
func (i *Invoker) tellsLocked(d *deployment) bool {
	return i.options.Fenced != nil && !i.closed && i.loaded[d.version.Ref] == d
}

// mayHandOver tells whether another version may take calls over from d, were it fenced.
func (t *target) mayHandOver(d *deployment) bool {
	return t.live == d && (d.version.Health.Failover || t.canary != nil)
}

// suspendLocked makes the calls of a plugin wait.
func (i *Invoker) suspendLocked(n name, r *route) {
	i.pointLocked(n, &route{settled: make(chan struct{}), was: r.target})
}

// reroute tells whether a call that d refused is to look again where its route leads. It
// may have come between the breaker's opening and fence: then it does what that will do.
func (i *Invoker) reroute(r *route, d *deployment) bool {
	if r.pinned {
		return false
	}
	n := nameOf(d.version.Ref)
	if !r.mayHandOver(d) || d.told.Load() == d.breaker.Openings() {
		return i.route(n) != r
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.route(n) == r {
		if d.told.Load() == d.breaker.Openings() || !i.tellsLocked(d) {
			return false
		}
		i.suspendLocked(n, r)
	}
	return true
}

// Resume lets the calls of a plugin go where they went before its version was fenced,
// since none takes over. Where they do not wait, it does nothing.
func (i *Invoker) Resume(namespace, plugin string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := name{namespace, plugin}
	if r := i.route(n); r != nil && !isClosed(r.settled) && r.was.live != nil {
		i.settleLocked(n, r.was, nil)
	}
}
