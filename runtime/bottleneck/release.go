package bottleneck

import (
	"fmt"
	"strconv"
	"time"

	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/task"
)

const (
	// slower is how many times the fuel and the time of the version before make a version
	// a slower one, and slowerBy by how much at least.
	slower   = 1.3
	slowerBy = 100 * time.Microsecond
)

// slowerVersion finds versions whose calls compute longer than those of the one before.
// Fuel decides, which does not depend on who else is busy; inputs may have changed, too.
func slowerVersion(v *view) (all []Finding) {
	for n := range v.Versions {
		of, before := &v.Versions[n], v.before(n)
		if before == nil || of.Calls < fewCalls || before.Ever.Calls < fewCalls {
			continue
		}
		run := of.Phases[monitor.PhaseRun]
		was, is := mean(before.Ever.Phases[monitor.PhaseRun].Time, before.Ever.Calls), mean(run.Time, of.Calls)
		fuelWas, fuelIs := before.Ever.Fuel/before.Ever.Calls, of.Fuel/of.Calls
		lost := (is - was) * time.Duration(of.Calls)
		if float64(fuelIs) < slower*float64(fuelWas) || float64(is) < slower*float64(was) || is-was < slowerBy ||
			float64(lost) < ofWindow*float64(v.Length()) {
			continue
		}
		f := finding("slower_version", monitor.PhaseRun, of, sum(of, monitor.PhaseRun))
		f.Lost = lost
		f.Evidence = append(f.Evidence,
			Evidence{"fuel a call", float64(fuelIs), "instructions"},
			Evidence{fmt.Sprintf("fuel a call of version %d", before.Ref.Version), float64(fuelWas), "instructions"},
			Evidence{fmt.Sprintf("mean run of version %d", before.Ref.Version), milliseconds(was), "ms"},
		)
		f.Cause = fmt.Sprintf("Calls of %s compute for %s in version %d and did for %s in version %d, with %.1f times the instructions.",
			of.Ref.Plugin, short(is), of.Ref.Version, short(was), before.Ref.Version, float64(fuelIs)/float64(max(1, fuelWas)))
		f.Advice = Advice{
			Text: fmt.Sprintf("Go back with \"prismrt live %s %d\", and see what is new in \"prismrt profile %s --diff version:%d\".",
				of.Ref.Plugin, before.Ref.Version, of.Ref.Plugin, before.Ref.Version),
			Setting: "live version", Value: strconv.Itoa(before.Ref.Version), GainMS: milliseconds(is - was),
		}
		all = append(all, f)
	}
	return all
}

// before is the version of the same plugin with the next lower number that was called since
// the server's start; versions are in order. Nil: there is none.
func (v *view) before(n int) *monitor.Version {
	of := &v.Versions[n]
	if n == 0 {
		return nil
	}
	if one := &v.Versions[n-1]; one.Ref.Namespace == of.Ref.Namespace && one.Ref.Plugin == of.Ref.Plugin && one.Ever.Calls > 0 {
		return one
	}
	return nil
}

const (
	failing     = 0.1 // part of a version's calls that fail
	fewFailures = 10
)

// failures finds versions many of whose calls fail: their time is lost altogether.
func failures(v *view) (all []Finding) {
	for n := range v.Versions {
		of := &v.Versions[n]
		var failed, most int64
		var kind task.Kind
		for _, k := range task.Kinds {
			count := of.Faults[k]
			if k == task.KindBusy || k == task.KindCanceled { // the scheduler's doing, and the caller's
				continue
			}
			failed += count
			// A version is fenced because of other faults.
			if count > 0 && (kind == "" || kind == task.KindUnavailable || count > most && k != task.KindUnavailable) {
				most, kind = count, k
			}
		}
		if failed < fewFailures || part(failed, of.Calls) < failing {
			continue
		}
		perCall := mean(of.Took, of.Calls)
		f := Finding{
			Rule: "failures", Phase: monitor.PhaseRun.String(), Ref: of.Ref, Lost: perCall * time.Duration(failed), Calls: failed,
			P50: of.Times.Quantile(0.5, 0), P99: of.Times.Quantile(0.99, 0),
			Evidence: []Evidence{{"calls", float64(of.Calls), ""}, {"failed", float64(failed), ""}, {"of these by " + string(kind), float64(most), ""}},
			Cause:    fmt.Sprintf("%s of the calls of %s fail, most of them by %s.", percent(part(failed, of.Calls)), of.Ref.Plugin, kind),
			Advice:   adviceFor(kind),
		}
		all = append(all, f)
	}
	return all
}

// adviceFor says what to do about calls that fail in one way.
func adviceFor(kind task.Kind) Advice {
	switch kind {
	case task.KindDeadline:
		return Advice{Text: "Raise the timeout, or see above what calls spend it on.", Setting: "limits.timeout in the manifest"}
	case task.KindFuel:
		return Advice{Text: "Raise the fuel, or make the guest cheaper.", Setting: "limits.fuel in the manifest"}
	case task.KindMemory:
		return Advice{Text: "Raise the memory, or have the guest take less.", Setting: "limits.memory in the manifest"}
	case task.KindTooLarge:
		return Advice{Text: "Raise the limit, or send and answer less.", Setting: "limits.input and limits.output in the manifest"}
	case task.KindUnavailable:
		return Advice{Text: "The version is fenced or cannot be loaded: its health in /v1/plugins says why."}
	}
	return Advice{Text: "The answers to the failed calls say why, with the guest's stack and log. If an older version does better, make it live."}
}
