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
// imports. It exports what the main module exports that is no function, and those functions of
// the library that bind nothing. Functions keep the names that they were exported by for stack
// traces; other custom sections are left out.
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
	e := &extension{main: m, library: l, imported: make(map[string]uint32)}
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
	imports       [][]byte          // the entries of what is imported still
	imported      map[string]uint32 // and of these the functions, with their indices
	exports       []ownExport
}

// join binds what can be bound, and gives all functions their indices.
func (e *extension) join() error {
	m, l := e.main, e.library
	if err := e.bind(m, l); err != nil {
		return err
	}
	if err := e.bind(l, m); err != nil {
		return ofLibrary(err)
	}
	next := uint32(len(e.imported))
	for _, p := range []*part{m, l} {
		for i := p.imported(); i < len(p.renamed); i++ {
			p.renamed[i] = next
			next++
		}
	}
	for _, p := range []*part{m, l} {
		for function := range p.bound {
			var err error
			if p.renamed[function], err = e.end(p, function); err != nil {
				return err
			}
		}
	}
	for at, x := range m.module.Exports {
		if x.Kind != ExternFunc {
			e.exports = append(e.exports, ownExport{x.Name, x.Kind, m.exported[at]})
		}
	}
	binding := make(map[int]bool)
	for _, at := range m.bound {
		binding[at] = true
	}
	for at, x := range l.module.Exports {
		if x.Kind == ExternFunc && !binding[at] {
			e.exports = append(e.exports, ownExport{x.Name, ExternFunc, l.renamed[l.exported[at]]})
		}
	}
	return nil
}

// end is the index of what a function is bound to in the end, since an export can be an import.
func (e *extension) end(p *part, function int) (uint32, error) {
	for range len(e.main.bound) + len(e.library.bound) + 1 {
		at, bound := p.bound[function]
		if !bound {
			return p.renamed[function], nil
		}
		if p == e.main {
			p = e.library
		} else {
			p = e.main
		}
		function = int(p.exported[at])
	}
	return 0, &Error{Message: "the module and the library import a function of each other that is none's"}
}

// bind looks for what one part imports among the exports of the other. What is not found is
// imported still.
func (e *extension) bind(from, to *part) error {
	from.bound = make(map[int]int)
	if _, there := from.seek(sectionImport); !there {
		return nil
	}
	from.count()
	function := 0
	for _, i := range from.module.Imports {
		entry := from.importEntry()
		at, found := to.exports[symbol{i.Name, i.Kind}]
		found = found && i.Module == baseModule
		switch {
		case i.Kind == ExternFunc && found:
			if got := to.module.Exports[at].Type; !got.Equal(i.Type) {
				return &Error{Message: fmt.Sprintf("%s is imported as %s, and exported as %s", i, i.Type, got)}
			}
			from.bound[function] = at
		case i.Kind == ExternFunc:
			from.renamed[function] = e.keep(i, from.kinds+from.functions[function])
		case from == e.main:
			e.imports = append(e.imports, entry)
		case i.Kind == ExternGlobal && found:
			from.globals = append(from.globals, to.exported[at])
		case i.Kind == ExternGlobal:
			from.globals = append(from.globals, missing) // such as __memory_base of what has no data
		case !found:
			return &Error{Message: fmt.Sprintf("%s is a %s that the module does not export", i, i.Kind)}
		}
		if i.Kind == ExternFunc {
			function++
		}
	}
	return nil
}

// keep imports a function, and returns its index.
func (e *extension) keep(i Import, kind uint32) uint32 {
	name := appendName(appendName(nil, i.Module), i.Name)
	key := string(name) + i.Type.String()
	n, before := e.imported[key]
	if !before {
		n = uint32(len(e.imported))
		e.imported[key] = n
		e.imports = append(e.imports, appendU32(append(name, byte(ExternFunc)), kind))
	}
	return n
}

// write writes the sections in their order.
func (e *extension) write() ([]byte, error) {
	m, l := e.main, e.library
	m.out = append(make([]byte, 0, len(m.b)+len(l.b)), m.b[:8]...)
	e.both(sectionType, func(p *part, out []byte) []byte { return append(out, p.b[p.pos:p.end]...) })
	e.list(sectionImport, len(e.imports), func(n int, out []byte) []byte { return append(out, e.imports[n]...) })
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
	m.bodies()
	l.bodies()
	e.elements()
	m.same(sectionDataCount)
	e.both(sectionCode, func(p *part, out []byte) []byte { return append(out, p.code...) })
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

// elements writes the main module's segments, and one that declares the functions which code
// refers to: exports that did so are gone ("Validation", the references of a context).
func (e *extension) elements() {
	m := e.main
	referred := slices.Concat(m.referred, e.library.referred)
	slices.Sort(referred)
	referred = slices.Compact(referred)
	s, there := m.seek(sectionElement)
	if !there && len(referred) == 0 {
		return
	}
	begun := m.begin(sectionElement)
	n := m.entries(s)
	if len(referred) == 0 {
		m.out = appendU32(m.out, n)
		m.elementEntries(n)
	} else {
		m.out = appendU32(m.out, n+1)
		m.elementEntries(n)         // code names them by number
		m.out = append(m.out, 3, 0) // declarative, of functions
		m.out = appendU32(m.out, uint32(len(referred)))
		for _, function := range referred {
			m.out = appendU32(m.out, function)
		}
	}
	m.finish(begun)
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
