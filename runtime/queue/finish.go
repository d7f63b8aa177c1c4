package queue

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// finished is an attempt and what it came to.
type finished struct {
	*attempt
	outcome store.Outcome
}

// finisher gathers what attempts came to. While the store is busy with some, others gather.
type finisher struct {
	mu      sync.Mutex
	waiting []finished
	bell    chan struct{} // has room for one
}

// Bounds of what is stored at once.
const (
	mostFinished      = 4096
	mostFinishedBytes = 32 << 20
)

func (f *finisher) add(of ...finished) {
	if len(of) == 0 {
		return
	}
	f.mu.Lock()
	f.waiting = append(f.waiting, of...)
	first := len(f.waiting) == len(of)
	f.mu.Unlock()
	if first {
		select {
		case f.bell <- struct{}{}:
		default:
		}
	}
}

// take takes what is there, as far as it may be stored at once, into a slice that is empty.
func (f *finisher) take(into []finished) []finished {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, bytes := 0, 0
	for n < min(len(f.waiting), mostFinished) && bytes < mostFinishedBytes {
		bytes += len(f.waiting[n].outcome.Output)
		n++
	}
	into = append(into, f.waiting[:n]...)
	left := copy(f.waiting, f.waiting[n:])
	clear(f.waiting[left:])
	f.waiting = f.waiting[:left]
	return into
}

// finish stores what attempts came to, until ctx ends and nothing is left. What the store
// does not take is tried for as long as give is open.
func (q *Queue) finish(ctx, give context.Context) {
	var batch []finished
	for {
		if batch = q.finisher.take(batch[:0]); len(batch) > 0 {
			q.store(give, batch)
			clear(batch)
			continue
		}
		select {
		case <-q.finisher.bell:
		case <-ctx.Done():
			if batch = q.finisher.take(batch[:0]); len(batch) == 0 {
				return
			}
			q.store(give, batch)
		}
	}
}

// store stores outcomes, however often that has to be tried.
func (q *Queue) store(give context.Context, batch []finished) {
	pause := leastPause
	for again := false; len(batch) > 0; again = true {
		outcomes := make([]store.Outcome, len(batch))
		for i := range batch {
			outcomes[i] = batch[i].outcome
		}
		// First: who is told of the end of a task need not find it waiting.
		q.countEnds(batch, -1)
		begun := time.Now()
		answers, err := q.options.Store.Finish(context.WithoutCancel(give), outcomes)
		q.latency.finish.note(begun)
		if err == nil {
			q.storeWell()
			q.settle(batch, answers, again)
			return
		}
		q.countEnds(batch, 1)
		q.troubled(err)
		if !errors.Is(err, store.ErrFull) {
			// Nobody knows what was stored. To finish a lease twice is no harm, but one that was
			// given back may be another's when it is given back again.
			q.doubtful.Store(true)
			batch = q.abandon(batch)
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, mostPause)
		case <-give.Done():
			q.options.Log.Error("what attempts came to is not stored; they will be made again", slog.Int("tasks", len(batch)), slog.Any("error", err))
			return
		}
	}
}

// abandon lets the leases run out of those that were to be given back, and returns the others.
func (q *Queue) abandon(batch []finished) (others []finished) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, f := range batch {
		if f.outcome.State == task.Queued {
			q.dropLocked(f.attempt)
			continue
		}
		others = append(others, f)
	}
	q.wakeUp()
	return others
}

