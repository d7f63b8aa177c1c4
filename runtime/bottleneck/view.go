package bottleneck

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/marketprism/prismrt/runtime/monitor"
)

// What is worth a finding. Below all of these a server is healthy, busy or not.
const (
	fewCalls   = 5                // of fewer nothing is said
	largePart  = 0.1              // of its calls' time that a version loses
	noticeable = time.Millisecond // what a call that is touched loses, on average
	ofWindow   = 0.01             // what is lost altogether, as part of the window's length

	saturated = 0.85 // part of the cores' time that guests had, from which on calls wait for cores
	longRun   = 10 * time.Millisecond
)

// view is a window and what several rules want to know of it.
type view struct {
	*monitor.Window
	took    time.Duration // by all calls
	busy    float64       // part of the cores' time that guests had
	fuel    int64         // burnt by all flows
	starved *starved      // nil: nobody is
}

func newView(w *monitor.Window) *view {
	v := &view{Window: w, busy: float64(w.Busy) / float64(w.Length())}
	for n := range w.Versions {
		v.took += w.Versions[n].Took
	}
	for _, f := range w.Flows {
		v.fuel += f.Fuel
	}
	v.starved = v.starving()
	return v
}

// matters tells whether a version loses enough time to some phases to say so.
func (v *view) matters(of *monitor.Version, phases ...monitor.Phase) bool {
	lost := sum(of, phases...)
	return of.Calls >= fewCalls && lost.Calls > 0 &&
		float64(lost.Time) >= largePart*float64(of.Took) &&
		lost.Time/time.Duration(lost.Calls) >= noticeable &&
		float64(lost.Time) >= ofWindow*float64(v.Length())
}

// loss is what calls lost to some phases.
type loss struct {
	Time     time.Duration
	Calls    int64         // that were in one of them, as far as that can be told
	P50, P99 time.Duration // of these calls; of several phases, the sum of what each has
}

// sum is what calls spent in some phases together.
func sum(of *monitor.Version, phases ...monitor.Phase) (l loss) {
	for _, p := range phases {
		one := &of.Phases[p]
		l.Time += one.Time
		l.Calls = max(l.Calls, one.Calls)
	}
	for _, p := range phases {
		one := &of.Phases[p]
		l.P50 += one.Quantile(0.5, l.Calls)
		l.P99 += one.Quantile(0.99, l.Calls)
	}
	return l
}

// finding begins one about a version that loses time.
func finding(rule string, phase monitor.Phase, of *monitor.Version, lost loss) Finding {
	return Finding{
		Rule: rule, Phase: phase.String(), Ref: of.Ref, Lost: lost.Time, Calls: lost.Calls, P50: lost.P50, P99: lost.P99,
		Evidence: []Evidence{
			{"calls", float64(of.Calls), ""},
			{"mean call", milliseconds(mean(of.Took, of.Calls)), "ms"},
			{"mean " + phase.String(), milliseconds(mean(lost.Time, of.Calls)), "ms"},
		},
	}
}

// flow is that of a version's plugin.
func (v *view) flow(of *monitor.Version) monitor.Flow {
	for _, f := range v.Flows {
		if f.Namespace == of.Ref.Namespace && f.Plugin == of.Ref.Plugin {
			return f
		}
	}
	return monitor.Flow{}
}

// fuelShare is a flow's part of all fuel.
func (v *view) fuelShare(f *monitor.Flow) float64 {
	if v.fuel == 0 {
		return 0
	}
	return float64(f.Fuel) / float64(v.fuel)
}

func mean(d time.Duration, n int64) time.Duration {
	if n == 0 {
		return 0
	}
	return d / time.Duration(n)
}

// part is a share, 0 of nothing.
func part[T int64 | time.Duration](of, all T) float64 {
	if all == 0 {
		return 0
	}
	return float64(of) / float64(all)
}

func percent(part float64) string { return fmt.Sprintf("%.0f%%", 100*part) }

// short writes a duration for people, with two or three digits.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

func bytes(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }
