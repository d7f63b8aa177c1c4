package wasm

import "bytes"

// linkSection is the name of the custom section by which a module carries another that it
// imports from. What reads modules as others do passes over it ("Custom Section").
const linkSection = "prismrt.linked"

// Linked is a module that another carries, by the name that it is imported from.
type Linked struct {
	Name   string
	Module []byte
}

// Link makes a module that carries another. The module must begin as one.
func Link(module []byte, l Linked) []byte {
	var content []byte
	content = appendName(content, linkSection)
	content = appendName(content, l.Name)
	content = append(content, l.Module...)
	out := append(bytes.Clone(module), sectionCustom)
	out = appendU32(out, uint32(len(content)))
	return append(out, content...)
}

// Unlink takes apart what Link has put together: the module without those that it carries, and
// these in the order in which they were linked. A module that carries none is given back as it
// is. Of one that cannot be read, Parse says why.
func Unlink(module []byte) (without []byte, linked []Linked) {
	r := &reader{b: module, end: len(module)}
	r.preamble()
	from := 0 // what is yet to be kept
	for r.err == nil && r.pos < len(module) {
		start := r.pos
		id := r.byte()
		size := r.u32()
		if r.bytes(size); r.err != nil || id != sectionCustom {
			continue
		}
		s := &reader{b: module, pos: r.pos - int(size), end: r.pos}
		if s.name() != linkSection {
			continue
		}
		l := Linked{Name: s.name()}
		if s.err != nil {
			continue
		}
		l.Module = module[s.pos:s.end]
		linked = append(linked, l)
		without = append(without, module[from:start]...)
		from = r.pos
	}
	if linked == nil {
		return module, nil
	}
	return append(without, module[from:]...), linked
}
