package queue_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/volatile"
	"github.com/marketprism/prismrt/runtime/task"
)

// runner runs a function of the test's instead of plugins, and remembers what it began.
type runner struct {
	run   func(ctx context.Context, in task.Invocation) (task.Result, error)
	limit task.Bytes // of an input; 0: 1 MiB

	mu      sync.Mutex
	begun   []begun
	running map[string]int // by plugin
	most    map[string]int
}

// begun is a run, and when it was begun.
type begun struct {
	task.Invocation
	at time.Time
}

func (r *runner) Series(ctx context.Context, in task.Invocation, next func(*task.Invocation) bool, done func(*task.Result, error)) error {
	for next(&in) {
		result, err := r.one(ctx, in)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		done(&result, err)
	}
	return nil
}

func (r *runner) one(ctx context.Context, in task.Invocation) (task.Result, error) {
	r.mu.Lock()
	r.begun = append(r.begun, begun{in, time.Now()})
	if r.running == nil {
		r.running, r.most = make(map[string]int), make(map[string]int)
	}
	r.running[in.Plugin]++
	r.most[in.Plugin] = max(r.most[in.Plugin], r.running[in.Plugin])
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.running[in.Plugin]--
	}()
	from := time.Now()
	result, err := r.run(ctx, in)
	result.Timing.Run = max(result.Timing.Run, time.Since(from))
	return result, err
}

func (r *runner) Limits(context.Context, string, string) (task.Limits, error) {
	return task.Limits{Input: cmp.Or(r.limit, 1<<20)}, nil
}

// runs is what was begun so far.
func (r *runner) runs() []begun {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]begun(nil), r.begun...)
}

func (r *runner) mostOf(plugin string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.most[plugin]
}

// echo answers with the input after a time.
func echo(takes time.Duration) func(context.Context, task.Invocation) (task.Result, error) {
	return func(ctx context.Context, in task.Invocation) (task.Result, error) {
		if takes > 0 {
			select {
			case <-time.After(takes):
			case <-ctx.Done():
			}
		}
		return task.Result{Output: append([]byte("ran "), in.Input...)}, nil
	}
}

// failing ends with a fault of a kind, each time.
func failing(kind task.Kind) func(context.Context, task.Invocation) (task.Result, error) {
	return func(context.Context, task.Invocation) (task.Result, error) {
		return task.Result{Timing: task.Timing{Run: time.Microsecond}}, task.Faultf(kind, "it failed")
	}
}

const namespace = "default"

// world is a queue and all that it stands on.
type world struct {
	*queue.Queue
	t      testing.TB
	store  store.Tasks
	runner *runner
	policy map[string]queue.Policy // of plugins, apart from those that have none

	mu     sync.Mutex
	events []event.Event

	stop func() error // ends Run, and returns what it did
}

// newWorld makes a queue that is not run yet. Plugins are what the policy names, and "p".
func newWorld(t testing.TB, run func(context.Context, task.Invocation) (task.Result, error), change ...func(*queue.Options)) *world {
	w := &world{t: t, runner: &runner{run: run}, policy: map[string]queue.Policy{"p": {}}}
	o := queue.Options{
		Store: volatile.New(), Runner: w.runner, Cores: 2,
		Policy: func(_, plugin string) (queue.Policy, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			p, ok := w.policy[plugin]
			if !ok {
				return p, task.Faultf(task.KindNotFound, "there is no plugin %q", plugin)
			}
			return p, nil
		},
		Resolve: func(_, plugin, version string) (int, task.Digest, error) {
			if version == "pinned" {
				version = "7"
			}
			n, err := strconv.Atoi(version)
			if err != nil || n > 7 {
				return 0, "", task.Faultf(task.KindNotFound, "there is no version %s", version)
			}
			return n, task.DigestOf([]byte(plugin + version)), nil
		},
		Publish: func(e event.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
		},
	}
	for _, c := range change {
		c(&o)
	}
	w.store = o.Store
	w.Queue = queue.New(o)
	return w
}

func (w *world) setPolicy(plugin string, p queue.Policy) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.policy[plugin] = p
}

// start runs the queue until stop is called, or the test ends.
func (w *world) start() *world {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	w.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	w.t.Cleanup(func() { w.stop() })
	return w
}

// submit submits tasks, and fails the test where one is not taken.
func (w *world) submit(of ...queue.Submission) []task.ID {
	w.t.Helper()
	for i := range of {
		of[i].Namespace, of[i].Plugin = cmp.Or(of[i].Namespace, namespace), cmp.Or(of[i].Plugin, "p")
	}
	answers, err := w.Submit(context.Background(), of)
	if err != nil {
		w.t.Fatalf("submit: %v", err)
	}
	var ids []task.ID
	for _, a := range answers {
		if a.Err != nil {
			w.t.Fatalf("submit: %v", a.Err)
		}
		ids = append(ids, a.ID)
	}
	return ids
}

func (w *world) task(id task.ID) queue.Task {
	w.t.Helper()
	t, err := w.Task(context.Background(), namespace, id, store.WithInput|store.WithOutput)
	if err != nil {
		w.t.Fatalf("task: %v", err)
	}
	return t
}

// wait waits until a task has ended.
func (w *world) wait(ctx context.Context, namespace string, id task.ID) (queue.Task, error) {
	e := w.Ending(namespace, id)
	defer e.Stop()
	return e.Wait(ctx)
}

// ends waits until tasks have ended and returns them. What is told then is what is read.
func (w *world) ends(ids ...task.ID) (tasks []queue.Task) {
	w.t.Helper()
	for _, id := range ids {
		ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
		told, err := w.wait(ctx, namespace, id)
		if err != nil {
			w.t.Fatalf("wait: %v", err)
		}
		cancel()
		read := w.task(id)
		tasks = append(tasks, read)
		if read.Input = nil; !reflect.DeepEqual(told, read) {
			w.t.Errorf("the end was told as\n%+v\nand read as\n%+v", told, read)
		}
	}
	return tasks
}

// eventsOf is what was published of some types.
func (w *world) eventsOf(of event.Type) (some []event.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Type == of {
			some = append(some, e)
		}
	}
	return some
}

func kind(err error) task.Kind {
	if err == nil {
		return ""
	}
	var f *task.Fault
	if !errors.As(err, &f) {
		return task.Kind(fmt.Sprintf("no fault, but %v", err))
	}
	return f.Kind
}

func ints(n int) *int { return &n }

func TestATaskRunsAndItsOutputIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo(time.Millisecond)).start()
		id := w.submit(queue.Submission{Input: []byte("one")})[0]
		got := w.ends(id)[0]
		if got.State != task.Succeeded || string(got.Output) != "ran one" || len(got.Attempts) != 1 {
			t.Errorf("the task is %v with output %q after %d attempts; want it succeeded with %q after 1", got.State, got.Output, len(got.Attempts), "ran one")
		}
		if n := w.Waiting(namespace, "p"); n != 0 {
			t.Errorf("%d tasks wait after the end of the only one", n)
		}
		if err := w.stop(); err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
}
