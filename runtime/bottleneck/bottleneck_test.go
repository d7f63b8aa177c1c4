package bottleneck_test

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/bottleneck"
	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/profile"
	"github.com/marketprism/prismrt/runtime/task"
)

const ms = time.Millisecond

var began = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// window is ten seconds of a server with two cores.
func window(versions ...monitor.Version) *monitor.Window {
	w := &monitor.Window{From: began, To: began.Add(10 * time.Second), Cores: 2, Policy: "fair", Versions: versions}
	for _, v := range versions {
		w.Flows = append(w.Flows, monitor.Flow{Namespace: v.Ref.Namespace, Plugin: v.Ref.Plugin, Begun: v.Calls, Fuel: v.Fuel})
	}
	return w
}

// calls is a version that was called so often; each call was that long in each phase.
func calls(plugin string, n int64, phases map[monitor.Phase]time.Duration) monitor.Version {
	v := monitor.Version{Ref: task.Ref{Namespace: "default", Plugin: plugin, Version: 1}}
	v.Calls, v.Fuel = n, n*1000
	for p, each := range phases {
		v.Phases[p] = monitor.Spent{Time: time.Duration(n) * each, Calls: n, Times: monitor.Buckets{{Index: int16(math.Ceil(8 * math.Log2(each.Seconds()))), Count: n}}}
		v.Took += time.Duration(n) * each
	}
	v.Ever = v.Counts
	v.Instances = monitor.Instances{Loaded: true, Max: 256, Size: 4, Held: v.Took, Capacity: 20 * time.Second, Begins: "start", Lent: monitor.Gauge{Mean: 2, Max: 4}}
	return v
}

func times(v ...any) map[monitor.Phase]time.Duration {
	all := make(map[monitor.Phase]time.Duration)
	for n := 0; n < len(v); n += 2 {
		all[v[n].(monitor.Phase)] = v[n+1].(time.Duration)
	}
	return all
}

// healthy is a version that is called 2,000 times a second and takes 300 µs.
func healthy() monitor.Version {
	return calls("healthy", 20_000, times(monitor.PhaseRun, 250*time.Microsecond, monitor.PhaseRewind, 40*time.Microsecond, monitor.PhaseQueue, 10*time.Microsecond))
}

func TestEachRuleFindsItsBottleneck(t *testing.T) {
	for _, test := range []struct {
		name    string
		window  func() *monitor.Window
		rule    string
		phase   string
		plugin  string
		lost    time.Duration
		setting string
		value   string
		cause   string
	}{
		{
			name: "a guest that computes for long",
			window: func() *monitor.Window {
				return window(healthy(), calls("slow", 100, times(monitor.PhaseRun, 60*ms)))
			},
			rule: "guest_computes", phase: "run", plugin: "slow", lost: 6 * time.Second, setting: "code", cause: "computes for 60ms",
		},
		{
			name: "short calls that wait for each other on busy cores",
			window: func() *monitor.Window {
				w := window(calls("crowded", 10_000, times(monitor.PhaseRun, 2*ms, monitor.PhaseQueue, 8*ms)))
				w.Busy = 9900 * ms
				return w
			},
			rule: "guest_computes", phase: "run", plugin: "crowded", lost: 100 * time.Second, cause: "wait 8ms for each other",
		},
		{
			name: "waiting for a host that fails",
			window: func() *monitor.Window {
				v := calls("fetch", 100, times(monitor.PhaseRun, ms, monitor.PhaseHost, 80*ms))
				v.Waits = []task.Wait{
					{Capability: "clock", Calls: 10, Time: 10 * ms},
					{Capability: "http", Destination: "api.example.com", Calls: 100, Failed: 20, Time: 7990 * ms},
				}
				return window(healthy(), v)
			},
			rule: "host_waits", phase: "host", plugin: "fetch", lost: 8 * time.Second, cause: "http api.example.com",
		},
		{
			name: "as many instances as may be, all lent, and idle cores",
			window: func() *monitor.Window {
				v := calls("starved", 200, times(monitor.PhaseHost, 50*ms, monitor.PhasePool, 350*ms))
				v.Instances.Max, v.Instances.Size, v.Instances.Held = 1, 1, 10*time.Second
				v.Instances.Lent = monitor.Gauge{Mean: 1, Max: 1}
				return window(v)
			},
			rule: "pool_too_small", phase: "pool", plugin: "starved", lost: 70 * time.Second, setting: "pool.max", value: "8", cause: "its 1 instances",
		},
		{
			name: "one plugin that burns everything while another waits",
			window: func() *monitor.Window {
				hog := calls("hog", 4000, times(monitor.PhaseRun, 5*ms))
				hog.Fuel = 1e11
				w := window(hog, calls("victim", 500, times(monitor.PhaseRun, ms, monitor.PhaseQueue, 20*ms)))
				w.Busy = 9900 * ms
				return w
			},
			rule: "noisy_neighbour", phase: "queue", plugin: "hog", lost: 30 * time.Second, setting: "weights", value: `{ "default/victim" = 4 }`, cause: "those of victim for 20ms",
		},
		{
			name: "the same under a policy that is not fair",
			window: func() *monitor.Window {
				hog := calls("hog", 4000, times(monitor.PhaseRun, 5*ms))
				hog.Fuel = 1e11
				w := window(hog, calls("victim", 500, times(monitor.PhaseRun, ms, monitor.PhaseQueue, 20*ms)))
				w.Busy, w.Policy = 9900*ms, "fifo"
				return w
			},
			rule: "noisy_neighbour", phase: "queue", plugin: "hog", lost: 30 * time.Second, setting: "policy", value: "fair", cause: "hog burns",
		},
		{
			name: "calls that are refused",
			window: func() *monitor.Window {
				w := window(calls("wanted", 1000, times(monitor.PhaseRun, 4*ms)))
				w.Flows[0].Refused = map[string]int64{"late": 400, "full": 100}
				return w
			},
			rule: "refusals", phase: "queue", plugin: "wanted", lost: 2 * time.Second, setting: "limits.timeout", cause: `"late"`,
		},
		{
			name: "instances that are made while calls wait",
			window: func() *monitor.Window {
				v := calls("cold", 50, times(monitor.PhaseRun, ms, monitor.PhaseBirth, 30*ms))
				v.Instances.Births, v.Instances.BirthTime, v.Instances.Deaths = 50, 1500*ms, map[string]int64{"idle": 49}
				v.Instances.Lent.Max = 3
				return window(healthy(), v)
			},
			rule: "cold_births", phase: "birth", plugin: "cold", lost: 1500 * ms, setting: "pool.min", value: "3", cause: "none was kept",
		},
		{
			name: "instances that serve one call",
			window: func() *monitor.Window {
				v := calls("anew", 50, times(monitor.PhaseRun, ms, monitor.PhaseBirth, 30*ms))
				v.Instances.Births, v.Instances.Begins, v.Instances.Cause = 50, "anew", "its tables change"
				return window(v)
			},
			rule: "cold_births", phase: "birth", plugin: "anew", lost: 1500 * ms, setting: "code", cause: "its tables change",
		},
		{
			name: "much memory to be put back",
			window: func() *monitor.Window {
				v := calls("writer", 300, times(monitor.PhaseRun, 2*ms, monitor.PhaseRewind, 5*ms))
				v.Instances.Pages = 300 * 4096
				return window(healthy(), v)
			},
			rule: "dirty_memory", phase: "rewind", plugin: "writer", lost: 1500 * ms, cause: "writes 4096 pages",
		},
		{
			name: "large inputs that are copied",
			window: func() *monitor.Window {
				v := calls("copier", 100, times(monitor.PhaseRun, 2*ms, monitor.PhaseBind, 6*ms, monitor.PhaseCollect, ms))
				v.In, v.Out = 100<<25, 100<<20
				return window(v)
			},
			rule: "copies", phase: "bind", plugin: "copier", lost: 700 * ms, setting: "limits.input", value: "16 MiB", cause: "32 MiB of input",
		},
		{
			name: "calls that fail",
			window: func() *monitor.Window {
				v := calls("broken", 200, times(monitor.PhaseRun, 2*ms))
				v.Faults = map[task.Kind]int64{task.KindTrap: 40, task.KindUnavailable: 60}
				return window(v)
			},
			rule: "failures", phase: "run", plugin: "broken", lost: 200 * ms, cause: "50% of the calls of broken fail, most of them by trap",
		},
		{
			name: "a collector that takes a core",
			window: func() *monitor.Window {
				w := window(healthy())
				w.Process = monitor.Process{CPU: 10 * time.Second, GC: 5 * time.Second, Cycles: 900, Heap: 4 << 20, HeapGoal: 8 << 20, Limit: 1 << 62}
				return w
			},
			rule: "garbage", phase: "gc", lost: 5 * time.Second, setting: "gc_percent", value: "800", cause: "33% of the processor time",
		},
		{
			name: "a heap at its limit",
			window: func() *monitor.Window {
				w := window(healthy())
				w.Process = monitor.Process{CPU: 10 * time.Second, GC: 5 * time.Second, Heap: 95 << 20, HeapGoal: 100 << 20, Limit: 100 << 20}
				return w
			},
			rule: "garbage", phase: "gc", lost: 5 * time.Second, setting: "memory_limit", value: "200 MiB", cause: "garbage",
		},
		{
			name: "goroutines that wait for a P",
			window: func() *monitor.Window {
				w := window(calls("some", 100, times(monitor.PhaseRun, ms)))
				w.Process.Latencies = monitor.Latencies{Ends: []float64{0, 0.001, 0.05}, Counts: []uint64{900, 100}}
				return w
			},
			rule: "run_queue", phase: "scheduling", lost: 5900 * ms, setting: "max_procs", value: "8", cause: "waits over 50ms",
		},
		{
			name: "goroutines that wait for locks",
			window: func() *monitor.Window {
				w := window(calls("some", 100, times(monitor.PhaseRun, ms)))
				w.Process.MutexWait = 3 * time.Second
				return w
			},
			rule: "locks", phase: "locks", lost: 3 * time.Second, cause: "3s for locks",
		},
		{
			name: "a slow disk",
			window: func() *monitor.Window {
				w := window(healthy())
				w.Disk = monitor.Disk{Syncs: 10, Time: 900 * ms}
				return w
			},
			rule: "slow_disk", phase: "disk", lost: 900 * ms, setting: "data", cause: "takes 90ms",
		},
		{
			name: "compilations",
			window: func() *monitor.Window {
				v := calls("large", 0, nil)
				v.Compiled = 7 * time.Second
				return window(healthy(), v)
			},
			rule: "compilation", phase: "compile", plugin: "large", lost: 7 * time.Second, cause: "compiled for 7s",
		},
		{
			name: "memory that grows and grows",
			window: func() *monitor.Window {
				v := calls("leaky", 100, times(monitor.PhaseRun, ms))
				for n := range 10 {
					v.Instances.Private = append(v.Instances.Private, int64(n)*(20<<20))
				}
				return window(v)
			},
			rule: "memory_grows", phase: "memory", plugin: "leaky", setting: "limits.memory", value: "2", cause: "18 MiB more memory every second",
		},
		{
			name: "instances that nobody needs",
			window: func() *monitor.Window {
				v := calls("spacious", 100, times(monitor.PhaseRun, ms))
				v.Instances.Min, v.Instances.Ready, v.Instances.Lent = 20, monitor.Gauge{Mean: 19.5, Max: 20}, monitor.Gauge{Mean: 0.5, Max: 1}
				v.Instances.Private = []int64{200 << 20}
				return window(v)
			},
			rule: "pool_too_large", phase: "memory", plugin: "spacious", setting: "pool.min", value: "1", cause: "190 MiB",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			found := bottleneck.Find(test.window(), nil)
			if len(found) == 0 {
				t.Fatal("nothing was found")
			}
			f := found[0]
			if f.Rule != test.rule || f.Phase != test.phase || f.Ref.Plugin != test.plugin || f.Lost != test.lost {
				t.Errorf("the top finding is %+v, want %s in %s of %q, %v lost", f, test.rule, test.phase, test.plugin, test.lost)
			}
			if !strings.Contains(f.Cause, test.cause) || !strings.Contains(f.Advice.Setting, test.setting) || f.Advice.Value != test.value {
				t.Errorf("it says %q and advises %+v; want %q, and %s = %q", f.Cause, f.Advice, test.cause, test.setting, test.value)
			}
			if len(f.Evidence) < 1 || f.Advice.Text == "" || f.Share < 0 || f.Share > 1 {
				t.Errorf("it is not complete: %+v", f)
			}
		})
	}
}

