package wasm

import "strconv"

// codeSection copies the functions and puts the checks in.
func (m *meter) codeSection() {
	m.out = appendU32(m.out, uint32(len(m.bodies)))
	for i := range m.bodies {
		b := &m.bodies[i]
		m.pos = b.start
		m.out = append(m.out, 0, 0, 0, 0, 0)
		begun := len(m.out)
		m.code(b)
		m.finish(begun)
	}
}

// code writes one function. The locals that checks need come after the
// function's own, whose indices stay.
func (m *meter) code(b *body) {
	checks := b.checked || b.bulk || len(b.regions) > 1
	groups, locals := m.u32(), uint32(b.params)
	extra := uint32(0)
	if checks {
		extra++
	}
	if b.bulk {
		extra++
	}
	m.out = appendU32(m.out, groups+extra)
	start := m.pos
	for range groups {
		locals += m.u32()
		m.valueType()
	}
	m.out = append(m.out, m.b[start:m.pos]...)
	left, length := locals, locals+1 // what is left of the fuel, and an operand put aside
	if checks {
		m.out = append(m.out, 1, byte(I64))
	}
	if b.bulk {
		m.out = append(m.out, 1, byte(I32))
	}
	if b.checked {
		m.check(b.regions[0].charge(m.bodies), left)
	}

	start = m.pos
	region := 0
	for m.pos < b.end && m.err == nil {
		at := m.pos
		op := m.instruction()
		shift := lengthShift(op)
		switch {
		case op == opLoop:
			region++
			m.out = append(m.out, m.b[start:m.pos]...)
			start = m.pos
			m.check(b.regions[region].charge(m.bodies), left)
		case op == opCall, op == opRefFunc:
			m.out = append(m.out, m.b[start:at]...)
			start = m.pos
			m.out = appendU32(append(m.out, byte(op)), m.shifted(m.index))
		case shift >= 0:
			m.out = append(m.out, m.b[start:at]...)
			start = at
			m.charge(op, shift, left, length)
		}
	}
	m.out = append(m.out, m.b[start:b.end]...)
}

// Instructions that checks are made of.
const (
	localGet    = 0x20
	localSet    = 0x21
	localTee    = 0x22
	globalGet   = 0x23
	globalSet   = 0x24
	i64Const    = 0x42
	i64LtS      = 0x53
	i64Sub      = 0x7d
	i64Shl      = 0x86
	i64ShrU     = 0x88
	i64ExtendU  = 0xad
	emptyResult = 0x40
)

// check takes cost from the fuel and asks for more when it is used up.
func (m *meter) check(cost uint64, left uint32) {
	m.out = appendU32(append(m.out, globalGet), m.fuel)
	m.out = appendI64(append(m.out, i64Const), int64(cost))
	m.subtract(left)
}

// charge is check for an instruction that costs by the length on top of the
// stack, which stays there.
func (m *meter) charge(op Opcode, shift int, left, length uint32) {
	m.out = appendU32(append(m.out, localSet), length)
	m.out = appendU32(append(m.out, globalGet), m.fuel)
	m.out = appendU32(append(m.out, localGet), length)
	m.out = append(m.out, i64ExtendU)
	switch {
	case op == opMemoryGrow: // in pages, which the host clears eight bytes at a time
		m.out = append(appendI64(append(m.out, i64Const), 13), i64Shl)
	case shift > 0:
		m.out = append(appendI64(append(m.out, i64Const), int64(shift)), i64ShrU)
	}
	m.subtract(left)
	m.out = appendU32(append(m.out, localGet), length)
}

// subtract ends a check: on the stack are the fuel and what is taken from it.
func (m *meter) subtract(left uint32) {
	m.out = appendU32(append(m.out, i64Sub, localTee), left)
	m.out = appendU32(append(m.out, globalSet), m.fuel)
	m.out = appendU32(append(m.out, localGet), left)
	m.out = append(m.out, i64Const, 0, i64LtS, byte(opIf), emptyResult, byte(opCall))
	m.out = append(appendU32(m.out, m.imported), byte(opEnd))
}

// nameSection writes the name section for the new indices: functions keep their
// names, and those without get the number their author knows, as the engine
// would show it. Other names are kept as they are where they name no function.
func (m *meter) nameSection() {
	begun := m.begin(sectionCustom)
	m.out = appendName(m.out, "name")
	names := make([]string, len(m.functions))
	var rest [][]byte
	for m.pos < m.end && m.err == nil {
		start := m.pos
		id, size := m.byte(), m.u32()
		end := m.pos + int(size)
		if m.err != nil || end > m.end {
			break // damaged; names are no reason to refuse a module
		}
		switch {
		case id == 1:
			for range m.count() {
				if m.err != nil {
					break
				}
				if i, name := m.u32(), m.name(); m.err == nil && int(i) < len(names) {
					names[i] = name
				}
			}
		case id == 0:
			if m.name(); m.err == nil && m.pos == end {
				rest = append(rest, m.b[start:end])
			}
		case id > 3: // 2 and 3 name locals and labels by function
			rest = append(rest, m.b[start:end])
		}
		m.pos = end
	}
	m.err = nil

	subsection := appendU32(nil, uint32(len(names))+1)
	for i, name := range names {
		if i == int(m.imported) {
			subsection = appendName(appendU32(subsection, m.imported), RefuelFunction)
		}
		if name == "" {
			name = "$" + strconv.Itoa(i)
		}
		subsection = appendName(appendU32(subsection, m.shifted(uint32(i))), name)
	}
	if int(m.imported) == len(names) {
		subsection = appendName(appendU32(subsection, m.imported), RefuelFunction)
	}
	for len(rest) > 0 && rest[0][0] == 0 { // the module's own name comes first
		m.out, rest = append(m.out, rest[0]...), rest[1:]
	}
	m.out = appendU32(append(m.out, 1), uint32(len(subsection)))
	m.out = append(m.out, subsection...)
	for _, r := range rest {
		m.out = append(m.out, r...)
	}
	m.finish(begun)
}
