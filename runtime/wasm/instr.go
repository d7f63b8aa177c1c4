package wasm

// Opcode is an instruction as encoded: one byte, or a prefix in the high half and
// the number after it in the low half, such as 0xfc_000b for memory.fill
// ("Instructions").
type Opcode uint32

// The instructions that structure code.
const (
	opUnreachable  Opcode = 0x00
	opBr           Opcode = 0x0c
	opBrIf         Opcode = 0x0d
	opBrTable      Opcode = 0x0e
	opReturn       Opcode = 0x0f
	opBlock        Opcode = 0x02
	opLoop         Opcode = 0x03
	opIf           Opcode = 0x04
	opElse         Opcode = 0x05
	opEnd          Opcode = 0x0b
	opNop          Opcode = 0x01
	opCall         Opcode = 0x10
	opCallIndirect Opcode = 0x11
	opLocalGet     Opcode = 0x20
	opLocalSet     Opcode = 0x21
	opLocalTee     Opcode = 0x22
	opGlobalGet    Opcode = 0x23
	opGlobalSet    Opcode = 0x24
	opMemoryGrow   Opcode = 0x40
	opI32Const     Opcode = 0x41
	opRefFunc      Opcode = 0xd2
	opTableSet     Opcode = 0x26
	opMemoryInit   Opcode = prefixMisc<<16 | 8
	opDataDrop     Opcode = prefixMisc<<16 | 9
	opMemoryCopy   Opcode = prefixMisc<<16 | 10
	opMemoryFill   Opcode = prefixMisc<<16 | 11
	opTableInit    Opcode = prefixMisc<<16 | 12
	opElemDrop     Opcode = prefixMisc<<16 | 13
	opTableCopy    Opcode = prefixMisc<<16 | 14
	opTableGrow    Opcode = prefixMisc<<16 | 15
	opTableFill    Opcode = prefixMisc<<16 | 17
	prefixMisc            = 0xfc
	prefixSIMD            = 0xfd
)

// immediate is what follows an opcode.
type immediate byte

const (
	unknown      immediate = iota // not an instruction of WebAssembly 2.0
	none                          // nothing
	blockType                     // empty, a value type or the index of a type
	index                         // one index: of a label, function, local, global, table, segment
	twoIndices                    // such as a type and a table
	labelTable                    // a vector of labels and a default
	typeVector                    // a vector of value types
	refType                       // one value type
	memArg                        // alignment and offset
	memArgLane                    // alignment, offset and a lane
	reserved                      // a zero byte: the only memory
	indexAndZero                  // an index and a zero byte
	twoReserved                   // two zero bytes
	constI32                      // a signed LEB128
	constI64                      // a signed LEB128
	fourBytes                     // an f32
	eightBytes                    // an f64
	lane                          // a byte
	sixteenBytes                  // a v128, or the lanes of a shuffle
)

// plain are the immediates of the one-byte opcodes.
var plain = func() (t [256]immediate) {
	set := func(from, to int, i immediate) {
		for op := from; op <= to; op++ {
			t[op] = i
		}
	}
	set(0x00, 0x01, none)       // unreachable, nop
	set(0x02, 0x04, blockType)  // block, loop, if
	set(0x05, 0x05, none)       // else
	set(0x0b, 0x0b, none)       // end
	set(0x0c, 0x0d, index)      // br, br_if
	set(0x0e, 0x0e, labelTable) // br_table
	set(0x0f, 0x0f, none)       // return
	set(0x10, 0x10, index)      // call
	set(0x11, 0x11, twoIndices) // call_indirect
	set(0x1a, 0x1b, none)       // drop, select
	set(0x1c, 0x1c, typeVector) // select t
	set(0x20, 0x26, index)      // local.get to table.set
	set(0x28, 0x3e, memArg)     // loads and stores
	set(0x3f, 0x40, reserved)   // memory.size, memory.grow
	set(0x41, 0x41, constI32)
	set(0x42, 0x42, constI64)
	set(0x43, 0x43, fourBytes)
	set(0x44, 0x44, eightBytes)
	set(0x45, 0xc4, none) // comparisons to sign extensions
	set(0xd0, 0xd0, refType)
	set(0xd1, 0xd1, none)  // ref.is_null
	set(0xd2, 0xd2, index) // ref.func
	return t
}()

