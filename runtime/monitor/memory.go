package monitor

import (
	"cmp"
	"math"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/marketprism/prismrt/runtime/task"
)

// Memory is where the bytes are. Where the system does not tell, what only it knows is 0.
type Memory struct {
	Layer

	ResidentBytes  int64 `json:"resident_bytes"` // of the process, as the kernel counts: an image that is mapped twice counts twice
	OnceBytes      int64 `json:"once_bytes"`     // of the process, each page once: the sum of Parts
	AnonymousBytes int64 `json:"anonymous_bytes"`
	DirtyBytes     int64 `json:"dirty_bytes"` // written and nobody else's
	SwappedBytes   int64 `json:"swapped_bytes"`
	Parts          Parts `json:"parts"`

	Go Go `json:"go"`

	HeapBytes     int64   `json:"heap_bytes"`      // live and dead objects of Go
	HeapLiveBytes int64   `json:"heap_live_bytes"` // of these, alive at the last collection
	HeapGoalBytes int64   `json:"heap_goal_bytes"` // where the next one begins
	GCCycles      int64   `json:"gc_cycles"`
	GCPauseP99MS  float64 `json:"gc_pause_p99_ms"` // since the start
	GCCPUShare    float64 `json:"gc_cpu_share"`    // of the CPU time used in the last minute

	GuestReservedBytes int64 `json:"guest_reserved_bytes"` // address space, most of it never touched
	GuestPrivateBytes  int64 `json:"guest_private_bytes"`  // written by guests, as of each instance's last rewind
	GuestStackBytes    int64 `json:"guest_stack_bytes"`    // native stacks, which are objects of Go's heap
	ImageBytes         int64 `json:"image_bytes"`          // each image once; what nobody has touched is in memory, but not resident
	CodeBytes          int64 `json:"code_bytes"`

	Versions []VersionMemory `json:"versions"`
}

// Parts are what resident memory is made of, in bytes, each page once. Go's, the guests'
// and the code are as prismrt counts them, images and files as the kernel does.
type Parts struct {
	Go     int64 `json:"go"`     // heap, stacks and the runtime's own
	Guests int64 `json:"guests"` // private pages of guest memories
	Images int64 `json:"images"` // of these, what was touched
	Code   int64 `json:"code"`   // compiled guests
	Files  int64 `json:"files"`  // the program itself, the database's index
	Other  int64 `json:"other"`  // what is left: SQLite's memory, guests that run, and less than nothing where others are ahead of the kernel
}

// Go is what Go's runtime has of the system, in bytes.
type Go struct {
	ObjectsBytes  int64 `json:"objects_bytes"`
	UnusedBytes   int64 `json:"unused_bytes"` // of spans with objects, room for more
	FreeBytes     int64 `json:"free_bytes"`   // spans without
	StacksBytes   int64 `json:"stacks_bytes"`
	OtherBytes    int64 `json:"other_bytes"`    // the runtime's own
	ReleasedBytes int64 `json:"released_bytes"` // given back: addresses without memory
	LimitBytes    int64 `json:"limit_bytes"`    // GOMEMLIMIT, on all but the released; 0: none
}

// VersionMemory is what one version's instances take.
type VersionMemory struct {
	Namespace     string  `json:"namespace"`
	Plugin        string  `json:"plugin"`
	Version       int     `json:"version"`
	Instances     int64   `json:"instances"`
	ReservedBytes int64   `json:"reserved_bytes"`
	PrivateBytes  int64   `json:"private_bytes"`
	ImageBytes    int64   `json:"image_bytes"`
	StackBytes    int64   `json:"stack_bytes"`
	CodeBytes     int64   `json:"code_bytes"`
	Growth        float64 `json:"growth_bytes_per_second"` // of all but what is reserved, over the last five minutes
	LeakSuspected bool    `json:"leak_suspected"`
}

// grown is what a version takes of memory.
func (g *Guests) grown() int64 { return g.PrivateBytes + g.ImageBytes + g.StackBytes + g.CodeBytes }

func readMemory(k kernel, g golang, guests Guests) Memory {
	m := Memory{
		ResidentBytes: k.resident, OnceBytes: k.once, AnonymousBytes: k.anonymous, DirtyBytes: k.dirty, SwappedBytes: k.swapped,
		Go: Go{
			ObjectsBytes: g.objects, UnusedBytes: g.unused, FreeBytes: g.free, StacksBytes: g.stacks, ReleasedBytes: g.released,
			OtherBytes: g.total - g.objects - g.unused - g.free - g.stacks - g.released,
		},
		HeapBytes: g.objects, HeapLiveBytes: g.live, HeapGoalBytes: g.goal, GCCycles: g.cycles,
		GCPauseP99MS:       p99(g.pauses) * 1000,
		GuestReservedBytes: guests.ReservedBytes, GuestPrivateBytes: guests.PrivateBytes, GuestStackBytes: guests.StackBytes,
		ImageBytes: guests.ImageBytes, CodeBytes: guests.CodeBytes,
	}
	if g.limit < math.MaxInt64 {
		m.Go.LimitBytes = g.limit
	}
	if k.once > 0 {
		p := Parts{Go: g.total - g.released, Guests: guests.PrivateBytes, Images: k.shared, Code: guests.CodeBytes, Files: k.files}
		p.Other = k.once - p.Go - p.Guests - p.Images - p.Code - p.Files
		m.Parts = p
	}
	return m
}

