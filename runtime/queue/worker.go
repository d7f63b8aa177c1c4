package queue

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// worker runs ready tasks of a line, one after another, for as long as there are any.
type worker struct {
	queue *Queue
	line  *line
	since time.Time // that it works

	ctx  context.Context         // of the series
	stop context.CancelCauseFunc // ends it. Guarded as current is

	current *attempt // begun last. Guarded by the queue's lock, but for the worker's own reads
	stopped bool     // the series was stopped because of the current one. Guarded likewise

	told   bool        // what became of the current one is known
	timing task.Timing // of those that the line has not been told of
	ended  bool        // there is one
	output int64       // bytes likewise
	fresh  bool        // it has begun none yet
	policy *Policy     // the line's, when the current one was begun
}

var (
	errCanceled = errors.New("the task was canceled")
	errStopping = errors.New("the server is stopping")
)

// work is a worker's life.
func (q *Queue) work(l *line) {
	w := &worker{queue: q, line: l, since: time.Now(), fresh: true}
	for a := w.take(nil); a != nil; a = w.take(nil) {
		w.series(a)
		w.stop(nil)
	}
}

// series runs a task, and after it those that can be run with it.
func (w *worker) series(first *attempt) {
	q := w.queue
	if f := q.unpinned(first); f != nil {
		q.finisher.add(finished{first, first.hopeless(w.policy, f, q.now())})
		return
	}
	w.told = true // nothing is to be told yet
	in := first.invocation(q.options.Trace)
	err := q.options.Runner.Series(w.ctx, in, func(in *task.Invocation) bool {
		a := first
		if first = nil; a == nil {
			if a = w.take(w.current); a == nil {
				return false
			}
		}
		w.told = false
		of := a.invocation(q.options.Trace)
		in.ID, in.Input, in.Session, in.Trace, in.Listener = of.ID, of.Input, of.Session, of.Trace, of.Listener
		return true
	}, func(result *task.Result, err error) {
		w.told = true
		w.done(result, task.FaultOf(err))
	})
	if first == nil && w.told {
		return
	}
	// The last one was begun and nothing is known of it.
	a := w.current
	switch {
	case w.ctx.Err() != nil && q.isVoid(a):
		q.drop(a)
	case w.ctx.Err() != nil:
		q.returnAll(w.line, a, 0)
	default:
		f := task.FaultOf(err)
		if f == nil {
			f = task.Faultf(task.KindUnavailable, "it was not run")
		}
		q.refused(w.line, a, f)
	}
}

// done tells what became of the current attempt.
func (w *worker) done(result *task.Result, f *task.Fault) {
	q, a := w.queue, w.current
	if refusal(result, f) {
		q.refused(w.line, a, f)
		return
	}
	w.timing, w.ended = result.Timing, true
	w.output = int64(len(result.Output))
	a.bytes += w.output
	q.finisher.add(finished{a, a.outcome(w.policy, result, f, q.now(), rand.Float64())})
}

// take begins the next task of the line, one that is like another if that is given. It
// returns nil where none is to be begun now; a worker to whom that is said at the beginning
// of a series leaves.
func (w *worker) take(like *attempt) *attempt {
	q, l, now := w.queue, w.line, time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if like == nil {
		w.stopped, w.current = false, nil
	}
	if w.fresh {
		l.idle--
		l.space.idle--
		w.fresh = false
	}
	w.tellLocked()
	a := w.nextLocked(like, now)
	switch {
	case a == nil && like == nil:
		l.workers--
		l.space.workers--
		q.running--
		l.used = now
		q.assignLocked(now) // for others who wait for a place, or for what has come since
		if l.more > 0 || len(q.lineup) > 0 {
			q.wakeUp()
		}
	case a != nil:
		if like == nil {
			w.ctx, w.stop = context.WithCancelCause(q.attempts)
		}
		a.begun, a.worker = q.now(), w
		w.current, w.policy = a, l.policy
		l.begun++
		due := a.Created
		if a.Due.After(due) {
			due = a.Due
		}
		l.lag = max(0, a.begun.Sub(due))
		q.counts.started.Add(1)
		if l.more > 0 && !l.hungry && len(l.ready) <= l.ahead/2 {
			l.hungry = true
			q.wakeUp()
		}
	}
	return a
}

// tellLocked tells the line of the attempt before.
func (w *worker) tellLocked() {
	if !w.ended {
		return
	}
	w.line.note(&w.timing)
	w.line.refusals = 0
	w.line.bytes += w.output
	w.queue.bytes += w.output
	w.ended, w.output = false, 0
}

// nextLocked takes the first that is ready out of the line, nil where none is to be begun.
func (w *worker) nextLocked(like *attempt, now time.Time) *attempt {
	q, l := w.queue, w.line
	if q.closing || w.stopped || now.Before(l.rest) || (q.contended || l.space.contended) && now.Sub(w.since) > stint {
		return nil
	}
	for len(l.ready) > 0 {
		a := l.ready[0]
		begin := !a.void && !a.doubtful
		if begin && like != nil && !a.alike(like) {
			return nil
		}
		if begin {
			if wait := l.allowed(now); wait > 0 {
				l.rest = now.Add(wait)
				q.wakeUp()
				return nil
			}
		}
		l.ready[0] = nil
		l.ready = l.ready[1:]
		switch {
		case begin:
			return a
		case a.void:
			q.dropLocked(a)
		default:
			q.finisher.add(a.returnLocked())
		}
	}
	return nil
}

// unpinned says why a task cannot be run by the version that it was submitted to, nil where
// it can.
func (q *Queue) unpinned(a *attempt) *task.Fault {
	if a.Version == 0 {
		return nil
	}
	_, digest, err := q.options.Resolve(a.Namespace, a.Plugin, strconv.Itoa(a.Version))
	if f := task.FaultOf(err); f != nil && f.Kind == task.KindNotFound {
		return task.Faultf(task.KindNotFound, "version %d of %s, which the task was submitted to, is not there any more", a.Version, a.Plugin)
	}
	if err == nil && digest != a.Digest {
		return task.Faultf(task.KindNotFound, "version %d of %s is not the one which the task was submitted to: that was deleted", a.Version, a.Plugin)
	}
	return nil
}
