// Package invoke takes a call from its name to its outcome: it finds the version
// that answers, borrows an instance, runs the guest and tells the monitor.
package invoke

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/pool"
	"github.com/marketprism/prismrt/runtime/task"
)

// loadPatience is how long a call waits for a plugin that is being loaded after
// a restart. Its own timeout may be shorter.
const loadPatience = 5 * time.Second

// Options are what the Invoker works with.
type Options struct {
	Engine  *engine.Engine
	Monitor *monitor.Monitor

	// Waiting bounds the calls in line for an instance of one version.
	Waiting int

	// Breaker says when a version that fails gets no calls for a while.
	Breaker health.Options

	// Fenced, unless it is nil, is told on a goroutine of its own of each version whose
	// calls are refused from now on, and why. It ends with a new route for the plugin
	// (Route, Share), or with Resume.
	Fenced func(ref task.Ref, why string)

	// Log gets what goes wrong when nobody waits for an answer.
	Log *slog.Logger
}

// Invoker runs plugins. It is safe for concurrent use.
type Invoker struct {
	options Options

	routes atomic.Pointer[map[name]*route] // read by every call, replaced under mu

	mu     sync.RWMutex
	loaded map[task.Ref]*deployment // ready to be routed to
	closed bool

	retiring sync.WaitGroup // deployments that finish their last calls, and calls of Fenced

	// late is held while an instance is rewound after its answer: one at a time, so that
	// giving back much memory does not keep all cores from other answers.
	late sync.Mutex
}

// New makes an Invoker without plugins.
func New(o Options) *Invoker {
	i := &Invoker{options: o, loaded: make(map[task.Ref]*deployment)}
	i.routes.Store(&map[name]*route{})
	return i
}

// Limits returns what bounds an invocation of the plugin now: the most that any version
// which may get it lets through. Faults: not_found, unavailable.
func (i *Invoker) Limits(ctx context.Context, namespace, plugin string) (task.Limits, error) {
	r, err := i.resolve(ctx, name{namespace, plugin})
	if err != nil {
		return task.Limits{}, err
	}
	return r.limits(), nil
}

// Invoke runs a plugin once. The error, if any, is or leads to a *task.Fault;
// the Result says also then which version it was and where the time went.
func (i *Invoker) Invoke(ctx context.Context, in task.Invocation) (task.Result, error) {
	begun := time.Now()
	for {
		r, err := i.resolve(ctx, name{in.Namespace, in.Plugin})
		if err != nil {
			return task.Result{}, err
		}
		d, pass, err := r.admit(begun)
		if err != nil {
			if i.reroute(r, d) {
				continue
			}
			d.row.Observe(monitor.Observation{Kind: kindOf(err), In: len(in.Input), Total: time.Since(begun)})
			return task.Result{Ref: d.version.Ref, Digest: d.version.Digest}, err
		}
		result, loan, err := d.invoke(ctx, in, begun)
		if errors.Is(err, pool.ErrClosed) && ctx.Err() == nil {
			// The version was replaced between resolving and borrowing: its
			// successor answers. When it was removed, resolve says so.
			continue
		}
		switch {
		case loan == nil:
		case result.Timing.Run < longRun:
			result.Timing.Rewind = d.end(in, loan)
		default:
			go func() {
				i.late.Lock()
				defer i.late.Unlock()
				d.end(in, loan)
			}()
		}
		kind, total := kindOf(err), time.Since(begun)
		i.learn(r, d, pass, begun.Add(total), health.Of(kind, loan != nil), &result, err)
		d.row.Observe(monitor.Observation{
			Kind: kind, In: len(in.Input), Out: len(result.Output), Fuel: result.Fuel, Timing: result.Timing, Total: total,
		})
		return result, err
	}
}

func kindOf(err error) task.Kind {
	if err == nil {
		return ""
	}
	return task.FaultOf(err).Kind
}

// deployment is a version that can be called.
type deployment struct {
	version task.Version
	program *engine.Program
	pool    *pool.Pool[*engine.Instance]
	row     *monitor.Row
	log     *slog.Logger
	breaker *health.Breaker
	unwell  atomic.Int32     // canary calls that failed in a row
	told    atomic.Int64     // openings of the breaker that fence was called for
	fenced  func(why string) // told when the breaker has opened
}

// invoke serves one call and leaves ending the loan, if it came to one, to the
// caller. It returns pool.ErrClosed, and has not run anything, when the
// deployment was retired.
func (d *deployment) invoke(ctx context.Context, in task.Invocation, begun time.Time) (task.Result, *pool.Loan[*engine.Instance], error) {
	result := task.Result{Ref: d.version.Ref, Digest: d.version.Digest}
	limits := d.version.Limits
	if len(in.Input) > int(limits.Input) {
		return result, nil, task.Faultf(task.KindTooLarge, "the input is %v and limits.input is %v; raise the limit in the manifest, or send less",
			task.Bytes(len(in.Input)), limits.Input)
	}
	timeout := time.Duration(limits.Timeout)
	if in.Timeout > 0 {
		timeout = min(timeout, in.Timeout)
	}
	until := &deadline{Context: ctx, at: begun.Add(timeout)}
	defer until.stop()
	ctx = until

	waiting := time.Now()
	loan, err := d.pool.Acquire(ctx)
	result.Timing.Pool = time.Since(waiting)
	if err != nil {
		return result, nil, d.explain(err, timeout)
	}
	running := time.Now()
	result.Output, result.Fuel, err = loan.Instance.Run(ctx, in)
	result.Timing.Run = time.Since(running)
	if f := task.FaultOf(err); f != nil && f.Kind == task.KindDeadline {
		f.Message = fmt.Sprintf("the guest was still running when its deadline of %v passed", timeout)
		return result, loan, f
	}
	return result, loan, err
}

// longRun is from when on a call does not wait for its instance to be rewound: it
// may have written megabytes. RATIONALE.md, "When is an instance rewound?".
const longRun = time.Millisecond

// end takes an instance back, as clean as it was lent, and says how long that took.
func (d *deployment) end(in task.Invocation, loan *pool.Loan[*engine.Instance]) (took time.Duration) {
	begun := time.Now()
	_, err := loan.Instance.Rewind()
	took = time.Since(begun)
	d.row.Rewound(took)
	if err == nil {
		loan.Return()
		return took
	}
	if !errors.Is(err, engine.ErrSpent) {
		d.log.Error("rewind an instance", slog.Any("version", d.version.Ref), slog.Any("request_id", in.ID), slog.Any("error", err))
	}
	go loan.Discard() // the caller need not wait while it is taken down
	return took
}

// explain gives words to what Acquire came back with.
func (d *deployment) explain(err error, timeout time.Duration) error {
	switch {
	case errors.Is(err, pool.ErrClosed):
		return err
	case errors.Is(err, pool.ErrFull):
		return task.Faultf(task.KindBusy, "too many calls wait for %s; try again later", d.version.Ref.Plugin).CausedBy(err)
	case errors.Is(err, context.DeadlineExceeded):
		return task.Faultf(task.KindDeadline, "the deadline of %v passed while the call waited for an instance of %s", timeout, d.version.Ref.Plugin).CausedBy(err)
	}
	return err
}
