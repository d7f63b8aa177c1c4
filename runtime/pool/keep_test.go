package pool_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/pool"
)

// tally counts what was done to each instance.
type tally struct {
	mu    sync.Mutex
	times [10]int
}

func (c *tally) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times[n]++
}

func (c *tally) of(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.times[n]
}

func TestIdleInstancesAreClosedAfterTheLimitAndDownToMin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.running(t, pool.Options[int]{Min: 2, Max: 8, Idle: time.Minute})
		release(acquireN(t, p, 6)...)
		time.Sleep(47 * time.Second) // four fifths, the shortest it may be, but for a beat
		if s := p.Stats(); s.Ready != 6 {
			t.Errorf("before the limit %d are ready, want 6", s.Ready)
		}
		time.Sleep(time.Hour)
		if s := p.Stats(); s.Ready != 2 || s.Deaths.By[pool.Idle] != 4 || s.Births.Built != 6 {
			t.Errorf("an hour later %+v, want Min, 2, and none built in vain", s)
		}
	})
}

func TestInstancesBeyondThePeakOfUseAreClosedAndTheOthersStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.running(t, pool.Options[int]{Max: 8, Idle: time.Minute})
		release(acquireN(t, p, 8)...)
		for range 20 { // a load that needs three, every half a limit
			release(acquireN(t, p, 3)...)
			time.Sleep(30 * time.Second)
		}
		if s := p.Stats(); s.Ready != 3 || s.Births.Built != 8 {
			t.Errorf("%+v, want the three that are used of the eight built", s)
		}
	})
}

func TestInstancesBornTogetherDoNotDieTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.running(t, pool.Options[int]{Max: 20, Idle: time.Minute, Beat: 100 * time.Millisecond})
		release(acquireN(t, p, 20)...)
		most, last := 0, 20
		for range 1000 {
			time.Sleep(100 * time.Millisecond)
			now := p.Stats().Ready
			most, last = max(most, last-now), now
		}
		if last != 0 || most > 5 {
			t.Errorf("%d are left, and %d died within one beat of 120", last, most)
		}
	})
}

func TestAnOldInstanceIsReplacedWithoutAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Second}
		p := f.running(t, pool.Options[int]{Min: 2, Max: 3, Age: time.Hour})
		time.Sleep(time.Second)
		synctest.Wait()
		for range 3 * 3600 {
			time.Sleep(time.Second)
			synctest.Wait()
			if s := p.Stats(); s.Ready < 2 {
				t.Fatalf("after %+v only %d are ready", s.Deaths, s.Ready)
			}
		}
		if s := p.Stats(); s.Deaths.By[pool.Age] < 4 || s.Deaths.By[pool.Age] > 8 || s.Deaths.Total() != s.Deaths.By[pool.Age] {
			t.Errorf("in three hours %+v, want each replaced about hourly", s.Deaths)
		}
		for _, l := range livesOf(p) {
			if l.State == pool.Ended && l.Died.Sub(l.Born) > time.Hour+3*time.Second {
				t.Errorf("one lived for %v", l.Died.Sub(l.Born))
			}
		}
	})
}

func TestAnOldInstanceThatIsLentGoesWhenItComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct{ least, most, alive int }{{0, 1, 1}, {1, 2, 2}, {1, 5, 2}} { // without and with room for both
			f := &factory{}
			p := f.running(t, pool.Options[int]{Min: c.least, Max: c.most, Age: time.Hour})
			loan := acquire(t, p)
			time.Sleep(90*time.Minute + time.Millisecond) // between two beats
			if n := f.count(); n != c.alive {
				t.Errorf("%d are alive, want %d", n, c.alive)
			}
			release(loan)
			synctest.Wait()
			if s := p.Stats(); s.Deaths.By[pool.Age] == 0 || s.Ready != 1 {
				t.Errorf("%+v: when it was back %+v, want it dead and another ready", c, s)
			}
		}
	})
}

func TestAnOldInstanceStaysWhileItsSuccessorCannotBeBuilt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.running(t, pool.Options[int]{Min: 1, Max: 2, Age: time.Hour})
		f.fail.Store(true)
		time.Sleep(3 * time.Hour)
		if s := p.Stats(); s.Ready != 1 || s.Births.Failed < 10 || s.Births.Failed > 400 {
			t.Errorf("%+v, want the old one ready, and few builds", s)
		}
		f.fail.Store(false)
		time.Sleep(time.Minute)
		if s := p.Stats(); s.Ready != 1 || s.Deaths.By[pool.Age] != 1 {
			t.Errorf("%+v, want one replaced", s)
		}
	})
}

