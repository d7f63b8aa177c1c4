package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"time"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Runner runs plugins, as an invoke.Invoker does.
type Runner interface {
	// Series runs a plugin on one input after another. next says what differs from in, and
	// done what became of it before next is asked again.
	Series(ctx context.Context, in task.Invocation, next func(in *task.Invocation) bool, done func(result *task.Result, err error)) error

	// Limits returns what bounds an invocation of the plugin now.
	Limits(ctx context.Context, namespace, plugin string) (task.Limits, error)
}

// Options are what a Queue works with. A zero field takes the default in brackets; Store,
// Runner, Policy and Resolve have none.
type Options struct {
	Store  store.Tasks
	Runner Runner

	// Policy is that of a plugin as it is now. A not_found fault tells that there is no such
	// plugin. It is asked for each submission, and must not wait.
	Policy func(namespace, plugin string) (Policy, error)

	// Resolve finds the version of a plugin that "pinned" (the one that is live now) or a
	// number means. A not_found fault tells that there is none. It must not wait.
	Resolve func(namespace, plugin, version string) (number int, digest task.Digest, err error)

	// Callback says why a URL cannot be called back when a task has ended, in a fault [any can].
	// It must not wait.
	Callback func(url string) error

	// Namespace is what the plugins of a namespace may use together [no bound]. It must not
	// wait.
	Namespace func(namespace string) Share

	// Trace takes up the trace of a traceparent, for one attempt [nothing is traced].
	Trace func(traceparent string) *task.Trace

	Now     func() time.Time  // [time.Now]
	Publish func(event.Event) // [nobody is told]; it must not wait

	Cores int // guests that can run at the same time [GOMAXPROCS]

	// MostWaiting bounds the tasks that have not ended [2,000,000], and MostOfPlugin those of
	// one plugin [1,000,000].
	MostWaiting, MostOfPlugin int64

	// MostRunning bounds attempts at the same time [1024]. Each plugin may have one, whatever
	// the others have.
	MostRunning int

	// MostBytes bounds the inputs and outputs of tasks that were leased and whose outcome is
	// not stored yet [256 MiB]. What one lease hands out can be over it, and each plugin may
	// have some.
	MostBytes int64

	// Lease is how long a task is a worker's without another word of it, at least a second
	// [30s].
	Lease time.Duration

	// Grace is how long attempts go on once Run is to end [10s]. Then they are stopped, and
	// after LastGrace those that did not stop are left behind [5s].
	Grace, LastGrace time.Duration

	// KeepEnded bounds the ended tasks that are kept [1,000,000].
	KeepEnded int64

	Log *slog.Logger // [nowhere]
}

// Policy is how tasks of a plugin are run. A zero field takes the default in brackets.
type Policy struct {
	Retries     *int          // attempts after the first, 0 to MostRetries; nil: [3]
	Backoff     time.Duration // before the second attempt, doubled for each further one; the wait is drawn from 0 to that [1s]
	MostBackoff time.Duration // where doubling ends [5m]
	Concurrency int           // attempts at the same time [as many as keep the cores busy]
	Rate        float64       // attempts that begin in a second [no bound]
	Keep        time.Duration // how long a task that succeeded or was canceled is kept [24h]
	KeepDead    time.Duration // and one that is dead [30 days]
	KeyTTL      time.Duration // how long a key stands for the task that was submitted with it [24h]
	Priority    *int          // of a task that asks for none; nil: [task.DefaultPriority]
}

// Share is what the plugins of a namespace may use together. A zero field is no bound.
type Share struct {
	Concurrency int     // attempts at the same time
	Rate        float64 // attempts that begin in a second
}

const day = 24 * time.Hour

