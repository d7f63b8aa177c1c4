package bottleneck

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/marketprism/prismrt/runtime/monitor"
)

// poolTooSmall finds versions whose calls wait since there may be no more instances, while
// there are cores to run them. Such calls wait for an instance or, since the scheduler lets
// no more of them begin, for their turn.
func poolTooSmall(v *view) (all []Finding) {
	for n := range v.Versions {
		of := &v.Versions[n]
		i := &of.Instances
		if !i.Loaded || !v.matters(of, monitor.PhaseQueue, monitor.PhasePool) || v.busy >= saturated ||
			i.Size < i.Max || i.Lent.Mean < 0.7*float64(i.Max) {
			continue
		}
		lost := sum(of, monitor.PhaseQueue, monitor.PhasePool)
		want := v.instancesFor(of, lost.Time)
		if want <= i.Max {
			continue
		}
		f := finding("pool_too_small", monitor.PhasePool, of, lost)
		f.Evidence = append(f.Evidence,
			Evidence{"instances lent", i.Lent.Mean, ""}, Evidence{"instances at most", float64(i.Max), ""},
			Evidence{"guests had of the cores", v.busy, "part"},
		)
		gain := mean(lost.Time, of.Calls)
		f.Cause = fmt.Sprintf("Calls of %s wait %s for one of its %d instances, which is as many as there may be, while the cores are %s busy.",
			of.Ref.Plugin, short(gain), i.Max, percent(v.busy))
		f.Advice = Advice{
			Text:    fmt.Sprintf("Let there be %d instances.", want),
			Setting: "pool.max in the manifest (at most max.instances in runtime.toml)", Value: strconv.Itoa(want), GainMS: milliseconds(gain),
		}
		all = append(all, f)
	}
	return all
}

// instancesFor is how many instances a version could use: those that are lent, and one for
// each call that waits for one (by Little's law, or as many as wait now), as far as the
// cores go round.
func (v *view) instancesFor(of *monitor.Version, waited time.Duration) int {
	held := of.Instances.Held
	wanted := max(float64(held+waited)/float64(v.Length()), of.Instances.Lent.Mean+float64(v.flow(of).Waiting))
	// A guest computes for this part of the time that it has its instance.
	if busy := part(of.Phases[monitor.PhaseRun].Time+of.Phases[monitor.PhaseRewind].Time, held); busy > 0 {
		wanted = min(wanted, float64(v.Cores)/busy+1)
	}
	return int(math.Ceil(wanted))
}

const (
	idleMemory = 64 << 20 // bytes in instances that nobody needs
	oversized  = 2        // times as many as were ever lent at once
)

// poolTooLarge finds versions that keep instances which nobody needs and which take memory.
func poolTooLarge(v *view) (all []Finding) {
	for n := range v.Versions {
		of := &v.Versions[n]
		i := &of.Instances
		used := max(1, i.Lent.Max)
		if !i.Loaded || i.Min < oversized*used || len(i.Private) == 0 || i.Ready.Mean < float64(i.Min-used) || i.Ready.Mean == 0 {
			continue
		}
		now := i.Private[len(i.Private)-1]
		waste := int64(float64(now) / (i.Ready.Mean + i.Lent.Mean) * float64(i.Min-used))
		if waste < idleMemory {
			continue
		}
		all = append(all, Finding{
			Rule: "pool_too_large", Phase: "memory", Ref: of.Ref, Calls: of.Calls,
			Evidence: []Evidence{{"instances kept", float64(i.Min), ""}, {"lent at once", float64(i.Lent.Max), ""}, {"memory of those not needed", float64(waste), "bytes"}},
			Cause: fmt.Sprintf("%s keeps %d instances and has used %d at once; the others take %s of memory.",
				of.Ref.Plugin, i.Min, i.Lent.Max, bytes(waste)),
			Advice: Advice{Text: fmt.Sprintf("Keep %d.", used), Setting: "pool.min in the manifest", Value: strconv.Itoa(used)},
		})
	}
	return all
}

