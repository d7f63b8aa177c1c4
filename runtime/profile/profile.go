// Package profile keeps where the guests of each version burn their fuel and wait:
// their call stacks, sampled by package engine, in windows of time. It answers with
// profiles of a version over a time and with the difference of two, in the formats
// that tools for profiles read.
//
// Guests are met at their checks, which stand in loops and where some functions begin
// (RATIONALE.md, "Where do the checks stand, and what do they charge?"): what they run between
// two counts at the second. A function without a loop has none of its own, and is seen
// through its caller.
package profile

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// Windows of time, and what is kept of a version.
const (
	// Resolution is how long a window is.
	Resolution = 5 * time.Second

	// Longest is the time that can be asked for, 180 windows. What is older is forgotten.
	Longest = 15 * time.Minute

	windows = int64(Longest / Resolution)

	maxStacks  = 4096  // different ones of a version
	maxFrames  = 16384 // different ones in those
	maxTouched = 1024  // different stacks in a window
	maxKnown   = 4096  // stacks as a program's samples have them
	maxName    = 512   // bytes of a function's name
)

// What is in a stack where a function cannot be named.
const (
	Other   = "(other)"   // more than is kept: of stacks, functions or bytes
	Unknown = "(unknown)" // a stack that could not be told
	Cut     = "(cut)"     // callers beyond the 28 innermost functions
	Start   = "[start]"   // around what an instance does before it serves calls
)

// hostPrefix begins the names of functions of the host.
const hostPrefix = "[host] "

// Options bound what is kept. Zeros take the defaults in brackets.
type Options struct {
	// MaxBytes bounds what is kept of all versions together, roughly [64 MiB]. What
	// comes when it is reached is counted as Other.
	MaxBytes int64

	// Lines finds lines of source in the module with a digest: of an offset in the code
	// section of what package engine runs. It is asked when a profile is. Nil, or a nil
	// result: there are no lines.
	Lines func(task.Digest) func(offset uint64) (file string, line int)
}

// Profiler keeps profiles of versions. It is safe for concurrent use.
type Profiler struct {
	options Options
	bytes   atomic.Int64
	swept   atomic.Int64 // the window in which sweep was called last

	mu       sync.RWMutex
	versions map[task.Ref]*version
}

// New makes a Profiler that knows no version.
func New(o Options) *Profiler {
	if o.MaxBytes == 0 {
		o.MaxBytes = 64 << 20
	}
	return &Profiler{options: o, versions: make(map[task.Ref]*version)}
}

// Recorder takes the samples of a program that runs the version. Each program has one
// of its own.
func (p *Profiler) Recorder(v task.Version) *Recorder {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.versions[v.Ref]
	if of == nil || of.digest != v.Digest {
		p.dropLocked(v.Ref)
		of = newVersion(p, v.Ref, v.Digest)
		p.enterLocked(of)
	}
	r := &Recorder{}
	r.of.Store(&recording{version: of, known: make(map[uint64]*known)})
	return r
}

// enterLocked makes room for a version and enters it; where there is none, it is gone.
func (p *Profiler) enterLocked(v *version) {
	now := time.Now().UnixNano() / int64(Resolution)
	if p.bytes.Load()+sizeVersion > p.options.MaxBytes && p.swept.Swap(now) != now {
		for ref, old := range p.versions {
			if old.isIdle(now) {
				old.end(false)
				delete(p.versions, ref)
			}
		}
	}
	if p.bytes.Load()+sizeVersion > p.options.MaxBytes {
		v.gone = true
		return
	}
	v.growLocked(sizeVersion)
	p.versions[v.ref] = v
}

// again finds room for a version that had to make room while its program was idle. It is nil
// where there is none, and where another one has its name.
func (p *Profiler) again(ref task.Ref, d task.Digest) *version {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.versions[ref]
	if v == nil {
		v = newVersion(p, ref, d)
		p.enterLocked(v)
	}
	if v.gone || v.digest != d {
		return nil
	}
	return v
}

// Forget gives up what is kept of a plugin's versions. Programs that still run are
// recorded to no avail.
func (p *Profiler) Forget(namespace, plugin string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for ref := range p.versions {
		if ref.Namespace == namespace && ref.Plugin == plugin {
			p.dropLocked(ref)
		}
	}
}

func (p *Profiler) dropLocked(ref task.Ref) {
	if v := p.versions[ref]; v != nil {
		delete(p.versions, ref)
		v.end(true)
	}
}

// Bytes is what is kept, roughly.
func (p *Profiler) Bytes() int64 { return p.bytes.Load() }

func (p *Profiler) version(ref task.Ref) *version {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.versions[ref]
}

// sweep gives up what is too old in all versions that nobody is at, at most once in a
// window. The caller holds except.
func (p *Profiler) sweep(now int64, except *version) {
	if p.swept.Swap(now) == now || !p.mu.TryRLock() {
		return
	}
	defer p.mu.RUnlock()
	for _, v := range p.versions {
		if v != except && v.mu.TryLock() {
			v.sweepLocked(now)
			v.mu.Unlock()
		}
	}
}
