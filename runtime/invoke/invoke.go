// Package invoke takes a call from its name to its outcome: it finds the version
// that answers, borrows an instance, runs the guest and tells the monitor.
package invoke

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/pool"
	"github.com/marketprism/prismrt/runtime/sched"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/tracing"
)

// loadPatience is how long a call waits for a plugin that is being loaded after
// a restart. Its own timeout may be shorter.
const loadPatience = 5 * time.Second

// Options are what the Invoker works with.
type Options struct {
	Engine  *engine.Engine
	Monitor *monitor.Monitor

	// Tracer is told of invocations whose Trace is recorded. Nil: none is.
	Tracer *tracing.Tracer

	// Scheduler says whose turn it is. Nil: one of the Invoker's own, with as many
	// cores as Go has Ps.
	Scheduler *sched.Scheduler

	// Pool is how instances of each version are kept.
	Pool Pool

	// Versions finds a version that an invocation asks for by its number, and its module, or
	// leads to a not_found fault. Nil: there are those that were loaded.
	Versions func(ref task.Ref) (v task.Version, module []byte, err error)

	// Pinned bounds the versions that are loaded only because invocations ask for them by
	// number [32]. Beyond it the one that was asked for longest ago goes, unless it is in
	// use. Within it, one goes that was not asked for as long as Pool.Idle.
	Pinned int

	// Breaker says when a version that fails gets no calls for a while.
	Breaker health.Options

	// Fenced, unless it is nil, is told on a goroutine of its own of each version whose
	// calls are refused from now on, and why. It ends with a new route for the plugin
	// (Route, Share), or with Resume.
	Fenced func(ref task.Ref, why string)

	// Publish, unless it is nil, is told of versions that are fenced and well again, of
	// instances that something is wrong with, and of calls that fail. It must not wait.
	Publish func(event.Event)

	// Forgotten, unless it is nil, is told of each plugin that nothing leads to any more.
	Forgotten func(namespace, plugin string)

	// Log gets what goes wrong when nobody waits for an answer.
	Log *slog.Logger
}

// Pool is how the instances of a version are kept. The values in brackets are what
// zeros stand for.
type Pool struct {
	Running int           // guests that can run at the same time [the scheduler's slots]
	Waiting int           // calls whose turn it is and that may wait for an instance [1024]
	Idle    time.Duration // how long one that is not needed is kept [1m]
	Age     time.Duration // how long one lives [for ever]
	Trim    time.Duration // how long one waits until it gives back the memory that it wrote [10s]
}

// Invoker runs plugins. It is safe for concurrent use.
type Invoker struct {
	options Options
	began   time.Time

	routes atomic.Pointer[map[name]*route] // read by every call, replaced under mu

	mu      sync.RWMutex
	loaded  map[task.Ref]*deployment // ready to be routed to
	loading map[task.Ref]*loading    // on their way there, and those that failed a moment ago
	closed  bool

	interpreters map[task.Digest]*interpreter // that are open; guarded by mu

	retiring sync.WaitGroup // deployments that finish their last calls, calls of Fenced, and loads for pinned calls
	keeping  sync.WaitGroup // pools that look after their instances

	// late has a place for each instance that is rewound after its answer: for half of the
	// cores, so that giving back much memory does not keep them all from other answers.
	late chan struct{}
}

// New makes an Invoker without plugins.
func New(o Options) *Invoker {
	if o.Scheduler == nil {
		o.Scheduler = sched.New(sched.Options{Cores: goruntime.GOMAXPROCS(0)})
	}
	o.Pool.Running = cmp.Or(o.Pool.Running, o.Scheduler.Stats().Slots)
	o.Pool.Waiting = cmp.Or(o.Pool.Waiting, 1024)
	o.Pool.Idle = cmp.Or(o.Pool.Idle, time.Minute)
	o.Pinned = cmp.Or(o.Pinned, 32)
	if o.Publish == nil {
		o.Publish = func(event.Event) {}
	}
	i := &Invoker{options: o, began: time.Now(), loaded: make(map[task.Ref]*deployment), loading: make(map[task.Ref]*loading), interpreters: make(map[task.Digest]*interpreter), late: make(chan struct{}, max(1, o.Scheduler.Stats().Cores/2))}
	i.routes.Store(&map[name]*route{})
	return i
}

// Limits returns what bounds an invocation of the plugin now: the most that any version
// which may get it lets through. One that asks for a version is bound by that version's.
// Faults: not_found, unavailable.
func (i *Invoker) Limits(ctx context.Context, namespace, plugin string) (task.Limits, error) {
	r, err := i.resolve(ctx, name{namespace, plugin})
	if err != nil {
		return task.Limits{}, err
	}
	return r.limits(), nil
}

