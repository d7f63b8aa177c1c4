package queue

import (
	"cmp"
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

const (
	// ahead is how much work of a plugin is leased before it is begun, by what its attempts
	// took lately: what comes with a greater priority waits that long at most, and a lease
	// must be back from the store by then.
	ahead = 10 * time.Millisecond

	// mostAhead bounds that in tasks.
	mostAhead = 1024

	// longAttempt is from when on nothing is leased that nobody can begin: the wait for the
	// store is then nothing beside the attempt.
	longAttempt = 100 * time.Millisecond

	// mostWorkers bounds the attempts of a plugin that says nothing of its concurrency.
	mostWorkers = 256

	// policyAge is for how long a policy is not looked at again.
	policyAge = time.Second

	// stint is how long a worker goes on while others wait for a place.
	stint = 10 * time.Millisecond

	// burst is the time in which a rate may be used up at once.
	burst = 20 * time.Millisecond

	// leastRest and mostRest bound how long a plugin is left alone after a refusal.
	leastRest, mostRest = 50 * time.Millisecond, 30 * time.Second
)

// line is the tasks of a plugin that were leased, in the order in which they are begun, and
// what is known of their attempts. All of it is guarded by the queue's lock.
type line struct {
	name
	space *space

	policy *Policy   // filled; never changed, but replaced
	asked  time.Time // when that was

	ready    []*attempt // leased and not begun
	workers  int        // that have an attempt, or are about to
	idle     int        // of these, that have had none yet
	returned int        // tasks that are being given back: nothing is leased until that is done
	bytes    int64      // of what was leased
	limiter  *rate.Limiter

	backlog [task.MostPriority + 1]int64 // what waits in the store, as of the last look
	more    int64                        // the sum, less what was leased since
	hungry  bool                         // the dispatcher was told that there is little left
	served  [task.MostPriority + 1]int64 // the number of the start that went to each priority last
	starts  int64                        // so far

	rest     time.Time // nothing is begun before
	refusals int       // in a row

	mean  float64 // seconds of an attempt, with its waits for a turn and an instance; 0: none is known
	run   float64 // seconds, of guests computing
	host  float64 // and waiting on the host
	input float64 // bytes of an input

	used   time.Time     // last
	lag    time.Duration // how long the task begun last had waited since it was due
	begun  int64
	lined  bool  // it is among Queue.lineup
	turn   int64 // of the dispatcher, in which something was leased last
	failed *event.Burst
	gone   *event.Burst
}

// space is a namespace: what its plugins use together.
type space struct {
	name      string
	share     Share
	limiter   *rate.Limiter
	workers   int
	idle      int // workers that have begun nothing yet
	lines     int
	contended bool      // a line waits for a place, or for the rate
	again     time.Time // when the rate lets another worker start
}

// lineOfLocked returns the line of a plugin, a new one if need be.
func (q *Queue) lineOfLocked(of name) *line {
	if l := q.lines[of]; l != nil {
		return l
	}
	s := q.spaces[of.namespace]
	if s == nil {
		s = &space{name: of.namespace}
		q.spaces[of.namespace] = s
	}
	s.lines++
	l := &line{name: of, space: s, failed: event.NewBurst(q.options.Publish), gone: event.NewBurst(q.options.Publish), policy: new(Policy{}.filled())}
	q.lines[of] = l
	return l
}

// adopt takes on what holds for a plugin now.
func (l *line) adopt(p Policy, s Share, now time.Time) {
	l.policy, l.asked = &p, now
	l.limiter = limit(l.limiter, p.Rate)
	l.space.share = s
	l.space.limiter = limit(l.space.limiter, s.Rate)
}

// limit is a limiter for a rate, the one that was there if it can be. Nil: no bound.
func limit(l *rate.Limiter, perSecond float64) *rate.Limiter {
	if perSecond <= 0 {
		return nil
	}
	most := max(1, int(perSecond*burst.Seconds()))
	if l == nil {
		return rate.NewLimiter(rate.Limit(perSecond), most)
	}
	if l.Limit() != rate.Limit(perSecond) {
		l.SetLimit(rate.Limit(perSecond))
		l.SetBurst(most)
	}
	return l
}

// places is how many attempts there may be at once. A guest that computes has use for twice
// the cores, so that one is there when another ends; who waits on the host for more, as pools
// have instances (runtime/pool, sizer).
func (l *line) places(cores int) int {
	n := 2 * cores
	if l.run > 0 {
		n = max(n, int(math.Ceil(1.25*float64(cores)*(l.run+l.host)/l.run)))
	} else if l.host > 0 {
		n = mostWorkers
	}
	n = min(n, cmp.Or(l.policy.Concurrency, mostWorkers))
	if c := l.space.share.Concurrency; c > 0 {
		n = min(n, c)
	}
	return n
}

// wanted is how many more tasks are worth leasing now. With 0 of a rate it also says when to
// look again.
func (l *line) wanted(cores int, now time.Time) (n int, again time.Time) {
	if l.returned > 0 {
		return 0, time.Time{}
	}
	if now.Before(l.rest) {
		return 0, l.rest
	}
	places := l.places(cores)
	n = places - l.workers - len(l.ready)
	mean := l.mean
	if mean == 0 {
		mean = ahead.Seconds()
	}
	if mean < longAttempt.Seconds() {
		n += min(mostAhead, int(math.Ceil(ahead.Seconds()*float64(places)/mean)))
	}
	if l.workers == 0 && len(l.ready) == 0 {
		n = max(n, 1)
	}
	if l.limiter != nil {
		if n = min(n, int(l.limiter.TokensAt(now.Add(burst)))-len(l.ready)); n <= 0 {
			again = now.Add(max(time.Millisecond, untilOne(l.limiter, now)))
		}
	}
	if of := l.space.limiter; of != nil {
		// One that is ready is in line for the next start of the namespace.
		n = min(n, max(int(of.TokensAt(now.Add(burst))), 1)-len(l.ready))
	}
	return max(n, 0), again
}

// untilOne is when a limiter lets the next one start.
func untilOne(l *rate.Limiter, now time.Time) time.Duration {
	return time.Duration(max(0, 1-l.TokensAt(now)) / float64(l.Limit()) * float64(time.Second))
}

// fair is how many starts of a plugin come to one that does not go to the greatest priority
// which waits, but to the one that has waited for a start longest.
const fair = 10

// choose says how many of the next starts go to each priority.
func (l *line) choose(n int) (most [task.MostPriority + 1]int) {
	left := l.backlog
	for range n {
		greatest, longest := -1, -1
		for p := task.MostPriority; p >= task.LeastPriority; p-- {
			if left[p] == 0 {
				continue
			}
			if greatest < 0 {
				greatest, longest = p, p
			} else if l.served[p] < l.served[longest] {
				longest = p
			}
		}
		if greatest < 0 {
			break
		}
		l.starts++
		p := greatest
		if l.starts%fair == 0 {
			p = longest
		}
		l.served[p] = l.starts
		left[p]--
		most[p]++
	}
	return most
}

// allowed takes a start from the rates, or says when there is one.
func (l *line) allowed(now time.Time) (wait time.Duration) {
	var taken []*rate.Reservation
	for _, limiter := range []*rate.Limiter{l.limiter, l.space.limiter} {
		if limiter == nil {
			continue
		}
		r := limiter.ReserveN(now, 1)
		if wait = r.DelayFrom(now); wait > 0 {
			r.CancelAt(now)
			for _, other := range taken {
				other.CancelAt(now)
			}
			return wait
		}
		taken = append(taken, r)
	}
	return 0
}

// note learns from an attempt that has ended. Old ones count for less with each new one.
func (l *line) note(t *task.Timing) {
	const weight = 1. / 16
	took := max(t.Queue+t.Pool+t.Run+t.Rewind, time.Microsecond).Seconds()
	if l.mean == 0 {
		l.mean = took
	}
	l.mean += (took - l.mean) * weight
	l.run += ((t.Run - t.Host).Seconds() - l.run) * weight
	l.host += (t.Host.Seconds() - l.host) * weight
}

// wants appends what is to be leased of a plugin.
func (l *line) wants(wants []store.Want, n int) []store.Want {
	most := l.choose(n)
	for p := task.MostPriority; p >= task.LeastPriority; p-- {
		if most[p] > 0 {
			wants = append(wants, store.Want{Lane: store.Lane{Namespace: l.namespace, Plugin: l.plugin, Priority: p}, Most: most[p]})
		}
	}
	return wants
}
