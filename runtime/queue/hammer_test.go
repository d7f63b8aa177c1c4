package queue_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/storetest"
	"github.com/marketprism/prismrt/runtime/store/volatile"
	"github.com/marketprism/prismrt/runtime/task"
)

// ledger is what was promised, and what was seen to be done.
type ledger struct {
	t  *testing.T
	mu sync.Mutex

	taken    map[task.ID]string // by input
	ended    map[task.ID]task.State
	canceled map[task.ID]bool // for certain
	runs     map[task.ID]int
}

func (l *ledger) take(id task.ID, input string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken[id] = input
}

func (l *ledger) end(id task.ID, s task.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before := l.ended[id]; before != "" && before != s {
		l.t.Errorf("task %s was said to be %s, and then %s", id, before, s)
	}
	l.ended[id] = s
}

func (l *ledger) begin(id task.ID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.ended[id]; s != "" {
		l.t.Errorf("task %s was run after it was said to be %s", id, s)
	}
	l.runs[id]++
	return l.runs[id]
}

// Many submit, wait, follow and cancel, attempts fail, the store fails, and the server ends
// and begins again at random moments, in order or by dying. At the end each task that was
// taken has ended once, as it was said to.
func TestWhateverHappensEachTaskThatWasTakenEndsOnce(t *testing.T) {
	for _, share := range []float64{1e-12, 0.05, 0.3} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("faults=%.2f/seed=%d", share, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { hammer(t, share, seed) })
			})
		}
	}
}

