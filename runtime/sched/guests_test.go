package sched_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/sched"
)

// slice is how long guests of tests run at a time, and burn a fuel each nanosecond.
const slice = 200 * time.Microsecond

// A slot of a test has a core of its own, unless shareCores was called: then those
// who run have two between them, as it is with a machine's.
var (
	coresShared atomic.Bool
	running     atomic.Int64
)

func shareCores(t *testing.T) {
	coresShared.Store(true)
	t.Cleanup(func() { coresShared.Store(false) })
}

// work takes as long as it needs to burn so much.
func work(fuel time.Duration) {
	now := running.Add(1)
	defer running.Add(-1)
	if now > 2 && coresShared.Load() {
		fuel = fuel * time.Duration(now) / 2
	}
	time.Sleep(fuel)
}

// guest runs one that needs so much time, and ends it at its deadline, or before.
func guest(ctx context.Context, flow *sched.Flow, need time.Duration) error {
	return guestOf(ctx, flow, need, sched.Call{})
}

func guestOf(ctx context.Context, flow *sched.Flow, need time.Duration, call sched.Call) error {
	var turn sched.Turn
	if err := flow.Begin(ctx, &turn, call); err != nil {
		return err
	}
	for ; need > slice; need -= slice {
		work(slice)
		err := turn.Slice(int64(slice))
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			turn.End(0)
			return err
		}
	}
	work(need)
	turn.End(int64(need))
	return ctx.Err()
}

// flood keeps as many guests of a flow in line until ctx ends.
func flood(ctx context.Context, wg *sync.WaitGroup, flow *sched.Flow, guests int, work func(*rand.Rand) time.Duration) {
	for i := range guests {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for ctx.Err() == nil {
				if err := guest(ctx, flow, work(random)); err != nil {
					var refusal *sched.Refusal
					if errors.As(err, &refusal) {
						time.Sleep(max(refusal.RetryAfter, time.Millisecond))
					}
				}
			}
		})
	}
}

// tally is how calls ended.
type tally struct {
	mu                  sync.Mutex
	good, late, refused int
	work                time.Duration // of the good
	slow                time.Duration // the longest that a refusal took
	took                []time.Duration
}

func (t *tally) add(took, work time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var refusal *sched.Refusal
	switch {
	case err == nil:
		t.good++
		t.work += work
		t.took = append(t.took, took)
	case errors.As(err, &refusal):
		t.refused++
		t.slow = max(t.slow, took)
	default:
		t.late++
	}
}

// quantile is of how long the good ones took.
func (t *tally) quantile(q float64) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.took) == 0 {
		return 0
	}
	slices.Sort(t.took)
	return t.took[int(q*float64(len(t.took)-1))]
}

func always(d time.Duration) func(*rand.Rand) time.Duration {
	return func(*rand.Rand) time.Duration { return d }
}

func exponential(mean time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration { return time.Duration(r.ExpFloat64() * float64(mean)) }
}

// mixed is mostly short calls, with a long one in ten.
func mixed(r *rand.Rand) time.Duration {
	if r.IntN(10) == 0 {
		return 20 * time.Millisecond
	}
	return 100 * time.Microsecond
}

func newScheduler(t testing.TB, o sched.Options) *sched.Scheduler {
	t.Helper()
	if o.Cores == 0 {
		o.Cores = 2
	}
	return sched.New(o)
}

func statsOf(t testing.TB, s *sched.Scheduler, namespace, plugin string) sched.FlowStats {
	t.Helper()
	for _, f := range s.Stats().Flows {
		if f.Namespace == namespace && f.Plugin == plugin {
			return f
		}
	}
	t.Fatalf("there is no flow %s/%s", namespace, plugin)
	return sched.FlowStats{}
}
