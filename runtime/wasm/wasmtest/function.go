package wasmtest

import "slices"

// Instructions that are written by name; the others come from the tables of
// operators.
const (
	opUnreachable  opcode = 0x00
	opNop          opcode = 0x01
	opBlock        opcode = 0x02
	opLoop         opcode = 0x03
	opIf           opcode = 0x04
	opElse         opcode = 0x05
	opEnd          opcode = 0x0b
	opBr           opcode = 0x0c
	opBrIf         opcode = 0x0d
	opBrTable      opcode = 0x0e
	opReturn       opcode = 0x0f
	opCall         opcode = 0x10
	opCallIndirect opcode = 0x11
	opDrop         opcode = 0x1a
	opSelect       opcode = 0x1b
	opSelectTyped  opcode = 0x1c
	opLocalGet     opcode = 0x20
	opLocalSet     opcode = 0x21
	opLocalTee     opcode = 0x22
	opGlobalGet    opcode = 0x23
	opGlobalSet    opcode = 0x24
	opTableGet     opcode = 0x25
	opTableSet     opcode = 0x26
	opMemorySize   opcode = 0x3f
	opMemoryGrow   opcode = 0x40
	opI32Const     opcode = 0x41
	opI64Const     opcode = 0x42
	opF32Const     opcode = 0x43
	opF64Const     opcode = 0x44
	opI32Eqz       opcode = 0x45
	opI32GtS       opcode = 0x4a
	opI32GtU       opcode = 0x4b
	opI32Add       opcode = 0x6a
	opI32Sub       opcode = 0x6b
	opI32And       opcode = 0x71
	opI32Or        opcode = 0x72
	opI64Add       opcode = 0x7c
	opI64Or        opcode = 0x84
	opF32ConvertU  opcode = 0xb3
	opF64ConvertU  opcode = 0xb8
	opRefNull      opcode = 0xd0
	opRefIsNull    opcode = 0xd1
	opRefFunc      opcode = 0xd2
	opMemoryInit   opcode = 0xfc_0008
	opDataDrop     opcode = 0xfc_0009
	opMemoryCopy   opcode = 0xfc_000a
	opMemoryFill   opcode = 0xfc_000b
	opTableInit    opcode = 0xfc_000c
	opElemDrop     opcode = 0xfc_000d
	opTableCopy    opcode = 0xfc_000e
	opTableGrow    opcode = 0xfc_000f
	opTableSize    opcode = 0xfc_0010
	opTableFill    opcode = 0xfc_0011
	opV128Const           = simd + 12
	opShuffle             = simd + 13
)

const (
	depth = 7  // is how far expressions and statements nest
	most  = 30 // statements are in a function, those in others not counted
)

// function is one while its code is written.
type function struct {
	*choices
	m     *module
	typ   funcType
	level int

	// locals are those the code may use, parameters first; private ones come
	// after them and belong to one guard or loop.
	locals  []valueType
	private []valueType
	scratch uint32 // a private i32, 0: none yet

	labels []label // the function's own first
	code   []byte
	last   opcode
	calls  int  // so far
	padded bool // indices take five bytes
}

// label is what a branch can name.
type label struct {
	types   []valueType // what the branch takes along
	loop    bool
	closed  bool   // to branches
	counter uint32 // a private local that counts a loop's turns down, 0: none

	dispatch *dispatch // with which a loop begins, nil: none
}

// body chooses the code of a function.
func (m *module) body(c *choices, d *declared) []byte {
	f := &function{choices: c, m: m, typ: d.typ, level: d.level, locals: slices.Clone(d.typ.params)}
	if f.padded = f.rarely(8); f.padded {
		m.note("indices of five bytes")
	}
	var groups [][]byte
	group := func(n int, t valueType) {
		groups = append(groups, append(appendU32(nil, uint32(n)), byte(t)))
	}
	for range f.below(5) {
		n, t := f.weighted(1, 6, 4, 2), anyType(f.choices)
		if f.rarely(40) {
			n = one(f.choices, []int{130, 700})
			m.note("more than 127 locals")
		}
		group(n, t)
		f.locals = append(f.locals, slices.Repeat([]valueType{t}, n)...)
	}
	f.labels = []label{{types: d.typ.results}}
	results := &choices{left: f.left[len(f.left)*4/5:]}
	f.left = f.left[:len(f.left)*4/5]
	for range most {
		if len(f.left) > 0 {
			f.statement(depth)
		}
	}
	f.choices = results
	f.exprs(d.typ.results, depth)
	f.op(opEnd)
	for _, t := range f.private {
		group(1, t)
	}
	b := appendU32(nil, uint32(len(groups)))
	for _, g := range groups {
		b = append(b, g...)
	}
	return append(b, f.code...)
}

