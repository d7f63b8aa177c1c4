package wasmtest

import "fmt"

// elementSegment is one of any of the eight forms ("Element Section").
type elementSegment struct {
	flags    uint32
	elements valueType
	length   int
	binary   []byte
}

type dataSegment struct {
	passive bool
	length  int
	binary  []byte
}

func appendGlobalType(b []byte, g global) []byte {
	mutable := byte(0)
	if g.mutable {
		mutable = 1
	}
	return append(b, byte(g.typ), mutable)
}

func appendFuncType(b []byte, t funcType) []byte {
	return appendTypes(appendTypes(append(b, 0x60), t.params), t.results)
}

func (m *module) chooseGlobals() {
	imported := m.globals
	m.budget = uint32(len(imported))
	m.globals = append(m.globals, global{i32, true})
	m.values = append(m.values, appendSigned([]byte{byte(opI32Const)}, int64(one(m.choices, []int{0, 100, 1, 10, 300, MaxBudget}))))
	for range m.below(9) {
		t := m.anyType()
		m.values = append(m.values, m.constant(t, imported))
		m.globals = append(m.globals, global{t, !m.rarely(5)})
	}
}

// constant writes a constant expression of type t, without its end.
func (m *module) constant(t valueType, imported []global) []byte {
	if m.rarely(3) {
		for i, g := range imported {
			if g.typ == t && !g.mutable {
				m.note("constant: global.get")
				return appendU32([]byte{byte(opGlobalGet)}, uint32(i))
			}
		}
	}
	switch t {
	case i32:
		return appendSigned([]byte{byte(opI32Const)}, int64(int32(integer(m.choices))))
	case i64:
		return appendSigned([]byte{byte(opI64Const)}, integer(m.choices))
	case f32:
		return appendFloat([]byte{byte(opF32Const)}, 4, float32Bits(m.choices))
	case f64:
		return appendFloat([]byte{byte(opF64Const)}, 8, float64Bits(m.choices))
	case v128:
		b := []byte{prefixSIMD, 12}
		for range 16 {
			b = append(b, m.byte())
		}
		return b
	case funcref:
		if m.rarely(2) {
			i := m.below(len(m.functions))
			m.named = append(m.named, i)
			m.note("constant: ref.func")
			return appendU32([]byte{byte(opRefFunc)}, uint32(i))
		}
	}
	return []byte{byte(opRefNull), byte(t)}
}

// offset writes where an active segment goes, mostly into what is length long.
func (m *module) offset(length uint32) (expression []byte, at int) {
	if m.rarely(6) {
		for i, g := range m.globals {
			if g.typ == i32 && !g.mutable && i < int(m.budget) {
				m.note("segment: at a global")
				return appendU32([]byte{byte(opGlobalGet)}, uint32(i)), 3
			}
		}
	}
	at = m.below(int(min(length, 250)) + 1)
	return appendSigned([]byte{byte(opI32Const)}, int64(at)), at
}

func (m *module) chooseElements() {
	for range m.below(6) {
		flags := uint32(m.weighted(3, 2, 3, 1, 1, 1, 1, 1))
		if flags&1 == 0 && len(m.tables) == 0 || (flags == 0 || flags == 4) && m.tables[0].elements != funcref {
			flags |= 1
		}
		s := m.elementSegment(flags)
		m.elements = append(m.elements, s)
		m.note(fmt.Sprint("element segment: form ", s.flags))
	}
}

func (m *module) elementSegment(flags uint32) elementSegment {
	s := elementSegment{flags: flags, elements: funcref, length: m.below(6), binary: appendU32(nil, flags)}
	passive, explicit, expressions := flags&1 != 0, flags&2 != 0, flags&4 != 0
	into, at := 0, 0
	if !passive {
		if explicit {
			into = m.below(len(m.tables))
			if !expressions && m.tables[into].elements != funcref {
				return m.elementSegment(flags | 4)
			}
			s.elements = m.tables[into].elements
			s.binary = appendU32(s.binary, uint32(into))
		}
		room := int(m.tables[into].min) - s.length
		if room < 0 && !m.rarely(16) { // it would not fit, and the module not start
			s.length, room = int(m.tables[into].min), 0
		}
		var expression []byte
		expression, at = m.offset(uint32(max(room, 0)))
		s.binary = append(append(s.binary, expression...), byte(opEnd))
	} else if expressions && m.rarely(3) {
		s.elements = externref
	}
	if passive || explicit {
		kind := byte(0)
		if expressions {
			kind = byte(s.elements)
		}
		s.binary = append(s.binary, kind)
	}
	s.binary = appendU32(s.binary, uint32(s.length))
	for i := range s.length {
		if expressions {
			s.binary = append(append(s.binary, m.constant(s.elements, m.globals[:m.budget])...), byte(opEnd))
			continue
		}
		f := m.below(len(m.functions))
		m.named = append(m.named, f)
		s.binary = appendU32(s.binary, uint32(f))
		if !passive {
			m.slots = append(m.slots, slot{into, at + i, f})
		}
	}
	return s
}

func (m *module) chooseData() {
	for range m.below(4) {
		s := dataSegment{length: m.below(40)}
		form := m.below(3)
		if m.memory == nil {
			form = 1
		}
		s.binary = []byte{byte(form)}
		s.passive = form == 1
		if form == 2 {
			s.binary = append(s.binary, 0)
		}
		if form != 1 {
			length := m.memory.min * 65_536
			if !m.rarely(40) {
				s.length = min(s.length, int(length))
			}
			expression, _ := m.offset(uint32(max(0, int(length)-s.length)))
			s.binary = append(append(s.binary, expression...), byte(opEnd))
		}
		s.binary = appendU32(s.binary, uint32(s.length))
		for range s.length {
			s.binary = append(s.binary, byte(m.below(256)))
		}
		m.note(fmt.Sprint("data segment: form ", form))
		m.data = append(m.data, s)
	}
}
