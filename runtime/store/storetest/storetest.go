// Package storetest says in tests what a store of tasks must do. A store passes Run, and
// what is built on stores is tested on a Faulty one.
package storetest

import (
	"slices"
	"testing"

	"github.com/marketprism/prismrt/runtime/store"
)

// Store is all that keeps durable tasks.
type Store interface {
	store.Tasks
	store.Schedules
	store.Callbacks
}

// Run tests a store against the words of runtime/store. Open makes an empty one, and has the
// test's Cleanup close it.
func Run(t *testing.T, open func(t *testing.T) Store, options ...Option) {
	with := wiring{open: open}
	for _, o := range options {
		o(&with)
	}
	for _, g := range []struct {
		name   string
		trials []trial
	}{
		{"Submit", submitting},
		{"Lane", lanes},
		{"Lease", leasing},
		{"Finish", finishing},
		{"Promote", promoting},
		{"Cancel", canceling},
		{"Revive", reviving},
		{"Read", reading},
		{"Page", paging},
		{"Watch", watching},
		{"Forget", forgetting},
		{"Bodies", bodies},
		{"Schedules", scheduling},
		{"Callbacks", callingBack},
		{"Reopen", reopening},
		{"Together", together},
	} {
		t.Run(g.name, func(t *testing.T) {
			for _, tr := range g.trials {
				t.Run(tr.name, func(t *testing.T) { tr.run(newBench(t, with)) })
			}
		})
	}
}

// Option of Run says what else a store can do.
type Option func(*wiring)

// Reopen has stores tested that survive: again closes a store as if its process had ended,
// and opens what it left.
func Reopen(again func(t *testing.T, s Store) Store) Option {
	return func(w *wiring) { w.again = again }
}

type wiring struct {
	open  func(t *testing.T) Store
	again func(t *testing.T, s Store) Store // nil: it does not survive
}

// trial is one thing that a store must do.
type trial struct {
	name string
	run  func(b *bench)
}

// lane is where trials put their tasks, unless they say otherwise.
var lane = store.Lane{Namespace: "default", Plugin: "normalise", Priority: 4}

// in puts a task into another lane.
func in(l store.Lane) func(*store.Task) {
	return func(t *store.Task) { t.Namespace, t.Plugin, t.Priority = l.Namespace, l.Plugin, l.Priority }
}

// each returns what f makes of all.
func each[T, U any](all []T, f func(T) U) []U {
	made := make([]U, 0, len(all))
	for _, v := range all {
		made = append(made, f(v))
	}
	return made
}

// repeat returns so many times the same.
func repeat[T any](v T, n int) []T { return slices.Repeat([]T{v}, n) }
