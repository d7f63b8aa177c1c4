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

	// ErrNotEnded: the task has not ended as it must have for this: it is not dead or canceled.
	ErrNotEnded = errors.New("the task is not dead or canceled")
)

// Errors of the store as a whole.
var (
	// ErrFull: the disk takes no more. Nothing of the call was stored. It is worth another try
	// once there is room.
	ErrFull = errors.New("the disk is full")

	// ErrBroken: the disk failed to sync, so that nothing is known of what it has: of calls
	// that were answered so, all or nothing is there afterwards. The store takes nothing until
	// it is opened anew.
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

	Created time.Time // in UTC and to the microsecond, as all times here are kept
	Terms   task.Terms
	Input   []byte

	// Due is before when it is not run, as it was submitted; zero: it can be at once. Of a
	// Failed task it is when it is tried again.
	Due time.Time

	// Key is under which the task is submitted once in its namespace, however often that is
	// tried; empty: it has none. Fingerprint is of all else that was submitted, and KeyUntil
	// when the key is forgotten, at the earliest: that may be before its task is, or after.
	// These three are for Submit alone, and empty in what is read and leased.
	Key         string
	Fingerprint string
	KeyUntil    time.Time
}

// Receipt is what became of a submission.
type Receipt struct {
	ID   task.ID // the task's, or that of the one which has the key already
	Seen bool    // it was there already, with the same Fingerprint
	Err  error   // ErrConflict; nil: it is stored
}

// Lane is where tasks wait that go one after another.
type Lane struct {
	Namespace string
	Plugin    string
	Priority  int
}

// Backlog is how many tasks can be leased from a lane: those in the state Queued.
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
	// first one and the last ones. Of an attempt that was cut off, only Number and CutOff: its
	// lease ran out, or the task was canceled while it ran.
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
	// if it had never been, and the next one has its number. What was given back and may have
	// been stored is therefore not given back again: the lease could be another's by then.
	State task.State

	Last    Attempt   // how it went, its Number being Attempt; not looked at with Queued
	Output  []byte    // of Succeeded
	Due     time.Time // of Failed: it is not tried again before; it is not zero
	Expires time.Time // of a state that ends the task: it is forgotten then, at the earliest
}

