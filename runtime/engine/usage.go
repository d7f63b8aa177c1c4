package engine

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/marketprism/prismrt/runtime/memory"
)

// Stats is what lives at a moment.
type Stats struct {
	Instances     int64 // alive
	ReservedBytes int64 // of address space under guest memories; most of it is never touched
	PrivateBytes  int64 // of guest memories, that no image shares, as of each instance's last rewind
	ImageBytes    int64 // of images, each counted once however many instances share it
	StackBytes    int64 // of native stacks, which lie on Go's heap, as of each instance's last rewind
	CodeBytes     int64 // of compiled code
}

// Slices is what the guests' slices came to since the engine was made.
type Slices struct {
	UsedUp int64 // how often a guest came back because its slice was used up

	// Timed of these, all but each call's first, took Took together and the longest
	// Longest.
	Timed         int64
	Took, Longest time.Duration
}

// usage counts what a program takes, or the engine with all its programs. What happens
// at births and ends is added as it happens; what a call changes, once it is rewound and
// only where it differs.
type usage struct {
	above *usage // the engine's; nil: this is it

	instances, reserved, private, stacks, code atomic.Int64
	unlike                                     atomic.Int64 // instances that needed an image of their own
	slices, timed, sliced, longest             atomic.Int64

	mu     sync.Mutex
	images map[*memory.Image]struct{} // that are open
}

func newUsage(above *usage) *usage {
	return &usage{above: above, images: make(map[*memory.Image]struct{})}
}

// add adds to a counter here and above.
func (u *usage) add(counter func(*usage) *atomic.Int64, n int64) {
	for ; u != nil; u = u.above {
		counter(u).Add(n)
	}
}

func instances(u *usage) *atomic.Int64 { return &u.instances }
func reserved(u *usage) *atomic.Int64  { return &u.reserved }
func private(u *usage) *atomic.Int64   { return &u.private }
func stacks(u *usage) *atomic.Int64    { return &u.stacks }
func code(u *usage) *atomic.Int64      { return &u.code }
func unlike(u *usage) *atomic.Int64    { return &u.unlike }

// ran adds the slices of a run. One that used up none, as most do, costs nothing.
func (u *usage) ran(m *meter) {
	if m.slices == 0 {
		return
	}
	for ; u != nil; u = u.above {
		u.slices.Add(int64(m.slices))
		u.timed.Add(int64(m.timed))
		u.sliced.Add(int64(m.sliced))
		for {
			longest := u.longest.Load()
			if int64(m.longest) <= longest || u.longest.CompareAndSwap(longest, int64(m.longest)) {
				break
			}
		}
	}
}

// opened counts an image until closeImage.
func (u *usage) opened(m *memory.Image, err error) (*memory.Image, error) {
	if err != nil {
		return nil, err
	}
	for ; u != nil; u = u.above {
		u.mu.Lock()
		u.images[m] = struct{}{}
		u.mu.Unlock()
	}
	return m, nil
}

// closeImage closes an image and counts it no more.
func (u *usage) closeImage(m *memory.Image) error {
	for ; u != nil; u = u.above {
		u.mu.Lock()
		delete(u.images, m)
		u.mu.Unlock()
	}
	return m.Close()
}

func (u *usage) stats() Stats {
	s := Stats{
		Instances: u.instances.Load(), ReservedBytes: u.reserved.Load(), PrivateBytes: u.private.Load(),
		StackBytes: u.stacks.Load(), CodeBytes: u.code.Load(),
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for m := range u.images {
		s.ImageBytes += int64(m.OwnBytes()) // asked each time: images grow where their zeros are read
	}
	return s
}

// Stats counts over all programs.
func (e *Engine) Stats() Stats { return e.usage.stats() }

// Slices tells of the slices of all guests.
func (e *Engine) Slices() Slices {
	u := e.usage
	return Slices{
		UsedUp: u.slices.Load(), Timed: u.timed.Load(),
		Took: time.Duration(u.sliced.Load()), Longest: time.Duration(u.longest.Load()),
	}
}

// Stats counts the program's own. The image of an interpreter, which its scripts share,
// is the engine's.
func (p *Program) Stats() Stats { return p.usage.stats() }

// loadedCode is how large the code in a folder is that was loaded from there: wazero
// copies all of each file (internal/engine/wazevo, engine_cache.go).
func loadedCode(dir string) (bytes int64) {
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && !strings.HasSuffix(f, ".tmp") {
			bytes += info.Size()
		}
	}
	return bytes
}

// setPrivate notes how much of the instance's memory is its own. Only who has the
// instance calls it.
func (i *Instance) setPrivate(bytes int64) {
	if was := i.private.Load(); was != bytes {
		i.private.Store(bytes)
		i.program.usage.add(private, bytes-was)
	}
}

// setStacks notes how large its native stacks are.
func (i *Instance) setStacks(bytes int64) {
	if i.stacks != bytes {
		i.program.usage.add(stacks, bytes-i.stacks)
		i.stacks = bytes
	}
}

// Size is the length of the guest's memory as a call begins, in bytes; 0 where each call
// has an instance of its own.
func (i *Instance) Size() int64 {
	if i.image == nil || i.image.memory == nil {
		return 0
	}
	return int64(i.image.memory.Len())
}
