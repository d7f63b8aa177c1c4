package queue

import (
	"context"
	"math"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

const (
	mostPromoted = 1000 // at once
	mostExtended = 1000
	mostForgot   = 500

	// promotePause is the least time between two looks for tasks that are due: those that come
	// due in it are promoted together.
	promotePause = 5 * time.Millisecond

	// lookForDue is the most. The wall clock may have been set meanwhile.
	lookForDue = 5 * time.Second

	// forgetEvery is how long there is between two looks for what is to be forgotten, unless
	// there is more than was looked for.
	forgetEvery = 5 * time.Second

	// tick is how often rates are measured.
	tick = time.Second

	// lineIdle is how long nothing is of a plugin until what is known of it is forgotten.
	lineIdle = time.Minute
)

// comesDue tells that a task waits for a time.
func (q *Queue) comesDue(at time.Time) {
	if at.UnixMicro() < q.soonest.Load() {
		select {
		case q.due <- struct{}{}:
		default:
		}
	}
}

// promote brings tasks into their lanes when they are due, until ctx ends.
func (q *Queue) promote(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	pause := leastPause
	for ctx.Err() == nil {
		// Whatever is submitted from now on has the store looked at again.
		q.soonest.Store(math.MaxInt64)
		moved, next, err := q.options.Store.Promote(context.WithoutCancel(ctx), q.now(), mostPromoted)
		wait := lookForDue
		switch {
		case err != nil:
			q.troubled(err)
			wait = pause
			pause = min(2*pause, mostPause)
		case moved == mostPromoted:
			continue
		default:
			pause = leastPause
			if moved > 0 {
				q.storeWell()
			}
			if !next.IsZero() {
				q.soonest.Store(next.UnixMicro())
				wait = max(promotePause, min(wait, next.Sub(q.now())))
			}
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-q.due:
		case <-ctx.Done():
		}
	}
}

// keepLeases makes leases last, and takes back those of others that ran out, until ctx ends.
func (q *Queue) keepLeases(ctx context.Context) {
	beat := time.NewTicker(q.options.Lease / 6)
	defer beat.Stop()
	for {
		select {
		case <-beat.C:
		case <-ctx.Done():
			return
		}
		// Ours first: where the clock was set forward, they have run out as well.
		if err := q.extend(ctx); err != nil {
			q.troubled(err)
			continue
		}
		n, err := q.options.Store.Expire(context.WithoutCancel(ctx), q.now())
		if err != nil {
			q.troubled(err)
			continue
		}
		q.counts.expired.Add(int64(n))
	}
}

// extend makes those leases last that are at two thirds of their time, or less.
func (q *Queue) extend(ctx context.Context) error {
	now := q.now()
	until := now.Add(q.options.Lease)
	var held []store.Held
	q.mu.Lock()
	for _, a := range q.held {
		if a.until.Sub(now) < q.options.Lease*2/3 && !a.void {
			held = append(held, store.Held{ID: a.ID, Attempt: a.Attempt})
		}
	}
	q.mu.Unlock()
	for len(held) > 0 {
		some := held[:min(len(held), mostExtended)]
		held = held[len(some):]
		lost, err := q.options.Store.Extend(context.WithoutCancel(ctx), some, until)
		if err != nil {
			return err
		}
		q.extended(some, lost, until)
	}
	return nil
}

// extended notes until when leases last, and stops the attempts whose lease is lost.
func (q *Queue) extended(held []store.Held, lost []task.ID, until time.Time) {
	gone := make(map[task.ID]bool, len(lost))
	for _, id := range lost {
		gone[id] = true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, h := range held {
		a := q.held[h.ID]
		switch {
		case a == nil || a.Attempt != h.Attempt: // it has ended meanwhile
		case gone[h.ID]:
			q.counts.lost.Add(1)
			q.voidLocked(a)
		default:
			a.until = until
		}
	}
}

// forget removes what has been kept for long enough, until ctx ends. It takes no more than
// half of the time, so that others get to the store; with chunks of this size it is still
// faster than tasks can end.
func (q *Queue) forget(ctx context.Context) {
	timer := time.NewTimer(forgetEvery)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		begun := time.Now()
		n, err := q.options.Store.Forget(context.WithoutCancel(ctx), q.now(), q.options.KeepEnded, mostForgot)
		wait := forgetEvery
		switch {
		case err != nil:
			q.troubled(err)
		case n == mostForgot:
			wait = max(time.Millisecond, time.Since(begun))
		}
		q.counts.forgotten.Add(int64(n))
		timer.Reset(wait)
	}
}

// measure measures rates, and forgets plugins of which nothing is here, until ctx ends.
func (q *Queue) measure(ctx context.Context) {
	beat := time.NewTicker(tick)
	defer beat.Stop()
	for {
		select {
		case <-beat.C:
		case <-ctx.Done():
			return
		}
		q.rates.submitted.measure(q.counts.submitted.Load())
		q.rates.started.measure(q.counts.started.Load())
		q.rates.finished.measure(q.counts.finished())
		q.forgetLines(time.Now())
		if q.doubtful.Swap(false) {
			if sure, err := q.count(ctx); err != nil || !sure {
				q.doubtful.Store(true)
			}
		}
	}
}

// forgetLines forgets plugins of which nothing is here.
func (q *Queue) forgetLines(now time.Time) {
	var old []*line
	q.mu.Lock()
	for of, l := range q.lines {
		if l.workers == 0 && len(l.ready) == 0 && l.returned == 0 && l.bytes == 0 && l.more == 0 && now.Sub(l.used) > lineIdle {
			delete(q.lines, of)
			if l.space.lines--; l.space.lines == 0 {
				delete(q.spaces, of.namespace)
			}
			old = append(old, l)
		}
	}
	q.mu.Unlock()
	for _, l := range old {
		l.endNews()
	}
}

// endNews publishes what was counted and not told yet.
func (l *line) endNews() {
	l.failed.End()
	l.gone.End()
}
