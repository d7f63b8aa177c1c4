package wasm

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// baseModule is what a module and a library that is loaded into it import from each other.
const baseModule = "env"

// Extend makes one module of two: a main module, and a library that was linked to be loaded
// into it (WebAssembly tool conventions, "Dynamic Linking"; wasm-ld -shared). What one of them
// imports from "env" and the other exports is bound to that. What else they import, the result
// imports. It exports the main module's memory, and those functions of the library that bind
// nothing. Exported functions give theirs the names that stack traces show.
//
// A library has functions alone: with data or a table of its own it would need a place in the
// main module's. Both must be modules that Parse reads. Errors are of type *Error; offsets are
// those in the module or the library that they speak of.
func Extend(main, library []byte) ([]byte, error) {
	m, err := newPart(main, 0)
	if err != nil {
		return nil, err
	}
	l, err := newPart(library, len(m.types))
	if err == nil {
		err = l.stateless()
	}
	if err != nil {
		return nil, ofLibrary(err)
	}
	e := &extension{main: m, library: l}
	if err := e.join(); err != nil {
		return nil, err
	}
	return e.write()
}

// ofLibrary says of an error in which of the two it is.
func ofLibrary(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		e.Message = "in the library, " + e.Message
	}
	return err
}

// extension is one joining of two modules.
type extension struct {
	main, library *part
	imports       []Import // that are left
	kinds         []uint32 // and the type of each
	exports       []ownExport
}

// part is one of the two, with the indices that its things have in the result.
type part struct {
	copier
	kinds   uint32   // what is added to the index of a type
	renamed []uint32 // the functions
	globals []uint32 // those that are imported; missing: the result has it not
}

const missing = ^uint32(0)

func newPart(b []byte, kinds int) (*part, error) {
	p, err := parse(b, nil)
	if err != nil {
		return nil, err
	}
	n := &part{copier: copier{parser: p}, kinds: uint32(kinds), renamed: make([]uint32, len(p.functions))}
	n.renumber = func(function uint32) uint32 { return n.renamed[min(int(function), len(n.renamed)-1)] }
	return n, nil
}

// imported counts the functions that are.
func (p *part) imported() int { return len(p.functions) - p.module.Functions }

// export finds one, which is given by its place among them.
func (p *part) export(name string, kind ExternKind) (at int, found bool) {
	at = slices.IndexFunc(p.module.Exports, func(e Export) bool { return e.Name == name && e.Kind == kind })
	return at, at >= 0
}

// seek finds a section and lets the parser read it.
func (p *part) seek(id byte) (section, bool) {
	i := slices.IndexFunc(p.sections, func(s section) bool { return s.id == id })
	if i < 0 {
		return section{}, false
	}
	p.at(p.sections[i])
	return p.sections[i], true
}

// stateless returns an error for a library that is more than functions.
func (p *part) stateless() error {
	for _, id := range []byte{sectionTable, sectionMemory, sectionGlobal, sectionElement, sectionDataCount, sectionData} {
		if s, there := p.seek(id); there && p.entries(s) > 0 {
			p.fail("there are entries; a library here has functions alone")
			return p.err
		}
	}
	return nil
}

// join binds what can be bound, and gives all functions their indices.
func (e *extension) join() error {
	m, l := e.main, e.library
	inward, err := e.bind(m, l)
	if err != nil {
		return err
	}
	outward, err := e.bind(l, m)
	if err != nil {
		return ofLibrary(err)
	}
	next := uint32(len(e.imports))
	for _, p := range []*part{m, l} {
		for i := p.imported(); i < len(p.renamed); i++ {
			p.renamed[i] = next
			next++
		}
	}
	for function, at := range inward {
		m.renamed[function] = l.renamed[l.exported[at]]
	}
	for function, at := range outward {
		l.renamed[function] = m.renamed[m.exported[at]]
	}
	if at, found := m.export("memory", ExternMemory); found {
		e.exports = append(e.exports, ownExport{"memory", ExternMemory, m.exported[at]})
	}
	binding := make(map[int]bool)
	for _, at := range inward {
		binding[at] = true
	}
	for at, x := range l.module.Exports {
		if x.Kind == ExternFunc && !binding[at] {
			e.exports = append(e.exports, ownExport{x.Name, ExternFunc, l.renamed[l.exported[at]]})
		}
	}
	return nil
}