// Invoke runs a plugin once. The error, if any, is or leads to a *task.Fault;
// the Result says also then which version it was and where the time went. An invocation
// that asks for a version is run by that, live or not; where it has to be loaded first,
// the timeout begins after that.
func (i *Invoker) Invoke(ctx context.Context, in task.Invocation) (task.Result, error) {
	begun := time.Now()
	for {
		r, err := i.find(ctx, &in, &begun)
		if err != nil {
			return task.Result{}, err
		}
		d, pass, err := r.admit(begun)
		if err != nil {
			if i.reroute(r, d) {
				continue
			}
			d.news.failed(in.ID, err)
			now := time.Now()
			d.row.Observe(monitor.Observation{Kind: kindOf(err), In: len(in.Input), Total: now.Sub(begun), ID: in.ID, Ended: now})
			refused := task.Result{Ref: d.version.Ref, Digest: d.version.Digest}
			if in.Trace.IsRecorded() {
				i.trace(d, in, refused, err, begun, now)
			}
			return refused, err
		}
		s, err := d.serve(ctx, &in, begun)
		if errors.Is(err, pool.ErrClosed) && ctx.Err() == nil {
			// The version was replaced between resolving and borrowing: its
			// successor answers. When it was removed, resolve says so.
			continue
		}
		result, ended := &s.result, s.at
		switch {
		case !s.lent:
		case result.Timing.Run < longRun:
			d.end(in.ID, s.loan, reportOf(result, err))
			now := time.Now()
			result.Timing.Rewind, ended = now.Sub(ended), now
		default:
			i.endLater(d, &in, s.loan, reportOf(result, err))
		}
		kind := kindOf(err)
		i.learn(r, d, pass, ended, health.Of(kind, s.lent), result, err)
		if err != nil {
			d.news.failed(in.ID, err)
		}
		d.row.Observe(monitor.Observation{
			Kind: kind, In: len(in.Input), Out: len(result.Output), Fuel: result.Fuel, Timing: result.Timing, Total: ended.Sub(begun),
			ID: in.ID, Ended: ended,
		})
		if in.Trace.IsRecorded() {
			i.trace(d, in, *result, err, begun, ended)
		}
		return *result, err
	}
}

// trace makes the spans of an invocation that has ended and is recorded.
func (i *Invoker) trace(d *deployment, in task.Invocation, result task.Result, err error, begun, ended time.Time) {
	i.options.Tracer.Ended(&tracing.Call{
		Trace: in.Trace, ID: in.ID, Plugin: in.Plugin, Function: cmp.Or(in.Function, d.version.Function), In: len(in.Input),
		Result: result, Err: err, Begun: begun, Ended: ended,
	})
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
	flow    *sched.Flow // of the plugin, whichever version
	row     *monitor.Row
	log     *slog.Logger
	breaker *health.Breaker
	unwell  atomic.Int32     // canary calls that failed in a row
	told    atomic.Int64     // openings of the breaker that fence was called for
	fenced  func(why string) // told when the breaker has opened
	news    *news
	serving atomic.Bool // it was loaded: its faults are no longer those of an upload

	alone *route       // leads to it and nowhere else: for calls that ask for it by number
	asked atomic.Int64 // when one last did, in nanoseconds after the Invoker was made; 0: none has

	// Guarded by the Invoker's mutex:
	held   bool        // it stays, whoever asks for it: it is routed to, or will be
	exists bool        // it is no upload that may yet fail
	idle   *time.Timer // looks whether it is still asked for; nil: nobody has
}

// loan is an instance in the hands of a call.
type loan = pool.Loan[*engine.Instance]

// served is what became of a call up to where its instance is to be taken back.
type served struct {
	result task.Result
	loan   loan
	lent   bool      // there is a loan
	at     time.Time // when that was
}

// serve runs one call and leaves ending the loan, if one was lent, to the caller. It
// returns pool.ErrClosed, and has not run anything, when the deployment was retired.
func (d *deployment) serve(ctx context.Context, in *task.Invocation, begun time.Time) (s served, err error) {
	s.result.Ref, s.result.Digest, s.at = d.version.Ref, d.version.Digest, begun
	timeout, err := d.bounds(in)
	if err != nil {
		return s, err
	}
	a := &attempt{deadline: deadline{Context: ctx, at: begun.Add(timeout)}, turn: turn{plugin: in.Plugin}}
	defer a.stop()
	err = d.flow.Begin(&a.deadline, &a.turn.Turn, sched.Call{At: begun})
	if a.turn.Waited() {
		s.at = time.Now()
		s.result.Timing.Queue = s.at.Sub(begun)
	}
	if err != nil {
		return s, d.explain(err, timeout)
	}
	defer func() { a.turn.EndAt(s.result.Fuel-a.turn.told, s.at) }()
	if s.loan, err = d.borrow(&a.deadline, &a.turn, &s.at, &s.result.Timing); err != nil {
		return s, d.explain(err, timeout)
	}
	s.lent = true
	s.at, err = d.run(&a.deadline, in, s.loan, &a.turn, timeout, s.at, &s.result)
	return s, err
}

// bounds says how long a call may take. It returns a fault for one whose input is too large.
func (d *deployment) bounds(in *task.Invocation) (timeout time.Duration, err error) {
	limits := &d.version.Limits
	if len(in.Input) > int(limits.Input) {
		return 0, task.Faultf(task.KindTooLarge, "the input is %v and limits.input is %v; raise the limit in the manifest, or send less",
			task.Bytes(len(in.Input)), limits.Input)
	}
	if timeout = time.Duration(limits.Timeout); in.Timeout > 0 {
		timeout = min(timeout, in.Timeout)
	}
	return timeout, nil
}

