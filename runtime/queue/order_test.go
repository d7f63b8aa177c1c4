package queue_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/volatile"
	"github.com/marketprism/prismrt/runtime/task"
)

func TestTasksOfALaneStartInOrderOfSubmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, takes := range []time.Duration{0, 100 * time.Microsecond, 300 * time.Millisecond} {
			w := newWorld(t, echo(takes)).start()
			w.setPolicy("p", queue.Policy{Concurrency: 1})
			var ids []task.ID
			for i := range 50 {
				batch := make([]queue.Submission, 1+i%7)
				for j := range batch {
					// Neighbours cannot share a series.
					batch[j].Terms.Timeout = time.Duration(1+i%3) * time.Hour
				}
				ids = append(ids, w.submit(batch...)...)
			}
			w.ends(ids...)
			for i, b := range w.runner.runs() {
				if b.ID != ids[i] {
					t.Fatalf("with %v each, start %d was of another task", takes, i)
				}
				if b.Timeout == 0 {
					t.Fatal("a task ran without its timeout")
				}
			}
			w.stop()
		}
	})
}

func TestWithManyWorkersNoTaskIsBegunBeforeAnEarlierOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo(time.Millisecond)).start()
		ids := w.submit(make([]queue.Submission, 500)...)
		var last time.Time
		for i, got := range w.ends(ids...) {
			if at := got.Attempts[0].Begun; at.Before(last) {
				t.Fatalf("task %d was begun at %v, and an earlier one at %v", i, at, last)
			} else {
				last = at
			}
		}
		if most := w.runner.mostOf("p"); most != 4 {
			t.Errorf("%d ran at the same time; want twice the cores, which is 4", most)
		}
	})
}

func TestAGreaterPriorityGoesFirstAndALowerOneDoesNotStarve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo(50*time.Millisecond))
		w.setPolicy("p", queue.Policy{Concurrency: 1})
		const each = 300
		for _, p := range []int{0, 4, 9} {
			batch := make([]queue.Submission, each)
			for i := range batch {
				batch[i].Priority = ints(p)
				batch[i].Input = []byte{byte(p)}
			}
			w.submit(batch...)
		}
		w.start()
		time.Sleep(200 * 50 * time.Millisecond)
		count := map[byte]int{}
		for _, b := range w.runner.runs() {
			count[b.Input[0]]++
		}
		// Nine starts in ten are of the greatest priority; the tenth goes to the others in turn.
		if count[9] < 170 || count[4] < 7 || count[0] < 7 {
			t.Errorf("of %d starts, %d were of priority 9, %d of 4, and %d of 0; want about 180, 10 and 10", len(w.runner.runs()), count[9], count[4], count[0])
		}
	})
}

func TestAGreaterPriorityThatComesLaterWaitsForLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo(100*time.Microsecond)).start()
		w.setPolicy("p", queue.Policy{Concurrency: 1})
		w.submit(make([]queue.Submission, 20_000)...)
		time.Sleep(500 * time.Millisecond)
		for range 10 {
			from := time.Now()
			got := w.ends(w.submit(queue.Submission{Priority: ints(9)})...)[0]
			if waited := got.Attempts[0].Begun.Sub(from); waited > 20*time.Millisecond {
				t.Errorf("it waited %v behind tasks of a lower priority; want about 10ms", waited)
			}
		}
	})
}

func TestAMillionTasksOfAPluginDelayAnotherPluginsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waiting := 1_000_000
		if race {
			waiting = 100_000
		}
		w := newWorld(t, nil, func(o *queue.Options) { o.MostOfPlugin = int64(waiting) })
		// Two cores for all, which change hands as the scheduler's do.
		cores := make(chan struct{}, 2)
		takes := time.Millisecond
		w.runner.run = func(ctx context.Context, in task.Invocation) (task.Result, error) {
			cores <- struct{}{}
			defer func() { <-cores }()
			return echo(takes)(ctx, in)
		}
		w.setPolicy("q", queue.Policy{})
		batch := make([]queue.Submission, 10_000)
		for range waiting / len(batch) {
			w.submit(batch...)
		}
		w.start()
		time.Sleep(time.Second)
		for range 20 {
			before, from := len(w.runner.runs()), time.Now()
			id := w.submit(queue.Submission{Plugin: "q"})[0]
			got := w.ends(id)[0]
			if waited := got.Attempts[0].Begun.Sub(from); waited > 50*time.Millisecond {
				t.Errorf("another plugin's task waited %v; want less than 50ms", waited)
			}
			others := 0
			for _, b := range w.runner.runs()[before:] {
				if b.ID == id {
					break
				}
				others++
			}
			if others > 20 {
				t.Errorf("%d tasks were begun between its submission and its start; want a few", others)
			}
		}
		w.stop()
		if n := w.Waiting(namespace, "p"); n < int64(waiting)*8/10 {
			t.Errorf("only %d still wait; the others were not in the way", n)
		}
	})
}

