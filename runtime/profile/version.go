package profile

import (
	"encoding/binary"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// Values are what a stack came to.
type Values struct {
	Fuel    int64         `json:"fuel"`    // instructions
	Samples int64         `json:"samples"` // that found it
	Waited  time.Duration `json:"-"`       // on the host, in its innermost function
}

func (v *Values) add(o Values) {
	v.Fuel += o.Fuel
	v.Samples += o.Samples
	v.Waited += o.Waited
}

// version is what is kept of a version.
type version struct {
	profiler  *Profiler
	ref       task.Ref
	digest    task.Digest
	other     *stack
	forgotten atomic.Bool

	mu     sync.Mutex
	gone   bool
	frames map[task.Frame]*task.Frame
	stacks map[string]*stack // by the addresses of their frames, as bytes
	bytes  int64
	swept  int64           // the window in which sweepLocked was called last
	ring   [windows]window // by number, modulo windows
}

// window is what was sampled in a time of Resolution.
type window struct {
	number int64 // of Resolutions since 1970
	cells  []cell
}

type cell struct {
	stack *stack
	Values
}

// stack is a stack, innermost frame first. Its place in the window that was touched last
// is at cell.
type stack struct {
	key    string
	frames []*task.Frame
	window int64
	cell   int
	seen   int64 // by a sweep
	gone   bool  // it was given up
}

// Sizes in bytes, for the bounds: roughly what the runtime takes.
const (
	sizeVersion = 8 << 10
	sizeCell    = 40
	sizeStack   = 160 // and sizeOfCall for each frame
	sizeCall    = 16
	sizeFrame   = 160 // and its name
)

func newVersion(p *Profiler, ref task.Ref, d task.Digest) *version {
	v := &version{profiler: p, ref: ref, digest: d, frames: make(map[task.Frame]*task.Frame), stacks: make(map[string]*stack)}
	v.other = &stack{frames: []*task.Frame{{Name: Other}}}
	return v
}

// end gives up all. A program that still runs may ask for room again, unless the version
// was forgotten.
func (v *version) end(forgotten bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if forgotten {
		v.forgotten.Store(true)
	}
	v.gone = true
	clear(v.frames)
	clear(v.stacks)
	v.ring = [windows]window{}
	v.growLocked(-v.bytes)
}

// isIdle tells whether nothing was sampled in the windows that are kept.
func (v *version) isIdle(now int64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.ring {
		if v.ring[i].number > now-windows {
			return false
		}
	}
	return true
}

func (v *version) growLocked(bytes int64) {
	v.bytes += bytes
	v.profiler.bytes.Add(bytes)
}

func (v *version) fullLocked(bytes int64) bool {
	return v.profiler.bytes.Load()+bytes > v.profiler.options.MaxBytes
}

// addLocked counts values for a stack in the window with a number.
func (v *version) addLocked(s *stack, now int64, values Values) {
	w := &v.ring[now%windows]
	if w.number != now {
		v.emptyLocked(w)
		w.number = now
		if w.cells == nil { // the first is for what is beyond the bounds
			w.cells = append(w.cells, cell{stack: v.other})
			v.growLocked(sizeCell)
		}
	}
	if values.Fuel > 0 {
		values.Samples = 1
	}
	if s.window != now && s != v.other {
		if len(w.cells) >= maxTouched || v.fullLocked(sizeCell) {
			s = v.other
		} else {
			s.window, s.cell = now, len(w.cells)
			w.cells = append(w.cells, cell{stack: s})
			v.growLocked(sizeCell)
		}
	}
	at := s.cell
	if s == v.other {
		at = 0
	}
	w.cells[at].add(values)
}

// emptyLocked makes a window one in which nothing was sampled.
func (v *version) emptyLocked(w *window) {
	if w.cells == nil {
		return
	}
	v.growLocked(-int64(len(w.cells)-1) * sizeCell)
	clear(w.cells)
	w.cells = append(w.cells[:0], cell{stack: v.other})
}

// internLocked finds the stack of a sample, or other where there is no room for one more.
func (v *version) internLocked(s *task.Sample, now int64) *stack {
	if len(v.stacks) >= maxStacks || len(v.frames) >= maxFrames-len(s.Calls) || v.fullLocked(sizeStack+maxName) {
		if v.swept != now {
			v.sweepLocked(now)
		}
		v.profiler.sweep(now, v)
	}
	var frames []*task.Frame
	var key []byte
	put := func(f task.Frame) bool {
		at := v.frameLocked(f)
		if at == nil {
			return false
		}
		frames = append(frames, at)
		key = binary.AppendUvarint(key, uint64(f.Function)<<1)
		key = binary.AppendUvarint(key, f.Offset)
		if f.Host || f.Function == noFunction {
			key = append(append(key, f.Name...), 0)
		}
		return true
	}
	told := s.Frames()
	whole := true
	for _, f := range told {
		whole = whole && put(f)
	}
	if len(told) == 0 {
		whole = put(named(Unknown))
	}
	if s.Cut {
		whole = whole && put(named(Cut))
	}
	if s.Starts {
		whole = whole && put(named(Start))
	}
	if !whole {
		return v.other
	}
	if known := v.stacks[string(key)]; known != nil {
		return known
	}
	one := &stack{key: string(key), frames: frames}
	if len(v.stacks) >= maxStacks || v.fullLocked(one.size()) {
		return v.other
	}
	v.stacks[one.key] = one
	v.growLocked(one.size())
	return one
}

// noFunction is the number of what only looks like a function.
const noFunction = 1<<32 - 1

func named(name string) task.Frame { return task.Frame{Function: noFunction, Name: name} }

// frameLocked finds a frame, nil where there is no room for one more.
func (v *version) frameLocked(f task.Frame) *task.Frame {
	if known := v.frames[f]; known != nil {
		return known
	}
	if len(f.Name) > maxName {
		f.Name = strings.ToValidUTF8(f.Name[:maxName-3], "") + "..."
		return v.frameLocked(f)
	}
	size := int64(sizeFrame + len(f.Name))
	if len(v.frames) >= maxFrames || v.fullLocked(size) {
		return nil
	}
	f.Name = strings.Clone(f.Name) // not the module's
	v.frames[f] = &f
	v.growLocked(size)
	return &f
}

// sweepLocked gives up windows that are too old, and stacks and frames that are in none.
func (v *version) sweepLocked(now int64) {
	v.swept = now
	for i := range v.ring {
		w := &v.ring[i]
		if w.number <= now-windows {
			v.emptyLocked(w)
			w.cells, w.number = nil, 0
			continue
		}
		for _, c := range w.cells {
			c.stack.seen = now
		}
	}
	clear(v.frames)
	bytes := int64(sizeVersion)
	for key, s := range v.stacks {
		if s.seen != now {
			s.gone = true
			delete(v.stacks, key)
			continue
		}
		bytes += s.size()
		for _, f := range s.frames {
			if v.frames[*f] == nil {
				v.frames[*f] = f
				bytes += sizeFrame + int64(len(f.Name))
			}
		}
	}
	for i := range v.ring {
		bytes += int64(len(v.ring[i].cells)) * sizeCell
	}
	v.growLocked(bytes - v.bytes)
}

func (s *stack) size() int64 {
	return sizeStack + int64(len(s.frames))*sizeCall + int64(len(s.key))
}
