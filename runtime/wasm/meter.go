package wasm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/marketprism/prismrt/runtime/wasm/lines"
)

// The names by which a metered module and its host find each other. A module
// that has them before it is metered is refused.
const (
	// MeterModule and RefuelFunction name the import that is called, with no
	// parameters and no results, when FuelGlobal or StackGlobal is below zero.
	MeterModule    = "prismrt"
	RefuelFunction = "refuel"

	// RewriteVersion changes whenever the same module is rewritten differently.
	RewriteVersion = "6"

	// FuelGlobal is the exported mutable i64 of instructions that may still be run.
	FuelGlobal = reservedPrefix + "fuel"

	// StackGlobal is the exported mutable i64 of bytes of stack that may still be
	// taken. Where a host goes on with it below zero, so does the guest.
	StackGlobal = reservedPrefix + "stack"

	// reservedPrefix begins the names of exports that are added.
	reservedPrefix = MeterModule + "."
)

// Meter rewrites a module so that it counts the instructions it runs and the
// stack it takes. Both globals begin at zero, so that the first check already
// calls the host.
//
// A guest cannot run for long without a check: they stand where loops begin again,
// at exported functions and at enough other function entries that no cycle of
// calls is without one (DESIGN.md, "Fuel at a tenth of the price"). What it runs
// is paid for in full, wherever it goes; instructions that work on a length pay
// by it. Only a trap leaves unpaid what was run since the last payment. Stack is
// taken by the functions that a deep recursion must come through.
//
// What is counted depends on the module and its input alone. Tables get a maximum.
//
// The module must be one that Parse reads; errors are of type *Error. Function
// names and numbers in stack traces stay the author's, and so do lines of source; of
// DWARF what traces are made of is kept.
func Meter(module []byte) ([]byte, error) {
	m, err := newMeter(module)
	if err != nil {
		return nil, err
	}
	return m.rewrite()
}

func newMeter(module []byte) (*meter, error) {
	p, err := parse(module, &graph{})
	if err != nil {
		return nil, err
	}
	if p.module.ImportsFrom(MeterModule) {
		return nil, &Error{Message: fmt.Sprintf("the import module %q is reserved; name it otherwise", MeterModule)}
	}
	for _, e := range p.module.Exports {
		if strings.HasPrefix(e.Name, reservedPrefix) {
			return nil, &Error{Message: fmt.Sprintf("the export %q is reserved, as all that begin with %q; name it otherwise", e.Name, reservedPrefix)}
		}
	}
	m := &meter{
		copier: copier{parser: p}, imported: uint32(len(p.functions) - p.module.Functions), signature: uint32(len(p.types)), fuel: uint32(p.globals),
		landings: make([]flow, 1), blockTypes: make(map[uint32]uint32),
	}
	m.renumber = m.addressed
	if p.module.Memory != nil && p.module.Functions > 0 {
		m.append("memory.fill", m.signature+1, helper(memoryFill))
		m.append("memory.copy", m.signature+1, helper(memoryCopy))
	}
	return m, nil
}

// appended is a function that is added behind the author's.
type appended struct {
	name string
	kind uint32
	code func(m *meter, out []byte) []byte // its locals and instructions
}

// append adds a function and returns its new index.
func (m *meter) append(name string, kind uint32, code func(*meter, []byte) []byte) uint32 {
	m.appended = append(m.appended, appended{name, kind, code})
	return m.shifted(uint32(len(m.functions) + len(m.appended) - 1))
}

// meter is one rewriting.
type meter struct {
	copier
	imported   uint32            // functions; those that are added get the next indices
	begins     bool              // BeginFunction is added behind RefuelFunction
	signature  uint32            // index of the type () -> (); the next is that of helpers
	fuel       uint32            // index of FuelGlobal; the others of ownGlobals follow
	appended   []appended        // functions
	carried    *Rewritten        // what is to become of the state; nil: it stays where it is
	mutable    []uint32          // globals that are carried, in the order of their exports
	runs       uint32            // index of RunFunction
	whole      bool              // nothing of it is carried
	blockTypes map[uint32]uint32 // by function type, of blocks that only give its results, where there are several
	codes      []byte            // the functions, in the order they were settled in
	moves      []lines.Move      // and where code went in them
	debug      map[string][]byte // sections of DWARF, nil: there are none

	// What each function needs and the next can use again.
	scratch  []byte
	landings []flow
	labels   []label
	targets  []uint32
}