// coldBirths finds versions whose calls wait while instances are made for them.
func coldBirths(v *view) (all []Finding) {
	for n := range v.Versions {
		of := &v.Versions[n]
		if !v.matters(of, monitor.PhaseBirth) {
			continue
		}
		i := &of.Instances
		birth := of.Phases[monitor.PhaseBirth]
		each := mean(i.BirthTime, i.Births+i.FailedBirths)
		f := finding("cold_births", monitor.PhaseBirth, of, sum(of, monitor.PhaseBirth))
		f.Evidence = append(f.Evidence, Evidence{"instances made", float64(i.Births), ""}, Evidence{"mean birth", milliseconds(each), "ms"})
		cause, most := "", int64(0)
		for by, count := range i.Deaths {
			if count > most || count == most && by < cause {
				cause, most = by, count
			}
		}
		if most > 0 {
			f.Evidence = append(f.Evidence, Evidence{"instances ended, " + cause, float64(most), ""})
		}
		f.Cause = fmt.Sprintf("%d of %d calls of %s waited %s for an instance that was made for them", birth.Calls, of.Calls, of.Ref.Plugin,
			short(mean(birth.Time, birth.Calls)))
		keep := max(1, i.Lent.Max)
		f.Advice = Advice{GainMS: milliseconds(mean(birth.Time, of.Calls))}
		switch {
		case i.Begins == "anew":
			f.Cause += fmt.Sprintf(", since each call needs one of its own: %s.", i.Cause)
			f.Advice.Text = "Have the guest do without what keeps it from being rewound, or its program read its input before it does other work."
			f.Advice.Setting = "the plugin's code, or image in the manifest where that is off"
		case cause == "spoilt" || cause == "faulty" || cause == "probe":
			f.Cause += fmt.Sprintf("; %d ended since they were %s.", most, cause)
			f.Advice.Text = "Look at why instances end (\"/v1/plugins/NAME/instances\"): each must be made anew."
			f.Advice.Setting = "the plugin's code"
		default:
			f.Cause += ", since none was kept."
			f.Advice.Text = fmt.Sprintf("Keep %d ready.", keep)
			f.Advice.Setting, f.Advice.Value = "pool.min in the manifest (or pool.idle in runtime.toml)", strconv.Itoa(keep)
		}
		all = append(all, f)
	}
	return all
}

const (
	growth   = 32 << 20 // bytes that a version's memory grows by in a window
	fewLooks = 6
	soon     = time.Hour // in which the machine would have no memory left
)

// memoryGrows finds versions whose instances take more and more memory: each third of the
// window has clearly more than the one before.
func memoryGrows(v *view) (all []Finding) {
	for n := range v.Versions {
		of := &v.Versions[n]
		p := of.Instances.Private
		if len(p) < fewLooks {
			continue
		}
		third := len(p) / 3
		a, b, c := middle(p[:third]), middle(p[third:2*third]), middle(p[2*third:])
		total := c - a
		if total < growth || b-a < total/5 || c-b < total/5 {
			continue
		}
		rate := float64(p[len(p)-1]-p[0]) / v.Length().Seconds()
		f := Finding{
			Rule: "memory_grows", Phase: "memory", Ref: of.Ref, Calls: of.Calls,
			Evidence: []Evidence{
				{"memory at first", float64(p[0]), "bytes"},
				{"memory at last", float64(p[len(p)-1]), "bytes"},
				{"growth", rate, "bytes/s"},
				{"instances", of.Instances.Ready.Mean + of.Instances.Lent.Mean, ""},
				{"pages written a call", part(of.Instances.Pages, of.Calls), "pages"},
			},
			Cause: fmt.Sprintf("The instances of %s take %s more memory every second, now %s.", of.Ref.Plugin, bytes(int64(rate)), bytes(p[len(p)-1])),
			Advice: Advice{
				Text:    "If its inputs did not grow, the guest takes more than it needs: bound what one call may have, or how many run at once.",
				Setting: "limits.memory or pool.max in the manifest", Value: strconv.Itoa(max(1, of.Instances.Lent.Max/2)),
			},
		}
		if left := float64(v.Free) / rate * float64(time.Second); v.Free > 0 && left < float64(soon) {
			f.Urgent = true
			f.Cause += fmt.Sprintf(" At this rate the machine has none left in %s.", short(time.Duration(left)))
		}
		all = append(all, f)
	}
	return all
}

// middle is the median.
func middle(of []int64) int64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
