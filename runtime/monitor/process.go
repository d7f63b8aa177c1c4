package monitor

import (
	"math"
	"time"
)

// Process is what the Go runtime and the kernel tell of this process, since its start or
// between two moments.
type Process struct {
	CPU       time.Duration // used by all but the garbage collector, over all threads, as of its last cycle
	GC        time.Duration // processor time of the garbage collector, as of its last cycle
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

// processOf takes from what the Go runtime tells.
func processOf(g *golang) Process {
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	return Process{
		CPU: seconds(g.allCPU - g.idleCPU - g.gcCPU), GC: seconds(g.gcCPU), MutexWait: seconds(g.mutexWait), Cycles: g.cycles,
		Pauses: Latencies{g.pauses.Buckets, g.pauses.Counts}, Latencies: Latencies{g.latencies.Buckets, g.latencies.Counts},
		Heap: g.objects, HeapGoal: g.goal, Limit: g.limit,
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
