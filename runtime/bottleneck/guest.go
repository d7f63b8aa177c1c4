package bottleneck

import (
	"fmt"
	"slices"
	"strings"

	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/task"
)

// guestComputes finds versions whose calls are slow since the guest computes for long, or
// that keep the cores busy so that their calls wait for each other. Where others wait for
// them, too, noisyNeighbour says so.
func guestComputes(v *view) (all []Finding) {
	for n := range v.Versions {
		of := &v.Versions[n]
		run := of.Phases[monitor.PhaseRun]
		if of.Calls < fewCalls || v.starved.is(of) || float64(run.Time) < ofWindow*float64(v.Length()) {
			continue
		}
		flow := v.flow(of)
		long := part(run.Time, of.Took) >= 0.5 && run.Quantile(0.5, of.Calls) >= longRun
		crowded := v.busy >= saturated && v.fuelShare(&flow) >= 0.5 && v.matters(of, monitor.PhaseQueue)
		if !long && !crowded {
			continue
		}
		lost := sum(of, monitor.PhaseRun)
		if crowded {
			lost.Time += of.Phases[monitor.PhaseQueue].Time
		}
		f := finding("guest_computes", monitor.PhaseRun, of, lost)
		perCall := mean(run.Time, of.Calls)
		f.Evidence = append(f.Evidence,
			Evidence{"fuel a call", float64(of.Fuel / of.Calls), "instructions"},
			Evidence{"guests had of the cores", v.busy, "part"},
		)
		f.Cause = fmt.Sprintf("A call of %s computes for %s in the guest, %s of its time.", of.Ref.Plugin, short(perCall), percent(part(run.Time, of.Took)))
		f.Advice = Advice{
			Text:    fmt.Sprintf("Make the guest cheaper: \"prismrt profile %s\" shows where its instructions go.", of.Ref.Plugin),
			Setting: "the plugin's code", GainMS: milliseconds(perCall) / 2,
		}
		if of.Instances.Begins == "anew" {
			f.Cause = fmt.Sprintf("A call of %s computes for %s in the guest, its start included, since each begins anew: %s.",
				of.Ref.Plugin, short(perCall), of.Instances.Cause)
			f.Advice.Text = "Have calls begin with what the start came to, then without what keeps them from it. " + f.Advice.Text
		}
		if crowded {
			f.Cause = fmt.Sprintf("Calls of %s keep the %d cores %s busy and wait %s for each other, since each computes for %s.",
				of.Ref.Plugin, v.Cores, percent(v.busy), short(mean(of.Phases[monitor.PhaseQueue].Time, of.Calls)), short(perCall))
			f.Advice.Text += " More cores would help as well, in proportion."
			f.Advice.GainMS = milliseconds(mean(lost.Time, of.Calls)) / 2
		}
		all = append(all, f)
	}
	return all
}

// slowHost finds versions that wait on the host.
func slowHost(v *view) (all []Finding) {
	for n := range v.Versions {
		of := &v.Versions[n]
		if !v.matters(of, monitor.PhaseHost) || len(of.Waits) == 0 {
			continue
		}
		host := of.Phases[monitor.PhaseHost]
		most := slices.MaxFunc(of.Waits, func(a, b task.Wait) int { return int(a.Time - b.Time) })
		to := most.Capability
		if most.Destination != "" {
			to += " " + most.Destination
		}
		f := finding("host_waits", monitor.PhaseHost, of, sum(of, monitor.PhaseHost))
		f.Evidence = append(f.Evidence,
			Evidence{"waits for " + to, float64(most.Calls), ""},
			Evidence{"mean wait for " + to, milliseconds(mean(most.Time, most.Calls)), "ms"},
		)
		f.Cause = fmt.Sprintf("Calls of %s wait %s on the host, %s of their time, most of it for %s: %s each time.",
			of.Ref.Plugin, short(mean(host.Time, host.Calls)), percent(part(host.Time, of.Took)), what(most), short(mean(most.Time, most.Calls)))
		f.Advice = Advice{Setting: "the plugin's code", GainMS: milliseconds(mean(most.Time, host.Calls))}
		switch {
		case most.Failed*20 >= most.Calls && most.Failed > 0:
			f.Evidence = append(f.Evidence, Evidence{"of these failed", part(most.Failed, most.Calls), "part"})
			f.Advice.Text = fmt.Sprintf("%s of these fail: look at %s first.", percent(part(most.Failed, most.Calls)), to)
		case most.Capability == "clock":
			f.Advice.Text = "The guest sleeps: have it return instead, and call it again, or wait for less."
		default:
			f.Advice.Text = fmt.Sprintf("Ask %s less often, for more at once, or keep its answers.", to)
		}
		all = append(all, f)
	}
	return all
}

