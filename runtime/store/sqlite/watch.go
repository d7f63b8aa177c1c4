package sqlite

import (
	"context"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Last implements store.Tasks.
func (db *DB) Last(ctx context.Context) (task.ID, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.last, ended(ctx)
}

// Backlog implements store.Tasks.
func (db *DB) Backlog() []store.Backlog {
	db.mu.Lock()
	defer db.mu.Unlock()
	var all []store.Backlog
	for _, l := range db.lanes {
		if l.waiting > 0 {
			all = append(all, store.Backlog{Lane: l.Lane, Waiting: l.waiting})
		}
	}
	return all
}

// Arrived implements store.Tasks.
func (db *DB) Arrived() <-chan struct{} {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.arrived
}

// Counts implements store.Tasks. They are never old.
func (db *DB) Counts(ctx context.Context) ([]store.Count, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	var all []store.Count
	for n, p := range db.plugins.name {
		for s, tasks := range p.counts {
			if tasks > 0 {
				all = append(all, store.Count{Namespace: n.namespace, Plugin: n.plugin, State: states[s], Tasks: tasks})
			}
		}
	}
	return all, ended(ctx)
}

// watch is a channel for those that wait for a change of one task, and how many they are.
type watch struct {
	changed chan struct{}
	n       int
}

// Watch implements store.Tasks.
func (db *DB) Watch(id task.ID) (changed <-chan struct{}, stop func()) {
	seq, ok := seqOf(id)
	if !ok {
		return nil, func() {} // no task has it, ever
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	w := db.watched[seq]
	if w == nil {
		w = &watch{changed: make(chan struct{})}
		db.watched[seq] = w
	}
	w.n++
	stopped := false
	return w.changed, func() {
		db.mu.Lock()
		defer db.mu.Unlock()
		if stopped {
			return
		}
		stopped = true
		if w.n--; w.n == 0 && db.watched[seq] == w {
			delete(db.watched, seq)
		}
	}
}
