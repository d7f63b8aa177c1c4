package api

import (
	"encoding/base64"
	"time"
	"unicode/utf8"

	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// taskDoc is a task. What is zero is left out where that says nothing.
type taskDoc struct {
	ID        task.ID     `json:"id"`
	State     task.State  `json:"state"`
	Namespace string      `json:"namespace"`
	Plugin    string      `json:"plugin"`
	Version   int         `json:"version,omitempty"` // it is run by; absent: by whichever is live
	Digest    task.Digest `json:"digest,omitempty"`
	Function  string      `json:"function,omitempty"`
	Priority  int         `json:"priority"`

	CreatedAt time.Time `json:"created_at"`
	DueAt     time.Time `json:"due_at,omitzero"` // it is not run before
	EndedAt   time.Time `json:"ended_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // it is forgotten then

	// What was asked for; absent: as always with the plugin.
	Retries   *int    `json:"retries,omitempty"`
	BackoffMS float64 `json:"backoff_ms,omitempty"`
	TimeoutMS float64 `json:"timeout_ms,omitempty"`
	KeepMS    float64 `json:"keep_ms,omitempty"`
	Callback  string  `json:"callback,omitempty"`
	Schedule  string  `json:"schedule,omitempty"`

	InputBytes  int64     `json:"input_bytes"`
	OutputBytes int64     `json:"output_bytes,omitempty"`
	Attempts    []attempt `json:"attempts"` // oldest first; of many, the first and the last ones
	Progress    *progress `json:"progress,omitempty"`
	Input       *string   `json:"input,omitempty"` // where it was asked for, and is text
	InputBase64 *string   `json:"input_base64,omitempty"`
}

// attempt is how one run of a task went.
type attempt struct {
	Number     int         `json:"number"`
	BegunAt    time.Time   `json:"begun_at,omitzero"`
	EndedAt    time.Time   `json:"ended_at,omitzero"`
	DurationMS float64     `json:"duration_ms"` // of all of it; of that:
	QueueMS    float64     `json:"queue_ms"`    // waiting for its turn and an instance
	RunMS      float64     `json:"run_ms"`      // running
	Version    int         `json:"version,omitempty"`
	Digest     task.Digest `json:"digest,omitempty"`
	Fuel       int64       `json:"fuel"`
	CutOff     bool        `json:"cut_off,omitempty"` // it may or may not have run to its end
	Fault      *fault      `json:"fault,omitempty"`   // absent: it succeeded, or was cut off
	Log        []string    `json:"log,omitempty"`
}

type fault struct {
	Kind   task.Kind `json:"kind"`
	Detail string    `json:"detail"`
	Stack  []string  `json:"stack,omitempty"` // the guest's, innermost first
}

type progress struct {
	Done    int64     `json:"done"`
	Total   int64     `json:"total,omitempty"` // absent: it is not known
	Message string    `json:"message,omitempty"`
	Time    time.Time `json:"time"`
}

// taskDocOf tells of a task without what may be long: stacks, logs and the input.
func taskDocOf(t *queue.Task) *taskDoc {
	doc := &taskDoc{
		ID: t.ID, State: t.State, Namespace: t.Namespace, Plugin: t.Plugin, Version: t.Version, Digest: t.Digest,
		Function: t.Terms.Function, Priority: t.Priority,
		CreatedAt: t.Created, DueAt: t.Due, EndedAt: t.Ended, ExpiresAt: t.Expires,
		Retries: t.Terms.Retries, BackoffMS: milliseconds(t.Terms.Backoff), TimeoutMS: milliseconds(t.Terms.Timeout),
		KeepMS: milliseconds(t.Terms.Keep), Callback: t.Terms.Callback, Schedule: t.Terms.Schedule,
		InputBytes: t.InputBytes, OutputBytes: t.OutputBytes, Attempts: make([]attempt, len(t.Attempts)),
	}
	for n := range t.Attempts {
		doc.Attempts[n] = attemptOf(&t.Attempts[n])
	}
	doc.Progress = progressOf(t.Progress)
	return doc
}

func attemptOf(a *store.Attempt) attempt {
	doc := attempt{
		Number: a.Number, BegunAt: a.Begun, EndedAt: a.Ended, QueueMS: milliseconds(a.Queue), RunMS: milliseconds(a.Run),
		Version: a.Version, Digest: a.Digest, Fuel: a.Fuel, CutOff: a.CutOff,
	}
	if !a.Begun.IsZero() && !a.Ended.IsZero() {
		doc.DurationMS = milliseconds(a.Ended.Sub(a.Begun))
	}
	if a.Kind != "" {
		doc.Fault = &fault{Kind: a.Kind, Detail: a.Message}
	}
	return doc
}

// attemptsInFull adds the stacks and logs of the attempts.
func (doc *taskDoc) attemptsInFull(t *queue.Task) {
	for n := range t.Attempts {
		doc.Attempts[n].Log = t.Attempts[n].Log
		if f := doc.Attempts[n].Fault; f != nil {
			f.Stack = t.Attempts[n].Stack
		}
	}
}

func progressOf(p *queue.Progress) *progress {
	if p == nil {
		return nil
	}
	return &progress{p.Done, p.Total, p.Message, p.Time}
}

// milliseconds is a duration to the microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// textOrBase64 is b as a submission would have it: as a string, or in base64 if it is not
// text.
func textOrBase64(b []byte) (asText, asBase64 *string) {
	if utf8.Valid(b) {
		text := string(b)
		return &text, nil
	}
	encoded := base64.StdEncoding.EncodeToString(b)
	return nil, &encoded
}