func TestFaultsOfOursInARowCloseAnInstance(t *testing.T) {
	const ok, guest, ours = pool.NoFault, pool.GuestFault, pool.OurFault
	for _, c := range []struct {
		faults []pool.Fault
		closed bool
	}{
		{[]pool.Fault{ours, ours}, false},
		{[]pool.Fault{ours, ours, ours}, true},
		{[]pool.Fault{ours, ours, ok, ours, ours}, false},
		{[]pool.Fault{ours, guest, ours, guest, ours}, true},
		{slices.Repeat([]pool.Fault{guest}, 20), false},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &factory{}
			var ends []pool.Life
			p := f.pool(pool.Options[int]{Max: 1, OnEnd: func(l pool.Life) { ends = append(ends, l) }})
			defer closePool(t, p)
			for _, fault := range c.faults {
				acquire(t, p).Release(pool.Report{Calls: 1, Fault: fault})
			}
			synctest.Wait()
			s := p.Stats()
			if closed := s.Deaths.By[pool.Faulty] == 1; closed != c.closed || s.Ready != 1 {
				t.Errorf("after %v %+v, want it closed: %v, and one ready", c.faults, s, c.closed)
			}
			if told := len(ends) == 1 && ends[0].Cause == pool.Faulty && ends[0].ID == 1 && ends[0].OurFaults == 3 && !ends[0].Died.IsZero(); told != c.closed {
				t.Errorf("after %v it is told of %+v", c.faults, ends)
			}
		})
	}
}

func TestAFailingProbeReplacesTheInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		var told []error
		p := f.running(t, pool.Options[int]{
			Max: 4, Idle: time.Hour, ProbeEvery: time.Minute, OnProbe: func(err error) { told = append(told, err) },
			Probe: func(_ context.Context, n int) error {
				switch n {
				case 1:
					return errBroken
				case 2:
					panic("broken, too")
				}
				return nil
			},
		})
		release(acquire(t, p))
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if s := p.Stats(); s.Ready != 1 || s.Deaths.By[pool.Probe] != 1 || s.Probes.InARow != 1 || s.Probes.Err != errBroken {
			t.Errorf("after the first probe %+v", s)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := p.Stats(); s.Ready != 1 || s.Deaths.By[pool.Probe] != 2 || s.Probes.InARow != 2 {
			t.Errorf("after the second probe %+v", s)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := p.Stats(); s.Ready != 1 || s.Deaths.Total() != 2 || s.Probes.InARow != 0 || s.Probes.Failed != 2 || s.Probes.Passed == 0 || s.Probes.Err != nil {
			t.Errorf("after the third probe %+v", s)
		}
		if len(told) < 3 || told[0] != errBroken || told[1] == nil || told[2] != nil {
			t.Errorf("told was %v", told)
		}
	})
}

func TestProbesTakeTurnsAndAnInstanceThatIsProbedIsNotLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		probed := &tally{}
		var p *pool.Pool[int]
		p = f.pool(pool.Options[int]{
			Min: 3, Max: 3, ProbeEvery: time.Minute,
			Probe: func(ctx context.Context, n int) error {
				probed.add(n)
				time.Sleep(time.Second)
				if ctx.Err() != nil { // the test is over
					return ctx.Err()
				}
				if s := p.Stats(); s.Probing != 1 || s.Ready != 2 {
					t.Errorf("while one is probed %+v", s)
				}
				others := acquireN(t, p, 2)
				if others[0].Instance == n || others[1].Instance == n {
					t.Errorf("instance %d was lent while it was probed", n)
				}
				release(others...)
				return nil
			},
		})
		f.keep(t, p)
		time.Sleep(10 * time.Minute)
		for n := 1; n <= 3; n++ {
			if got := probed.of(n); got < 3 {
				t.Errorf("instance %d was probed %d times of ten", n, got)
			}
		}
	})
}

func TestAProbeIsLeftOutWhenNoInstanceIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.running(t, pool.Options[int]{
			Max: 3, ProbeEvery: time.Minute,
			Probe: func(_ context.Context, n int) error {
				t.Error("it was called")
				return nil
			},
		})
		loan := acquire(t, p)
		time.Sleep(10 * time.Minute)
		release(loan)
	})
}

func TestCloseCutsAProbeShortAndDoesNotCountIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.running(t, pool.Options[int]{
			Min: 1, Max: 3, ProbeEvery: time.Minute, OnProbe: func(err error) { t.Errorf("told of %v", err) },
			Probe: func(ctx context.Context, n int) error {
				<-ctx.Done()
				return ctx.Err()
			},
		})
		time.Sleep(time.Minute + time.Second)
		begun := time.Now()
		closePool(t, p)
		if s := p.Stats(); time.Since(begun) != 0 || f.count() != 0 || s.Probes.Failed != 0 || s.Deaths.By[pool.Closed] != 1 {
			t.Errorf("after %v %+v", time.Since(begun), s)
		}
	})
}

func TestRunWaitsForTheProbeItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		var ended time.Time
		p := f.pool(pool.Options[int]{Min: 1, Max: 1, ProbeEvery: time.Minute, Probe: func(ctx context.Context, _ int) error {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended = time.Now()
			return nil
		}})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		if err := p.Run(ctx); err != nil || ended.IsZero() {
			t.Errorf("Run was back with %v before its probe had ended", err)
		}
		closePool(t, p)
	})
}

