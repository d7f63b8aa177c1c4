package wasm

// maxPiece is how many bytes memory.fill and memory.copy work on without a check.
// The first time a guest touches so much memory, that takes some 100 us.
const maxPiece = 256 << 10

// growPrice is what table.grow and memory.grow cost besides the length: wazero
// leaves the guest for them.
const growPrice = 100

// More instructions that functions are put together of.
const (
	localSet   = 0x21
	selectOp   = 0x1b
	i32Const   = 0x41
	i32GtU     = 0x4b
	i32LeU     = 0x4d
	i32Add     = 0x6a
	i32Sub     = 0x6b
	i64GtU     = 0x56
	i64Add     = 0x7c
	memorySize = 0x3f
)

var (
	memoryCopy = []byte{prefixMisc, 10, 0, 0}
	memoryFill = []byte{prefixMisc, 11, 0}
)

// lengthShift tells how an instruction whose last operand is a length is charged:
// that many steps to the right of the length; -1: it has none.
func lengthShift(op Opcode) int {
	switch op {
	case opMemoryInit, opMemoryCopy, opMemoryFill:
		return 3 // eight bytes an instruction
	case opTableInit, opTableCopy, opTableGrow, opTableFill, opMemoryGrow:
		return 0
	}
	return -1
}

// bulk charges an instruction by its length, which is on top of the stack of
// operands.
func (c *coder) bulk(op Opcode, shift, at int, j jump) {
	if op == opMemoryGrow || op == opTableGrow {
		c.run(growPrice, growPrice)
	}
	length := uint64(uint32(j.value))
	switch known := j.seen == 1 && op != opMemoryGrow; {
	case known && length>>shift < worthPaying:
		c.run(length>>shift, length>>shift)
		return
	case known && length <= maxPiece:
		c.copy(at)
		c.written = c.check(c.written, length>>shift)
		return
	}
	c.copy(at)
	n := c.locals
	if c.counted {
		n++
	}
	if op == opMemoryFill || op == opMemoryCopy {
		c.split(op, n)
		return
	}
	c.puts = max(c.puts, 1)
	out := appendU32(append(c.written, localTee), n)
	c.written = c.payLength(out, op, shift, n)
}

// payLength pays for a length in a local.
func (c *coder) payLength(out []byte, op Opcode, shift int, n uint32) []byte {
	out = appendU32(append(out, globalGet), c.fuel)
	out = appendU32(append(out, localGet), n)
	out = append(out, i64ExtendU)
	switch {
	case op == opMemoryGrow: // in pages, which the host clears eight bytes at a time
		out = append(appendI64(append(out, i64Const), 13), i64Shl)
	case shift > 0:
		out = append(appendI64(append(out, i64Const), int64(shift)), i64ShrU)
	}
	out = appendU32(append(out, i64Sub, globalSet), c.fuel)
	return c.refuelBelowZero(appendU32(append(out, globalGet), c.fuel))
}

// split has the function that is added for it do all but the last piece of a
// memory.fill or memory.copy, the operands of which it puts aside. Where they are
// out of bounds, that does nothing, and the instruction traps.
func (c *coder) split(op Opcode, n uint32) {
	c.puts = 4
	other, to, done := n+1, n+2, n+3
	get := func(out []byte, locals ...uint32) []byte {
		for _, l := range locals {
			out = appendU32(append(out, localGet), l)
		}
		return out
	}
	set := func(out []byte, local uint32) []byte { return appendU32(append(out, localSet), local) }

	out := set(set(set(c.written, n), other), to)
	out = appendI64(append(get(out, n), i32Const), maxPiece)
	out = append(out, i32GtU, byte(opIf), emptyType)
	helper := c.shifted(uint32(len(c.functions)))
	if op == opMemoryCopy {
		helper++
	}
	out = set(appendU32(append(get(out, to, other, n), byte(opCall)), helper), done)
	out = set(append(get(out, n, done), i32Sub), n)
	if op == opMemoryCopy { // from the beginning, or from the end where it would write over what is to be read
		out = append(get(out, to, other), i32LeU, byte(opIf), emptyType)
		out = set(append(get(out, other, done), i32Add), other)
	}
	out = set(append(get(out, to, done), i32Add), to)
	if op == opMemoryCopy {
		out = append(out, byte(opEnd))
	}
	out = c.payLength(append(out, byte(opEnd)), op, lengthShift(op), n)
	c.written = get(out, to, other, n)
}

// helper is a function that does all but the last piece of a memory.fill or
// memory.copy: (to, value or from, length) -> bytes that are done.
func helper(op []byte) func(*meter, []byte) []byte {
	copies := len(op) == len(memoryCopy)
	return func(m *meter, out []byte) []byte {
		out = append(out, 1, 2, byte(I32)) // bytes done, and where the next piece lies
		within := func(out []byte, local byte) []byte {
			out = append(out, localGet, local, i64ExtendU, localGet, 2, i64ExtendU, i64Add, memorySize, 0, i64ExtendU)
			out = append(out, i64Const, 16, i64Shl, i64GtU, byte(opIf), emptyType)
			return append(out, i32Const, 0, byte(opReturn), byte(opEnd))
		}
		out = within(out, 0)
		if copies {
			out = within(out, 1)
		}
		out = m.check(append(out, byte(opLoop), emptyType), maxPiece>>3)
		piece := func(out []byte) []byte { return appendI64(append(out, i32Const), maxPiece) }
		if copies {
			out = append(piece(append(out, localGet, 3, localGet, 2, localGet, 3, i32Sub)), i32Sub)
			out = append(out, localGet, 0, localGet, 1, i32LeU, selectOp, localSet, 4)
			out = append(out, localGet, 0, localGet, 4, i32Add, localGet, 1, localGet, 4, i32Add)
		} else {
			out = append(out, localGet, 0, localGet, 3, i32Add, localGet, 1)
		}
		out = append(piece(out), op...)
		out = append(piece(append(out, localGet, 3)), i32Add, localSet, 3)
		out = append(piece(append(out, localGet, 2, localGet, 3, i32Sub)), i32GtU, byte(opBrIf), 0, byte(opEnd))
		return append(out, localGet, 3, byte(opEnd))
	}
}
