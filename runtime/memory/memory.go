// Package memory holds the linear memories of guests that start as an image and
// are put back to it: DESIGN.md, "Rewound instances".
//
// An Image is immutable and shared by all memories that adopt it. On Linux it lies
// in a memfd that they map privately, so that an untouched page is in memory once,
// however many instances there are, and the kernel knows which pages an instance
// has written. Elsewhere images are plain bytes and rewinding is copying.
package memory

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// wasmPage is the unit of a linear memory's length in bytes (WebAssembly core
// specification, "Memory Instances").
const wasmPage = 64 << 10

// The system's page, the unit of writing, sharing and dropping: 4, 16 or 64 KiB,
// so that a wasmPage is always a number of them.
var (
	pageSize = os.Getpagesize()
	zeroPage = make([]byte, pageSize)
)

// errUnusable answers those who want a memory that was freed, or that could not
// adopt an image.
var errUnusable = errors.New("memory: it was freed, or holds no whole image")

// Memory is the linear memory of one instance: a range of addresses as long as the
// limit, reserved once, so that growing never moves what the guest holds. Pages
// take no memory until they are touched, and on unix none is on Go's heap. It
// satisfies wazero's experimental.LinearMemory. Only Free is safe for concurrent use.
type Memory struct {
	bytes  []byte // the whole range; nil once freed
	image  *Image // what Rewind puts back, held; nil when there is nothing that it could
	length int    // bytes that the guest has
	limit  int    // the most that it may have
	high   int    // the greatest length since private pages were last dropped: nothing is written beyond

	settling bool // the next Reallocate answers with the image's length
	refused  bool // the guest asked for more than the limit
	freed    atomic.Bool

	known   knowledge
	private []pages // that are private, in order
	faults  int64   // the thread's page faults when Watch began

	way      Way
	age      int // rewinds since private pages were last dropped
	patience int // the age at which many are dropped
	dropped  int // how many were, because of their age; 0 after the next rewind
	scanner
}

// Reserve reserves limit bytes of address space, of which the guest has none yet:
// the memory's image is the empty one. Most memory it can take is limit, rounded
// up to pages.
func Reserve(limit int) (*Memory, error) {
	return newMemory(limit, Method())
}

// newMemory is not inlined, so that a Memory is on the heap whoever makes it: the
// kernel is given addresses in it, and stacks move.
//
//go:noinline
func newMemory(limit int, way Way) (*Memory, error) {
	b, err := reserve(limit)
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes of memory: %w", limit, err)
	}
	empty.hold()
	m := &Memory{bytes: b, limit: len(b), image: empty, way: way, patience: minPatience}
	return m, nil
}

// Adopt makes the memory start as the image: its beginning has the image's
// contents, all beyond is zero, and whatever was in it is gone. The next
// Reallocate answers with the image's length whatever it is asked for, so that an
// instance is born with that length and a living one can be told.
//
// After an error, for example when the process may have no more mappings, the
// contents are undefined and the memory is good for nothing but Free.
func (m *Memory) Adopt(i *Image) error {
	if m.image == nil {
		return errUnusable
	}
	if i.length > len(m.bytes) {
		return fmt.Errorf("adopt an image of %d bytes: the memory's limit is %d", i.length, len(m.bytes))
	}
	if !i.hold() {
		return errClosed
	}
	err := m.lay(i)
	_ = m.image.release() // what could fail is giving addresses back, which harms nobody
	if err != nil {
		_ = i.release()
		m.image = nil
		return fmt.Errorf("adopt an image of %d bytes: %w", i.length, err)
	}
	m.image = i
	m.settling = true
	m.refused = false
	m.patience, m.dropped = minPatience, 0
	m.known = unknown
	m.refresh()
	return nil
}

// Reallocate gives the first size bytes, or nil past the limit, which the guest
// sees as memory.grow answering -1.
func (m *Memory) Reallocate(size uint64) []byte {
	if m.settling {
		m.settling = false
		size = uint64(m.image.length)
	}
	if size > uint64(m.limit) {
		m.refused = true
		return nil
	}
	m.length = int(size)
	m.high = max(m.high, m.length)
	return m.bytes[:size:size]
}

// Limit lowers the limit, for one that has not more already.
func (m *Memory) Limit(limit int) { m.limit = min(m.limit, max(limit, m.length)) }

// Refused says whether the guest was refused memory since the last Rewind or Adopt.
func (m *Memory) Refused() bool { return m.refused }

// Free gives the range back; the bytes that Reallocate gave must not be touched
// any more. A second time it does nothing: wazero frees the memory of a module it
// closes, and the instance that of one that never came to be.
func (m *Memory) Free() {
	if !m.freed.CompareAndSwap(false, true) {
		return
	}
	release(m.bytes)
	if m.image != nil {
		_ = m.image.release()
	}
	m.bytes, m.image, m.length, m.limit = nil, nil, 0, 0
}

// Differs compares the memory to its image: the length, every byte, and that all
// that the guest ever had beyond is zero. It gives the first offset that differs.
// This reads everything, so it is for tests and for builds that look for faults.
func (m *Memory) Differs() (offset int, differs bool) {
	if m.image == nil {
		return 0, true
	}
	n := m.image.length
	if m.length != n {
		return min(m.length, n), true
	}
	if at, differs := difference(m.bytes[:n], m.image.view); differs {
		return at, true
	}
	at, differs := difference(m.bytes[n:max(n, m.high)], nil)
	return n + at, differs
}

// difference gives the first offset where got is not want, which zeros follow.
func difference(got, want []byte) (int, bool) {
	for at := 0; at < len(got); at += pageSize {
		g, w := got[at:min(at+pageSize, len(got))], pageAt(want, at)
		if bytes.Equal(g, w[:len(g)]) {
			continue
		}
		for i := range g {
			if g[i] != w[i] {
				return at + i, true
			}
		}
	}
	return 0, false
}

// pageAt gives the page of contents at the offset, a multiple of the page's size;
// beyond the end there are zeros.
func pageAt(contents []byte, offset int) []byte {
	if offset >= len(contents) {
		return zeroPage
	}
	return contents[offset : offset+pageSize]
}
