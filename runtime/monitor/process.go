package monitor

import (
	"math"
	"runtime/metrics"
	"time"
)

// Process is what the Go runtime and the kernel tell of this process, since its start or
// between two moments.
type Process struct {
	CPU       time.Duration // used by Go code and guests, over all threads (runtime/metrics, /cpu/classes/user)
	GC        time.Duration // processor time of the garbage collector
	MutexWait time.Duration // goroutines waited for mutexes of the Go runtime and of package sync, altogether
	Cycles    int64         // of the garbage collector

	Pauses    Latencies // for which the garbage collector stopped everything
	Latencies Latencies // goroutines that could run waited for a P

	// At the end, in bytes.
	Heap, HeapGoal, Limit int64 // the limit is GOMEMLIMIT; the largest number: none
}

// Latencies are a distribution of seconds, as the Go runtime buckets them.
type Latencies struct {
	Ends   []float64 // of the buckets: one more than there are counts
	Counts []uint64
}

func (l Latencies) minus(before Latencies) Latencies {
	d := Latencies{Ends: l.Ends, Counts: make([]uint64, len(l.Counts))}
	for n, count := range l.Counts {
		if d.Counts[n] = count; n < len(before.Counts) {
			d.Counts[n] -= before.Counts[n]
		}
	}
	return d
}

// Quantile is the upper end of the bucket that the q-quantile is in; of nothing, 0.
func (l Latencies) Quantile(q float64) time.Duration {
	var total uint64
	for _, n := range l.Counts {
		total += n
	}
	rank, seen := uint64(math.Ceil(q*float64(total))), uint64(0)
	for n, count := range l.Counts {
		if seen += count; count > 0 && seen >= rank {
			return l.seconds(n)
		}
	}
	return 0
}

// Sum is about how long they are together: each counts as the upper end of its bucket.
func (l Latencies) Sum() (sum time.Duration) {
	for n, count := range l.Counts {
		if count > 0 {
			sum += time.Duration(count) * l.seconds(n)
		}
	}
	return sum
}

// Count is how many there are.
func (l Latencies) Count() (n int64) {
	for _, count := range l.Counts {
		n += int64(count)
	}
	return n
}

// seconds is the upper end of a bucket, or the lower where that is infinite.
func (l Latencies) seconds(n int) time.Duration {
	end := l.Ends[n+1]
	if math.IsInf(end, 1) {
		end = l.Ends[n]
	}
	return time.Duration(end * float64(time.Second))
}

// readProcess reads everything off.
func readProcess() Process {
	samples := []metrics.Sample{
		{Name: "/cpu/classes/user:cpu-seconds"},
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
		{Name: "/sync/mutex/wait/total:seconds"},
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/sched/pauses/total/gc:seconds"},
		{Name: "/sched/latencies:seconds"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/goal:bytes"},
		{Name: "/gc/gomemlimit:bytes"},
	}
	metrics.Read(samples)
	seconds := func(n int) time.Duration { return time.Duration(samples[n].Value.Float64() * float64(time.Second)) }
	whole := func(n int) int64 { return int64(min(samples[n].Value.Uint64(), math.MaxInt64)) }
	latencies := func(n int) Latencies {
		h := samples[n].Value.Float64Histogram()
		return Latencies{h.Buckets, h.Counts}
	}
	return Process{
		CPU: seconds(0), GC: seconds(1), MutexWait: seconds(2), Cycles: whole(3), Pauses: latencies(4), Latencies: latencies(5),
		Heap: whole(6), HeapGoal: whole(7), Limit: whole(8),
	}
}

func (p Process) minus(before Process) Process {
	p.CPU -= before.CPU
	p.GC -= before.GC
	p.MutexWait -= before.MutexWait
	p.Cycles -= before.Cycles
	p.Pauses = p.Pauses.minus(before.Pauses)
	p.Latencies = p.Latencies.minus(before.Latencies)
	return p
}