// fill sets defaults and reports all that is wrong.
func (o *Options) fill() error {
	if o.Namespace == nil {
		o.Namespace = func(string) Share { return Share{} }
	}
	if o.Trace == nil {
		o.Trace = func(string) *task.Trace { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Publish == nil {
		o.Publish = func(event.Event) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Cores = cmp.Or(o.Cores, goruntime.GOMAXPROCS(0))
	o.MostWaiting = cmp.Or(o.MostWaiting, 2_000_000)
	o.MostOfPlugin = cmp.Or(o.MostOfPlugin, 1_000_000)
	o.MostRunning = cmp.Or(o.MostRunning, 1024)
	o.MostBytes = cmp.Or(o.MostBytes, 256<<20)
	o.Lease = cmp.Or(o.Lease, 30*time.Second)
	o.Grace = cmp.Or(o.Grace, 10*time.Second)
	o.LastGrace = cmp.Or(o.LastGrace, 5*time.Second)
	o.KeepEnded = cmp.Or(o.KeepEnded, 1_000_000)

	var errs []error
	for field, missing := range map[string]bool{
		"Store": o.Store == nil, "Runner": o.Runner == nil, "Policy": o.Policy == nil, "Resolve": o.Resolve == nil,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("%s is missing", field))
		}
	}
	for _, bound := range []struct {
		field string
		value int64
	}{
		{"Cores", int64(o.Cores)},
		{"MostWaiting", o.MostWaiting},
		{"MostOfPlugin", o.MostOfPlugin},
		{"MostRunning", int64(o.MostRunning)},
		{"MostBytes", o.MostBytes},
		{"KeepEnded", o.KeepEnded},
	} {
		if bound.value < 1 {
			errs = append(errs, fmt.Errorf("%s is %d; it must be at least 1", bound.field, bound.value))
		}
	}
	if o.Lease < time.Second {
		errs = append(errs, fmt.Errorf("the Lease is %v; it must be at least 1s", o.Lease))
	}
	if o.Grace < 0 || o.LastGrace < 0 {
		errs = append(errs, fmt.Errorf("the Grace is %v and the LastGrace %v; neither can be less than 0", o.Grace, o.LastGrace))
	}
	return errors.Join(errs...)
}

// filled is a policy with defaults for zeros. Bounds of what a manifest may say are its
// reader's.
func (p Policy) filled() Policy {
	if p.Retries == nil {
		p.Retries = new(3)
	}
	if p.Priority == nil {
		p.Priority = new(task.DefaultPriority)
	}
	p.Backoff = cmp.Or(p.Backoff, time.Second)
	p.MostBackoff = cmp.Or(p.MostBackoff, 5*time.Minute)
	p.Keep = cmp.Or(p.Keep, day)
	p.KeepDead = cmp.Or(p.KeepDead, 30*day)
	p.KeyTTL = cmp.Or(p.KeyTTL, day)
	return p
}

// policy is that of a plugin, and the default one for a plugin that is gone.
func (q *Queue) policy(of name) Policy {
	p, err := q.options.Policy(of.namespace, of.plugin)
	if err != nil {
		p = Policy{}
	}
	return p.filled()
}

// retries is how many attempts a task gets after the first.
func (p *Policy) retries(t *task.Terms) int {
	if t.Retries != nil {
		return *t.Retries
	}
	return *p.Retries
}

// keep is how long a task is kept once it is in a state that ends it.
func (p *Policy) keep(t *task.Terms, ended task.State) time.Duration {
	switch {
	case t.Keep > 0:
		return t.Keep
	case ended == task.Dead:
		return p.KeepDead
	}
	return p.Keep
}

// backoff is how long to wait before the attempt after so many that count: doubled for each,
// and drawn from the whole of that, so that tasks that failed together do not come back
// together ("Exponential Backoff And Jitter", Brooker, AWS Architecture Blog 2015: full
// jitter). random is from 0 to 1.
func (p *Policy) backoff(t *task.Terms, attempts int, random float64) time.Duration {
	most := cmp.Or(t.Backoff, p.Backoff)
	for range attempts - 1 {
		if most >= p.MostBackoff {
			break
		}
		most *= 2
	}
	return time.Duration(random * float64(min(most, max(p.MostBackoff, t.Backoff))))
}