// bind looks for what one part imports among the exports of the other, and returns the exports
// by the functions that are bound to them. What is not found is imported still.
func (e *extension) bind(from, to *part) (bound map[int]int, err error) {
	bound = make(map[int]int)
	function := 0
	for _, i := range from.module.Imports {
		at, found := to.export(i.Name, i.Kind)
		found = found && i.Module == baseModule
		switch {
		case i.Kind == ExternFunc && found:
			if got := to.module.Exports[at].Type; !got.Equal(i.Type) {
				return nil, &Error{Message: fmt.Sprintf("%s is imported as %s, and exported as %s", i, i.Type, got)}
			}
			if int(to.exported[at]) < to.imported() {
				return nil, &Error{Message: fmt.Sprintf("%s is exported by what imports it", i)}
			}
			bound[function] = at
		case i.Kind == ExternFunc:
			from.renamed[function] = e.keep(i, from.kinds+from.functions[function])
		case from == e.main:
			return nil, &Error{Message: fmt.Sprintf("%s is a %s; what is extended can import functions alone", i, i.Kind)}
		case i.Kind == ExternGlobal && found:
			from.globals = append(from.globals, to.exported[at])
		case i.Kind == ExternGlobal:
			from.globals = append(from.globals, missing) // such as __memory_base of what has no data
		case !found:
			return nil, &Error{Message: fmt.Sprintf("%s is a %s that the module does not export", i, i.Kind)}
		}
		if i.Kind == ExternFunc {
			function++
		}
	}
	return bound, nil
}

// keep imports a function, and returns its index.
func (e *extension) keep(i Import, kind uint32) uint32 {
	for n, other := range e.imports {
		if other.Module == i.Module && other.Name == i.Name && other.Type.Equal(i.Type) {
			return uint32(n)
		}
	}
	e.imports, e.kinds = append(e.imports, i), append(e.kinds, kind)
	return uint32(len(e.imports) - 1)
}

// write writes the sections in their order.
func (e *extension) write() ([]byte, error) {
	m, l := e.main, e.library
	m.out = append(make([]byte, 0, len(m.b)+len(l.b)), m.b[:8]...)
	e.both(sectionType, func(p *part, out []byte) []byte { return append(out, p.b[p.pos:p.end]...) })
	e.list(sectionImport, len(e.imports), func(n int, out []byte) []byte {
		out = appendName(appendName(out, e.imports[n].Module), e.imports[n].Name)
		return appendU32(append(out, byte(ExternFunc)), e.kinds[n])
	})
	e.both(sectionFunction, func(p *part, out []byte) []byte {
		for _, kind := range p.functions[p.imported():] {
			out = appendU32(out, p.kinds+kind)
		}
		return out
	})
	m.same(sectionTable)
	m.same(sectionMemory)
	m.changed(sectionGlobal, func(s section) {
		n := m.entries(s)
		m.out = appendU32(m.out, n)
		m.globalEntries(n)
	})
	e.list(sectionExport, len(e.exports), func(n int, out []byte) []byte {
		x := e.exports[n]
		return appendU32(append(appendName(out, x.name), byte(x.kind)), x.index)
	})
	if err := e.start(); err != nil {
		return nil, err
	}
	m.changed(sectionElement, func(section) { m.elementSection() })
	m.same(sectionDataCount)
	e.both(sectionCode, (*part).bodies)
	m.same(sectionData)
	e.nameSection()
	if l.err != nil {
		return nil, ofLibrary(l.err)
	}
	if m.err != nil {
		return nil, m.err
	}
	return m.out, nil
}