// added tells of the sections that get an entry whether the module has them.
var added = []byte{sectionType, sectionImport, sectionGlobal, sectionExport}

// rewrite writes the sections in their order, with those that are added.
func (m *meter) rewrite() ([]byte, error) {
	m.out = make([]byte, 0, len(m.b)+len(m.b)/8+256)
	m.out = append(m.out, m.b[:8]...)
	m.debugSections()
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
			case strings.HasPrefix(name, debugPrefix):
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
	if m.debug != nil {
		for _, s := range lines.Moved(m.debug, m.moves) {
			begun := m.begin(sectionCustom)
			m.out = append(appendName(m.out, s.Name), s.Content...)
			m.finish(begun)
		}
	}
	if m.err != nil {
		return nil, m.err
	}
	return m.out, nil
}

// debugPrefix is how the names of DWARF's sections begin.
const debugPrefix = ".debug_"

// debugSections looks for DWARF.
func (m *meter) debugSections() {
	for _, s := range m.sections {
		if s.id != sectionCustom {
			continue
		}
		m.at(s)
		if name := m.name(); strings.HasPrefix(name, debugPrefix) {
			if m.debug == nil {
				m.debug = make(map[string][]byte)
			}
			m.debug[name] = m.b[m.pos:s.end]
		}
	}
}

// write writes one section, empty where it is only added.
func (m *meter) write(s section) {
	m.at(s)
	if m.carried != nil && m.takes(s.id) {
		return
	}
	begun := m.begin(s.id)
	switch s.id {
	case sectionType:
		m.typeSection(s)
	case sectionImport:
		var entries []byte
		for _, name := range m.host() {
			entries = appendName(appendName(entries, MeterModule), name)
			entries = appendU32(append(entries, byte(ExternFunc)), m.signature)
		}
		m.extended(s, uint32(len(m.host())), entries...)
	case sectionFunction:
		var kinds []byte
		for _, f := range m.appended {
			kinds = appendU32(kinds, f.kind)
		}
		m.extended(s, uint32(len(m.appended)), kinds...)
	case sectionTable:
		m.tableSection()
	case sectionGlobal:
		m.globalSection(s)
	case sectionExport:
		m.exportSection(s)
	case sectionStart:
		m.out = appendU32(m.out, m.addressed(m.u32()))
	case sectionElement:
		n := m.entries(s)
		m.out = appendU32(m.out, n)
		m.elementEntries(n)
	case sectionCode:
		m.codeSection(s)
	case sectionMemory:
		m.memorySection(s)
	case sectionData:
		m.dataSection(s)
	default:
		m.out = append(m.out, m.b[s.start:s.end]...)
	}
	m.finish(begun)
}

// extended copies a section and adds so many entries at its end.
func (m *meter) extended(s section, n uint32, entries ...byte) {
	m.out = appendU32(m.out, m.entries(s)+n)
	m.out = append(m.out, m.b[m.pos:s.end]...)
	m.out = append(m.out, entries...)
}

// typeSection adds the type of RefuelFunction, and for functions with several
// results a type for the block that is put around their code.
func (m *meter) typeSection(s section) {
	next := m.signature + 2
	entries := []byte{0x60, 0, 0, 0x60, 3, byte(I32), byte(I32), byte(I32), 1, byte(I32)}
	for _, index := range m.functions[m.imported:] {
		t := m.types[index]
		if _, known := m.blockTypes[index]; known || len(t.Results) < 2 {
			continue
		}
		m.blockTypes[index] = next
		next++
		entries = appendU32(append(entries, 0x60, 0), uint32(len(t.Results)))
		for _, r := range t.Results {
			entries = append(entries, byte(r))
		}
	}
	m.extended(s, next-m.signature, entries...)
}