// misc are the immediates behind the prefix 0xfc.
var misc = [18]immediate{
	none, none, none, none, none, none, none, none, // saturating truncations
	indexAndZero,        // memory.init
	index,               // data.drop
	twoReserved,         // memory.copy
	reserved,            // memory.fill
	twoIndices,          // table.init
	index,               // elem.drop
	twoIndices,          // table.copy
	index, index, index, // table.grow, table.size, table.fill
}

// simd are the immediates behind the prefix 0xfd.
var simd = func() (t [256]immediate) {
	for op := range t {
		switch {
		case op <= 11, op == 92, op == 93: // loads and stores
			t[op] = memArg
		case op == 12, op == 13: // v128.const, i8x16.shuffle
			t[op] = sixteenBytes
		case op >= 21 && op <= 34: // extract and replace a lane
			t[op] = lane
		case op >= 84 && op <= 91: // load and store a lane
			t[op] = memArgLane
		default:
			t[op] = none
		}
	}
	for _, hole := range []int{154, 162, 165, 166, 175, 176, 178, 179, 180, 187, 194, 197, 198, 207, 208, 210, 211, 212, 226, 238} {
		t[hole] = unknown
	}
	return t
}()

// noGC is the answer to languages whose objects live outside linear memory.
const noGC = "garbage-collected types are not supported; build without them, which compilers of Kotlin and Dart cannot"

// beyond names what opcodes outside WebAssembly 2.0 belong to, and what to do.
func beyond(op Opcode) string {
	switch {
	case op == 0x12, op == 0x13:
		return "tail calls are not supported; build without them, such as -mno-tail-call"
	case op >= 0x06 && op <= 0x0a, op == 0x18, op == 0x19, op == 0x1f:
		return "exceptions are not supported; build without them, such as -fno-exceptions or -C panic=abort"
	case op == 0x14, op == 0x15, op >= 0xd3 && op <= 0xd6:
		return "typed function references are not supported; build for WebAssembly 2.0, without them"
	case op>>16 == 0xfb:
		return noGC
	case op>>16 == 0xfe:
		return "atomic instructions (threads) are not supported; build without -pthread"
	case op>>16 == prefixSIMD && op&0xffff > 0xff:
		return "relaxed SIMD is not supported; build without -mrelaxed-simd"
	}
	return "it is not an instruction of WebAssembly 2.0"
}

// instruction reads one instruction and returns its opcode.
func (r *reader) instruction() Opcode {
	start := r.pos
	op := Opcode(r.byte())
	imm := plain[op]
	switch op {
	case prefixMisc, prefixSIMD, 0xfb, 0xfe:
		number := r.u32()
		imm = unknown
		switch {
		case op == prefixMisc && number < uint32(len(misc)):
			imm = misc[number]
		case op == prefixSIMD && number < uint32(len(simd)):
			imm = simd[number]
		}
		op = op<<16 | Opcode(min(number, 0xffff))
	}
	if r.err != nil {
		return 0
	}
	if imm == unknown {
		r.pos = start
		r.fail("instruction 0x%x: %s", uint32(op), beyond(op))
		return 0
	}
	r.immediate(imm)
	return op
}

// immediate reads past what follows an opcode.
func (r *reader) immediate(imm immediate) {
	switch imm {
	case none:
	case blockType:
		r.signed(33)
	case index:
		r.index = r.u32()
	case twoIndices:
		r.index = r.u32()
		r.u32()
	case labelTable:
		for range r.count() {
			r.u32()
		}
		r.u32()
	case typeVector:
		for range r.count() {
			r.valueType()
		}
	case refType:
		r.valueType()
	case memArg:
		r.u32()
		r.u32()
	case memArgLane:
		r.u32()
		r.u32()
		r.byte()
	case reserved, lane:
		r.byte()
	case indexAndZero:
		r.u32()
		r.byte()
	case twoReserved:
		r.bytes(2)
	case constI32:
		r.constant = int32(r.signed(32))
	case constI64:
		r.signed(64)
	case fourBytes:
		r.bytes(4)
	case eightBytes:
		r.bytes(8)
	case sixteenBytes:
		r.bytes(16)
	}
}

// signed reads a signed LEB128 of that many bits.
func (r *reader) signed(bits int) int64 {
	if r.pos < r.end && r.b[r.pos] < 0x80 && r.err == nil {
		r.pos++
		return int64(int8(r.b[r.pos-1]<<1) >> 1)
	}
	v := int64(0)
	for shift := 0; shift < bits; shift += 7 {
		c := r.byte()
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			return v << max(0, 57-shift) >> max(0, 57-shift)
		}
	}
	r.fail("an integer does not fit in %d bits", bits)
	return 0
}
