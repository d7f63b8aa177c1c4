package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

func queueQuery(plugin string, state task.State) store.Query {
	return store.Query{Namespace: namespace, Plugin: plugin, State: state, Limit: 1}
}

// cutOff leases a task of a plugin as another server would that then ends.
func cutOff(t *testing.T, w *world, plugin string) {
	t.Helper()
	lane := store.Lane{Namespace: namespace, Plugin: plugin, Priority: task.DefaultPriority}
	leases, err := w.store.Lease(context.Background(), []store.Want{{Lane: lane, Most: 1}}, time.Now())
	if err != nil || len(leases) != 1 {
		t.Fatalf("lease: %d, %v", len(leases), err)
	}
	if n, err := w.store.Expire(context.Background(), time.Now()); n != 1 || err != nil {
		t.Fatalf("expire: %d, %v", n, err)
	}
}

// leaseAway leases a task of a plugin for another server, which is not heard of again.
func leaseAway(t *testing.T, w *world, plugin string, lasts time.Duration) {
	t.Helper()
	lane := store.Lane{Namespace: namespace, Plugin: plugin, Priority: task.DefaultPriority}
	leases, err := w.store.Lease(context.Background(), []store.Want{{Lane: lane, Most: 1}}, time.Now().Add(lasts))
	if err != nil || len(leases) != 1 {
		t.Fatalf("lease: %d, %v", len(leases), err)
	}
}

// count is how many tasks are in a state.
func (w *world) count(state task.State) (n int64) {
	w.t.Helper()
	counts, err := w.store.Counts(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range counts {
		if c.State == state {
			n += c.Tasks
		}
	}
	return n
}
