package schedule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// atOnce bounds the tasks that are submitted together, and the schedules whose last moment
// is being stored at the same time, so that they share a commit.
const atOnce = 256

// After a failure that is not for good, a schedule is tried again after leastWait, which is
// doubled for each further one, up to mostWait.
const (
	leastWait = time.Second
	mostWait  = time.Minute
)

// due is a schedule with moments that its tasks are to be submitted for.
type due struct {
	*entry
	moments []time.Time
	passed  time.Time // the last moment so far, whether its task is to be submitted or not
	last    task.ID
	err     error
}

// Run submits tasks when they are due, until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-k.changed:
		}
		timer.Reset(max(k.look(ctx), time.Millisecond))
	}
}

// look submits what is due by now, and returns how long it is until something else is, or
// the clock is to be looked at.
func (k *Keeper) look(ctx context.Context) time.Duration {
	now := k.options.Now()
	var all []*due
	for _, e := range k.entries() {
		if d := k.due(e, now); d != nil {
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b *due) int {
		return cmp.Or(a.Next.Compare(b.Next), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for some := range slices.Chunk(all, atOnce) {
		if ctx.Err() != nil {
			break
		}
		k.submit(ctx, some)
		k.store(ctx, some)
		for _, d := range some {
			k.conclude(ctx, d, now)
		}
	}
	return k.untilNext()
}

// due tells what an entry's moments up to now come to, nil: there are none.
func (k *Keeper) due(e *entry, now time.Time) *due {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e.Next.IsZero() || e.Next.After(now) || e.waits(now) > 0 {
		return nil
	}
	d := &due{entry: e, last: e.Last, passed: latest(e.table, e.seen, now, 1)[0]}
	d.moments = latest(e.table, later(e.seen, now.Add(-e.Spec.late()-time.Nanosecond)), now, e.Spec.most())
	return d
}

// waits is how long it is until an entry is tried again after a failure. That it be longer
// than mostWait, the clock must have been set back.
func (e *entry) waits(now time.Time) time.Duration {
	if wait := e.wait.Sub(now); wait <= mostWait {
		return wait
	}
	return 0
}

// submit submits the tasks of all moments. Those of one schedule may be more than go into
// one call.
func (k *Keeper) submit(ctx context.Context, all []*due) {
	var tasks []queue.Submission
	var of []*due
	for _, d := range all {
		for _, moment := range d.moments {
			tasks, of = append(tasks, d.Spec.submission(d.Namespace, d.Name, moment)), append(of, d)
		}
	}
	for len(tasks) > 0 {
		n := min(len(tasks), atOnce)
		answers, err := k.options.Queue.Submit(ctx, tasks[:n])
		for i, d := range of[:n] {
			switch {
			case d.err != nil:
			case err != nil:
				d.err = err
			case answers[i].Err != nil && task.FaultOf(answers[i].Err).Kind == task.KindConflict:
				// The moment has its task, submitted as the schedule was before.
				// Which one that is, it does not say.
			case answers[i].Err != nil:
				d.err = answers[i].Err
			default:
				d.last = answers[i].ID
			}
		}
		tasks, of = tasks[n:], of[n:]
	}
}

// store notes what was submitted.
func (k *Keeper) store(ctx context.Context, all []*due) {
	var wg sync.WaitGroup
	for _, d := range all {
		if d.err != nil || len(d.moments) == 0 {
			continue
		}
		wg.Go(func() {
			err := k.options.Store.Fire(ctx, d.Namespace, d.Name, d.moments[len(d.moments)-1], d.last)
			if !errors.Is(err, store.ErrNotFound) { // it was deleted meanwhile
				d.err = err
			}
		})
	}
	wg.Wait()
}

// conclude has the moments of a schedule behind it, or tries them again in a while. That is
// harmless where it was done: a moment's key has its task submitted once.
func (k *Keeper) conclude(ctx context.Context, d *due, now time.Time) {
	if d.err != nil && ctx.Err() != nil {
		return
	}
	about := []any{slog.String("namespace", d.Namespace), slog.String("schedule", d.Name)}
	fault := task.FaultOf(d.err)
	k.mu.Lock()
	first := d.Next
	d.Failure = ""
	switch {
	case d.err != nil && fault.Kind.Retryable():
		d.Failure = fault.Message
		d.wait = now.Add(min(leastWait<<min(d.tries, 10), mostWait))
		d.tries++
	case d.err != nil:
		d.Failure = fault.Message
		d.pass(d.passed)
	default:
		if len(d.moments) > 0 {
			d.Fired, d.Last = exact(d.moments[len(d.moments)-1]), d.last
		}
		d.pass(d.passed)
	}
	// One that was put meanwhile goes on from there.
	if now := k.known[key{d.Namespace, d.Name}]; now != nil && now != d.entry && now.Created.Equal(d.Created) && d.Fired.After(now.Fired) {
		now.Fired, now.Last = d.Fired, d.Last
	}
	tries := d.tries
	k.mu.Unlock()

	switch {
	case d.err != nil && tries > 1: // it was told
	case d.err != nil:
		k.options.Log.Warn("the task of a schedule cannot be submitted", append(about, slog.Time("moment", first), slog.Any("error", d.err))...)
		k.publish(event.ScheduleFailed, d, fault, first)
	case len(d.moments) == 0 || first.Before(d.moments[0]):
		k.options.Log.Warn("moments of a schedule were missed and are not made up for", append(about, slog.Time("first", first),
			slog.Time("last", d.passed), slog.Int("submitted", len(d.moments)))...)
		k.publish(event.ScheduleMissed, d, nil, first)
	}
}

// publish tells of a schedule, and of the first moment that it is about.
func (k *Keeper) publish(t event.Type, d *due, fault *task.Fault, first time.Time) {
	e := event.Event{
		Type: t, Ref: task.Ref{Namespace: d.Namespace, Plugin: d.Spec.Plugin},
		Data: event.Data(map[string]any{"schedule": d.Name, "moment": first, "submitted": len(d.moments)}),
	}
	if fault != nil {
		e.Kind, e.Message = fault.Kind, fmt.Sprintf("the task of %s cannot be submitted: %s", d.Name, fault.Message)
	} else {
		e.Message = fmt.Sprintf("moments of %s from %s on were missed, and %d of them made up for", d.Name, first.Format(time.RFC3339), len(d.moments))
	}
	k.options.Publish(e)
}

// untilNext is how long it is until something is due, and Options.Look at most.
func (k *Keeper) untilNext() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.options.Now()
	next := k.options.Look
	for _, e := range k.known {
		if !e.Next.IsZero() {
			next = min(next, max(e.Next.Sub(now), e.waits(now)))
		}
	}
	return next
}
