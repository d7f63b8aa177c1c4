package monitor

import "github.com/prometheus/client_golang/prometheus"

// Objects is what lives, and what is made again and again.
type Objects struct {
	Layer

	HeapObjects          int64   `json:"heap_objects"`
	AllocatedBytes       int64   `json:"allocated_bytes"` // since the start
	Allocations          int64   `json:"allocations"`     // since the start
	AllocatedBytesPerSec float64 `json:"allocated_bytes_per_second"`

	Instances       int64            `json:"instances"` // of guests
	InstancesBorn   int64            `json:"instances_born"`
	CallsAnInstance float64          `json:"calls_per_instance"` // of those born in the last minute, as a mean; 0: none was
	Buffers         map[string]Reuse `json:"buffers"`            // what is kept from one use for another, by what it is for
}

// Reuse is what came of keeping something for another use, since the start.
type Reuse struct {
	Gets     int64   `json:"gets"`
	Hits     int64   `json:"hits"`    // of these, that found something kept
	Misses   int64   `json:"misses"`  // and that had to make it
	Dropped  int64   `json:"dropped"` // that had become too large to be kept
	HitShare float64 `json:"hit_share"`
	Alive    int64   `json:"alive"` // in use or kept
	Bytes    int64   `json:"bytes"` // that these hold
}

func readObjects(l *look, past *reading, seconds float64) Objects {
	o := Objects{
		HeapObjects: l.now.heapObjects, AllocatedBytes: l.now.allocated, Allocations: l.now.allocations,
		AllocatedBytesPerSec: rate(float64(past.now.allocated), seconds),
		Instances:            l.guests.Instances, InstancesBorn: l.births, Buffers: map[string]Reuse{},
	}
	if past.births > 0 {
		o.CallsAnInstance = float64(past.calls) / float64(past.births)
	}
	for _, b := range l.buffers {
		o.Buffers[b.Name] = Reuse{
			Gets: b.Gets, Hits: b.Gets - b.Misses, Misses: b.Misses, Dropped: b.Dropped,
			HitShare: share(b.Gets-b.Misses, b.Gets), Alive: b.Alive, Bytes: b.Bytes,
		}
	}
	return o
}

// judge compares with the thresholds in the package's documentation.
func (o *Objects) judge(past *reading, seconds float64) *judgement {
	j := judge()
	j.from(o.AllocatedBytesPerSec, 1<<30, 4<<30, "%.2g GiB a second are allocated: large inputs and outputs, or batches in small pieces", o.AllocatedBytesPerSec/(1<<30))
	if past.births >= int64(seconds) && past.births >= 30 {
		j.from(share(past.births, past.calls), 0.1, 0.5, "%d instances were made for %d calls in the last minute: see why they end in /v1/plugins/{name}/instances",
			past.births, past.calls)
	}
	if past.gets >= 1000 {
		j.from(share(past.misses, past.gets), 0.5, never, "%.0f%% of the buffers wanted in the last minute had to be made: bodies are larger than what is kept, or collections frequent",
			100*share(past.misses, past.gets))
	}
	return j
}

var (
	reuseGetsDesc = prometheus.NewDesc("prismrt_buffer_gets_total",
		"Buffers taken, by what they are for.", []string{"buffer"}, nil)
	reuseMissesDesc = prometheus.NewDesc("prismrt_buffer_misses_total",
		"Buffers taken that had to be made, since none was kept.", []string{"buffer"}, nil)
	reuseDroppedDesc = prometheus.NewDesc("prismrt_buffer_dropped_total",
		"Buffers that had become too large to be kept.", []string{"buffer"}, nil)
	reuseBytesDesc = prometheus.NewDesc("prismrt_buffer_bytes",
		"Memory that buffers hold, in use or kept.", []string{"buffer"}, nil)
	aliveDesc = prometheus.NewDesc("prismrt_guest_instances",
		"Instances alive, over all versions, those of unloaded ones included.", nil, nil)
)

func (o *Objects) collect(to sink) {
	for name, r := range o.Buffers {
		to.counter(reuseGetsDesc, float64(r.Gets), name)
		to.counter(reuseMissesDesc, float64(r.Misses), name)
		to.counter(reuseDroppedDesc, float64(r.Dropped), name)
		to.gauge(reuseBytesDesc, float64(r.Bytes), name)
	}
	to.gauge(aliveDesc, float64(o.Instances))
}
