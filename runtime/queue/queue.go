package queue

import (
	"context"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Queue takes tasks and has them run. It is safe for concurrent use.
type Queue struct {
	options Options
}

// New makes a Queue. It panics with all that is wrong with the Options.
func New(o Options) *Queue { return &Queue{options: o} }

// Run has tasks run, and looks after those that wait, until ctx ends.
func (q *Queue) Run(ctx context.Context) error { panic("not yet") }

// Submit takes tasks.
func (q *Queue) Submit(ctx context.Context, of []Submission) ([]Submitted, error) { panic("not yet") }

// Task returns what is known of a task.
func (q *Queue) Task(ctx context.Context, namespace string, id task.ID, parts store.Parts) (Task, error) {
	panic("not yet")
}

// Wait waits until a task has ended.
func (q *Queue) Wait(ctx context.Context, namespace string, id task.ID) error { panic("not yet") }

// Page returns the newest tasks that a query chooses.
func (q *Queue) Page(ctx context.Context, of store.Query) ([]Task, error) { panic("not yet") }

// Cancel ends a task.
func (q *Queue) Cancel(ctx context.Context, namespace string, id task.ID) error { panic("not yet") }

// Retry sends a dead or canceled task again.
func (q *Queue) Retry(ctx context.Context, namespace string, id task.ID, e Edit) error {
	panic("not yet")
}

// RetryAll sends all dead or canceled tasks that a query chooses again.
func (q *Queue) RetryAll(ctx context.Context, of store.Query) (int, error) { panic("not yet") }

// Follow returns a Reader of what happens to a task.
func (q *Queue) Follow(ctx context.Context, namespace string, id task.ID, after EventID) (*Reader, error) {
	panic("not yet")
}

// Waiting is how many tasks of a plugin have not ended.
func (q *Queue) Waiting(namespace, plugin string) int64 { panic("not yet") }

// Unready says why tasks are not taken or not run now.
func (q *Queue) Unready() (reasons []string) { panic("not yet") }

// Stats tells how things stand.
func (q *Queue) Stats() Stats { panic("not yet") }

// Reader follows a task.
type Reader struct{}

// Next waits for an event. It returns io.EOF after the end of the task.
func (r *Reader) Next(ctx context.Context) (Event, error) { panic("not yet") }

// String returns both numbers with a dot between.
func (id EventID) String() string { panic("not yet") }

// ParseEventID reads what String wrote, and nothing else. It returns a fault of kind invalid.
func ParseEventID(text string) (EventID, error) { panic("not yet") }

// Stats is a Queue at a moment.
type Stats struct{}