func TestAVersionThatBurnsMoreThanTheOneBeforeIsFound(t *testing.T) {
	before, after := calls("p", 0, nil), calls("p", 1000, times(monitor.PhaseRun, 3*ms))
	before.Ever = calls("p", 5000, times(monitor.PhaseRun, ms)).Counts
	after.Ref.Version, after.Fuel = 2, 3_000_000
	var asked task.Ref
	found := bottleneck.Find(window(before, after), func(ref task.Ref, lately time.Duration, _ int) []profile.Function {
		asked = ref
		return []profile.Function{{Name: "parse", FlatShare: 0.6, CumShare: 0.9}}
	})
	if len(found) != 1 || found[0].Rule != "slower_version" || found[0].Lost != 2*time.Second || found[0].Advice.Value != "1" {
		t.Fatalf("found %+v, want version 2 to be slower by 2 s in all", found)
	}
	if asked != after.Ref || len(found[0].Functions) != 1 || found[0].Functions[0].Name != "parse" {
		t.Errorf("the functions of %v were asked for, and are %v", asked, found[0].Functions)
	}
	// Larger inputs are another thing: as many instructions, on a machine that was busier.
	after.Fuel = 1_100_000
	if found := bottleneck.Find(window(before, after), nil); len(found) != 0 {
		t.Errorf("found %+v in a version with the same instructions", found)
	}
}