// settle notes what was stored, again where it had been tried before.
func (q *Queue) settle(batch []finished, answers []error, again bool) {
	var soonest time.Time
	q.mu.Lock()
	for i := range batch {
		f := &batch[i]
		q.dropLocked(f.attempt)
		if answers[i] != nil {
			if !f.void {
				q.counts.lost.Add(1)
			}
			if again {
				q.doubtful.Store(true)
			}
			q.countEnds(batch[i:i+1], 1) // it has not ended, or it was another who ended it
			continue
		}
		switch f.outcome.State {
		case task.Succeeded:
			q.counts.succeeded.Add(1)
		case task.Dead:
			q.counts.dead.Add(1)
		case task.Failed:
			q.counts.failed.Add(1)
			if soonest.IsZero() || f.outcome.Due.Before(soonest) {
				soonest = f.outcome.Due
			}
		}
	}
	q.wakeUp()
	q.mu.Unlock()
	if !soonest.IsZero() {
		q.comesDue(soonest)
	}
	for i := range batch {
		f := &batch[i]
		switch {
		case answers[i] != nil:
			q.endings.tell(f.ID, nil)
		case f.outcome.State.Ended():
			q.endings.tell(f.ID, f)
		}
		if answers[i] == nil {
			q.tell(f)
		}
	}
}

// countEnds counts tasks that end as waiting, more or less.
func (q *Queue) countEnds(batch []finished, each int64) {
	for i := 0; i < len(batch); {
		of, n := batch[i].line.name, int64(0)
		for ; i < len(batch) && batch[i].line.name == of; i++ {
			if batch[i].outcome.State.Ended() {
				n += each
			}
		}
		if n != 0 {
			q.waiting.add(of, n)
		}
	}
}

// tell publishes that attempts failed.
func (q *Queue) tell(f *finished) {
	last := &f.outcome.Last
	say := func(t event.Type) func() event.Event {
		return func() event.Event {
			return event.Event{
				Type: t, Ref: task.Ref{Namespace: f.Namespace, Plugin: f.Plugin, Version: cmp.Or(last.Version, f.Version)},
				Kind: last.Kind, RequestID: f.ID, Message: last.Message,
			}
		}
	}
	switch f.outcome.State {
	case task.Failed:
		f.line.failed.Add(say(event.TaskFailed))
	case task.Dead:
		f.line.gone.Add(say(event.TaskDead))
	}
}

// dropLocked ends an attempt here.
func (q *Queue) dropLocked(a *attempt) {
	if q.held[a.ID] == a {
		delete(q.held, a.ID)
	}
	q.bytes -= a.bytes
	a.line.bytes -= a.bytes
	if a.returned {
		a.line.returned--
	}
}

func (q *Queue) drop(a *attempt) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropLocked(a)
}

func (q *Queue) isVoid(a *attempt) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return a.void
}

// voidLocked has an attempt not be run, or not go on, and nothing be stored of it.
func (q *Queue) voidLocked(a *attempt) {
	a.void = true
	if w := a.worker; w != nil && w.current == a {
		w.stopped = true
		w.stop(errCanceled)
	}
}

// returnLocked gives an attempt back that was none.
func (a *attempt) returnLocked() finished {
	a.returned = true
	a.line.returned++
	return finished{a, a.giveBack()}
}

// refused leaves a line alone for a while, of which a task could not be run for a reason that
// is not its own. It, and those that were leased after it, go back to where they were.
func (q *Queue) refused(l *line, a *attempt, f *task.Fault) {
	q.counts.refused.Add(1)
	q.mu.Lock()
	rest := leastRest << min(l.refusals, 10)
	l.refusals++
	q.mu.Unlock()
	q.returnAll(l, a, min(mostRest, max(rest, f.RetryAfter)))
}

// returnAll gives back a task that was begun, unless it is nil, and all that are ready,
// and has the line rest for a while.
func (q *Queue) returnAll(l *line, a *attempt, rest time.Duration) {
	var back []finished
	q.mu.Lock()
	if until := time.Now().Add(rest); rest > 0 && until.After(l.rest) {
		l.rest = until
	}
	give := func(a *attempt) {
		if a.void {
			q.dropLocked(a)
			return
		}
		back = append(back, a.returnLocked())
	}
	if a != nil {
		give(a)
	}
	for _, a := range l.ready {
		give(a)
	}
	clear(l.ready)
	l.ready = l.ready[:0]
	q.mu.Unlock()
	q.finisher.add(back...)
}