// run has the guest run, from a moment on that was just measured, until ctx ends, which is
// after the timeout. It returns when that was over.
func (d *deployment) run(ctx context.Context, in *task.Invocation, l loan, t *turn, timeout time.Duration, from time.Time, result *task.Result) (now time.Time, err error) {
	before := t.InLine()
	result.Output, result.Fuel, err = l.Instance.Run(ctx, *in, t)
	now = time.Now()
	inLine := t.InLine() - before // between slices, and for the way back from the host
	result.Timing.Queue += inLine
	result.Timing.Run = now.Sub(from) - inLine
	l.Instance.Timed(&result.Timing)
	if waits := l.Instance.Waits(); len(waits) > 0 {
		d.row.Waited(waits)
		if in.Trace.IsRecorded() {
			result.Waits = slices.Clone(waits)
		}
	}
	if err != nil {
		if f := task.FaultOf(err); f.Kind == task.KindDeadline {
			f.Message = fmt.Sprintf("the guest was still running when its deadline of %v passed", timeout)
			err = f
		}
	}
	return now, err
}

// attempt is what a call needs while it goes on.
type attempt struct {
	deadline
	turn turn
}

// borrow takes an instance: without its turn, where there is none yet. It moves now on to
// when it has one.
func (d *deployment) borrow(ctx context.Context, t *turn, now *time.Time, timing *task.Timing) (loan, error) {
	if l, ok := d.pool.TryAcquire(); ok {
		return l, nil
	}
	t.Leave()
	begun := *now
	l, err := d.pool.Acquire(ctx)
	*now = time.Now()
	timing.Pool = now.Sub(begun)
	if err != nil {
		return loan{}, err
	}
	timing.Birth = min(timing.Pool, l.Birth())
	if err := t.Enter(); err != nil {
		l.Release(pool.Report{})
		return loan{}, err
	}
	entered := time.Now()
	timing.Queue += entered.Sub(*now)
	*now = entered
	return l, nil
}

// longRun is from when on a call does not wait for its instance to be rewound: it
// may have written megabytes. RATIONALE.md, "When is an instance rewound?".
const longRun = time.Millisecond

// end takes an instance back, as clean as it was lent, from a call that is known by the id.
func (d *deployment) end(id task.ID, l loan, report pool.Report) {
	pages, clean := d.rewind(id, l)
	report.Pages += int64(pages)
	report.LastPages = int64(pages)
	if clean {
		l.Release(report)
	} else {
		go l.Discard(report) // the caller need not wait while it is taken down
	}
}

// rewind makes an instance clean, or reports false where that cannot be. It returns how
// many pages it put back.
func (d *deployment) rewind(id task.ID, l loan) (pages int, clean bool) {
	pages, err := l.Instance.Rewind()
	if err != nil && !errors.Is(err, engine.ErrSpent) {
		d.log.Error("rewind an instance", slog.Any("version", d.version.Ref), slog.Any("request_id", id), slog.Any("error", err))
		d.news.died(pool.Spoilt, id, "it could not be made clean after a call; the server's log has the cause by the request id")
	}
	return pages, err == nil
}

// endLater does so after the answer.
func (i *Invoker) endLater(d *deployment, in *task.Invocation, l loan, report pool.Report) {
	id, trace := in.ID, in.Trace
	go func() {
		i.late <- struct{}{}
		defer func() { <-i.late }()
		begun := time.Now()
		d.end(id, l, report)
		ended := time.Now()
		d.row.Rewound(ended.Sub(begun))
		i.options.Tracer.Rewound(trace, begun, ended)
	}()
}

// reportOf is what the pool is told of a call.
func reportOf(result *task.Result, err error) pool.Report {
	return pool.Report{Calls: 1, Run: result.Timing.Run - result.Timing.Host, Host: result.Timing.Host, Fault: faultOf(err)}
}

// faultOf says whose a call's failure was.
func faultOf(err error) pool.Fault {
	switch kindOf(err) {
	case "":
		return pool.NoFault
	case task.KindInternal:
		return pool.OurFault
	}
	return pool.GuestFault
}

// explain gives words to what Acquire came back with.
func (d *deployment) explain(err error, timeout time.Duration) error {
	if r, ok := errors.AsType[*sched.Refusal](err); ok {
		return refusal(r, d.version.Ref.Plugin)
	}
	switch {
	case errors.Is(err, pool.ErrClosed), errors.Is(err, sched.ErrClosed):
		return pool.ErrClosed
	case errors.Is(err, pool.ErrFull):
		return task.Faultf(task.KindBusy, "too many calls wait for %s; try again later", d.version.Ref.Plugin).CausedBy(err)
	case errors.Is(err, context.DeadlineExceeded):
		return task.Faultf(task.KindDeadline, "the deadline of %v passed while the call waited for its turn or an instance of %s", timeout, d.version.Ref.Plugin).CausedBy(err)
	}
	return err
}
