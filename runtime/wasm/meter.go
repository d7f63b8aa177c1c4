package wasm

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// The names by which a metered module and its host find each other. A module
// that has them before it is metered is refused.
const (
	// MeterModule and RefuelFunction name the import that is called, with no
	// parameters and no results, when FuelGlobal has fallen below zero.
	MeterModule    = "prismrt"
	RefuelFunction = "refuel"

	// MeterVersion changes whenever the same module is metered differently.
	MeterVersion = "1"

	// FuelGlobal is the exported mutable i64 that checks subtract from. It begins
	// at zero: the first check already calls.
	FuelGlobal = "prismrt.fuel"
)

// Meter rewrites a module so that it counts the instructions it runs. Checks
// stand at every loop, at exported functions and at enough other function entries
// that no cycle of calls is without one (DESIGN.md, "Fuel at a tenth of the price"). A check subtracts what
// it stands for from FuelGlobal and calls RefuelFunction when the result is below
// zero; instructions that work on a length subtract by it.
//
// Tables get a maximum of MaxTableLength elements.
//
// What is counted depends on the module and its input alone. The module must be
// one that Parse reads; errors are of type *Error. Function names and numbers in
// stack traces stay the author's. DWARF is left out: its lines are at offsets of
// the code as it was.
func Meter(module []byte) ([]byte, error) {
	p, err := parse(module)
	if err != nil {
		return nil, err
	}
	if _, taken := p.module.Export(FuelGlobal); taken || p.module.ImportsFrom(MeterModule) {
		return nil, &Error{Message: fmt.Sprintf("the export %q and the import module %q are reserved; name them otherwise", FuelGlobal, MeterModule)}
	}
	m := &meter{parser: p, imported: uint32(len(p.functions) - p.module.Functions), signature: uint32(len(p.types)), fuel: uint32(p.globals)}
	m.surveyCode()
	for i, e := range p.module.Exports {
		// What the host calls is counted even if it has neither loop nor cycle.
		if f := p.exported[i]; e.Kind == ExternFunc && f >= m.imported {
			m.bodies[f-m.imported].checked = true
		}
	}
	placeChecks(m.bodies)
	out := m.rewrite()
	if p.err != nil {
		return nil, p.err
	}
	return out, nil
}

// meter is one rewriting. Its parser is used to read on.
type meter struct {
	*parser
	imported  uint32 // functions; the one that is added gets this index
	signature uint32 // index of the type () -> ()
	fuel      uint32 // index of the global
	bodies    []body
	out       []byte
}

// at lets the parser read a section.
func (m *meter) at(s section) {
	m.pos, m.end, m.section = s.start, s.end, sectionNames[s.id]
}

func (m *meter) surveyCode() {
	for _, s := range m.sections {
		if s.id != sectionCode {
			continue
		}
		m.at(s)
		m.bodies = make([]body, m.count())
		for i := range m.bodies {
			b := &m.bodies[i]
			size := int(m.u32())
			b.start, b.end = m.pos, m.pos+size
			b.params = len(m.types[m.functions[int(m.imported)+i]].Params)
			m.survey(b, m.imported)
		}
	}
}

// added tells of the sections that get an entry whether the module has them.
var added = []byte{sectionType, sectionImport, sectionGlobal, sectionExport}

// rewrite writes the sections in their order, with those that are added.
func (m *meter) rewrite() []byte {
	m.out = make([]byte, 0, len(m.b)+len(m.b)/8+256)
	m.out = append(m.out, m.b[:8]...)
	pending := added
	named := false
	for _, s := range m.sections {
		if s.id != sectionCustom {
			for len(pending) > 0 && order(pending[0]) < order(s.id) {
				m.write(section{id: pending[0]})
				pending = pending[1:]
			}
			if len(pending) > 0 && pending[0] == s.id {
				pending = pending[1:]
			}
		}
		m.at(s)
		if s.id == sectionCustom {
			switch name := m.name(); {
			case strings.HasPrefix(name, ".debug_"):
				continue
			case name == "name" && !named:
				named = true
				m.nameSection()
				continue
			}
		}
		m.write(s)
	}
	for _, id := range pending {
		m.write(section{id: id})
	}
	if !named {
		m.at(section{})
		m.nameSection()
	}
	return m.out
}

// write writes one section, empty where it is only added.
func (m *meter) write(s section) {
	m.at(s)
	begun := m.begin(s.id)
	switch s.id {
	case sectionType:
		m.extended(s, 0x60, 0, 0)
	case sectionImport:
		entry := appendName(appendName(nil, MeterModule), RefuelFunction)
		m.extended(s, appendU32(append(entry, byte(ExternFunc)), m.signature)...)
	case sectionTable:
		m.tableSection()
	case sectionGlobal:
		m.globalSection(s)
	case sectionExport:
		m.exportSection(s)
	case sectionStart:
		m.out = appendU32(m.out, m.shifted(m.u32()))
	case sectionElement:
		m.elementSection()
	case sectionCode:
		m.codeSection()
	default:
		m.out = append(m.out, m.b[s.start:s.end]...)
	}
	m.finish(begun)
}

