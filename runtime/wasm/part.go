package wasm

import "slices"

// part is one of the two modules that Extend joins, with the indices that its things have in the result.
type part struct {
	copier
	exports map[symbol]int // by their places
	kinds   uint32         // what is added to the index of a type
	renamed []uint32       // the functions
	bound   map[int]int    // exports of the other, by the functions that import them
	globals []uint32       // those that are imported; missing: the result has it not

	code     []byte   // of all functions
	referred []uint32 // functions that it refers to
}

// missing is the index of what is not there.
const missing = ^uint32(0)

// symbol is what an import is bound by.
type symbol struct {
	name string
	kind ExternKind
}

func newPart(b []byte, kinds int) (*part, error) {
	p, err := parse(b, nil)
	if err != nil {
		return nil, err
	}
	n := &part{copier: copier{parser: p}, kinds: uint32(kinds), renamed: make([]uint32, len(p.functions)), exports: make(map[symbol]int)}
	n.renumber = func(function uint32) uint32 {
		if int(function) >= len(n.renamed) {
			return 0 // it was refused
		}
		return n.renamed[function]
	}
	for at, e := range p.module.Exports {
		n.exports[symbol{e.Name, e.Kind}] = at
	}
	return n, nil
}

// imported counts the functions that are.
func (p *part) imported() int { return len(p.functions) - p.module.Functions }

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

// importEntry reads one import, as it is encoded.
func (p *part) importEntry() []byte {
	start := p.pos
	p.name()
	p.name()
	switch ExternKind(p.byte()) {
	case ExternFunc:
		p.u32()
	case ExternTable:
		p.byte()
		p.limits(0)
	case ExternMemory:
		p.limits(0)
	case ExternGlobal:
		p.bytes(2)
	}
	return p.b[start:p.pos]
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

// bodies makes the functions' code.
func (p *part) bodies() {
	s, there := p.seek(sectionCode)
	if !there {
		return
	}
	p.code = make([]byte, 0, s.end-s.start)
	for range p.entries(s) {
		size := p.u32()
		p.end = p.pos + int(size)
		body := p.body(nil)
		p.code = append(appendU32(p.code, uint32(len(body))), body...)
		if p.end = s.end; p.err != nil {
			return
		}
	}
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
			if op == opRefFunc {
				p.referred = append(p.referred, uint32(index))
			}
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