func hammer(t *testing.T, share float64, seed uint64) {
	book := &ledger{t: t, taken: map[task.ID]string{}, ended: map[task.ID]task.State{}, canceled: map[task.ID]bool{}, runs: map[task.ID]int{}}
	random := rand.New(rand.NewPCG(seed, 1))
	kept := volatile.New()
	run := func(ctx context.Context, in task.Invocation) (task.Result, error) {
		if ctx.Err() != nil {
			return task.Result{}, context.Cause(ctx)
		}
		n := book.begin(in.ID)
		in.Listener.Logged("info", "it runs")
		select {
		case <-time.After(time.Duration(rand.IntN(20)) * time.Millisecond):
		case <-ctx.Done():
			return task.Result{}, context.Cause(ctx)
		}
		switch k := rand.IntN(10); {
		case k == 0 && n == 1:
			return task.Result{}, task.Faultf(task.KindBusy, "no room")
		case k < 3 && n < 3:
			return task.Result{}, task.Faultf(task.KindInternal, "it failed")
		case string(in.Input[:3]) == "bad":
			return task.Result{}, task.Faultf(task.KindTrap, "it traps")
		}
		return task.Result{Output: append([]byte("ran "), in.Input...)}, nil
	}
	var current atomic.Pointer[world]
	lives := 0
	live := func() {
		lives++
		faulty := storetest.NewFaulty(kept, storetest.Faults{Share: share, Seed: seed*100 + uint64(lives)})
		now := newWorld(t, run, func(o *queue.Options) { o.Store, o.Lease, o.Grace = faulty, 2*time.Second, 5*time.Millisecond })
		now.setPolicy("q", queue.Policy{Concurrency: 2})
		now.setPolicy("r", queue.Policy{Rate: 200})
		for _, p := range []string{"p", "q", "r"} {
			// Attempts that are cut off count, and here many are.
			now.policy[p] = queue.Policy{Retries: ints(50), Backoff: 10 * time.Millisecond, Concurrency: now.policy[p].Concurrency, Rate: now.policy[p].Rate}
		}
		current.Store(now.start())
	}
	live()
	world := current.Load
	over := make(chan struct{})
	var callers, restarts sync.WaitGroup
	restarts.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(time.Duration(50+random.IntN(500)) * time.Millisecond):
			}
			if world().stop(); random.IntN(2) == 0 {
				// It died: nobody has given back what it had.
				if _, err := kept.Expire(t.Context(), time.Now().Add(time.Hour)); err != nil {
					t.Error(err)
				}
			}
			live()
		}
	})
	for c := range 8 {
		callers.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(10+c)))
			for i := range 40 {
				input := fmt.Sprintf("%s %d %d", []string{"good", "good", "bad"}[random.IntN(3)], c, i)
				of := queue.Submission{
					Namespace: namespace, Plugin: []string{"p", "q", "r"}[random.IntN(3)], Input: []byte(input),
					Key: input, Priority: ints(random.IntN(10)), Delay: time.Duration(random.IntN(3)) * 30 * time.Millisecond,
				}
				var id task.ID
				for id == "" {
					answers, err := world().Submit(t.Context(), []queue.Submission{of})
					switch {
					case err != nil:
						time.Sleep(10 * time.Millisecond)
					case answers[0].Err != nil:
						t.Errorf("submit: %v", answers[0].Err)
						return
					default:
						id = answers[0].ID
					}
				}
				book.take(id, input)
				switch random.IntN(4) {
				case 0:
					time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
					if err := world().Cancel(t.Context(), namespace, id); err == nil {
						book.end(id, task.Canceled)
					}
				case 1:
					end(t, world, book, id)
				case 2:
					followToEnd(t, world, id)
				}
			}
		})
	}
	callers.Wait()
	for id := range book.taken {
		end(t, world, book, id)
	}
	close(over)
	restarts.Wait()
	world().stop()

	records, err := kept.Page(t.Context(), store.Query{Limit: 10_000})
	if err != nil || len(records) != len(book.taken) {
		t.Errorf("%d tasks are kept, %v; %d were taken", len(records), err, len(book.taken))
	}
	for id, input := range book.taken {
		got, err := kept.Read(t.Context(), []task.ID{id}, store.WithOutput)
		if err != nil {
			t.Fatal(err)
		}
		r := got[0]
		switch s := book.ended[id]; {
		case r.ID == "" || r.State != s || !s.Ended():
			t.Errorf("task %s was said to be %q and is %q", id, s, r.State)
		case s == task.Succeeded && (string(r.Output) != "ran "+input || input[:3] == "bad"):
			t.Errorf("task %s came to %q", id, r.Output)
		case s == task.Dead && input[:3] != "bad":
			t.Errorf("task %s is dead: %+v", id, r.Attempts)
		}
	}
	fresh := newWorld(t, run, func(o *queue.Options) { o.Store = kept })
	for _, p := range []string{"p", "q", "r"} {
		if n := fresh.Waiting(namespace, p); n != 0 {
			t.Errorf("%d tasks of %s are left", n, p)
		}
	}
	t.Logf("%d tasks, %d lives", len(book.taken), lives)
}

// end waits for the end of a task, whoever is there to tell it.
func end(t *testing.T, world func() *world, book *ledger, id task.ID) {
	for {
		w := world()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		got, err := w.wait(ctx, namespace, id)
		cancel()
		if err == nil {
			book.end(id, got.State)
			return
		}
		if kind(err) == task.KindNotFound {
			t.Errorf("task %s, which was taken, is not there", id)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// followToEnd follows a task to its end, going on where it was cut off.
func followToEnd(t *testing.T, world func() *world, id task.ID) {
	var last queue.EventID
	seen := map[queue.EventID]task.State{}
	for {
		r, err := world().Follow(t.Context(), namespace, id, last)
		for err == nil {
			var e queue.Event
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			if e, err = r.Next(ctx); err == nil {
				if before, twice := seen[e.ID]; twice && e.Type == queue.StateChanged {
					t.Errorf("of task %s, %v was told twice: %s and %s", id, e.ID, before, e.State)
				}
				if e.Type == queue.StateChanged {
					seen[e.ID] = e.State
				}
				last = e.ID
			}
			cancel()
		}
		if errors.Is(err, io.EOF) {
			if !seen[last].Ended() {
				t.Errorf("the last thing told of task %s is that it is %q", id, seen[last])
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
