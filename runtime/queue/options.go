package queue

import (
	"context"
	"log/slog"
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

// Options are what a Queue works with. A zero field takes the default in brackets.
type Options struct {
	Store  store.Tasks
	Runner Runner

	// Policy is that of a plugin as it is now. A not_found fault tells that there is no such
	// plugin. It is asked often, and must not wait.
	Policy func(namespace, plugin string) (Policy, error)

	// Namespace is what the plugins of a namespace may use together [no bound].
	Namespace func(namespace string) Share

	// Resolve finds the version of a plugin that "pinned" (the one that is live now) or a
	// number means. A not_found fault tells that there is none.
	Resolve func(namespace, plugin, version string) (number int, digest task.Digest, err error)

	// Trace takes up the trace of a traceparent, for one attempt [nothing is traced].
	Trace func(traceparent string) *task.Trace

	Now     func() time.Time  // [time.Now]
	Publish func(event.Event) // [nobody is told]; it must not wait

	Cores int // guests that can run at the same time [GOMAXPROCS]

	// MostWaiting bounds tasks that have not ended [2,000,000], MostOfPlugin those of one
	// plugin [1,000,000].
	MostWaiting, MostOfPlugin int64

	// MostRunning bounds attempts at the same time [1024]. Each plugin may have one whatever
	// the others have.
	MostRunning int

	// MostBytes bounds the inputs and outputs of tasks that were leased and are not stored
	// yet [256 MiB]. It can be passed by what one lease holds.
	MostBytes int64

	// Lease is how long a task is a worker's without another word of it [30s].
	Lease time.Duration

	// Grace is how long attempts go on after Run's context has ended [10s], and after that
	// for how long Run waits for those that do not stop [5s].
	Grace, LastGrace time.Duration

	// KeepEnded bounds the tasks that have ended and are kept [1,000,000].
	KeepEnded int64

	Log *slog.Logger // [nowhere]
}

// Policy is how tasks of a plugin are run. A zero field takes the default in brackets.
type Policy struct {
	Retries     *int          // attempts after the first; nil: [3]
	Backoff     time.Duration // before the second attempt, doubled for each further one, and then drawn from 0 to that [1s]
	MostBackoff time.Duration // where doubling ends [5m]
	Concurrency int           // attempts at the same time [as many as keep the cores busy]
	Rate        float64       // attempts that begin in a second [no bound]
	Keep        time.Duration // how long a task that succeeded or was canceled is kept [24h]
	KeepDead    time.Duration // and one that is dead [30 days]
	KeyTTL      time.Duration // for how long a key stands for the task that was submitted with it [24h]
	Priority    *int          // of a task that asks for none; nil: [task.DefaultPriority]
}

// Share is what the plugins of a namespace may use together. A zero field is no bound.
type Share struct {
	Concurrency int     // attempts at the same time
	Rate        float64 // attempts that begin in a second
}
