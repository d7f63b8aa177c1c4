package queue

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Ending is the end of a task, which somebody waits for. It is for one goroutine, and takes
// room until Stop.
//
// What an attempt came to here is told as soon as it is stored: to have the store tell, and
// to read it back, takes as much of a core as submitting and running a short task. The store
// is asked from longWait on, for what others do to its tasks.
type Ending struct {
	queue     *Queue
	namespace string
	id        task.ID
	told      chan *Task  // has room for one: the end of the task, nil: look
	look      bool        // it may have ended already
	over      atomic.Bool // it is not among those that are waited for any more
}

// longWait is after what time a waiter listens to the store, too.
const longWait = time.Second

// endings are those that are waited for.
type endings struct {
	mu sync.Mutex
	of map[task.ID][]*Ending
}

// Ending has the end of a task be waited for, also of one that has ended.
func (q *Queue) Ending(namespace string, id task.ID) *Ending {
	e := q.ending(namespace, id)
	e.look = true
	return e
}

// ending does that for a task that has not ended yet.
func (q *Queue) ending(namespace string, id task.ID) *Ending {
	e := &Ending{queue: q, namespace: namespace, id: id, told: make(chan *Task, 1)}
	q.endings.mu.Lock()
	defer q.endings.mu.Unlock()
	q.endings.of[id] = append(q.endings.of[id], e)
	return e
}

// Stop ends the waiting. It may be called again.
func (e *Ending) Stop() {
	if e.over.Load() {
		return
	}
	all := &e.queue.endings
	all.mu.Lock()
	defer all.mu.Unlock()
	others := slices.DeleteFunc(all.of[e.id], func(other *Ending) bool { return other == e })
	if all.of[e.id] = others; len(others) == 0 {
		delete(all.of, e.id)
	}
}

// Wait waits until the task has ended, and returns it with its output, which others may be
// given, too. It returns ctx's cause when that ended first, a not_found fault where there is
// no such task, or it was forgotten meanwhile, and unavailable.
func (e *Ending) Wait(ctx context.Context) (Task, error) {
	long := time.NewTimer(longWait)
	defer long.Stop()
	var changed <-chan struct{}
	stop := func() {}
	defer func() { stop() }()
	for waitedLong := false; ; e.look = true {
		if waitedLong { // before the look: no change after it is missed
			stop()
			changed, stop = e.queue.options.Store.Watch(e.id)
		}
		if e.look {
			t, err := e.queue.Task(ctx, e.namespace, e.id, store.WithOutput)
			if err != nil || t.State.Ended() {
				return t, err
			}
		}
		select {
		case t := <-e.told:
			if t != nil {
				return *t, nil
			}
		case <-long.C:
			waitedLong = true
		case <-changed:
		case <-ctx.Done():
			return Task{}, context.Cause(ctx)
		}
	}
}

// tell tells those who wait for the end of a task what an attempt came to, nil: that they
// are to look.
func (all *endings) tell(id task.ID, f *finished) {
	all.mu.Lock()
	waiting := all.of[id]
	if len(waiting) == 0 {
		all.mu.Unlock()
		return
	}
	var end *Task
	if f != nil && len(f.Past) == 0 { // else the store knows more
		end = f.end()
		delete(all.of, id)
	} else {
		waiting = slices.Clone(waiting)
	}
	all.mu.Unlock()
	for _, e := range waiting {
		if end != nil {
			e.over.Store(true)
		}
		select {
		case e.told <- end:
		default: // it has yet to hear that it is to look
		}
	}
}

// end is what is known of a task that its first attempt ended.
func (f *finished) end() *Task {
	o := &f.outcome
	t := &Task{Record: store.Record{
		Task: f.Task, State: o.State, Attempts: []store.Attempt{o.Last}, Ended: o.Last.Ended, Expires: o.Expires,
		InputBytes: int64(len(f.Input)), OutputBytes: int64(len(o.Output)), Output: o.Output,
	}}
	if t.Input = nil; o.State == task.Succeeded && t.Output == nil {
		t.Output = []byte{}
	}
	return t
}
