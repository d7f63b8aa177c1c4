package extism

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/marketprism/prismrt/runtime/task"
)

// memory is the blocks of a call. They lie one after the other, in the order they were asked
// for, each at a multiple of eight bytes; what is freed is not given out again.
type memory struct {
	bytes  []byte // up to its capacity all zero from its length on
	blocks []block
}

// block is a piece of the memory. One that was freed, or is empty, has no length.
type block struct{ offset, length uint64 }

// span is some of the memory's bytes.
type span struct{ offset, length uint64 }

// first is where the first block lies: 0 is no block.
const first = 8

// maxKey bounds keys of configuration and vars, in bytes: no manifest has longer ones.
const maxKey = 64 << 10

// blockCost is what a block takes besides its bytes.
const blockCost = 16

// taken is how many bytes of the host's the memory stands for.
func (m *memory) taken() uint64 { return uint64(len(m.bytes)) + blockCost*uint64(len(m.blocks)) }

// alloc makes a block of zeros. Past the plug-in's limits.memory it ends the guest.
func (m *memory) alloc(c Call, length uint64) (offset uint64) {
	if length == 0 {
		return 0
	}
	limit := c.Version().Limits.Memory
	if length > uint64(limit) || m.taken()+length+blockCost+2*first > uint64(limit) {
		c.Stop(task.Faultf(task.KindMemory, "the plug-in's blocks, its input among them, would pass limits.memory, which is %v; "+
			"free does not make room within a call, so raise the limit in the manifest", limit))
	}
	c.Spend(int64(length) / 8)
	if len(m.bytes) == 0 {
		m.grow(first)
	}
	offset = uint64(len(m.bytes))
	m.grow(int(length+7) &^ 7)
	m.blocks = append(m.blocks, block{offset, length})
	return offset
}

// grow adds zeros.
func (m *memory) grow(n int) {
	m.bytes = slices.Grow(m.bytes, n) // which clears what it makes, but not what was there
	m.bytes = m.bytes[:len(m.bytes)+n]
}

// wipe ends all blocks.
func (m *memory) wipe() {
	clear(m.bytes)
	m.bytes, m.blocks = m.bytes[:0], m.blocks[:0]
}

// at finds the block that begins at an offset, nil where none does.
func (m *memory) at(offset uint64) *block {
	n, found := slices.BinarySearchFunc(m.blocks, offset, func(b block, offset uint64) int { return cmp.Compare(b.offset, offset) })
	if !found {
		return nil
	}
	return &m.blocks[n]
}

func (m *memory) length(offset uint64) uint64 {
	if b := m.at(offset); b != nil {
		return b.length
	}
	return 0
}

func (m *memory) free(offset uint64) {
	if b := m.at(offset); b != nil {
		b.length = 0
	}
}

// block is the bytes of the block that begins at an offset, good until the next alloc; none
// where none does.
func (m *memory) block(offset uint64) []byte {
	if b := m.at(offset); b != nil {
		return m.bytes[b.offset:][:b.length]
	}
	return nil
}

// text is what a block holds.
func (m *memory) text(c Call, offset uint64) string {
	b := m.block(offset)
	c.Spend(int64(len(b)) / 8)
	return string(b)
}

// put makes a block that holds some bytes.
func put[T string | []byte](s *state, c Call, b T) (offset uint64) {
	if offset = s.alloc(c, uint64(len(b))); offset != 0 {
		copy(s.bytes[offset:], b)
	}
	return offset
}

// within tells whether bytes lie in the memory. Those below first do not.
func (m *memory) within(offset, length uint64) bool {
	size := uint64(len(m.bytes))
	return offset >= first && offset <= size && length <= size-offset
}

func (m *memory) loadU8(offset uint64) byte {
	if offset >= uint64(len(m.bytes)) {
		return 0
	}
	return m.bytes[offset]
}

func (m *memory) loadU64(offset uint64) uint64 {
	if !m.within(offset, 8) {
		return 0
	}
	return binary.LittleEndian.Uint64(m.bytes[offset:])
}

func (m *memory) storeU8(offset uint64, value byte) {
	if m.within(offset, 1) {
		m.bytes[offset] = value
	}
}

func (m *memory) storeU64(offset, value uint64) {
	if m.within(offset, 8) {
		binary.LittleEndian.PutUint64(m.bytes[offset:], value)
	}
}