func TestWaitsInTwoPhasesAddUp(t *testing.T) {
	v := calls("starved", 200, times(monitor.PhaseHost, 40*ms, monitor.PhaseQueue, 40*ms, monitor.PhasePool, 80*ms))
	v.Instances.Max, v.Instances.Size, v.Instances.Held = 1, 1, 10*time.Second
	v.Instances.Lent = monitor.Gauge{Mean: 1, Max: 1}
	f := bottleneck.Find(window(v), nil)[0]
	if f.Rule != "pool_too_small" || f.P50 < 120*ms || f.P50 > 135*ms || f.P99 < f.P50 {
		t.Errorf("calls wait 120 ms each, and the finding has p50 %v, p99 %v: %+v", f.P50, f.P99, f)
	}
}

func TestWhatEndsTheServerComesFirst(t *testing.T) {
	leaky := calls("leaky", 100, times(monitor.PhaseRun, 50*ms))
	for n := range 10 {
		leaky.Instances.Private = append(leaky.Instances.Private, int64(n)*(20<<20))
	}
	w := window(leaky)
	w.Free = 3 << 30 // 18 MiB a second
	if f := bottleneck.Find(w, nil); f[0].Rule != "memory_grows" || !f[0].Urgent || !strings.Contains(f[0].Cause, "none left in 2m5") {
		t.Errorf("found %+v first", f[0])
	}
	w.Free = 1 << 40
	if f := bottleneck.Find(w, nil); f[0].Rule != "guest_computes" || f[1].Urgent {
		t.Errorf("with a terabyte left found %+v", f)
	}
}

func TestNothingIsFoundWhereAllIsWell(t *testing.T) {
	busy := window(healthy(), calls("other", 3000, times(monitor.PhaseRun, 2*ms, monitor.PhaseQueue, 100*time.Microsecond, monitor.PhaseRewind, 30*time.Microsecond)))
	busy.Busy = 8 * time.Second
	busy.Process = monitor.Process{CPU: 15 * time.Second, GC: 500 * ms, MutexWait: 300 * ms, Limit: 1 << 62}
	busy.Process.Latencies = monitor.Latencies{Ends: []float64{0, 0.0001, 0.01}, Counts: []uint64{100_000, 500}}
	busy.Disk = monitor.Disk{Syncs: 5, Time: 10 * ms}
	full := window(calls("full", 300_000, times(monitor.PhaseRun, 50*time.Microsecond, monitor.PhaseQueue, 15*time.Microsecond)))
	full.Busy = 10 * time.Second
	for name, w := range map[string]*monitor.Window{
		"nobody calls": window(), "loaded and not called": window(calls("idle", 0, nil)), "busy": busy, "all cores busy with short calls": full,
		"no time at all": {From: began, To: began},
	} {
		if found := bottleneck.Find(w, nil); len(found) != 0 {
			t.Errorf("%s: found %+v", name, found)
		}
	}
}

func TestWhatCostsMostComesFirst(t *testing.T) {
	found := bottleneck.Find(window(calls("a", 100, times(monitor.PhaseRun, 20*ms)), calls("b", 100, times(monitor.PhaseRun, 90*ms)), calls("c", 100, times(monitor.PhaseRun, 50*ms))), nil)
	var order []string
	for _, f := range found {
		order = append(order, f.Ref.Plugin)
	}
	if !slices.Equal(order, []string{"b", "c", "a"}) {
		t.Errorf("found %v, want b, c, a", order)
	}
}

func TestAReportIsForPeopleAndForMachines(t *testing.T) {
	report := bottleneck.NewReport(window(calls("slow", 100, times(monitor.PhaseRun, 60*ms))), func(task.Ref, time.Duration, int) []profile.Function {
		return []profile.Function{{Name: "find_needle", FlatShare: 0.9, CumShare: 1}}
	})
	var text strings.Builder
	if _, err := report.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 bottleneck", "slow, version 1", "90% find_needle", "computes for 60ms", "do  ", "gain"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in:\n%s", want, text.String())
		}
	}
	b, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Findings []struct {
			Rule, Phase, Plugin string
			LostMS              float64 `json:"lost_ms"`
		}
	}
	if err := json.Unmarshal(b, &read); err != nil || len(read.Findings) != 1 || read.Findings[0].LostMS != 6000 || read.Findings[0].Plugin != "slow" {
		t.Errorf("read %+v, %v from %s", read, err, b)
	}
	text.Reset()
	if _, err := bottleneck.NewReport(window(), nil).WriteTo(&text); err != nil || !strings.HasPrefix(text.String(), "No bottlenecks") {
		t.Errorf("%v: %s", err, text.String())
	}
}
