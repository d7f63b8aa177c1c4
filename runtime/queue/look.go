package queue

import (
	"context"
	"errors"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Task returns what is known of a task, with the bodies that are wanted. Its faults are
// not_found, also for a task that has been forgotten, and unavailable.
func (q *Queue) Task(ctx context.Context, namespace string, id task.ID, parts store.Parts) (Task, error) {
	r, err := q.read(ctx, namespace, id, parts)
	if err != nil {
		return Task{}, err
	}
	return q.told(r), nil
}

func (q *Queue) read(ctx context.Context, namespace string, id task.ID, parts store.Parts) (store.Record, error) {
	records, err := q.options.Store.Read(ctx, []task.ID{id}, parts)
	if err != nil {
		return store.Record{}, q.readFault(ctx, err)
	}
	if r := records[0]; r.ID != "" && r.Namespace == namespace {
		return r, nil
	}
	return store.Record{}, noTask(id)
}

func noTask(id task.ID) error {
	return task.Faultf(task.KindNotFound, "there is no task %.80q, or it has been forgotten", string(id))
}

// readFault gives words to why something could not be read.
func (q *Queue) readFault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return q.storeFault(err)
}

// changeFault gives words to why a caller's change could not be stored. Of one who has left,
// whatever it left with says nothing of the store.
func (q *Queue) changeFault(ctx context.Context, err error) error {
	if ctx.Err() == nil || errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrBroken) {
		return q.storeFault(err)
	}
	cause := context.Cause(ctx)
	if errors.Is(cause, context.DeadlineExceeded) {
		return task.FaultOf(cause)
	}
	return task.Faultf(task.KindCanceled, "the request was given up before it was known whether what it asked for was stored").CausedBy(cause)
}

// told adds what is known here.
func (q *Queue) told(r store.Record) Task {
	t := Task{Record: r}
	if r.State == task.Running {
		if a := q.attempt(r.ID); a != nil {
			t.Progress = a.progress()
		}
	}
	return t
}

// attempt is the one that a task is at, nil where it is not here.
func (q *Queue) attempt(id task.ID) *attempt {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held[id]
}

// Page returns the newest tasks that a query chooses, newest first, without bodies.
func (q *Queue) Page(ctx context.Context, of store.Query) ([]Task, error) {
	records, err := q.options.Store.Page(ctx, of)
	if err != nil {
		return nil, q.readFault(ctx, err)
	}
	tasks := make([]Task, len(records))
	for i, r := range records {
		tasks[i] = q.told(r)
	}
	return tasks, nil
}

// Waiting is how many tasks of a plugin have not ended.
func (q *Queue) Waiting(namespace, plugin string) int64 {
	if err := q.learn(context.Background()); err != nil {
		return 0
	}
	return q.waiting.ofPlugin(name{namespace, plugin})
}
