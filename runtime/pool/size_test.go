package pool_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/pool"
)

// A call of the simulated guests: computing takes a core, of which there are few, and
// the host is waited for without one.
type work struct{ run, host time.Duration }

var (
	computes = work{run: 20 * time.Millisecond}
	waits    = work{run: 10 * time.Millisecond, host: 90 * time.Millisecond}
)

// load is what simulated callers, each with one call at a time, do at a second of the
// simulation: how many there are, and what they call.
type load func(second int) (callers int, w work)

// trace is what became of a pool, each second.
type trace []pool.Stats

func (tr trace) births() int64 { return tr[len(tr)-1].Births.Built }
func (tr trace) deaths() int64 { return tr[len(tr)-1].Deaths.Total() }

// sizes are the smallest and largest size from one second to another.
func (tr trace) sizes(from, to int) (least, most int) {
	least = tr[from].Size
	for _, s := range tr[from:to] {
		least, most = min(least, s.Size), max(most, s.Size)
	}
	return least, most
}

// String has a line for each time the size or what is alive changed.
func (tr trace) String() string {
	var b strings.Builder
	last := ""
	for second, s := range tr {
		now := fmt.Sprintf("size %2d  alive %2d  births %2d  deaths %2d", s.Size, s.Ready+s.Lent, s.Births.Built, s.Deaths.Total())
		if now != last {
			fmt.Fprintf(&b, "\n%4d s  %s  waiting %2d", second, now, s.Waiting)
		}
		last = now
	}
	return b.String()
}

// simulate puts a load on a pool with two cores for some seconds.
func simulate(t *testing.T, o pool.Options[int], seconds int, l load) trace {
	t.Helper()
	f := &factory{takes: 5 * time.Millisecond}
	p := f.running(t, o)
	cores := make(chan struct{}, 2)
	call := func(w work) {
		loan, err := p.Acquire(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		acquired := time.Now()
		cores <- struct{}{}
		time.Sleep(w.run)
		<-cores
		time.Sleep(w.host)
		loan.Release(pool.Report{Calls: 1, Run: w.run, Host: w.host, Held: time.Since(acquired)})
	}

	var mu sync.Mutex
	second := 0
	var callers sync.WaitGroup
	stopped := false
	for number := range 100 {
		callers.Go(func() {
			for {
				mu.Lock()
				n, w := l(second)
				stop := stopped
				mu.Unlock()
				if stop {
					return
				}
				if number < n {
					call(w)
				} else {
					time.Sleep(time.Duration(100+number) * time.Millisecond)
				}
			}
		})
	}
	var tr trace
	for range seconds {
		synctest.Wait()
		tr = append(tr, p.Stats())
		time.Sleep(time.Second)
		mu.Lock()
		second++
		mu.Unlock()
	}
	mu.Lock()
	stopped = true
	mu.Unlock()
	callers.Wait()
	if f.most > o.Max {
		t.Errorf("%d were alive at once, over Max", f.most)
	}
	t.Logf("second by second:%v", tr)
	return tr
}

// Two cores are kept busy by 2.5 guests that compute, with the headroom, and by 25
// that compute for a tenth of the time: 3 and 25 instances.
func TestTheSizeFollowsTheLoadAndSettles(t *testing.T) {
	options := pool.Options[int]{Max: 64, Cores: 2, Waiting: 100, Idle: time.Minute}
	steps := func(at int, before, after int, w work) load {
		return func(second int) (int, work) {
			if second < at {
				return before, w
			}
			return after, w
		}
	}
	square := func(period int, high int, w work) load {
		return func(second int) (int, work) {
			if second%(2*period) < period {
				return high, w
			}
			return 1, w
		}
	}
	alternating := func(period int) load {
		return func(second int) (int, work) {
			if second%(2*period) < period {
				return 50, computes
			}
			return 50, waits
		}
	}
	for _, c := range []struct {
		name           string
		seconds        int
		load           load
		settled        int // from this second on the size stays between least and most
		least, most    int
		births, deaths int64 // at most
		alive          int   // at the end
	}{
		{"constant, computing", 180, steps(0, 50, 50, computes), 0, 3, 3, 3, 0, 3},
		{"constant, waiting on the host", 180, steps(0, 50, 50, waits), 2, 25, 25, 25, 0, 25},
		{"step up", 240, steps(60, 1, 50, waits), 2, 25, 25, 25, 0, 25},
		{"step down", 240, steps(60, 50, 2, waits), 2, 25, 25, 25, 23, 2},
		{"waiting on the host, then computing", 250, func(second int) (int, work) {
			if second < 50 {
				return 50, waits
			}
			return 50, computes
		}, 150, 3, 3, 25, 22, 3},
		{"bursts shorter than the idle limit", 400, square(20, 50, waits), 2, 25, 25, 25, 0, 25},
		{"bursts longer than the idle limit", 800, square(100, 20, waits), 2, 25, 25, 4 * 20, 4 * 19, 1},
		{"computing and waiting by turns, fast", 400, alternating(20), 32, 25, 25, 25, 0, 25},
		// Each long stretch of computing sheds what is too many, once.
		{"computing and waiting by turns, slowly", 800, alternating(200), 0, 3, 25, 2 * 25, 25, 25},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := simulate(t, options, c.seconds, c.load)
				if least, most := tr.sizes(c.settled, c.seconds); least < c.least || most > c.most {
					t.Errorf("from second %d on the size was from %d to %d, want %d to %d", c.settled, least, most, c.least, c.most)
				}
				if b, d := tr.births(), tr.deaths(); b > c.births || d > c.deaths {
					t.Errorf("%d births and %d deaths, want at most %d and %d", b, d, c.births, c.deaths)
				}
				if s := tr[len(tr)-1]; s.Ready+s.Lent != c.alive {
					t.Errorf("%d are alive at the end, want %d", s.Ready+s.Lent, c.alive)
				}
			})
		})
	}
}

