package bottleneck

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

const (
	garbageOfCPU   = 0.2                   // part of the process's processor time that collecting garbage takes
	garbageOfCores = 0.05                  // and of all that there was
	lateGoroutine  = 20 * time.Millisecond // that one in a hundred waits for a P
	lockedPart     = 0.2                   // of the window, in which one goroutine waits for a mutex
	slowSync       = 20 * time.Millisecond // that writing waits for the disk on average
	syncPart       = 0.2                   // of the window, or that it waits altogether
	compilePart    = 0.2                   // of the window, spent on compilations
)

// garbage finds that Go's collector takes processor time from guests.
func garbage(v *view) []Finding {
	p := &v.Process
	room := float64(v.Length()) * float64(max(1, v.Cores))
	if part(p.GC, p.CPU+p.GC) < garbageOfCPU || float64(p.GC) < garbageOfCores*room {
		return nil
	}
	f := Finding{
		Rule: "garbage", Phase: "gc", Lost: p.GC, P50: p.Pauses.Quantile(0.5), P99: p.Pauses.Quantile(0.99), Calls: v.calls(),
		Evidence: []Evidence{
			{"processor time of the collector", p.GC.Seconds(), "s"},
			{"processor time of the rest", p.CPU.Seconds(), "s"},
			{"cycles", float64(p.Cycles), ""},
			{"heap", float64(p.Heap), "bytes"},
			{"heap goal", float64(p.HeapGoal), "bytes"},
		},
		Cause: fmt.Sprintf("Collecting garbage takes %s of the processor time, in %d cycles.", percent(part(p.GC, p.CPU+p.GC)), p.Cycles),
		Advice: Advice{
			Text:    "Let the heap grow further before it is collected.",
			Setting: "gc_percent under [go] in runtime.toml", Value: "800", GainMS: milliseconds(p.GC) / 2 / float64(max(1, v.calls())),
		},
	}
	if p.Limit < math.MaxInt64 && float64(p.HeapGoal) > 0.8*float64(p.Limit) {
		f.Advice.Text = "The heap is at its limit, so the collector runs all the time: raise the limit, or send less at once."
		f.Advice.Setting, f.Advice.Value = "memory_limit under [go] in runtime.toml", bytes(2*p.Limit)
	}
	return []Finding{f}
}

// runQueue finds that goroutines that could run wait for a P.
func runQueue(v *view) []Finding {
	l := v.Process.Latencies
	lost := float64(l.Sum())
	if l.Quantile(0.99) < lateGoroutine || lost < largePart*float64(v.took) || lost < largePart*float64(v.Length()) {
		return nil
	}
	return []Finding{{
		Rule: "run_queue", Phase: "scheduling", Lost: l.Sum(), P50: l.Quantile(0.5), P99: l.Quantile(0.99), Calls: v.calls(),
		Evidence: []Evidence{{"goroutines begun", float64(l.Count()), ""}, {"guests had of the cores", v.busy, "part"}},
		Cause:    fmt.Sprintf("One goroutine in a hundred waits over %s until it runs: there is more to do than the machine has cores for.", short(l.Quantile(0.99))),
		Advice: Advice{
			Text:    "Look for another process that takes the cores; otherwise add cores, or raise the number of Ps, by which short calls get past guests.",
			Setting: "max_procs under [go] in runtime.toml", Value: strconv.Itoa(4 * max(1, v.Cores)),
		},
	}}
}

// locks finds that goroutines wait for each other's locks.
func locks(v *view) []Finding {
	wait := v.Process.MutexWait
	if float64(wait) < lockedPart*float64(v.Length()) || mean(wait, v.calls()) < noticeable {
		return nil // a thread that the kernel stops while it holds a lock makes others wait, too
	}
	return []Finding{{
		Rule: "locks", Phase: "locks", Lost: wait, Calls: v.calls(),
		Evidence: []Evidence{{"waited for locks", wait.Seconds(), "s"}, {"window", v.Length().Seconds(), "s"}},
		Cause:    fmt.Sprintf("Goroutines waited %s for locks within %s.", short(wait), short(v.Length())),
		Advice:   Advice{Text: "Call several plugins rather than one, or in batches, which lock once for many calls; and please tell us: it should not be."},
	}}
}

// disk finds that writing waits for the disk.
func disk(v *view) []Finding {
	d := v.Disk
	each := mean(d.Time, d.Syncs)
	if d.Syncs < 3 || each < slowSync && float64(d.Time) < syncPart*float64(v.Length()) {
		return nil
	}
	return []Finding{{
		Rule: "slow_disk", Phase: "disk", Lost: d.Time, P50: each, P99: each, Calls: d.Syncs,
		Evidence: []Evidence{{"syncs", float64(d.Syncs), ""}, {"mean sync", milliseconds(each), "ms"}},
		Cause:    fmt.Sprintf("The disk takes %s until it has what was written, %d times within %s.", short(each), d.Syncs, short(v.Length())),
		Advice:   Advice{Text: "Put the data folder on a faster disk, or keep others from writing to it.", Setting: "data under [server] in runtime.toml", GainMS: milliseconds(each)},
	}}
}

// compilations finds that much time goes into compiling uploads.
func compilations(v *view) (all []Finding) {
	for n := range v.Versions {
		of := &v.Versions[n]
		if float64(of.Compiled) < compilePart*float64(v.Length()) {
			continue
		}
		all = append(all, Finding{
			Rule: "compilation", Phase: "compile", Ref: of.Ref, Lost: of.Compiled, P50: of.Compiled, P99: of.Compiled, Calls: 1,
			Evidence: []Evidence{{"compiling", of.Compiled.Seconds(), "s"}},
			Cause:    fmt.Sprintf("Version %d of %s was compiled for %s, which took a core from calls.", of.Ref.Version, of.Ref.Plugin, short(of.Compiled)),
			Advice: Advice{
				Text:    "Upload less code: strip and optimise for size (-Oz, wasm-opt), leave out what is not called; its code is kept, so the next start does without.",
				Setting: "the plugin's build",
			},
		})
	}
	return all
}

func (v *view) calls() (n int64) {
	for i := range v.Versions {
		n += v.Versions[i].Calls
	}
	return n
}