// begin writes a section's id and room for its size; finish fills that in.
func (m *meter) begin(id byte) int {
	m.out = append(m.out, id, 0, 0, 0, 0, 0)
	return len(m.out)
}

func (m *meter) finish(begun int) { putU32(m.out[begun-5:begun], uint32(len(m.out)-begun)) }

// entries reads how many there are in a section, none where it is only added.
func (m *meter) entries(s section) uint32 {
	if s.start == s.end {
		return 0
	}
	return uint32(m.count())
}

// extended copies a section and adds an entry at its end.
func (m *meter) extended(s section, entry ...byte) {
	m.out = appendU32(m.out, m.entries(s)+1)
	m.out = append(m.out, m.b[m.pos:s.end]...)
	m.out = append(m.out, entry...)
}

// tableSection gives every table a maximum, since what a table grows by is not
// under the limit of the guest's memory.
func (m *meter) tableSection() {
	n := m.count()
	m.out = appendU32(m.out, uint32(n))
	for range n {
		if m.err != nil {
			return
		}
		m.copied(1) // the type of its elements
		least, most := m.limits(MaxTableLength)
		m.out = appendU32(appendU32(append(m.out, 1), uint32(least)), uint32(min(most, MaxTableLength)))
	}
}

func (m *meter) globalSection(s section) {
	n := m.entries(s)
	m.out = appendU32(m.out, n+1)
	for range n {
		if m.err != nil {
			return
		}
		m.copied(2) // type and mutability
		m.expression()
	}
	m.out = append(m.out, byte(I64), 1, 0x42, 0, byte(opEnd)) // mutable, i64.const 0
}

func (m *meter) exportSection(s section) {
	n := m.entries(s)
	m.out = appendU32(m.out, n+1)
	for range n {
		if m.err != nil {
			return
		}
		start := m.pos
		m.name()
		kind := ExternKind(m.byte())
		m.out = append(m.out, m.b[start:m.pos]...)
		index := m.u32()
		if kind == ExternFunc {
			index = m.shifted(index)
		}
		m.out = appendU32(m.out, index)
	}
	m.out = append(appendName(m.out, FuelGlobal), byte(ExternGlobal))
	m.out = appendU32(m.out, m.fuel)
}

// elementSection shifts the functions in segments ("Element Section").
func (m *meter) elementSection() {
	n := m.count()
	m.out = appendU32(m.out, uint32(n))
	for range n {
		if m.err != nil {
			return
		}
		flags := m.u32()
		m.out = appendU32(m.out, flags)
		passive, explicit, expressions := flags&1 != 0, flags&2 != 0, flags&4 != 0
		if !passive {
			if explicit {
				m.out = appendU32(m.out, m.u32()) // the table
			}
			m.expression() // the offset
		}
		if passive || explicit {
			m.copied(1) // the kind or type of the elements
		}
		elements := m.count()
		m.out = appendU32(m.out, uint32(elements))
		for range elements {
			if m.err != nil {
				return
			}
			if expressions {
				m.expression()
			} else {
				m.out = appendU32(m.out, m.shifted(m.u32()))
			}
		}
	}
}

// shifted is the new index of a function.
func (m *meter) shifted(function uint32) uint32 {
	if function >= m.imported {
		return function + 1
	}
	return function
}

// copied copies the next n bytes.
func (m *meter) copied(n uint32) { m.out = append(m.out, m.bytes(n)...) }

// expression copies a constant expression.
func (m *meter) expression() {
	for m.err == nil {
		start := m.pos
		op := m.instruction()
		if op == opRefFunc {
			m.out = appendU32(append(m.out, byte(op)), m.shifted(m.index))
			continue
		}
		if m.out = append(m.out, m.b[start:m.pos]...); op == opEnd {
			return
		}
	}
}

// appendU32 appends an unsigned LEB128.
func appendU32(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }

// putU32 writes an unsigned LEB128 of exactly five bytes, which is as long as
// the format allows it to be.
func putU32(b []byte, v uint32) {
	for i := range 4 {
		b[i] = byte(v) | 0x80
		v >>= 7
	}
	b[4] = byte(v)
}

// appendI64 appends a signed LEB128.
func appendI64(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func appendName(b []byte, name string) []byte {
	return append(appendU32(b, uint32(len(name))), name...)
}
