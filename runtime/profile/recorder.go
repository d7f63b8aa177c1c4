package profile

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// Recorder takes the samples of one program. It is safe for concurrent use.
type Recorder struct{ of atomic.Pointer[recording] }

// recording is where the samples of a program go.
type recording struct {
	version *version
	known   map[uint64]*known // by what hashes the addresses; guarded by version.mu
}

// known is a stack as samples have it.
type known struct {
	calls  []uintptr
	starts bool
	stack  *stack
}

// Sample counts a sample. Of a stack that was seen before it allocates nothing, but for
// room in a new window.
func (r *Recorder) Sample(s *task.Sample) {
	now := time.Now().UnixNano() / int64(Resolution)
	hash := hashOf(s)
	of := r.of.Load()
	if of.add(s, hash, now) || of.version.forgotten.Load() {
		return
	}
	if v := of.version.profiler.again(of.version.ref, of.version.digest); v != nil {
		of = &recording{version: v, known: make(map[uint64]*known)}
		r.of.Store(of)
		of.add(s, hash, now)
	}
}

// add counts a sample, or reports false where the version is gone.
func (r *recording) add(s *task.Sample, hash uint64, now int64) bool {
	v := r.version
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.gone {
		return false
	}
	k := r.known[hash]
	if k == nil || k.stack.gone || k.starts != s.Starts || !slices.Equal(k.calls, s.Calls) {
		k = r.learnLocked(s, hash, now)
	}
	v.addLocked(k.stack, now, Values{Fuel: s.Fuel, Waited: s.Waited})
	return true
}

// learnLocked finds out what stack a sample has.
func (r *recording) learnLocked(s *task.Sample, hash uint64, now int64) *known {
	if len(r.known) >= maxKnown {
		clear(r.known) // those that matter come again
	}
	k := &known{calls: slices.Clone(s.Calls), starts: s.Starts, stack: r.version.internLocked(s, now)}
	if k.stack != r.version.other {
		r.known[hash] = k // what is beyond the bounds may have room later
	}
	return k
}

// hashOf mixes addresses as Fowler, Noll and Vo do bytes (FNV-1a, 64 bits), and turns the
// upper bits, which an address does not reach, in.
func hashOf(s *task.Sample) uint64 {
	h := uint64(14695981039346656037)
	if s.Starts {
		h++
	}
	for _, call := range s.Calls {
		h = (h ^ uint64(call)) * 1099511628211
		h ^= h >> 29
	}
	return h
}