func TestTheSizeIsWithinItsBounds(t *testing.T) {
	for _, c := range []struct {
		name    string
		options pool.Options[int]
		report  pool.Report
		size    int
	}{
		{"nothing is known of the loans", pool.Options[int]{Max: 7}, pool.Report{Calls: 1, Run: time.Second}, 7},
		{"computing alone", pool.Options[int]{Max: 100, Cores: 8}, pool.Report{Calls: 1, Run: time.Second}, 10},
		{"rewinding takes a core", pool.Options[int]{Max: 100, Cores: 8}, pool.Report{Calls: 1, Run: time.Second, Rewind: time.Second, Host: 2 * time.Second}, 20},
		{"fewer than Min", pool.Options[int]{Min: 50, Max: 100, Cores: 8}, pool.Report{Calls: 1, Run: time.Second}, 50},
		{"more than Max", pool.Options[int]{Max: 100, Cores: 8}, pool.Report{Calls: 1, Run: time.Millisecond, Host: time.Hour}, 100},
		{"waiting alone", pool.Options[int]{Max: 100, Cores: 8}, pool.Report{Calls: 1, Host: time.Hour}, 100},
		{"no time at all", pool.Options[int]{Max: 100, Cores: 8}, pool.Report{Calls: 1}, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := (&factory{}).running(t, c.options)
				acquire(t, p).Release(c.report)
				time.Sleep(time.Second)
				if s := p.Stats(); s.Size != c.size {
					t.Errorf("the size is %d, want %d", s.Size, c.size)
				}
			})
		})
	}
}

func TestASizeThatWouldBeExceededIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.pool(pool.Options[int]{Max: 10, Cores: 2, Waiting: 10})
		defer closePool(t, p)
		loans := acquireN(t, p, 3)
		wait := inLine(t, p, 2, func(_ int, loan pool.Loan[int], err error) {
			if err != nil {
				t.Error(err)
			}
			release(loan)
		})
		if s := p.Stats(); s.Waiting != 2 || s.Births.Built != 3 {
			t.Errorf("%+v, want two in line for the three that are worth having", s)
		}
		release(loans...)
		wait.Wait()
	})
}

// Only a loan that has ended tells that it waited on the host. Where all wait for long,
// and the size is that of guests which compute, the line must not stand still till then.
func TestTheSizeGrowsWhileNobodyComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.running(t, pool.Options[int]{Max: 10, Cores: 2, Waiting: 20})
		begun := time.Now()
		inLine(t, p, 12, func(_ int, loan pool.Loan[int], err error) {
			if err != nil {
				t.Error(err)
				return
			}
			time.Sleep(time.Minute)
			loan.Release(pool.Report{Calls: 1, Run: time.Minute})
		}).Wait()
		if took := time.Since(begun); took != 2*time.Minute {
			t.Errorf("twelve calls of a minute took %v, want two minutes with ten instances for most of the first", took)
		}
	})
}

func TestTheSizeRisesAtOnceForWhoWouldHaveToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.pool(pool.Options[int]{Max: 10, Cores: 2, Waiting: 10})
		defer closePool(t, p)
		acquire(t, p).Release(pool.Report{Calls: 1, Run: time.Millisecond, Host: time.Second})
		release(acquireN(t, p, 10)...) // nothing beats
	})
}
