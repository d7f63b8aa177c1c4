package health_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/health"
)

// source is how the calls of a version turn out.
type source struct {
	faults float64                       // their rate
	draw   func(*rand.Rand) float64      // run time in milliseconds
	fuel   func(*rand.Rand) (fuel int64) // nil: a million each
}

func (s source) call(r *rand.Rand, to *health.Sample) {
	to.Calls++
	if r.Float64() < s.faults {
		to.Faults++
		return
	}
	to.Run.Add(int64(s.draw(r) * 1e6))
	fuel := int64(1e6)
	if s.fuel != nil {
		fuel = s.fuel(r)
	}
	to.Fuel.Add(fuel)
}

// release has a canary and a live version share calls, with a look each few calls, and
// returns the first verdict, up to a number of calls of both.
func release(seed uint64, live, canary source, share float64, calls, look int) (v health.Verdict, reason string, after int) {
	r := rand.New(rand.NewPCG(seed, 1))
	var l, c health.Sample
	for n, phase := 1, 0.0; n <= calls; n++ {
		if phase += share; phase >= 1 {
			phase--
			canary.call(r, &c)
		} else {
			live.call(r, &l)
		}
		if n%look == 0 {
			if v, reason = health.Judge(&l, &c); v != health.Undecided {
				return v, reason, n
			}
		}
	}
	return health.Undecided, "", calls
}

func constant(r *rand.Rand) float64    { return 1 + r.Float64()/100 }
func exponential(r *rand.Rand) float64 { return r.ExpFloat64() }
func heavy(r *rand.Rand) float64       { return math.Exp(2 * r.NormFloat64()) } // p90 is 13 times the median

// seldom is slow in exactly the tenth of calls where the 90th percentile is.
func seldom(r *rand.Rand) float64 {
	if r.Float64() < 0.1 {
		return 100 + r.Float64()
	}
	return 1 + r.Float64()
}

func TestEqualVersionsAreSeldomToldApart(t *testing.T) {
	kinds := map[string]source{
		"one in a hundred fails": {faults: 0.01, draw: exponential},
		"a third fails":          {faults: 0.3, draw: constant},
		"a heavy tail":           {faults: 0.001, draw: heavy, fuel: func(r *rand.Rand) int64 { return int64(1e6 * heavy(r)) }},
		"a tenth is slow":        {draw: seldom, fuel: func(r *rand.Rand) int64 { return int64(1e6 * seldom(r)) }},
	}
	runs, wrong := 0, 0
	for name, s := range kinds {
		for _, share := range []float64{0.1, 0.5} {
			for seed := range uint64(60) {
				runs++
				// Looked at from the first calls on, 400 times.
				switch v, reason, _ := release(seed, s, s, share, 20_000, 50); v {
				case health.Worse, health.Better:
					wrong++
					t.Logf("%s, share %v: %s", name, share, reason)
				}
			}
		}
	}
	if wrong*100 >= runs {
		t.Errorf("%d of %d releases told equal versions apart, and below 1%% is promised", wrong, runs)
	}
}