// both writes the entries of both parts in one section.
func (e *extension) both(id byte, entries func(p *part, out []byte) []byte) {
	m, l := e.main, e.library
	n := uint32(0)
	var content []byte
	for _, p := range []*part{m, l} {
		if s, there := p.seek(id); there {
			n += p.entries(s)
			content = entries(p, content)
		}
	}
	begun := m.begin(id)
	m.out = append(appendU32(m.out, n), content...)
	m.finish(begun)
}

// list writes a section of n entries.
func (e *extension) list(id byte, n int, entry func(n int, out []byte) []byte) {
	begun := e.main.begin(id)
	e.main.out = appendU32(e.main.out, uint32(n))
	for i := range n {
		e.main.out = entry(i, e.main.out)
	}
	e.main.finish(begun)
}

// same writes a section as it is, if there is one.
func (p *part) same(id byte) {
	p.changed(id, func(s section) { p.out = append(p.out, p.b[s.start:s.end]...) })
}

// changed writes a section by way of write, if there is one.
func (p *part) changed(id byte, write func(section)) {
	if s, there := p.seek(id); there {
		begun := p.begin(id)
		write(s)
		p.finish(begun)
	}
}

// start writes the start function, if one of the parts has one.
func (e *extension) start() error {
	var starts []uint32
	for _, p := range []*part{e.main, e.library} {
		if p.module.HasStart {
			starts = append(starts, p.renumber(p.start))
		}
	}
	if len(starts) > 1 {
		return &Error{Message: "the module and the library both have a start function"}
	}
	if len(starts) == 1 {
		begun := e.main.begin(sectionStart)
		e.main.out = appendU32(e.main.out, starts[0])
		e.main.finish(begun)
	}
	return nil
}

// bodies writes the functions of the code section, whose number was read.
func (p *part) bodies(out []byte) []byte {
	section := p.end
	for range p.module.Functions {
		size := p.u32()
		p.end = p.pos + int(size)
		body := p.body(nil)
		out = append(appendU32(out, uint32(len(body))), body...)
		if p.end = section; p.err != nil {
			break
		}
	}
	return out
}

// body writes one function with the new indices.
func (p *part) body(out []byte) []byte {
	copied := p.pos
	for range p.count() {
		p.u32()
		p.valueType()
	}
	for p.pos < p.end && p.err == nil {
		at := p.pos
		op := p.instruction()
		r := &reader{b: p.b, pos: at + 1, end: p.pos} // what follows the opcode
		var index int64
		switch op {
		case opCall, opRefFunc:
			index = int64(p.renumber(r.u32()))
		case opGlobalGet, opGlobalSet:
			index = int64(p.global(r.u32()))
		case opCallIndirect:
			index = int64(r.u32() + p.kinds)
		case opBlock, opLoop, opIf:
			if index = r.signed(33); index < 0 { // it has no type of its own
				continue
			}
			index += int64(p.kinds)
		default:
			continue
		}
		out = append(out, p.b[copied:at+1]...)
		if op == opBlock || op == opLoop || op == opIf {
			out = appendI64(out, index)
		} else {
			out = appendU32(out, uint32(index))
		}
		copied = r.pos
	}
	return append(out, p.b[copied:p.end]...)
}

// global is the new index of one.
func (p *part) global(index uint32) uint32 {
	if int(index) < len(p.globals) {
		index = p.globals[index]
	}
	if index == missing {
		p.fail("it names a global of what loads it, which the module does not export")
	}
	return index
}

// nameSection gives functions the names that they were exported by.
func (e *extension) nameSection() {
	names := make(map[uint32]string)
	for _, p := range []*part{e.main, e.library} {
		for at, x := range p.module.Exports {
			if i := p.exported[at]; x.Kind == ExternFunc && names[p.renamed[i]] == "" {
				names[p.renamed[i]] = x.Name
			}
		}
	}
	m := e.main
	begun := m.begin(sectionCustom)
	m.out = append(appendName(m.out, "name"), 1)
	var content []byte
	content = appendU32(content, uint32(len(names)))
	for _, i := range slices.Sorted(maps.Keys(names)) {
		content = appendName(appendU32(content, i), names[i])
	}
	m.out = append(appendU32(m.out, uint32(len(content))), content...)
	m.finish(begun)
}
