package tracing

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// Any Timing that an invocation can have, and some that it cannot.
func TestPhasesComeOneAfterAnotherAndTakeAsLongAsTheInvocation(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	some := func() time.Duration {
		switch r.IntN(5) {
		case 0:
			return 0
		case 1:
			return time.Duration(r.IntN(100)) - 10 // a clock that went back
		}
		return time.Duration(r.Int64N(int64(time.Second)))
	}
	ended := time.Now()
	for range 20_000 {
		timing := task.Timing{
			Queue: some(), Pool: some(), Birth: some(), Run: some(), Bind: some(), Host: some(), Collect: some(), Rewind: some(),
		}
		all := phasesOf(&timing, ended)
		want := max(0, timing.Queue) + max(0, timing.Pool) + max(0, timing.Run) + max(0, timing.Rewind)
		at, sum := ended.Add(-want), time.Duration(0)
		for p := range all {
			if !all[p].from.Equal(at) || all[p].took < 0 {
				t.Fatalf("%+v: %s begins at %v and takes %v, want it to begin at %v", timing, all[p].name, all[p].from, all[p].took, at)
			}
			at, sum = all[p].until(), sum+all[p].took
		}
		if !at.Equal(ended) || sum != want {
			t.Fatalf("%+v: the phases take %v and end %v before the invocation, which took %v", timing, sum, ended.Sub(at), want)
		}
		if timing.Bind >= 0 && timing.Collect >= 0 && timing.Bind+timing.Collect <= timing.Run && all[run].took != timing.Compute()+timing.Host {
			t.Fatalf("%+v: the guest's own run takes %v", timing, all[run].took)
		}

		waits := make([]task.Wait, r.IntN(4))
		for n := range waits {
			waits[n].Time = some()
		}
		at = all[run].from
		for _, w := range waitsOf(waits, &all[run]) {
			if !w.from.Equal(at) || w.took < 0 || w.until().After(all[run].until()) {
				t.Fatalf("%v of %v: a wait takes %v from %v on", waits, all[run], w.took, w.from)
			}
			at = w.until()
		}
	}
}
