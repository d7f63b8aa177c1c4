package queue

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// Queue takes tasks and has them run. It is safe for concurrent use.
type Queue struct {
	options Options

	ran      atomic.Bool   // Run was called
	learnt   atomic.Bool   // what the store had is known
	learning chan struct{} // has room for the one that finds out

	waiting  waiting
	doubtful atomic.Bool // it is not known for sure what the store has done
	trouble  atomic.Pointer[trouble]

	wake    chan struct{} // has room for one: there is something for the dispatcher to look at
	due     chan struct{} // likewise, for promote
	soonest atomic.Int64  // when promote looks again, in microseconds since 1970

	finisher finisher
	endings  endings
	attempts context.Context // ended once they are to be stopped
	workers  sync.WaitGroup

	counts  counts
	rates   struct{ submitted, started, finished meter }
	latency struct{ submit, lease, finish latency }

	mu        sync.Mutex
	closing   bool // nothing is begun any more
	lines     map[name]*line
	spaces    map[string]*space
	lineup    []*line // with something ready, in the order in which they get places
	looked    []*line // with something in the store, as of the last look
	turns     int64   // of the dispatcher
	held      map[task.ID]*attempt
	expected  map[task.ID]*expected
	leasing   bool             // the store hands out tasks that are not held yet
	gone      map[task.ID]bool // canceled meanwhile; false: perhaps
	bytes     int64            // of what is held
	running   int              // workers
	contended bool             // a line waits for one of MostRunning
}

// New makes a Queue. It panics with all that is wrong with the Options. Tasks are run by Run
// alone; all other methods work without it.
func New(o Options) *Queue {
	if err := o.fill(); err != nil {
		panic(fmt.Sprintf("queue: %v", err))
	}
	return &Queue{
		options:  o,
		waiting:  waiting{of: make(map[name]int64)},
		learning: make(chan struct{}, 1),
		wake:     make(chan struct{}, 1),
		due:      make(chan struct{}, 1),
		finisher: finisher{bell: make(chan struct{}, 1)},
		endings:  endings{of: make(map[task.ID][]*Ending)},
		lines:    make(map[name]*line),
		spaces:   make(map[string]*space),
		held:     make(map[task.ID]*attempt),
		expected: make(map[task.ID]*expected),
		gone:     make(map[task.ID]bool),
	}
}

// Run has tasks run, and looks after those that wait, until ctx ends. It then begins nothing
// more, gives back what it has not begun, and waits for what it has, for the time of Grace;
// attempts that are stopped at its end are given back as well. It returns when all has ended
// that it began, or with an error when some attempts did not stop in LastGrace. It is called
// once.
func (q *Queue) Run(ctx context.Context) error {
	if q.ran.Swap(true) {
		panic("queue: Run is called once")
	}
	for pause := leastPause; q.learn(ctx) != nil; pause = min(2*pause, mostPause) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
	background := context.WithoutCancel(ctx)
	attempts, stopAttempts := context.WithCancelCause(background)
	defer stopAttempts(nil)
	q.attempts = attempts
	keeping, stopKeeping := context.WithCancel(background)
	defer stopKeeping()
	finishing, stopFinishing := context.WithCancel(background)
	defer stopFinishing()
	giving, giveUp := context.WithCancel(background)
	defer giveUp()

	var lookers, keepers, finishers sync.WaitGroup
	lookers.Go(func() { q.dispatch(ctx) })
	lookers.Go(func() { q.promote(ctx) })
	lookers.Go(func() { q.forget(ctx) })
	keepers.Go(func() { q.keepLeases(keeping) })
	keepers.Go(func() { q.measure(keeping) })
	finishers.Go(func() { q.finish(finishing, giving) })

	<-ctx.Done()
	lookers.Wait()
	q.close()
	left := !ended(&q.workers, q.options.Grace)
	if left {
		q.options.Log.Warn("attempts at tasks were still running after the grace period and are stopped")
		stopAttempts(errStopping)
		left = !ended(&q.workers, q.options.LastGrace)
	}
	stopFinishing()
	if !ended(&finishers, q.options.LastGrace) {
		giveUp()
		finishers.Wait()
	}
	stopKeeping()
	keepers.Wait()
	if !left {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.options.Log.Error("attempts at tasks do not stop, and are left behind", slog.Int("attempts", q.running))
	return fmt.Errorf("%d attempts at tasks do not stop; they are made again", q.running)
}

// close begins nothing any more, and gives back what has not been begun.
func (q *Queue) close() {
	q.mu.Lock()
	q.closing = true
	lines := make([]*line, 0, len(q.lines))
	for _, l := range q.lines {
		lines = append(lines, l)
	}
	q.mu.Unlock()
	for _, l := range lines {
		q.returnAll(l, nil, 0)
		l.endNews()
	}
}

// ended waits for a time, and tells whether all have ended.
func ended(wg *sync.WaitGroup, in time.Duration) bool {
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	timer := time.NewTimer(in)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// wakeUp has the dispatcher look at once.
func (q *Queue) wakeUp() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
