package bottleneck

import (
	"fmt"
	"slices"
	"time"

	"github.com/marketprism/prismrt/runtime/monitor"
)

func sortedCopy(of []int64) []int64 {
	sorted := slices.Clone(of)
	slices.Sort(sorted)
	return sorted
}

// hogs is which part of all fuel a plugin burns that starves others.
const hogs = 0.5

// noisyNeighbour finds the plugin that keeps the cores busy while calls of others wait for
// their turn.
func noisyNeighbour(v *view) []Finding {
	if v.busy < saturated || len(v.Flows) < 2 {
		return nil
	}
	hog := slices.MaxFunc(v.Flows, func(a, b monitor.Flow) int { return int(min(max(a.Fuel-b.Fuel, -1), 1)) })
	if v.fuelShare(&hog) < hogs {
		return nil
	}
	var lost monitor.Spent
	var calls int64
	worst, worstWait := "", time.Duration(0)
	for n := range v.Versions {
		of := &v.Versions[n]
		if of.Ref.Namespace == hog.Namespace && of.Ref.Plugin == hog.Plugin || !v.matters(of, monitor.PhaseQueue) {
			continue
		}
		queue := of.Phases[monitor.PhaseQueue]
		lost.Time += queue.Time
		lost.Calls += queue.Calls
		calls += of.Calls
		if wait := mean(queue.Time, of.Calls); wait > worstWait {
			worst, worstWait, lost.Times = of.Ref.Plugin, wait, queue.Times
		}
	}
	if lost.Calls == 0 {
		return nil
	}
	f := Finding{
		Rule: "noisy_neighbour", Phase: monitor.PhaseQueue.String(), Lost: lost.Time, Calls: lost.Calls,
		P50: lost.Times.Quantile(0.5, 0), P99: lost.Times.Quantile(0.99, 0),
		Evidence: []Evidence{
			{"fuel of " + hog.Plugin, v.fuelShare(&hog), "part of all"}, {"guests had of the cores", v.busy, "part"},
			{"mean wait of " + worst, milliseconds(worstWait), "ms"},
		},
		Cause: fmt.Sprintf("%s burns %s of all instructions, and calls of others wait for their turn, those of %s for %s.",
			hog.Plugin, percent(v.fuelShare(&hog)), worst, short(worstWait)),
	}
	f.Ref.Namespace, f.Ref.Plugin = hog.Namespace, hog.Plugin
	f.Advice = Advice{
		Text:    fmt.Sprintf("Give %s a larger weight than %s.", worst, hog.Plugin),
		Setting: "weights under [scheduler] in runtime.toml", Value: fmt.Sprintf("{ %q = 4 }", hog.Namespace+"/"+worst), GainMS: milliseconds(mean(lost.Time, calls)) / 2,
	}
	if v.Policy != "fair" {
		f.Advice = Advice{
			Text:    fmt.Sprintf("Calls are begun in the order of policy %q; share the cores fairly instead.", v.Policy),
			Setting: "policy under [scheduler] in runtime.toml", Value: "fair", GainMS: milliseconds(mean(lost.Time, calls)),
		}
	}
	return []Finding{f}
}

const (
	refusedPart = 0.02 // of a plugin's calls
	fewRefusals = 10
)

// refusals finds plugins whose calls are turned away before they begin.
func refusals(v *view) (all []Finding) {
	for _, flow := range v.Flows {
		var refused, most int64
		reason := ""
		for r, n := range flow.Refused {
			if refused += n; n > most || n == most && r < reason {
				most, reason = n, r
			}
		}
		if refused < fewRefusals || part(refused, refused+flow.Begun) < refusedPart {
			continue
		}
		var took time.Duration
		var calls int64
		for n := range v.Versions {
			if of := &v.Versions[n]; of.Ref.Namespace == flow.Namespace && of.Ref.Plugin == flow.Plugin {
				took += of.Took
				calls += of.Calls
			}
		}
		f := Finding{
			Rule: "refusals", Phase: monitor.PhaseQueue.String(), Calls: refused, Lost: mean(took, calls) * time.Duration(refused),
			Evidence: []Evidence{{"refused", float64(refused), ""}, {"begun", float64(flow.Begun), ""}, {"guests had of the cores", v.busy, "part"}, {"refused: " + reason, float64(most), ""}},
			Cause: fmt.Sprintf("%s of the calls of %s were refused, most of them as %q: more come than are done.",
				percent(part(refused, refused+flow.Begun)), flow.Plugin, reason),
			Advice: Advice{Text: "Send less at once, make calls cheaper, or add cores; a longer timeout lets more of them wait.", Setting: "limits.timeout in the manifest"},
		}
		f.Ref.Namespace, f.Ref.Plugin = flow.Namespace, flow.Plugin
		if reason == "full" {
			f.Advice.Text, f.Advice.Setting = "Let more calls wait, send less at once, or add cores.", "waiting under [scheduler] in runtime.toml"
		}
		all = append(all, f)
	}
	return all
}
