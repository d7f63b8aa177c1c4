package wasm

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// The exports of a rewritten module by which its host carries state from one
// instance to another.
const (
	// StartFunction is the author's start function, of type () -> (). The host calls
	// it where the data is in place.
	StartFunction = reservedPrefix + "start"

	// RunFunction, of a command, calls BeginFunction and then, unless EndedGlobal is
	// set, _start. A host that has interrupted a run before goes on with it by calling
	// RunFunction again and restoring its stack within BeginFunction. By restoring what
	// it was within the first BeginFunction, it ends the program.
	RunFunction = reservedPrefix + "run"

	// BeginFunction, of a command, is imported from MeterModule. It has no parameters and
	// no results.
	BeginFunction = "begin"

	// EndedGlobal, of a command, is a mutable i32.
	EndedGlobal = reservedPrefix + "ended"

	// SpoiltGlobal is a mutable i32 that is not zero once the instance has changed a
	// table or dropped a segment.
	SpoiltGlobal = reservedPrefix + "spoilt"

	// globalPrefix begins the names of the author's mutable globals; the index follows.
	globalPrefix = reservedPrefix + "global."
)

// Reserved tells whether an export is one that was added.
func Reserved(export string) bool { return strings.HasPrefix(export, reservedPrefix) }

// Rewritten is a metered module whose state its host can carry: take it from one
// instance and begin another with it.
type Rewritten struct {
	// Module is metered, and comes without what would set up an instance's state
	// where there is a state to begin with: data and start function are left to the
	// host. Its memory has no maximum, so that it is the allocator that refuses.
	Module []byte

	Memory  *Memory  // as the author has it; nil without one
	Data    []Data   // what the memory, all zeros, begins with; to be written in this order
	Start   bool     // there is a StartFunction
	Command bool     // there is a RunFunction
	Globals []string // exports of all mutable globals but those of the meter
	Spoils  bool     // there is a SpoiltGlobal: code can change what cannot be carried

	// Appended is the number from which on functions are not the author's.
	Appended uint32

	// Fixed says why the state cannot be carried, as what a module is or has, so that
	// each instance must be set up for itself. Empty: it can.
	Fixed string
}

// Data is a piece of memory. Where the module's pieces ("Data Section") lie within
// its memory, they are joined, since compilers leave out every few zeros: of 21,985
// in a program in Go some hundred are left. Otherwise they are as the module has
// them, and setting up the instance traps.
type Data struct {
	Offset uint32
	Bytes  []byte
}

// Rewrite does what Meter does, and makes a module's state one that its host can
// carry. The module must be one that Parse reads; errors are of type *Error.
func Rewrite(module []byte) (*Rewritten, error) {
	m, err := newMeter(module)
	if err != nil {
		return nil, err
	}
	r := &Rewritten{Memory: m.module.Memory, Start: m.module.HasStart, Spoils: m.spoils}
	m.carried = r
	if i, exported := m.export("_start"); exported && m.types[m.functions[i]].Equal(FuncType{}) {
		r.Command, m.begins = true, true
		m.runs = m.append(RunFunction, m.signature, func(m *meter, out []byte) []byte {
			out = appendU32(append(out, 0, byte(opCall)), m.imported+1) // no locals
			out = appendU32(append(out, globalGet), m.ownGlobal(EndedGlobal))
			out = append(out, byte(opIf), emptyType, byte(opReturn), byte(opEnd))
			out = appendU32(append(out, byte(opCall)), m.shifted(i))
			return append(out, byte(opEnd))
		})
	}
	r.Appended = m.shifted(uint32(len(m.functions)))
	if err := m.survey(); err != nil {
		return nil, err
	}
	r.Module, err = m.rewrite()
	return r, err
}

// spoils tells whether an instruction changes state that is neither memory nor a
// global.
func spoils(op Opcode) bool {
	switch op {
	case opTableSet, opTableInit, opTableCopy, opTableGrow, opTableFill, opElemDrop, opDataDrop:
		return true
	}
	return false
}

func (m *meter) marksSpoilt() bool { return m.carried != nil && m.spoils }

// export finds an exported function.
func (m *meter) export(name string) (function uint32, exported bool) {
	for i, e := range m.module.Exports {
		if e.Kind == ExternFunc && e.Name == name {
			return m.exported[i], true
		}
	}
	return 0, false
}

