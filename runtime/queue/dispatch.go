package queue

import (
	"context"
	"slices"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

const (
	mostWants  = 256     // lanes in one lease
	mostLeased = 4096    // tasks in one lease
	mostHeld   = 1 << 14 // attempts whose outcome is not stored: more are not leased

	// lookAgain is after what time the dispatcher looks without being told to.
	lookAgain = 5 * time.Second
)

// dispatch leases tasks for workers until ctx ends.
func (q *Queue) dispatch(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	pause := leastPause
	for ctx.Err() == nil {
		arrived := q.options.Store.Arrived() // first: nothing that comes after the look is missed
		backlog := q.options.Store.Backlog()
		q.askPolicies(backlog)
		wants, again := q.plan(backlog, time.Now())
		if len(wants) > 0 {
			leased, err := q.leaseSome(ctx, wants)
			switch {
			case err != nil:
				again = time.Now().Add(pause)
				pause = min(2*pause, mostPause)
				arrived = nil
			case leased == 0: // others were faster, or tasks were canceled
				again = time.Now().Add(leastPause)
			default:
				pause = leastPause
				continue
			}
		}
		timer.Reset(max(0, min(lookAgain, time.Until(again))))
		select {
		case <-arrived:
		case <-q.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// leastPause and mostPause are between two tries of what the store refuses.
const leastPause, mostPause = 10 * time.Millisecond, time.Second

// leaseSome leases and hands out. Once begun it is not given up: what a store has handed out
// is known here.
func (q *Queue) leaseSome(ctx context.Context, wants []store.Want) (int, error) {
	q.mu.Lock()
	q.leasing = true
	q.mu.Unlock()
	begun := time.Now()
	until := q.now().Add(q.options.Lease)
	leases, err := q.options.Store.Lease(context.WithoutCancel(ctx), wants, until)
	q.latency.lease.note(begun)
	if err != nil {
		q.hand(nil, until)
		q.troubled(err)
		return 0, err
	}
	if len(leases) > 0 {
		q.storeWell()
	}
	q.hand(leases, until)
	return len(leases), nil
}

// askPolicies looks up what holds for plugins in a backlog of which that is not known, or
// not for sure any more. It is done without the lock.
func (q *Queue) askPolicies(backlog []store.Backlog) {
	type answer struct {
		name
		policy Policy
		share  Share
	}
	now := time.Now()
	var old []answer
	q.mu.Lock()
	for _, b := range backlog {
		of := name{b.Namespace, b.Plugin}
		if l := q.lineOfLocked(of); l.asked.IsZero() || now.Sub(l.asked) > policyAge {
			l.asked = now // other lanes need not ask as well
			old = append(old, answer{name: of})
		}
	}
	q.mu.Unlock()
	if len(old) == 0 {
		return
	}
	for i := range old {
		old[i].policy, old[i].share = q.policy(old[i].name), q.options.Namespace(old[i].namespace)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, a := range old {
		q.lineOfLocked(a.name).adopt(a.policy, a.share, now)
	}
}

// plan says what to lease now, and when to look again. Lines of which something was leased
// longest ago come first.
func (q *Queue) plan(backlog []store.Backlog, now time.Time) (wants []store.Want, again time.Time) {
	again = now.Add(lookAgain)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.assignLocked(now) // of those that had to rest
	for _, l := range q.lineup {
		for _, at := range []time.Time{l.rest, l.space.again} {
			if at.After(now) && at.Before(again) {
				again = at
			}
		}
	}
	lines := q.lookLocked(backlog, now)
	left := mostLeased
	for _, l := range lines {
		n, later := l.wanted(q.options.Cores, now)
		if !later.IsZero() && later.Before(again) {
			again = later
		}
		n = min(n, left, q.roomLocked(l))
		if n <= 0 || l.more == 0 {
			continue
		}
		if len(wants)+len(l.backlog) > mostWants {
			break
		}
		before := len(wants)
		wants = l.wants(wants, n)
		for _, w := range wants[before:] {
			left -= w.Most
			l.more -= int64(w.Most)
		}
		q.turns++
		l.turn, l.hungry, l.used = q.turns, false, now
	}
	return wants, again
}

// lookLocked tells lines what waits for them in the store, and returns those for which
// something does, in turn.
func (q *Queue) lookLocked(backlog []store.Backlog, now time.Time) []*line {
	for _, l := range q.looked {
		l.backlog, l.more, l.hungry = [task.MostPriority + 1]int64{}, 0, false
	}
	q.looked = q.looked[:0]
	for _, b := range backlog {
		if b.Priority < task.LeastPriority || b.Priority > task.MostPriority || b.Waiting <= 0 {
			continue
		}
		l := q.lineOfLocked(name{b.Namespace, b.Plugin})
		if l.more == 0 {
			q.looked = append(q.looked, l)
		}
		l.used = now
		l.backlog[b.Priority] = b.Waiting
		l.more += b.Waiting
	}
	slices.SortFunc(q.looked, func(a, b *line) int { return int(a.turn - b.turn) })
	return q.looked
}

// roomLocked is how many tasks of a line may be leased, for what is in hand altogether. One
// of which nothing is may always have one.
func (q *Queue) roomLocked(l *line) int {
	n := mostHeld - len(q.held)
	if l.input > 0 {
		n = min(n, int(float64(q.options.MostBytes-q.bytes)/l.input))
	} else if q.bytes >= q.options.MostBytes {
		n = 0
	}
	if l.bytes == 0 && l.workers == 0 && len(l.ready) == 0 {
		n = max(n, 1)
	}
	return n
}

// hand gives leased tasks to the workers of their lines. Those that have used up their
// attempts are not tried again.
func (q *Queue) hand(leases []store.Lease, until time.Time) {
	now := q.now()
	var ended []finished
	q.mu.Lock()
	for _, lease := range leases {
		gone, doubtful := q.gone[lease.ID]
		if gone { // it was canceled on its way here
			continue
		}
		l := q.lineOfLocked(nameOf(&lease.Task))
		a := &attempt{Lease: lease, line: l, until: until, bytes: int64(len(lease.Input)), doubtful: doubtful}
		if before := q.held[a.ID]; before != nil { // its lease had been lost
			q.voidLocked(before)
			q.counts.lost.Add(1)
		}
		q.held[a.ID] = a
		q.metLocked(a.ID)
		q.bytes += a.bytes
		l.bytes += a.bytes
		const weight = 1. / 16
		l.input = max(float64(a.bytes), l.input+(float64(a.bytes)-l.input)*weight)
		switch {
		case q.closing:
			ended = append(ended, a.returnLocked())
		case a.exhausted(l.policy):
			f := task.Faultf(task.KindInternal,
				"it is not tried again: it has had its %d attempts, of which %d were cut off because the server ended or lost them", a.counted()-1, a.cutOffs())
			ended = append(ended, finished{a, a.hopeless(l.policy, f, now)})
		default:
			l.ready = append(l.ready, a)
			if !l.lined {
				l.lined = true
				q.lineup = append(q.lineup, l)
			}
		}
	}
	q.leasing = false
	clear(q.gone)
	q.assignLocked(time.Now())
	q.mu.Unlock()
	q.finisher.add(ended...)
}

// assignLocked starts workers for lines that have something ready and a place, one after
// another, those first whose last worker was started longest ago.
func (q *Queue) assignLocked(now time.Time) {
	q.contended = false
	for _, l := range q.lineup {
		l.space.contended = false
	}
	for started := true; started; {
		started = false
		var again, last []*line
		for _, l := range q.lineup {
			switch {
			case len(l.ready) == 0:
				l.lined = false
			case q.startLocked(l, now):
				started = true
				last = append(last, l)
			default:
				again = append(again, l)
			}
		}
		q.lineup = slices.Concat(again, last)
	}
}

// startLocked starts a worker, if there is something for it and a place.
func (q *Queue) startLocked(l *line, now time.Time) bool {
	if q.closing || l.idle >= len(l.ready) || l.workers >= l.places(q.options.Cores) || now.Before(l.rest) {
		return false
	}
	if c := l.space.share.Concurrency; c > 0 && l.space.workers >= c {
		l.space.contended = true
		return false
	}
	if of := l.space.limiter; of != nil && of.TokensAt(now) < float64(l.space.idle+1) {
		l.space.contended = true
		l.space.again = now.Add(max(time.Millisecond, untilOne(of, now)))
		return false
	}
	if q.running >= q.options.MostRunning && l.workers > 0 {
		q.contended = true
		return false
	}
	l.workers++
	l.idle++
	l.space.idle++
	l.space.workers++
	q.running++
	q.workers.Go(func() { q.work(l) })
	return true
}
