package store

import (
	"context"
	"errors"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// Errors of single tasks. They come in the place of the task in what a method returns;
// all else went on.
var (
	// ErrConflict: the idempotency key belongs to a task that was submitted with something
	// else.
	ErrConflict = errors.New("the key belongs to another task")

	// ErrLost: the attempt is not the one that the task is at. Its lease ran out, or the
	// task was canceled; what it came to is not stored.
	ErrLost = errors.New("the lease was lost")

	// ErrEnded: the task has ended already.
	ErrEnded = errors.New("the task has ended")

	// ErrNotEnded: the task has not ended as it must have for this.
	ErrNotEnded = errors.New("the task is not dead or canceled")
)

// Errors of the store as a whole. Nothing of the call was stored.
var (
	// ErrFull: the disk takes no more. It is worth another try once there is room.
	ErrFull = errors.New("the disk is full")

	// ErrBroken: the disk failed to sync, so that nothing is known of what it has. The store
	// takes nothing until it is opened anew.
	ErrBroken = errors.New("the disk failed, and the store takes no more")
)

// Task is a durable request to run a plugin.
type Task struct {
	ID        task.ID
	Namespace string
	Plugin    string
	Priority  int // task.LeastPriority to task.MostPriority

	// Version is what the task is run by, as long as that exists. Zero: whichever is live
	// when it is run.
	Version int
	Digest  task.Digest // of that version's module; "" with a zero Version

	Created time.Time // to the microsecond, as all times here
	Due     time.Time // it is not run before; zero: it can be at once
	Terms   task.Terms
	Input   []byte

	// Key is under which the task is submitted once in its namespace, however often that is
	// tried; empty: it has none. Fingerprint is of all else that was submitted, and KeyUntil
	// when the key is forgotten, at the earliest.
	Key         string
	Fingerprint string
	KeyUntil    time.Time
}

// Receipt is what became of a submission.
type Receipt struct {
	ID   task.ID // the task's, or that of the one which has the key already
	Seen bool    // it was there already
	Err  error   // ErrConflict; nil: it is stored
}

// Lane is where tasks wait that go one after another.
type Lane struct {
	Namespace string
	Plugin    string
	Priority  int
}

// Backlog is what waits in a lane, and can be leased.
type Backlog struct {
	Lane
	Waiting int64
}

// Want asks for tasks of a lane.
type Want struct {
	Lane
	Most int // at least 1
}

// Lease is a task in the hands of a worker.
type Lease struct {
	Task
	Attempt int // of this lease, from 1 on; it is the token by which the store knows who holds it

	// Past is what is known of earlier attempts, oldest first: at most PastKept of them, the
	// first one and the last ones. Of an attempt that was cut off, only Number and CutOff.
	Past []Attempt
}

// PastKept is how many attempts of a task are remembered.
const PastKept = 16

// Attempt is how one run of a task went.
type Attempt struct {
	Number  int           `json:"number"` // from 1 on
	Begun   time.Time     `json:"begun,omitzero"`
	Ended   time.Time     `json:"ended,omitzero"`
	Version int           `json:"version,omitempty"` // that ran it; 0: it came to none
	Digest  task.Digest   `json:"digest,omitempty"`
	Fuel    int64         `json:"fuel,omitempty"`
	Queue   time.Duration `json:"queue,omitempty"`   // of the time between, waiting for its turn and an instance
	Run     time.Duration `json:"run,omitempty"`     // and running
	CutOff  bool          `json:"cut_off,omitempty"` // its lease ran out, or the server ended: it may or may not have run
	Kind    task.Kind     `json:"kind,omitempty"`    // of the fault; empty: it succeeded, or was cut off
	Message string        `json:"message,omitempty"`
	Stack   []string      `json:"stack,omitempty"` // the guest's, innermost first
	Log     []string      `json:"log,omitempty"`   // what the guest logged, beginning and end
}

// Outcome is what a worker made of a lease.
type Outcome struct {
	ID      task.ID
	Attempt int // the lease's

	// State is Succeeded, Failed, Dead, Canceled, or Queued: then the lease is given back as
	// if it had never been, and the task is the first of its lane.
	State task.State

	Last    Attempt   // how it went; not looked at with Queued
	Output  []byte    // of Succeeded
	Due     time.Time // of Failed: it is not tried again before
	Expires time.Time // of a state that ends the task: it is forgotten then, at the earliest
}

// Record is what the store knows of a task.
type Record struct {
	Task        // Input is nil unless it was asked for
	State       task.State
	Attempts    []Attempt // as of Lease.Past, and the last one
	Ended       time.Time // zero: it has not
	Expires     time.Time
	InputBytes  int64
	OutputBytes int64
	Output      []byte // nil unless it was asked for, or when there is none
}

// Parts says which bodies of a Record are wanted.
type Parts int

// The parts; they can be added.
const (
	WithInput Parts = 1 << iota
	WithOutput
)

// Query chooses tasks. A zero field chooses all.
type Query struct {
	Namespace string
	Plugin    string // of the Namespace
	State     task.State
	Schedule  string  // by which they were submitted
	Before    task.ID // older ones than this
	Limit     int     // at least 1; no more than this
}

// Revival sends an ended task again.
type Revival struct {
	ID    task.ID
	Input *[]byte     // instead of what it had; nil: that
	Terms *task.Terms // likewise
}

// Tasks keeps durable tasks: what must survive of them, and in which order they go. It
// decides nothing about them. A method that returned without an error has put its change
// where a power failure does not reach it (but see an implementation's own options); one
// that failed has changed nothing. It is safe for concurrent use, and calls at the same
// time may share a commit.
//
// Tasks of a lane are leased in the order in which they came into it: by submission, by
// Promote, or by Revive. Those that were given back or whose lease ran out are the first.
type Tasks interface {
	// Submit stores tasks, all or none but for those with a key that is taken. A Receipt is
	// returned for each, in order. IDs are new and greater than Last,
	// as task.NewID makes them once task.IDsAfter was told Last.
	Submit(ctx context.Context, tasks []Task) ([]Receipt, error)

	// Last is the greatest id that was ever stored, "" without any.
	Last(ctx context.Context) (task.ID, error)

	// Backlog tells of every lane in which something waits.
	Backlog() []Backlog

	// Arrived returns a channel that is closed at the next time that something comes into a
	// lane.
	Arrived() <-chan struct{}

	// Lease hands out the first tasks of lanes, until a time.
	Lease(ctx context.Context, wants []Want, until time.Time) ([]Lease, error)

	// Extend makes leases last until another time. It returns the ids of those that are lost.
	Extend(ctx context.Context, leases []Held, until time.Time) (lost []task.ID, err error)

	// Finish stores outcomes. An error is returned for each, in order: nil or ErrLost.
	Finish(ctx context.Context, outcomes []Outcome) ([]error, error)

	// Expire takes back leases that ran out by now, and returns how many. Opening a store on
	// one machine takes back all: their holder is gone.
	Expire(ctx context.Context, now time.Time) (int, error)

	// Promote brings tasks that are due by now into their lanes, at most so many, in the order
	// in which they were due, and returns how many, and when the next is due: the zero time for
	// never. Those are Scheduled and Failed ones.
	Promote(ctx context.Context, now time.Time, most int) (moved int, next time.Time, err error)

	// Cancel ends tasks, also while they are running: their leases are lost. An error is
	// returned for each: nil, ErrNotFound or ErrEnded.
	Cancel(ctx context.Context, ids []task.ID, at, expires time.Time) ([]error, error)

	// Revive brings dead and canceled tasks back into their lanes. Their attempts are
	// remembered, and counted on. An error is returned for each: nil, ErrNotFound or
	// ErrNotEnded.
	Revive(ctx context.Context, revivals []Revival) ([]error, error)

	// Read returns what is known of tasks, in order; a Record without an ID for one that is
	// not there.
	Read(ctx context.Context, ids []task.ID, parts Parts) ([]Record, error)

	// Page returns the newest tasks that a query chooses, newest first, without bodies.
	Page(ctx context.Context, q Query) ([]Record, error)

	// Watch returns a channel that is closed at the next change of a task's state. Who does
	// not wait for it any more calls stop.
	Watch(id task.ID) (changed <-chan struct{}, stop func())

	// Forget removes ended tasks that have expired by now, and then the oldest ended ones
	// beyond the newest keep (0: as many as there are), at most so many altogether, and keys
	// that ran out. It returns how many tasks.
	Forget(ctx context.Context, now time.Time, keep int64, most int) (int, error)

	// Counts tells how many tasks of each plugin there are in each state, in no order and
	// without those of which there are none. Of states that end a task it may be some seconds
	// old.
	Counts(ctx context.Context) ([]Count, error)
}

// Count is how many tasks of a plugin are in a state.
type Count struct {
	Namespace string
	Plugin    string
	State     task.State
	Tasks     int64
}

// Held is a lease as its holder knows it.
type Held struct {
	ID      task.ID
	Attempt int
}

// Schedule is a task that is submitted again and again.
type Schedule struct {
	Namespace string
	Name      string
	Spec      []byte // what is submitted when, as JSON; the queue's own
	Created   time.Time
	Updated   time.Time
	Fired     time.Time // the moment that it last submitted a task for; zero: none yet
	Last      task.ID   // that task; "" likewise
}

// Schedules keeps schedules, as durably as Tasks keeps tasks.
type Schedules interface {
	// Schedules returns all of all namespaces, sorted by both names.
	Schedules(ctx context.Context) ([]Schedule, error)

	// PutSchedule stores one, in the place of the one that has its name. Fired and Last are
	// kept as they are there.
	PutSchedule(ctx context.Context, s Schedule) error

	// Fire notes that a schedule has submitted a task for a moment, or answers ErrNotFound.
	Fire(ctx context.Context, namespace, name string, at time.Time, id task.ID) error

	// DeleteSchedule forgets one, or answers ErrNotFound.
	DeleteSchedule(ctx context.Context, namespace, name string) error
}

// Callback is an ended task whose URL has yet to be told.
type Callback struct {
	ID      task.ID
	Tried   int       // how often
	Due     time.Time // it is not tried again before
	Message string    // why the last try failed
}

// Callbacks keeps what ended tasks owe to the URL in their Terms. Finish and Cancel add one
// with the outcome, in one step.
type Callbacks interface {
	// Callbacks returns those due by now, at most so many, and when the next is due.
	Callbacks(ctx context.Context, now time.Time, most int) (due []Callback, next time.Time, err error)

	// Retry notes that telling failed, and when to try again.
	RetryCallbacks(ctx context.Context, callbacks []Callback) error

	// DropCallbacks forgets those that were told, or given up.
	DropCallbacks(ctx context.Context, ids []task.ID) error
}
