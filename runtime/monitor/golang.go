package monitor

import (
	"math"
	"runtime/metrics"
)

// golang is what the Go runtime tells of itself (package runtime/metrics), since the
// start where it counts. Times are in seconds, sizes in bytes.
type golang struct {
	objects, unused, free, released, stacks, total int64 // of its memory
	live, goal, limit                              int64 // live: as the last collection found it
	heapObjects, cycles                            int64
	allocated, allocations                         int64 // bytes, objects
	goroutines, runnable, procs, threads           int64
	gcCPU, assistCPU, idleCPU, allCPU              float64 // as of the last collection
	mutexWait                                      float64
	pauses, latencies                              *metrics.Float64Histogram
}

func readGo() golang {
	var g golang
	numbers := []struct {
		name string
		to   *int64
	}{
		{"/memory/classes/heap/objects:bytes", &g.objects},
		{"/memory/classes/heap/unused:bytes", &g.unused},
		{"/memory/classes/heap/free:bytes", &g.free},
		{"/memory/classes/heap/released:bytes", &g.released},
		{"/memory/classes/heap/stacks:bytes", &g.stacks},
		{"/memory/classes/total:bytes", &g.total},
		{"/gc/heap/live:bytes", &g.live},
		{"/gc/heap/goal:bytes", &g.goal},
		{"/gc/gomemlimit:bytes", &g.limit},
		{"/gc/heap/objects:objects", &g.heapObjects},
		{"/gc/cycles/total:gc-cycles", &g.cycles},
		{"/gc/heap/allocs:bytes", &g.allocated},
		{"/gc/heap/allocs:objects", &g.allocations},
		{"/sched/goroutines:goroutines", &g.goroutines},
		{"/sched/goroutines/runnable:goroutines", &g.runnable},
		{"/sched/gomaxprocs:threads", &g.procs},
		{"/sched/threads/total:threads", &g.threads},
	}
	seconds := []struct {
		name string
		to   *float64
	}{
		{"/cpu/classes/gc/total:cpu-seconds", &g.gcCPU},
		{"/cpu/classes/gc/mark/assist:cpu-seconds", &g.assistCPU},
		{"/cpu/classes/idle:cpu-seconds", &g.idleCPU},
		{"/cpu/classes/total:cpu-seconds", &g.allCPU},
		{"/sync/mutex/wait/total:seconds", &g.mutexWait},
	}
	samples := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}, {Name: "/sched/latencies:seconds"}}
	for _, n := range numbers {
		samples = append(samples, metrics.Sample{Name: n.name})
	}
	for _, n := range seconds {
		samples = append(samples, metrics.Sample{Name: n.name})
	}
	metrics.Read(samples)
	g.pauses, g.latencies = samples[0].Value.Float64Histogram(), samples[1].Value.Float64Histogram()
	rest := samples[2:]
	for n, s := range rest[:len(numbers)] {
		*numbers[n].to = int64(min(s.Value.Uint64(), math.MaxInt64))
	}
	for n, s := range rest[len(numbers):] {
		*seconds[n].to = s.Value.Float64()
	}
	return g
}

// since is the difference of two readings of a histogram; earlier may be nil.
func since(now, earlier *metrics.Float64Histogram) *metrics.Float64Histogram {
	if earlier == nil {
		return now
	}
	d := &metrics.Float64Histogram{Counts: make([]uint64, len(now.Counts)), Buckets: now.Buckets}
	for n := range now.Counts {
		d.Counts[n] = now.Counts[n] - earlier.Counts[n]
	}
	return d
}

// p99 returns the upper end of the bucket that the 99th percentile lies in, 0 for an
// empty histogram.
func p99(h *metrics.Float64Histogram) float64 {
	var total uint64
	for _, n := range h.Counts {
		total += n
	}
	if total == 0 {
		return 0
	}
	rank, seen := uint64(math.Ceil(0.99*float64(total))), uint64(0)
	for i, n := range h.Counts {
		if seen += n; seen >= rank {
			if end := h.Buckets[i+1]; !math.IsInf(end, 1) {
				return end
			}
			return h.Buckets[i]
		}
	}
	return 0
}
