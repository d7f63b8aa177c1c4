package queue

import (
	"context"
	"sync"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// name is what a plugin is known by.
type name struct{ namespace, plugin string }

// waiting counts the tasks that have not ended.
type waiting struct {
	mu      sync.Mutex
	all     int64
	of      map[name]int64
	changes int64 // how often any of that changed
}

// reserve counts one more, unless there are as many as there may be. It says of what there
// are too many: "" for of nothing.
func (w *waiting) reserve(n name, most, mostOf int64) (tooMany string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.all >= most:
		return "tasks"
	case w.of[n] >= mostOf:
		return "tasks of " + n.plugin
	}
	w.addLocked(n, 1)
	return ""
}

// add counts some more, or less.
func (w *waiting) add(n name, more int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addLocked(n, more)
}

func (w *waiting) addLocked(n name, more int64) {
	w.changes++
	w.all += more
	if w.of[n] += more; w.of[n] == 0 {
		delete(w.of, n)
	}
}

func (w *waiting) ofPlugin(n name) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(0, w.of[n])
}

func (w *waiting) version() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changes
}

// set takes what a store counted, unless anything changed since a version.
func (w *waiting) set(counts []store.Count, version int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changes != version {
		return false
	}
	w.all, w.of = 0, make(map[name]int64)
	for _, c := range counts {
		if !c.State.Ended() {
			w.addLocked(name{c.Namespace, c.Plugin}, c.Tasks)
		}
	}
	return true
}

// learn finds out what the store has, once. Nothing is changed there before.
func (q *Queue) learn(ctx context.Context) error {
	if q.learnt.Load() {
		return nil
	}
	select { // the store is asked by one at a time, and nobody waits for longer than it wants to
	case q.learning <- struct{}{}:
		defer func() { <-q.learning }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if q.learnt.Load() {
		return nil
	}
	last, err := q.options.Store.Last(ctx)
	if err != nil {
		return q.readFault(ctx, err)
	}
	task.IDsAfter(last)
	if _, err := q.count(ctx); err != nil {
		return q.readFault(ctx, err)
	}
	q.learnt.Store(true)
	return nil
}

// count has the store count, and returns false where something changed meanwhile.
func (q *Queue) count(ctx context.Context) (bool, error) {
	version := q.waiting.version()
	counts, err := q.options.Store.Counts(ctx)
	return err == nil && q.waiting.set(counts, version), err
}