// what names in words what is waited for.
func what(w task.Wait) string {
	if w.Capability == "clock" {
		return "the clock (it sleeps)"
	}
	return strings.TrimSpace(w.Capability + " " + w.Destination)
}

// copies finds versions whose calls spend their time with copying input and output.
func copies(v *view) (all []Finding) {
	for n := range v.Versions {
		of := &v.Versions[n]
		if !v.matters(of, monitor.PhaseBind, monitor.PhaseCollect) {
			continue
		}
		phase, size, setting := monitor.PhaseBind, of.In, "limits.input"
		if of.Phases[monitor.PhaseCollect].Time > of.Phases[monitor.PhaseBind].Time {
			phase, size, setting = monitor.PhaseCollect, of.Out, "limits.output"
		}
		lost := sum(of, monitor.PhaseBind, monitor.PhaseCollect)
		f := finding("copies", phase, of, lost)
		f.Evidence = append(f.Evidence, Evidence{"input a call", float64(of.In / of.Calls), "bytes"}, Evidence{"output a call", float64(of.Out / of.Calls), "bytes"})
		f.Cause = fmt.Sprintf("Calls of %s spend %s of their time with copying: %s of input and %s of output each.",
			of.Ref.Plugin, percent(part(lost.Time, of.Took)), bytes(of.In/of.Calls), bytes(of.Out/of.Calls))
		f.Advice = Advice{
			Text:    "Have the guest read its input once and in large pieces, and send only what it needs; split large inputs into a batch.",
			Setting: setting, Value: bytes(size / of.Calls / 2), GainMS: milliseconds(mean(lost.Time, of.Calls)) / 2,
		}
		all = append(all, f)
	}
	return all
}

// dirtyMemory finds versions whose instances take long to be made clean.
func dirtyMemory(v *view) (all []Finding) {
	for n := range v.Versions {
		of := &v.Versions[n]
		rewind := of.Phases[monitor.PhaseRewind]
		if of.Calls < fewCalls || rewind.Calls == 0 || part(rewind.Time, of.Took) < largePart ||
			mean(rewind.Time, rewind.Calls) < noticeable/2 || float64(rewind.Time) < ofWindow*float64(v.Length()) {
			continue
		}
		pages := of.Instances.Pages / rewind.Calls
		f := finding("dirty_memory", monitor.PhaseRewind, of, sum(of, monitor.PhaseRewind))
		f.Evidence = append(f.Evidence, Evidence{"pages written a call", float64(pages), "pages"})
		f.Cause = fmt.Sprintf("A call of %s writes %d pages of memory, which takes %s to put back.", of.Ref.Plugin, pages, short(mean(rewind.Time, rewind.Calls)))
		f.Advice = Advice{
			Text: "Have the guest write less memory: use a buffer again instead of a new one, read a part at a time; " +
				"in Go, GOGC in its [grants.config] makes its heap smaller.",
			Setting: "the plugin's code", GainMS: milliseconds(mean(rewind.Time, of.Calls)) / 2,
		}
		all = append(all, f)
	}
	return all
}