// Record is what the store knows of a task.
type Record struct {
	Task        // Input is nil unless it was asked for, and then it is not
	State       task.State
	Attempts    []Attempt // those that are over, as of Lease.Past
	Ended       time.Time // when its last attempt did, or it was canceled; zero: it has not
	Expires     time.Time // zero likewise
	InputBytes  int64
	OutputBytes int64
	Output      []byte // nil unless it was asked for, or when it has not succeeded
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
	Plugin    string // of the Namespace, which is then not empty
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
// where a power failure does not reach it (but see an implementation's own options), and
// every method sees it. One that answered ErrFull, or was called with a ctx that had ended,
// has changed nothing; any other error leaves open whether all of it was done or nothing. It
// is safe for concurrent use, and calls at the same time may share a commit.
//
// Nothing that a method was given is kept in use after it returned, and what it returns
// belongs to the caller. Strings are of valid UTF-8, with any character in them; Key and
// Fingerprint may have any bytes.
//
// Tasks of a lane are leased in the order in which they came into it: by submission, by
// Promote, or by Revive. Those that were given back or whose lease ran out keep the place
// that they had, so that they are the first.
type Tasks interface {
	// Submit stores tasks, all or none but for those with a key that is taken, also by one
	// before it in the same call. A Receipt is returned for each, in order. IDs are new, as
	// task.NewID makes them once task.IDsAfter was told Last. A task with a Due is Scheduled,
	// whatever the time is; others are Queued.
	Submit(ctx context.Context, tasks []Task) ([]Receipt, error)

	// Last is the greatest id that was ever stored, also if that task was forgotten since; ""
	// without any.
	Last(ctx context.Context) (task.ID, error)

	// Backlog tells of every lane in which something waits, in no order.
	Backlog() []Backlog

	// Arrived returns a channel that is closed at the next time that something comes into a
	// lane, or back into it.
	Arrived() <-chan struct{}

	// Lease hands out the first tasks of lanes, until a time, in the order of the wants. A
	// lease that ran out is still one until Expire takes it back.
	Lease(ctx context.Context, wants []Want, until time.Time) ([]Lease, error)

	// Extend makes leases last until another time. It returns the ids of those that are lost,
	// in order.
	Extend(ctx context.Context, leases []Held, until time.Time) (lost []task.ID, err error)

	// Finish stores outcomes. An error is returned for each, in order: nil or ErrLost.
	Finish(ctx context.Context, outcomes []Outcome) ([]error, error)

	// Expire takes back leases that ran out by now, and returns how many. Their attempts are
	// noted as cut off. Opening a store on one machine takes back all: their holder is gone.
	Expire(ctx context.Context, now time.Time) (int, error)

	// Promote brings tasks that are due by now into their lanes, at most so many, in the order
	// in which they were due, and returns how many, and when the next is due of those that
	// still wait, which may be before now: the zero time for never. Those are Scheduled and
	// Failed ones; of the same moment, the one with the lesser id is first.
	Promote(ctx context.Context, now time.Time, most int) (moved int, next time.Time, err error)

	// Cancel ends tasks, also while they are running: their leases are lost, and their
	// attempts noted as cut off. An error is returned for each: nil, ErrNotFound or ErrEnded.
	Cancel(ctx context.Context, ids []task.ID, at, expires time.Time) ([]error, error)

	// Revive brings dead and canceled tasks back into their lanes, at the end. Their attempts
	// are remembered, and counted on, and what they owe to a URL is no longer owed. An error is
	// returned for each: nil, ErrNotFound or ErrNotEnded.
	Revive(ctx context.Context, revivals []Revival) ([]error, error)

	// Read returns what is known of tasks, in order; a Record without an ID for one that is
	// not there.
	Read(ctx context.Context, ids []task.ID, parts Parts) ([]Record, error)

	// Page returns the newest tasks that a query chooses, newest first by id, without bodies.
	Page(ctx context.Context, q Query) ([]Record, error)

	// Watch returns a channel that is closed at the next change of a task's state, from when
	// that can be read. Who does not wait for it any more calls stop, once or more often. The
	// task need not be there yet.
	Watch(id task.ID) (changed <-chan struct{}, stop func())

	// Forget removes ended tasks that have expired by now, those that did first, and then the
	// oldest of the other ended ones by id beyond the newest keep (0: as many as there are), at
	// most so many altogether, with what they owe to a URL; and of the keys that ran out by now
	// those that did first, at most so many, too. It returns how many tasks.
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

	// PutSchedule stores one, in the place of the one that has its name. Fired and Last stay
	// what they were there, and are zero where there was none.
	PutSchedule(ctx context.Context, s Schedule) error

	// Fire notes that a schedule has submitted a task for a moment, or answers ErrNotFound.
	Fire(ctx context.Context, namespace, name string, at time.Time, id task.ID) error

	// DeleteSchedule forgets one, or answers ErrNotFound.
	DeleteSchedule(ctx context.Context, namespace, name string) error
}

// Callback is an ended task whose URL has yet to be told.
type Callback struct {
	ID      task.ID
	Ended   time.Time // when it did. It may be sent again, and owe another one for another end
	Tried   int       // how often
	Due     time.Time // it is not tried before: at first, when the task ended
	Message string    // why the last try failed
}

// Callbacks keeps what ended tasks owe to the URL in their Terms, as durably as Tasks keeps
// tasks. Finish and Cancel add one with the outcome, in one step; a task without a URL owes
// nothing.
type Callbacks interface {
	// Callbacks returns those due by now, at most so many, the one that was due first first, and
	// when the next is due of all others, as Promote does.
	Callbacks(ctx context.Context, now time.Time, most int) (due []Callback, next time.Time, err error)

	// RetryCallbacks notes that telling failed, and when to try again. What is not owed any
	// more is passed over, also where another end is to be told instead.
	RetryCallbacks(ctx context.Context, callbacks []Callback) error

	// DropCallbacks forgets those that were told, or given up. What is not owed any more is
	// passed over likewise. Only the ID and Ended are looked at.
	DropCallbacks(ctx context.Context, callbacks []Callback) error
}