// survey reads what there is of state. Where a module is linked with others, or
// its data lies at a place that only an instance knows, nothing of it is moved.
func (m *meter) survey() error {
	for _, i := range m.module.Imports {
		m.whole = m.whole || i.Kind != ExternFunc
	}
	for _, s := range m.sections {
		switch m.at(s); s.id {
		case sectionGlobal:
			n := m.count()
			for i := range n {
				kind, mutable := ValueType(m.byte()), m.byte() == 1
				if m.expression(); m.err != nil {
					return m.err
				}
				if mutable {
					m.carries(uint32(m.globals-n+i), kind)
				}
			}
		case sectionData:
			for range m.count() {
				d, active := m.segment()
				if m.err != nil {
					return m.err
				}
				if active && m.module.Memory == nil {
					m.fail("there is data for a memory that is not there")
					return m.err
				}
				if active {
					m.carried.Data = append(m.carried.Data, d)
				}
			}
		}
	}
	m.out = nil // where expressions were copied to
	if m.whole {
		m.carried.Data, m.carried.Start, m.carried.Fixed = nil, false, "it is linked with others"
	}
	m.carried.Data = joined(m.carried.Data, m.carried.Memory)
	return nil
}

// apart is how many zeros keep pieces of data apart: a page of the system's, which
// then need not be there.
const apart = 4096

// joined joins pieces of data between which there are few zeros, later ones over
// earlier ones.
func joined(data []Data, memory *Memory) []Data {
	end := uint64(0)
	for _, d := range data {
		end = max(end, uint64(d.Offset)+uint64(len(d.Bytes)))
	}
	if memory == nil || end > uint64(memory.Min)*PageSize {
		return data
	}
	begins := make([]byte, end)
	for _, d := range data {
		copy(begins[d.Offset:], d.Bytes)
	}
	var pieces []Data
	for at := 0; at < len(begins); {
		part := begins[at:min(at+apart, len(begins))]
		switch last := len(pieces) - 1; {
		case bytes.Count(part, []byte{0}) == len(part):
		case last >= 0 && int(pieces[last].Offset)+len(pieces[last].Bytes) == at:
			pieces[last].Bytes = begins[pieces[last].Offset : at+len(part)]
		default:
			pieces = append(pieces, Data{uint32(at), part})
		}
		at += len(part)
	}
	return pieces
}

// carries notes a mutable global of the author's.
func (m *meter) carries(index uint32, kind ValueType) {
	switch kind {
	case I32, I64, F32, F64:
		m.carried.Globals = append(m.carried.Globals, globalPrefix+strconv.Itoa(int(index)))
		m.mutable = append(m.mutable, index)
	default:
		m.carried.Fixed = fmt.Sprintf("it has a mutable global of type %s", kind)
	}
}

// segment reads one of the data section. Passive ones are no part of the memory.
func (m *meter) segment() (d Data, active bool) {
	flags := m.u32()
	if flags == 2 {
		m.u32() // the only memory
	}
	if active = flags != 1; active {
		op := m.instruction()
		d.Offset = uint32(m.constant)
		if op != opI32Const || m.instruction() != opEnd {
			m.whole = true
			for m.err == nil && op != opEnd {
				op = m.instruction()
			}
		}
	}
	d.Bytes = m.bytes(m.u32())
	return d, active
}

// takes tells whether a section is the host's to act on, and no longer written.
func (m *meter) takes(id byte) bool {
	if m.whole {
		return false
	}
	switch id {
	case sectionStart:
		return true
	case sectionData, sectionDataCount:
		return !m.segmented
	}
	return false
}

// memorySection drops the maximum.
func (m *meter) memorySection(s section) {
	if m.carried == nil || m.whole || m.entries(s) == 0 {
		m.out = append(m.out, m.b[s.start:s.end]...)
		return
	}
	least, _ := m.limits(maxPages)
	m.out = appendU32(append(m.out, 1, 0), uint32(least))
}

// dataSection empties the segments that the host writes. They keep their places,
// since code names those of others by number.
func (m *meter) dataSection(s section) {
	if m.carried == nil || m.whole {
		m.out = append(m.out, m.b[s.start:s.end]...)
		return
	}
	n := m.count()
	m.out = appendU32(m.out, uint32(n))
	for range n {
		start := m.pos
		_, active := m.segment()
		if m.err != nil {
			return
		}
		if active {
			m.out = append(m.out, 1, 0) // passive, and empty: as if it had been dropped
		} else {
			m.out = append(m.out, m.b[start:m.pos]...)
		}
	}
}

// carriedExports are what the host carries the state by.
func (m *meter) carriedExports() []ownExport {
	var own []ownExport
	for i, index := range m.mutable {
		own = append(own, ownExport{m.carried.Globals[i], ExternGlobal, index})
	}
	if m.carried.Start {
		own = append(own, ownExport{StartFunction, ExternFunc, m.addressed(m.start)})
	}
	if m.carried.Command {
		own = append(own, ownExport{RunFunction, ExternFunc, m.runs})
	}
	return own
}