func TestAnInstanceIsTrimmedOnceEachTimeItSitsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		trimmed := &tally{}
		p := f.running(t, pool.Options[int]{
			Min: 2, Max: 2, TrimAfter: 10 * time.Second, Trim: trimmed.add,
		})
		loans := acquireN(t, p, 2)
		first, second := loans[0].Instance, loans[1].Instance
		expect := func(when string, ofFirst, ofSecond int) {
			t.Helper()
			synctest.Wait()
			if a, b := trimmed.of(first), trimmed.of(second); a != ofFirst || b != ofSecond {
				t.Errorf("%s they were trimmed %d and %d times, want %d and %d", when, a, b, ofFirst, ofSecond)
			}
		}
		time.Sleep(time.Minute)
		expect("while lent", 0, 0)
		release(loans[0])
		time.Sleep(5 * time.Second)
		release(loans[1])
		time.Sleep(4 * time.Second)
		expect("after 9 s and 4 s", 0, 0)
		time.Sleep(3 * time.Second)
		expect("after 12 s and 7 s", 1, 0)

		again := acquire(t, p)
		if again.Instance != second {
			t.Error("the instance that was trimmed is lent before the one that was used last")
		}
		release(again)
		time.Sleep(time.Hour)
		expect("an hour later", 1, 1)
		release(acquire(t, p))
		time.Sleep(time.Hour)
		expect("an hour after one more loan", 1, 2)
	})
}

func TestTrimmingKeepsNobodyFromTheOtherInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.running(t, pool.Options[int]{
			Min: 2, Max: 2, Waiting: 1, TrimAfter: 10 * time.Second, Trim: func(int) { time.Sleep(time.Second) },
		})
		time.Sleep(10*time.Second + 600*time.Millisecond)
		begun := time.Now()
		first := acquire(t, p)
		if took := time.Since(begun); took != 0 {
			t.Errorf("the other instance was lent after %v", took)
		}
		second := acquire(t, p) // the one that is trimmed, as soon as it is back
		if took := time.Since(begun); took == 0 || took > time.Second {
			t.Errorf("the trimmed instance was lent after %v", took)
		}
		release(first, second)
	})
}

func TestLivesTellWhatBecameOfEachInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{takes: time.Second}
		p := f.pool(pool.Options[int]{Max: 3, Waiting: 3})
		begun := time.Now()
		a := acquire(t, p)
		a.Release(pool.Report{Calls: 1, Run: 2 * time.Second, Host: 3 * time.Second, Rewind: time.Second, Fault: pool.GuestFault})
		a = acquire(t, p)
		a.Release(pool.Report{Calls: 1, Held: time.Minute, Run: time.Second, Fault: pool.OurFault})
		a = acquire(t, p)
		b := acquire(t, p)
		b.Discard(pool.Report{Calls: 1, Run: time.Second})
		lives := livesOf(p)
		if len(lives) != 3 {
			t.Fatalf("lives are %+v", lives)
		}
		l := lives[0]
		want := pool.Work{Calls: 2, Rewinds: 2, GuestFaults: 1, OurFaults: 1, Held: 66 * time.Second, Run: 3 * time.Second, Host: 3 * time.Second, Rewind: time.Second}
		if l.ID != 1 || l.State != pool.Lent || !l.Born.Equal(begun) || l.Birth != time.Second || l.Work != want || l.Cause != "" {
			t.Errorf("of the one that is lent it says %+v", l)
		}
		if l := lives[1]; l.ID != 3 || l.State != pool.Building || l.Birth != 0 {
			t.Errorf("of the one that is built in the other's place it says %+v", l)
		}
		if l := lives[2]; l.ID != 2 || l.State != pool.Ended || l.Cause != pool.Spoilt || l.Calls != 1 || l.Rewinds != 0 || !l.Died.Equal(begun.Add(2*time.Second)) {
			t.Errorf("of the one that was discarded it says %+v", l)
		}
		time.Sleep(10 * time.Second)
		s := p.Stats()
		if s.Capacity != 11*time.Second+9*time.Second || s.Work.Held != 67*time.Second || s.Work.Calls != 3 || s.Deaths.Calls != 1 || s.Deaths.Lived != 0 {
			t.Errorf("altogether %+v, capacity %v", s, s.Capacity)
		}
		release(a)
		closePool(t, p)
	})
}

func TestOnlyTheLastOfTheEndedLivesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.pool(pool.Options[int]{Max: 1})
		for range 100 {
			discard(acquire(t, p))
		}
		if err := p.Close(t.Context()); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		lives := livesOf(p)
		if len(lives) != 32 || lives[0].ID < lives[31].ID {
			t.Errorf("%d lives, from %d to %d, want the last 32, the latest first", len(lives), lives[0].ID, lives[len(lives)-1].ID)
		}
	})
}

// livesOf lists the living and then the ended.
func livesOf(p *pool.Pool[int]) (lives []pool.Life) {
	for _, l := range p.Living() {
		lives = append(lives, l.Life)
	}
	return append(lives, p.Ended()...)
}
