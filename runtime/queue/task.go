package queue

import (
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Submission is what somebody asks for.
type Submission struct {
	Namespace string
	Plugin    string

	// Version is which version runs the task: "" or "live", the one that is live then;
	// "pinned", the one that is live now; or a number.
	Version string

	Priority *int          // nil: task.DefaultPriority
	Delay    time.Duration // it is not run before that has passed; 0: it can be at once
	At       time.Time     // it is not run before; zero: likewise. Not both of them
	Terms    task.Terms
	Input    []byte // kept until Submit returns
	Key      string // under which it is submitted once; empty: it has none

	// Await asks for Submitted.Ending, which is cheaper than to ask for it afterwards.
	Await bool
}

// Submitted is what became of a Submission.
type Submitted struct {
	ID    task.ID
	State task.State // Scheduled or Queued, or where the task stands that had the key
	Seen  bool       // it had been submitted before, under the same key
	Err   error      // leads to a *task.Fault; nil: the task is where nothing takes it

	Ending *Ending // nil unless it is awaited, and taken: then it is the caller's, who stops it
}

// Task is what is known of a task.
type Task struct {
	store.Record
	Progress *Progress // as its attempt last told; nil: it did not, or none runs
}

// Progress is how far a guest says that it is.
type Progress struct {
	Done, Total int64 // Total 0: it is not known
	Message     string
	Time        time.Time
}

// Edit changes a dead task before it is sent again. A nil field leaves all as it was.
type Edit struct {
	Input *[]byte
	Terms *task.Terms
}

// EventType says what an Event tells of.
type EventType string

// The types.
const (
	StateChanged EventType = "state"
	Logged       EventType = "log"
	Progressed   EventType = "progress"
)

// EventID is the place of an Event among those of its task. In text it is both numbers with
// a dot between.
type EventID struct{ Attempt, N int }

// Event is something that happened to a task.
type Event struct {
	ID       EventID
	Time     time.Time
	Type     EventType
	State    task.State // of StateChanged
	Kind     task.Kind  // of StateChanged to Failed or Dead
	Message  string     // of Logged: the line; of StateChanged: why
	Level    string     // of Logged: debug, info, warn, error, or "" for standard error
	Progress *Progress  // of Progressed
}
