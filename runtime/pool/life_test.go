package pool_test

import (
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/pool"
)

func TestALifeTellsWhyItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.running(t, pool.Options[int]{Min: 1, Max: 4, Age: time.Hour})
		synctest.Wait()                 // the first to warm up
		loans := acquireN(t, p, 2)      // the second since somebody waits
		loans[1].Discard(pool.Report{}) // another in its place
		synctest.Wait()
		loans = append(loans[:1], acquire(t, p)) // and a spare one beside it, since the last loan was the instance's end
		synctest.Wait()
		release(loans...)
		time.Sleep(61 * time.Minute) // one grew old
		synctest.Wait()

		by := p.Stats().Births.By
		for _, why := range pool.Whys {
			if by[why] == 0 {
				t.Errorf("none was born for %s: %v", why, by)
			}
		}
		counted := map[pool.Why]int64{}
		for why := range by {
			counted[why] = 0
		}
		for _, l := range livesOf(p) {
			counted[l.Why]++
		}
		if !maps.Equal(counted, by) {
			t.Errorf("lives began for %v, the pool says %v", counted, by)
		}
	})
}

func TestALifeTellsWhatRewindsPutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{}
		p := f.pool(pool.Options[int]{Max: 1})
		for _, pages := range []int64{10, 30, 7} {
			acquire(t, p).Release(pool.Report{Calls: 1, Pages: pages, LastPages: pages})
		}
		acquire(t, p).Release(pool.Report{Calls: 2, Pages: 9, LastPages: 4})
		l := p.Living()[0]
		if l.Pages != 56 || l.LastPages != 4 || p.Stats().Work.Pages != 56 {
			t.Errorf("%+v", l.Life)
		}
	})
}
