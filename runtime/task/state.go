package task

// State is where a durable task stands. How one state follows another is said by the
// table in runtime/queue.
type State string

// The states, those that end a task last.
const (
	Scheduled State = "scheduled" // waits for the time it was submitted for
	Queued    State = "queued"    // waits for its turn
	Running   State = "running"   // a worker has it
	Failed    State = "failed"    // an attempt failed, and it waits to be tried again
	Succeeded State = "succeeded"
	Dead      State = "dead" // given up: no attempt is left, or none could help
	Canceled  State = "canceled"
)

// States lists every state, in the order above.
var States = []State{Scheduled, Queued, Running, Failed, Succeeded, Dead, Canceled}

// Ended tells whether a task in this state changes no more by itself.
func (s State) Ended() bool { return s == Succeeded || s == Dead || s == Canceled }
