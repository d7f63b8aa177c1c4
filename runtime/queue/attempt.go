package queue

import (
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// attempt is a task in this queue's hands: from when it was leased until its outcome is
// stored, or is not to be.
type attempt struct {
	store.Lease
	line *line
	journal

	begun time.Time // by the wall clock; zero: it waits for a worker. Written by the worker, under the queue's lock

	// Guarded by the queue's lock.
	until    time.Time // that its lease lasts
	worker   *worker   // that has it; nil: none yet
	void     bool      // it was canceled or its lease is lost: it is not to be run, and what it comes to is not stored
	doubtful bool      // it may have been canceled: it is given back rather than begun
	bytes    int64     // of its input and output
	returned bool      // it is being given back, and its lease is left to run out if that is not known to have worked
}

// alike tells whether two tasks can be run in one series.
func (a *attempt) alike(b *attempt) bool {
	return a.Version == b.Version && a.Digest == b.Digest && a.Terms.Function == b.Terms.Function && a.Terms.Timeout == b.Terms.Timeout
}

// counted is how many attempts of the task count towards its retries, this one included.
func (a *attempt) counted() int { return a.Attempt - a.Terms.Spent }

// exhausted tells whether all attempts that the task may have are over, before this one.
// Those that were cut off count as well: a task that brings the server down with it would do
// so for ever.
func (a *attempt) exhausted(p *Policy) bool { return a.counted() > 1+p.retries(&a.Terms) }

// cutOffs is how many attempts are known to have been cut off since the task was last sent.
func (a *attempt) cutOffs() (n int) {
	for _, past := range a.Past {
		if past.CutOff && past.Number > a.Terms.Spent {
			n++
		}
	}
	return n
}

// invocation is the attempt as a Runner is told of it.
func (a *attempt) invocation(traced func(string) *task.Trace) task.Invocation {
	in := task.Invocation{
		ID: a.ID, Namespace: a.Namespace, Plugin: a.Plugin, Function: a.Terms.Function, Version: a.Version,
		Input: a.Input, Timeout: a.Terms.Timeout, Session: a.Terms.Session, Listener: &a.journal,
	}
	if a.Terms.Trace != "" {
		in.Trace = traced(a.Terms.Trace)
	}
	return in
}

// refusal tells whether a fault says nothing of the task: there was no room for it, or the
// version could not be run at all. That is no attempt.
func refusal(result *task.Result, f *task.Fault) bool {
	return f != nil && (f.Kind == task.KindBusy || f.Kind == task.KindUnavailable && result.Timing.Run == 0)
}

// outcome is what an attempt came to, unless it is a refusal.
func (a *attempt) outcome(p *Policy, result *task.Result, f *task.Fault, ended time.Time, random float64) store.Outcome {
	o := store.Outcome{ID: a.ID, Attempt: a.Attempt, Last: store.Attempt{
		Number: a.Attempt, Begun: a.begun, Ended: ended, Version: result.Ref.Version, Digest: result.Digest, Fuel: result.Fuel,
		Queue: result.Timing.Queue + result.Timing.Pool, Run: result.Timing.Run, Log: a.lines(),
	}}
	if f == nil {
		o.State, o.Output = succeed.outcome(), result.Output
		o.Expires = ended.Add(p.keep(&a.Terms, o.State))
		return o
	}
	o.Last.Kind, o.Last.Message, o.Last.Stack = f.Kind, f.Message, f.Stack
	if o.Last.Log == nil {
		o.Last.Log = f.Log
	}
	if f.Kind.Retryable() && a.counted() <= p.retries(&a.Terms) {
		o.State = fail.outcome()
		o.Due = ended.Add(max(p.backoff(&a.Terms, a.counted(), random), f.RetryAfter))
		return o
	}
	o.State = giveUp.outcome()
	o.Expires = ended.Add(p.keep(&a.Terms, o.State))
	return o
}

// hopeless is the outcome of an attempt that is not made.
func (a *attempt) hopeless(p *Policy, f *task.Fault, now time.Time) store.Outcome {
	o := store.Outcome{ID: a.ID, Attempt: a.Attempt, State: giveUp.outcome(), Last: store.Attempt{
		Number: a.Attempt, Begun: now, Ended: now, Kind: f.Kind, Message: f.Message,
	}}
	o.Expires = now.Add(p.keep(&a.Terms, o.State))
	return o
}

// giveBack is the outcome of an attempt that was not one.
func (a *attempt) giveBack() store.Outcome {
	return store.Outcome{ID: a.ID, Attempt: a.Attempt, State: giveBack.outcome()}
}