// versionMemory expects the monitor's mutex.
func (m *Monitor) versionMemoryLocked(pools []Pool) []VersionMemory {
	rows := make([]VersionMemory, 0, len(pools))
	for _, p := range pools {
		row := VersionMemory{
			Namespace: p.Ref.Namespace, Plugin: p.Ref.Plugin, Version: p.Ref.Version,
			Instances: p.Guests.Instances, ReservedBytes: p.Guests.ReservedBytes, PrivateBytes: p.Guests.PrivateBytes,
			ImageBytes: p.Guests.ImageBytes, StackBytes: p.Guests.StackBytes, CodeBytes: p.Guests.CodeBytes,
		}
		if t := m.growth[p.Ref]; t != nil {
			row.Growth, row.LeakSuspected = t.Slope(), t.Leaks()
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b VersionMemory) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Plugin, b.Plugin), cmp.Compare(a.Version, b.Version))
	})
	return rows
}

// judge compares with the thresholds in the package's documentation.
func (m *Memory) judge(k kernel, past *reading, heapLeaks bool) *judgement {
	j := judge()
	if m.Go.LimitBytes > 0 {
		used := m.Go.ObjectsBytes + m.Go.UnusedBytes + m.Go.FreeBytes + m.Go.StacksBytes + m.Go.OtherBytes
		j.from(share(used, m.Go.LimitBytes), 0.85, 0.95, "Go has %v of the %v that go.memory_limit allows, and collects more often the nearer it comes",
			task.Bytes(used), task.Bytes(m.Go.LimitBytes))
	}
	if k.machine > 0 {
		j.from(1-share(k.free, k.machine), 0.9, 0.97, "%v of the machine's memory of %v is available: lower max.instances or limits.memory, or move something away",
			task.Bytes(k.free), task.Bytes(k.machine))
	}
	j.from(m.GCCPUShare, 0.15, 0.30, "the garbage collector took %.0f%% of the CPU time of the last minute: raise go.gc_percent or go.memory_limit", 100*m.GCCPUShare)
	pause := p99(past.now.pauses)
	j.from(pause, 0.005, 0.05, "99%% of the collector's pauses took up to %.3g ms in the last minute: something holds up the stop of the world", 1000*pause)
	for _, v := range m.Versions {
		if v.LeakSuspected {
			j.from(1, 1, never, "the memory of %s version %d grew by %v a minute for minutes on end", v.Plugin, v.Version, task.Bytes(60*v.Growth))
		}
	}
	if heapLeaks {
		j.from(1, 1, never, "Go's live heap grew steadily for minutes on end: it may leak; compare two heap profiles")
	}
	return j
}

var (
	memoryDesc = prometheus.NewDesc("prismrt_memory_bytes",
		"Resident memory by part, each page once: go, guests (private pages), images, code, files, and other, which is what is left.", []string{"part"}, nil)
	reservedDesc = prometheus.NewDesc("prismrt_guest_memory_reserved_bytes",
		"Address space under guest memories, most of it never touched.", byVersion, nil)
	privateDesc = prometheus.NewDesc("prismrt_guest_memory_private_bytes",
		"Guest memory that is no image's, as of each instance's last rewind.", byVersion, nil)
	imageDesc = prometheus.NewDesc("prismrt_guest_image_bytes",
		"Memory that images take, each once.", byVersion, nil)
	stackDesc = prometheus.NewDesc("prismrt_guest_stack_bytes",
		"Native stacks of guests, which lie on Go's heap, as of each instance's last rewind.", byVersion, nil)
	codeDesc = prometheus.NewDesc("prismrt_guest_code_bytes",
		"Compiled code.", byVersion, nil)
	leakDesc = prometheus.NewDesc("prismrt_guest_memory_leak_suspected",
		"1 where the memory of a version grew steadily for minutes.", byVersion, nil)
)

func (m *Memory) collect(to sink) {
	if m.OnceBytes > 0 {
		p := &m.Parts
		for part, n := range map[string]int64{"go": p.Go, "guests": p.Guests, "images": p.Images, "code": p.Code, "files": p.Files, "other": p.Other} {
			to.gauge(memoryDesc, float64(n), part)
		}
	}
	for _, v := range m.Versions {
		of := versionLabels(task.Ref{Namespace: v.Namespace, Plugin: v.Plugin, Version: v.Version})
		to.gauge(reservedDesc, float64(v.ReservedBytes), of...)
		to.gauge(privateDesc, float64(v.PrivateBytes), of...)
		to.gauge(imageDesc, float64(v.ImageBytes), of...)
		to.gauge(stackDesc, float64(v.StackBytes), of...)
		to.gauge(codeDesc, float64(v.CodeBytes), of...)
		suspected := 0.0
		if v.LeakSuspected {
			suspected = 1
		}
		to.gauge(leakDesc, suspected, of...)
	}
}
