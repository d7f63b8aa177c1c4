//go:build unix

package bench_test

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
)

// The engines that are compared, as indices.
const (
	plain   = iota // wazero as it comes
	metered        // the module rewritten by wasm.Meter, which is what prismrt runs
	closing        // wazero with CloseOnContextDone
	engines
)

// A run on the engine closing takes up to twenty times as long, so it has a turn in
// one iteration of closingEvery.
const closingEvery = 4

// A kernel's n is chosen such that a plain run takes aimed, give or take, which is
// long beside what starting it and reading the clocks take.
const (
	shortest = 20 * time.Millisecond
	aimed    = 35 * time.Millisecond
	longest  = 50 * time.Millisecond
)

// TestMain gives benchmarks one P, unless -cpu says otherwise. Where there are idle
// ones, runtime.Gosched wakes a thread that looks in vain for work: processor time,
// but not the guest's.
func TestMain(m *testing.M) {
	flag.Parse()
	if benchmarks := flag.Lookup("test.bench").Value.String(); benchmarks != "" && flag.Lookup("test.cpu").Value.String() == "" {
		flag.Set("test.cpu", "1")
	}
	m.Run()
}

// BenchmarkCost measures what metering costs, in processor time relative to plain
// wazero. An iteration runs the same work on each engine, in random order: what
// drifts hits all of them.
func BenchmarkCost(b *testing.B) {
	var s summary
	for _, l := range languages {
		compiled := sync.OnceValues(func() ([engines]*engine, error) { return compile(b, l) })
		for _, w := range l.workloads {
			b.Run("lang="+l.name+"/kernel="+w.name, func(b *testing.B) {
				on, err := compiled()
				if err != nil {
					b.Skip(err)
				}
				s.add(l.name, w.name, measure(b, w, on))
			})
		}
	}
	for _, l := range languages {
		s.report(b, l.name)
	}
	s.report(b, allLanguages)
}

// compile compiles a language's module for all engines. They live as long as the
// benchmark of all kernels.
func compile(b *testing.B, l language) (e [engines]*engine, err error) {
	module, err := l.module()
	if err != nil {
		fmt.Fprintln(os.Stderr, err) // a benchmark that skips does not say why
		return e, err
	}
	e[plain] = newEngine(b, wazero.NewRuntimeConfig(), module)
	e[metered] = newEngine(b, wazero.NewRuntimeConfig(), meter(b, module))
	e[closing] = newEngine(b, wazero.NewRuntimeConfig().WithCloseOnContextDone(true), module)
	return e, nil
}

// spent is what a run took.
type spent struct{ cpu, wall time.Duration }

// ratios are what iterations took relative to plain runs.
type ratios struct{ metered, meteredWall, closing []float64 }

func measure(b *testing.B, w workload, on [engines]*engine) ratios {
	// The collector runs between the runs and not in them.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var runs [engines]run
	for i, e := range on {
		runs[i] = w.on(b, e)
		timed(b, runs[i], 1) // fills tables and lets the heap grow
	}
	n := int32(1)
	if w.code == "" {
		n = calibrate(b, runs[plain])
	}
	var r ratios
	var plainRuns, meteredRuns []float64 // milliseconds
	for i := 0; b.Loop(); i++ {
		turns := []int{plain, metered}
		if i%closingEvery == 0 {
			turns = append(turns, closing)
		}
		rand.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
		var took [engines]spent
		var results [engines]any
		for _, e := range turns {
			took[e], results[e] = timed(b, runs[e], n)
		}
		for _, e := range turns {
			if results[e] != results[plain] {
				b.Fatalf("n = %d: %v, plain %v", n, results[e], results[plain])
			}
		}
		plainRuns = append(plainRuns, took[plain].cpu.Seconds()*1e3)
		meteredRuns = append(meteredRuns, took[metered].cpu.Seconds()*1e3)
		r.metered = append(r.metered, took[metered].cpu.Seconds()/took[plain].cpu.Seconds())
		r.meteredWall = append(r.meteredWall, took[metered].wall.Seconds()/took[plain].wall.Seconds())
		if i%closingEvery == 0 {
			r.closing = append(r.closing, took[closing].cpu.Seconds()/took[plain].cpu.Seconds())
		}
	}
	b.ReportMetric(0, "ns/op") // the sum over engines means nothing
	b.ReportMetric(quantile(plainRuns, 0.5), "plain-ms")
	b.ReportMetric(quantile(r.metered, 0.5), "metered/plain")
	b.ReportMetric(slices.Min(meteredRuns)/slices.Min(plainRuns), "metered/plain-best")
	b.ReportMetric(quantile(r.metered, 0.1), "metered/plain-p10")
	b.ReportMetric(quantile(r.metered, 0.9), "metered/plain-p90")
	b.ReportMetric(quantile(r.meteredWall, 0.5), "metered/plain-wall")
	b.ReportMetric(quantile(r.closing, 0.5), "closing/plain")
	return r
}

// calibrate returns the n with which a run takes about as long as aimed. The rounds
// are bounded, for kernels whose n does not get there.
func calibrate(b *testing.B, r run) int32 {
	n := 1.0
	for range 20 {
		took, _ := timed(b, r, int32(n))
		if took.cpu >= shortest && took.cpu <= longest {
			break
		}
		n *= min(aimed.Seconds()/max(took.cpu, time.Microsecond).Seconds(), 10)
		n = min(max(n, 1), math.MaxInt32)
	}
	return int32(n)
}

// timed runs and takes the time. Processor time is that of the process, which with
// one P is that of the thread that runs the guest. A goroutine that is bound to its
// thread could ask for just that, but pays more for runtime.Gosched than the
// engine's do: two threads take turns.
func timed(b *testing.B, r run, n int32) (spent, any) {
	runtime.GC()
	cpu, wall := cpuTime(b), time.Now()
	result, err := r(n)
	took := spent{cpu: cpuTime(b) - cpu, wall: time.Since(wall)}
	if err != nil {
		b.Fatal(err)
	}
	return took, result
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// quantile interpolates between the values next to it.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}