func TestAWeakerVersionIsFoundOut(t *testing.T) {
	usual := source{faults: 0.01, draw: exponential}
	slow := source{faults: 0.01, draw: func(r *rand.Rand) float64 { return 3 * exponential(r) }}
	tail := source{faults: 0.01, draw: func(r *rand.Rand) float64 {
		if r.Float64() < 0.2 {
			return 30 + r.Float64()
		}
		return exponential(r)
	}}
	hungry := source{faults: 0.01, draw: exponential, fuel: func(*rand.Rand) int64 { return 2e6 }}
	for name, tt := range map[string]struct {
		live, canary source
		share        float64
		within       int // calls of both
		verdict      health.Verdict
		says         string
	}{
		"faults 1% to 10%":         {usual, source{faults: 0.1, draw: exponential}, 0.1, 3000, health.Worse, "failed in"},
		"faults 0 to all":          {source{draw: exponential}, source{faults: 1, draw: exponential}, 0.1, 60, health.Worse, "failed in 100%"},
		"faults 10% to 1%":         {source{faults: 0.1, draw: exponential}, usual, 0.5, 2000, health.Better, "failed in"},
		"three times as slow":      {usual, slow, 0.1, 10_000, health.Worse, "run time"},
		"a fifth of calls is slow": {usual, tail, 0.1, 10_000, health.Worse, "90th percentile of the run time"},
		"three times as fast":      {slow, usual, 0.1, 15_000, health.Better, "run time"},
		"twice the fuel":           {usual, hungry, 0.1, 1000, health.Worse, "fuel"},
		"nothing":                  {usual, usual, 0.1, 101_000, health.Same, "nothing told the versions apart in 100"},
		"twice the time, on 60us":  {source{draw: func(*rand.Rand) float64 { return 0.06 }}, source{draw: func(*rand.Rand) float64 { return 0.12 }}, 0.5, 21_000, health.Same, "nothing told"},
	} {
		const runs = 20
		missed, most := 0, 0
		for seed := range uint64(runs) {
			v, reason, after := release(seed, tt.live, tt.canary, tt.share, tt.within, max(10, tt.within/300))
			most = max(most, after)
			if v != tt.verdict || !strings.Contains(reason, tt.says) {
				missed++
				if missed == 1 {
					t.Logf("%s: verdict %v after %d calls: %s", name, v, after, reason)
				}
			}
		}
		if missed > 1 {
			t.Errorf("%s: %d of %d releases came to another verdict than %v within %d calls", name, missed, runs, tt.verdict, tt.within)
		}
		t.Logf("%s: after %d calls at most", name, most)
	}
}

func TestACanaryWinsByNothingButFaultsBeforeEnoughIsKnown(t *testing.T) {
	fast, slow := source{draw: constant}, source{draw: func(r *rand.Rand) float64 { return 2 * constant(r) }}
	v, _, after := release(1, slow, fast, 0.1, 20_000, 10)
	if v != health.Better || after < 10_000 || after > 10_020 {
		t.Errorf("verdict %v after %d calls, want that the canary wins after 1,000 of its own", v, after)
	}
	var l, c health.Sample
	r := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		fast.call(r, &l)
		fast.call(r, &c)
	}
	c.Span = 10*time.Minute - 1
	if v, _ := health.Judge(&l, &c); v != health.Undecided {
		t.Errorf("verdict %v before ten minutes", v)
	}
	c.Span = 10 * time.Minute
	if v, _ := health.Judge(&l, &c); v != health.Same {
		t.Errorf("verdict %v after ten minutes and 1,000 calls", v)
	}
	c = health.Sample{Calls: 999, Span: time.Hour}
	if v, _ := health.Judge(&l, &c); v != health.Undecided {
		t.Errorf("verdict %v after 999 calls", v)
	}
}

func TestQuantilesAreGoodToNinePercent(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h health.Histogram
	var all []int64
	for range 5000 {
		v := int64(math.Exp(30 * r.Float64()))
		all = append(all, v)
		h.Add(v)
	}
	slices.Sort(all)
	for _, p := range []float64{0.001, 0.1, 0.5, 0.9, 0.999, 1} {
		want := float64(all[int(math.Ceil(p*5000))-1])
		if got := h.Quantile(p); got > want || got < want/1.13 {
			t.Errorf("quantile %v is %v, want %v", p, got, want)
		}
	}
	var empty, edges health.Histogram
	if empty.Quantile(0.5) != 0 {
		t.Error("nothing has a median")
	}
	edges.Add(-5)
	edges.Add(math.MaxInt64)
	if edges.Quantile(0.5) != 0 || edges.Quantile(1) < 1<<43 {
		t.Errorf("the edges are %v and %v", edges.Quantile(0.5), edges.Quantile(1))
	}
}

func TestTallyHammer(t *testing.T) {
	begun := time.Now()
	tally := health.NewTally(begun)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := range 3000 {
				tally.Add(health.Outcome(n%3), 2*time.Millisecond, 1000)
				if n%500 == 0 {
					tally.Sample(time.Now())
				}
			}
		})
	}
	wg.Wait()
	s := tally.Sample(begun.Add(time.Minute))
	if s.Calls != 16_000 || s.Faults != 8000 || s.Span != time.Minute {
		t.Errorf("%d calls, %d faults in %v", s.Calls, s.Faults, s.Span)
	}
	if run, fuel := s.Run.Quantile(0.5), s.Fuel.Quantile(1); run < 1.8e6 || run > 2e6 || fuel < 900 || fuel > 1000 {
		t.Errorf("run time %v ns, fuel %v", run, fuel)
	}
}
