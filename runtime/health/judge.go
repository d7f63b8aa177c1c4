package health

import (
	"fmt"
	"math"
	"time"
)

// Verdict is what comparing a canary with the live version came to.
type Verdict int

// The verdicts.
const (
	Undecided Verdict = iota
	Worse             // the canary is the weaker
	Better            // the live version is the weaker
	Same              // nothing told them apart for long enough
)

const (
	// alpha bounds the probability that one of the comparisons tells versions apart
	// that are the same, over all looks at them together. There are at most nine:
	// faults, and a bound for each of two quantiles of two quantities on two sides.
	alpha = 0.001

	// weaker is how many times as much run time or fuel makes a version the weaker.
	weaker = 1.5

	// leastTime (nanoseconds) and leastFuel (instructions) are differences that are
	// not worth a rollback. The version with fewer calls finds colder caches.
	leastTime = 100e3
	leastFuel = 100e3

	// enough calls of each version must be known before the canary can win by
	// anything but the live version's faults.
	enough = 1000

	// many calls of the canary, or enough of them and a long time, without a
	// difference make it live.
	many = 10_000
	long = 10 * time.Minute
)

// Judge compares the calls of a canary with those of the live version in the same
// time. It may be asked as often as one likes: the probability that it ever calls one
// of two equal versions the weaker is below 1%. The reason is a sentence, "" as long as
// it is undecided.
//
// Faults come before run time, and run time before fuel.
func Judge(live, canary *Sample) (v Verdict, reason string) {
	if v := compareFaults(live, canary); v != Undecided {
		return v, fmt.Sprintf("the canary failed in %s of its calls and the live version in %s", rate(canary), rate(live))
	}
	known := min(live.Calls, canary.Calls) >= enough
	for _, of := range [...]struct {
		what, unit   string
		live, canary *Histogram
		least        float64
	}{
		{"run time", "ms", &live.Run, &canary.Run, leastTime},
		{"fuel", "million instructions", &live.Fuel, &canary.Fuel, leastFuel},
	} {
		for _, q := range [...]struct {
			p    float64
			name string
		}{{0.5, "median"}, {0.9, "90th percentile of the"}} {
			switch {
			case exceeds(of.canary, of.live, q.p, of.least):
				v = Worse
			case known && exceeds(of.live, of.canary, q.p, of.least):
				v = Better
			default:
				continue
			}
			return v, fmt.Sprintf("the %s %s was %.3g %s with the canary and %.3g %s with the live version", q.name, of.what,
				of.canary.Quantile(q.p)/1e6, of.unit, of.live.Quantile(q.p)/1e6, of.unit) // milliseconds of nanoseconds
		}
	}
	if known && (canary.Calls >= many || canary.Span >= long) {
		return Same, fmt.Sprintf("nothing told the versions apart in %d calls of the canary and %d of the live version", canary.Calls, live.Calls)
	}
	return Undecided, ""
}

func rate(s *Sample) string {
	return fmt.Sprintf("%.3g%% (%d of %d)", 100*float64(s.Faults)/float64(s.Calls), s.Faults, s.Calls)
}

// compareFaults tells which version fails more often.
//
// Where both fail alike, each fault is the canary's with the probability of its part
// of the calls, whatever the rate of faults is and however it changes. Against that
// stands that the canary's part of the faults is anything else: the ratio of both
// probabilities, averaged over all parts alike, exceeds 1/alpha at any time with
// probability alpha at most (Ville's inequality; Robbins 1970, "Statistical methods
// related to the law of the iterated logarithm").
func compareFaults(live, canary *Sample) Verdict {
	if live.Calls == 0 || canary.Calls == 0 {
		return Undecided
	}
	part := float64(canary.Calls) / float64(canary.Calls+live.Calls)
	c, l := float64(canary.Faults), float64(live.Faults)
	ratio := logBeta(c+1, l+1) - c*math.Log(part) - l*math.Log1p(-part)
	switch {
	case ratio < -math.Log(alpha):
		return Undecided
	case c/(c+l) > part:
		return Worse
	}
	return Better
}

func logBeta(a, b float64) float64 {
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	return la + lb - lab
}

// exceeds tells whether the p-quantile of a is certain to be over that of b, and by
// as much as makes a version the weaker.
func exceeds(a, b *Histogram, p, least float64) bool {
	if a.rank(p-margin(p, a.n)) <= b.rank(p+margin(p, b.n)) {
		return false
	}
	qa, qb := a.Quantile(p), b.Quantile(p)
	return qa >= weaker*qb && qa-qb >= least
}

// margin is how far, in probability, the p-quantile of n numbers may be from that of
// their source, at any n with probability 1-alpha (Howard and Ramdas 2022, "Sequential
// estimation of quantiles with applications to A/B testing and best-arm identification",
// Theorem 1).
func margin(p float64, n int64) float64 {
	if n == 0 {
		return 1
	}
	l := (1.4*math.Log(math.Log(2.1*float64(n))) + math.Log(10/alpha)) / float64(n)
	return 1.5*math.Sqrt(p*(1-p)*l) + 0.8*l
}