func TestPluginsTakeTurnsForWhatTheyHaveTogether(t *testing.T) {
	for what, change := range map[string]func(*queue.Options){
		"one place in the namespace": func(o *queue.Options) {
			o.Namespace = func(string) queue.Share { return queue.Share{Concurrency: 1} }
		},
		"a hundred starts a second": func(o *queue.Options) {
			o.Namespace = func(string) queue.Share { return queue.Share{Rate: 100} }
		},
		"as few attempts as can be": func(o *queue.Options) { o.MostRunning = 1 },
		"as few bytes as can be":    func(o *queue.Options) { o.MostBytes = 1 },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, echo(5*time.Millisecond), change)
				for i := range 4 {
					plugin := fmt.Sprint("p", i)
					w.setPolicy(plugin, queue.Policy{})
					batch := make([]queue.Submission, 2000)
					for j := range batch {
						batch[j].Plugin, batch[j].Input = plugin, []byte("input")
					}
					w.submit(batch...)
				}
				w.start()
				time.Sleep(4 * time.Second)
				count := map[string]int{}
				total := 0
				for _, b := range w.runner.runs() {
					count[b.Plugin]++
					total++
				}
				for plugin, n := range count {
					if n < total/8 {
						t.Errorf("of %d starts only %d were of %s; want about a quarter", total, n, plugin)
					}
				}
				if len(count) != 4 || total < 100 {
					t.Errorf("%d starts of %d plugins", total, len(count))
				}
			})
		})
	}
}

// slowFinish is a store that takes its time to store outcomes.
type slowFinish struct{ store.Tasks }

func (s slowFinish) Finish(ctx context.Context, outcomes []store.Outcome) ([]error, error) {
	time.Sleep(time.Second)
	return s.Tasks.Finish(ctx, outcomes)
}

func TestTheOrderHoldsWhileTasksAreGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := 0
		w := newWorld(t, nil, func(o *queue.Options) { o.Store = slowFinish{volatile.New()} })
		w.runner.run = func(_ context.Context, in task.Invocation) (task.Result, error) {
			if refused++; refused == 3 {
				return task.Result{}, task.Faultf(task.KindBusy, "no room")
			}
			return task.Result{Output: in.Input}, nil
		}
		w.setPolicy("p", queue.Policy{Concurrency: 1})
		w.start()
		ids := w.submit(make([]queue.Submission, 10)...)
		time.Sleep(300 * time.Millisecond)
		ids = append(ids, w.submit(make([]queue.Submission, 10)...)...)
		w.ends(ids...)
		var order []task.ID
		for i, b := range w.runner.runs() {
			if i != 2 {
				order = append(order, b.ID)
			}
		}
		if !slices.Equal(order, ids) {
			t.Error("tasks that came later went before those that were given back")
		}
	})
}

func TestAPolicysConcurrencyHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo(10*time.Millisecond))
		w.setPolicy("p", queue.Policy{Concurrency: 3})
		w.start()
		w.ends(w.submit(make([]queue.Submission, 100)...)...)
		if most := w.runner.mostOf("p"); most != 3 {
			t.Errorf("%d ran at the same time; want 3", most)
		}
	})
}

func TestGuestsThatWaitOnTheHostAreMoreAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(context.Context, task.Invocation) (task.Result, error) {
			time.Sleep(100 * time.Millisecond)
			return task.Result{Timing: task.Timing{Run: 100 * time.Millisecond, Host: 99 * time.Millisecond}}, nil
		}).start()
		w.ends(w.submit(make([]queue.Submission, 5000)...)...)
		if most := w.runner.mostOf("p"); most < 200 || most > 256 {
			t.Errorf("%d ran at the same time; want about 250, a hundred times the cores and a quarter, and 256 at most", most)
		}
	})
}

func TestARateHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, rate := range []float64{0.5, 20, 1000} {
			w := newWorld(t, echo(0))
			w.setPolicy("p", queue.Policy{Rate: rate})
			n := max(10, int(rate*10))
			ids := w.submit(make([]queue.Submission, n)...)
			w.start()
			w.ends(ids...)
			runs := w.runner.runs()
			took := runs[len(runs)-1].at.Sub(runs[0].at).Seconds()
			if want := float64(n) / rate; took < want*0.9-0.1 || took > want*1.1 {
				t.Errorf("at %v a second, %d starts took %.2fs; want about %.2fs", rate, n, took, want)
			}
			// In no tenth of a second, or time of one start, were there more than the rate's and what may come at once.
			window := max(0.1, 1/rate)
			for i := range runs {
				inside := 0
				for _, b := range runs[i:] {
					if b.at.Sub(runs[i].at).Seconds() >= window {
						break
					}
					inside++
				}
				if most := rate*window + max(1, rate*0.02) + 1; float64(inside) > most {
					t.Fatalf("at %v a second, there were %d starts within %.2fs; want %.0f at most", rate, inside, window, most)
				}
			}
			w.stop()
		}
	})
}

func TestALongAttemptHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(ctx context.Context, in task.Invocation) (task.Result, error) {
			if string(in.Input) == "long" {
				return echo(time.Minute)(ctx, in)
			}
			return echo(50*time.Microsecond)(ctx, in)
		}).start()
		w.ends(w.submit(make([]queue.Submission, 1000)...)...)
		w.submit(queue.Submission{Input: []byte("long")}, queue.Submission{Input: []byte("long")}, queue.Submission{Input: []byte("long")})
		time.Sleep(time.Second)
		from := time.Now()
		w.ends(w.submit(make([]queue.Submission, 100)...)...)
		if took := time.Since(from); took > 100*time.Millisecond {
			t.Errorf("beside three long ones, a hundred short tasks took %v", took)
		}
	})
}
