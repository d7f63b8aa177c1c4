package sqlite

import "github.com/marketprism/prismrt/runtime/store"

// fresh has tasks that were submitted lately and are queued, as they were, so that what is
// leased at once need not be read. It is guarded by DB.mu.
//
// When it is full it takes no more: those that it has are the next to go.
type fresh struct {
	tasks map[int64]*store.Task
	bytes int
}

// freshBytes bounds the inputs that it has, with freshTask for all else of a task.
const (
	freshBytes = 16 << 20
	freshTask  = 512
)

// copyOf copies a task for it, or returns nil if that is too large.
func copyOf(t *store.Task) *store.Task {
	if len(t.Input) > inlined/16 {
		return nil
	}
	c := *t
	c.Key, c.Fingerprint, c.KeyUntil = "", "", c.Due
	c.Created = exact(c.Created)
	c.Input = append([]byte{}, t.Input...)
	if c.Terms.Retries != nil {
		c.Terms.Retries = new(*c.Terms.Retries)
	}
	return &c
}

func (f *fresh) add(seq int64, t *store.Task) {
	if size := len(t.Input) + freshTask; f.bytes+size <= freshBytes {
		f.tasks[seq] = t
		f.bytes += size
	}
}

// forget removes a task that is no longer as it was.
func (f *fresh) forget(seq int64) {
	if t := f.tasks[seq]; t != nil {
		f.bytes -= len(t.Input) + freshTask
		delete(f.tasks, seq)
	}
}
