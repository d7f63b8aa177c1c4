package task

import "time"

// The priorities of tasks. A greater one goes first.
const (
	LeastPriority   = 0
	DefaultPriority = 4
	MostPriority    = 9
)

// Terms are how a task was asked to be run, where that is not how tasks of its plugin are
// run anyway. Its zero value is "as always".
type Terms struct {
	Function string        `json:"function,omitempty"` // the handler; empty: the version's default
	Timeout  time.Duration `json:"timeout,omitempty"`  // lowers the version's limit for each attempt; 0: the limit holds
	Retries  *int          `json:"retries,omitempty"`  // attempts after the first; nil: the plugin's policy
	Backoff  time.Duration `json:"backoff,omitempty"`  // before the second attempt, doubled for each further one; 0: the plugin's policy
	Keep     time.Duration `json:"keep,omitempty"`     // how long the ended task is kept; 0: the plugin's policy
	Callback string        `json:"callback,omitempty"` // the URL that is told when it has ended; empty: none is
	Schedule string        `json:"schedule,omitempty"` // the schedule that submitted it; empty: none did
	Session  string        `json:"session,omitempty"`  // what the caller calls the calls that share vars (Invocation.Session)
	Trace    string        `json:"trace,omitempty"`    // the traceparent that it was submitted with (W3C Trace Context)
	Spent    int           `json:"spent,omitempty"`    // attempts from before it was last sent again: they are no retries. The queue's own
}
