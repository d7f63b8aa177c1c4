package engine

import "sync/atomic"

// memory is the linear memory of one instance: a range of addresses as long as
// the limit, reserved once, so that growing never moves what the guest holds.
// Pages cost nothing until they are touched, and none of them is on Go's heap.
type memory struct {
	bytes   []byte // the whole range
	limit   int64
	refused bool // the guest asked for more than the limit

	freed atomic.Bool
}

// Reallocate gives the first size bytes, or nil past the limit, which the guest
// sees as memory.grow answering -1.
func (m *memory) Reallocate(size uint64) []byte {
	if size > uint64(m.limit) {
		m.refused = true
		return nil
	}
	return m.bytes[:size:size]
}

// Free gives the range back. A second time it does nothing: wazero frees the
// memory of a module it closes, and the instance that of one that never came to be.
func (m *memory) Free() {
	if m.freed.CompareAndSwap(false, true) {
		release(m.bytes)
	}
}