// codeSection rewrites the functions, each after those it calls, and writes them
// in their order.
func (m *meter) codeSection(s section) {
	m.codes = make([]byte, 0, (s.end-s.start)*9/8)
	m.settle(m.code)
	m.out = slices.Grow(m.out, len(m.codes)+6*len(m.bodies))
	begun := len(m.out)
	m.out = appendU32(m.out, uint32(len(m.bodies)+len(m.appended)))
	moves := make([]lines.Move, 0, len(m.moves)+len(m.bodies)+1)
	for i := range m.bodies {
		b := &m.bodies[i]
		m.out = appendU32(m.out, uint32(b.to-b.from))
		if at := len(m.out) - begun; m.debug != nil {
			moves = append(moves, move(b.start-s.start, at))
			for _, inBody := range m.moves[b.firstMove:b.lastMove] {
				moves = append(moves, move(int(inBody.From)-s.start, int(inBody.To)+at))
			}
		}
		m.out = append(m.out, m.codes[b.from:b.to]...)
	}
	for _, f := range m.appended {
		code := f.code(m, nil)
		m.out = append(appendU32(m.out, uint32(len(code))), code...)
	}
	moves = append(moves, move(s.end-s.start, len(m.out)-begun))
	m.moves = moves
	m.codes = nil
}

// move says that code went from one offset to another.
func move(from, to int) lines.Move { return lines.Move{From: uint32(from), To: uint32(to)} }

// maxGrown is how many elements all tables together may grow to, or what they
// begin with.
const maxGrown = 100_000

// tableSection gives every table a maximum, since what tables grow by is not
// under the limit of the guest's memory. They share what they may grow to.
func (m *meter) tableSection() {
	n := m.count()
	m.out = appendU32(m.out, uint32(n))
	for range n {
		if m.err != nil {
			return
		}
		m.copied(1) // the type of its elements
		least, most := m.limits(1<<32 - 1)
		most = min(most, max(least, maxGrown/uint64(n)))
		m.out = appendU32(appendU32(append(m.out, 1), uint32(least)), uint32(most))
	}
}

func (m *meter) globalSection(s section) {
	n := m.entries(s)
	m.out = appendU32(m.out, n+uint32(len(m.ownGlobals())))
	m.globalEntries(n)
	for _, g := range m.ownGlobals() {
		m.out = append(m.out, byte(g.kind), 1, g.zero, 0, byte(opEnd)) // mutable
	}
}

// ownGlobal is a global that is added.
type ownGlobal struct {
	name string
	kind ValueType
	zero byte // the instruction that gives a constant of its type
}

func (m *meter) ownGlobals() []ownGlobal {
	own := []ownGlobal{{FuelGlobal, I64, i64Const}, {StackGlobal, I64, i64Const}}
	if m.marksSpoilt() {
		own = append(own, ownGlobal{SpoiltGlobal, I32, i32Const})
	}
	if m.carried != nil && m.carried.Command {
		own = append(own, ownGlobal{EndedGlobal, I32, i32Const})
	}
	return own
}

// ownGlobal is the index of one of them.
func (m *meter) ownGlobal(name string) uint32 {
	return m.fuel + uint32(slices.IndexFunc(m.ownGlobals(), func(g ownGlobal) bool { return g.name == name }))
}

func (m *meter) exportSection(s section) {
	n := m.entries(s)
	own := m.exports()
	m.out = appendU32(m.out, n+uint32(len(own)))
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
			index = m.addressed(index)
		}
		m.out = appendU32(m.out, index)
	}
	for _, e := range own {
		m.out = append(appendName(m.out, e.name), byte(e.kind))
		m.out = appendU32(m.out, e.index)
	}
}

// ownExport is an export that is added.
type ownExport struct {
	name  string
	kind  ExternKind
	index uint32
}

func (m *meter) exports() []ownExport {
	var own []ownExport
	for i, g := range m.ownGlobals() {
		own = append(own, ownExport{g.name, ExternGlobal, m.fuel + uint32(i)})
	}
	if m.carried != nil {
		own = append(own, m.carriedExports()...)
	}
	return own
}

// host are the functions that are imported for the meter.
func (m *meter) host() []string {
	if m.begins {
		return beginning
	}
	return beginning[:1]
}

var beginning = []string{RefuelFunction, BeginFunction}

// shifted is the new index of a function.
func (m *meter) shifted(function uint32) uint32 {
	if function >= m.imported {
		return function + uint32(len(m.host()))
	}
	return function
}

// addressed is shifted for a function that others can call than those whose code
// names it. All of those are known before the code section.
func (m *meter) addressed(function uint32) uint32 {
	if function >= m.imported && int(function) < len(m.functions) {
		m.bodies[function-m.imported].addressable = true
	}
	return m.shifted(function)
}
