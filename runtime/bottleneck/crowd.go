package bottleneck

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/marketprism/prismrt/runtime/monitor"
)

// hogs is which part of all fuel a plugin burns that starves others.
const hogs = 0.5

// starved is what calls of others lose to a plugin that keeps the cores busy.
type starved struct {
	hog       monitor.Flow
	lost      monitor.Spent // waiting for their turns
	calls     int64
	worst     string // the plugin whose calls wait longest
	worstWait time.Duration
}

// starving finds the plugin that burns most while calls of others wait for their turn. Nil:
// there is none.
func (v *view) starving() *starved {
	if v.busy < saturated || len(v.Flows) < 2 {
		return nil
	}
	s := &starved{hog: slices.MaxFunc(v.Flows, func(a, b monitor.Flow) int { return cmp.Compare(a.Fuel, b.Fuel) })}
	if v.fuelShare(&s.hog) < hogs {
		return nil
	}
	for n := range v.Versions {
		of := &v.Versions[n]
		if s.is(of) || !v.matters(of, monitor.PhaseQueue) {
			continue
		}
		queue := of.Phases[monitor.PhaseQueue]
		s.lost.Time += queue.Time
		s.lost.Calls += queue.Calls
		s.calls += of.Calls
		if wait := mean(queue.Time, of.Calls); wait > s.worstWait {
			s.worst, s.worstWait, s.lost.Times = of.Ref.Plugin, wait, queue.Times
		}
	}
	if s.lost.Calls == 0 {
		return nil
	}
	return s
}

// is tells whether a version is the hog's.
func (s *starved) is(of *monitor.Version) bool {
	return s != nil && of.Ref.Namespace == s.hog.Namespace && of.Ref.Plugin == s.hog.Plugin
}

// noisyNeighbour finds a plugin that keeps the cores busy while calls of others wait for
// their turn. What its own calls lose by that is counted, too.
func noisyNeighbour(v *view) []Finding {
	s := v.starved
	if s == nil {
		return nil
	}
	hog := &s.hog
	f := Finding{
		Rule: "noisy_neighbour", Phase: monitor.PhaseQueue.String(), Lost: s.lost.Time, Calls: s.lost.Calls,
		P50: s.lost.Times.Quantile(0.5, 0), P99: s.lost.Times.Quantile(0.99, 0),
		Evidence: []Evidence{
			{"fuel of " + hog.Plugin, v.fuelShare(hog), "part of all"},
			{"guests had of the cores", v.busy, "part"},
			{"mean wait of " + s.worst, milliseconds(s.worstWait), "ms"},
		},
		Cause: fmt.Sprintf("%s burns %s of all instructions, and calls of others wait for their turn, those of %s for %s.",
			hog.Plugin, percent(v.fuelShare(hog)), s.worst, short(s.worstWait)),
	}
	f.Ref.Namespace, f.Ref.Plugin = hog.Namespace, hog.Plugin
	for n := range v.Versions {
		if of := &v.Versions[n]; s.is(of) {
			f.Lost += of.Phases[monitor.PhaseQueue].Time + of.Phases[monitor.PhaseRun].Time
		}
	}
	f.Advice = Advice{
		Text:    fmt.Sprintf("Give %s a larger weight than %s, or make %s cheaper.", s.worst, hog.Plugin, hog.Plugin),
		Setting: "weights under [scheduler] in runtime.toml", Value: fmt.Sprintf("{ %q = 4 }", hog.Namespace+"/"+s.worst), GainMS: milliseconds(mean(s.lost.Time, s.calls)) / 2,
	}
	if v.Policy != "fair" {
		f.Advice = Advice{
			Text:    fmt.Sprintf("Calls are begun in the order of policy %q; share the cores fairly instead.", v.Policy),
			Setting: "policy under [scheduler] in runtime.toml", Value: "fair", GainMS: milliseconds(mean(s.lost.Time, s.calls)),
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