// op writes an instruction and the indices that follow it.
func (f *function) op(op opcode, indices ...uint32) {
	f.m.opcodes[op]++
	if counts(op) {
		f.count(1)
	}
	f.last = op
	if op > 0xff {
		f.code = append(f.code, byte(op>>16))
		op &= 0xff
		f.code = appendU32(f.code, uint32(op))
	} else {
		f.code = append(f.code, byte(op))
	}
	for _, i := range indices {
		f.index(i)
	}
}

// count adds to the counter, if there is one.
func (f *function) count(n int64) {
	if f.m.counting {
		f.code = appendU32(append(f.code, byte(opGlobalGet)), f.m.counter)
		f.code = append(appendSigned(append(f.code, byte(opI64Const)), n), byte(opI64Add))
		f.code = appendU32(append(f.code, byte(opGlobalSet)), f.m.counter)
	}
}

func (f *function) index(i uint32) {
	if f.padded {
		f.code = appendPadded(f.code, i)
		return
	}
	f.code = appendU32(f.code, i)
}

// counts tells whether GenerateCounting counts op.
func counts(op opcode) bool {
	switch op {
	case opNop, opBlock, opLoop, opElse, opEnd:
		return false
	}
	return true
}

// number writes an i32.const.
func (f *function) number(v int32) {
	f.op(opI32Const)
	f.code = appendSigned(f.code, int64(v))
}

// newLocal adds a private local.
func (f *function) newLocal(t valueType) uint32 {
	f.private = append(f.private, t)
	return uint32(len(f.locals) + len(f.private) - 1)
}

// local chooses a local of type t.
func (f *function) local(t valueType) (uint32, bool) {
	return indexOf(f.choices, f.locals, func(l valueType) bool { return l == t })
}

// global chooses a global of type t, which can be set if it is to be. The budget
// and the counter are not among them.
func (f *function) global(t valueType, set bool) (uint32, bool) {
	last := len(f.m.globals)
	if f.m.counting {
		last--
	}
	i, ok := indexOf(f.choices, f.m.globals[:last], func(g global) bool { return g.typ == t && (g.mutable || !set) })
	return i, ok && i != f.m.budget
}

// table chooses a table of elements of type t.
func (f *function) table(t valueType) (uint32, bool) {
	return indexOf(f.choices, f.m.tables, func(u table) bool { return u.elements == t })
}

func indexOf[T any](c *choices, from []T, fits func(T) bool) (uint32, bool) {
	var found []uint32
	for i, v := range from {
		if fits(v) {
			found = append(found, uint32(i))
		}
	}
	if found == nil {
		return 0, false
	}
	return one(c, found), true
}

// begin writes the instruction that begins a block and its type.
func (f *function) begin(op opcode, t funcType, counter uint32) {
	l := label{types: t.results, loop: op == opLoop, counter: counter}
	if l.loop {
		l.types = t.params
	}
	f.labels = append(f.labels, l)
	f.op(op)
	if len(t.params) == 0 && len(t.results) < 2 && !f.rarely(20) {
		result := byte(0x40)
		if len(t.results) == 1 {
			result = byte(t.results[0])
		}
		f.code = append(f.code, result)
		return
	}
	f.m.note("block type: index")
	f.code = appendSigned(f.code, int64(f.m.typeIndex(f.choices, t)))
}

func (f *function) end() {
	f.labels = f.labels[:len(f.labels)-1]
	f.op(opEnd)
}

// inLoop tells whether what is written now can run again in the same call.
func (f *function) inLoop() bool {
	return slices.ContainsFunc(f.labels, func(l label) bool { return l.loop })
}
