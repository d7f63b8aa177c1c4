package wasmtest

import "strconv"

// binary writes the module, once all of it is chosen.
func (m *module) binary() []byte {
	var types, functions, tables, memories, globals, elements, bodies, data [][]byte
	for _, f := range m.functions[m.imported:] {
		functions = append(functions, appendU32(nil, m.typeIndex(m.choices, f.typ)))
		body := f.body(m)
		bodies = append(bodies, append(appendU32(nil, uint32(len(body))), body...))
	}
	for _, t := range m.types {
		types = append(types, appendFuncType(nil, t))
	}
	for _, t := range m.tables[m.importedTables:] {
		tables = append(tables, t.append([]byte{byte(t.elements)}))
	}
	if m.memory != nil && !m.importedMemory {
		memories = append(memories, m.memory.append(nil))
	}
	for i, value := range m.values {
		g := m.globals[int(m.budget)+i]
		globals = append(globals, append(append(appendGlobalType(nil, g), value...), byte(opEnd)))
	}
	for _, s := range m.elements {
		elements = append(elements, s.binary)
	}
	for _, s := range m.data {
		data = append(data, s.binary)
	}

	b := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range []struct {
		id      byte
		entries [][]byte
	}{
		{sectionType, types},
		{sectionImport, m.imports},
		{sectionFunction, functions},
		{sectionTable, tables},
		{sectionMemory, memories},
		{sectionGlobal, globals},
		{sectionExport, m.exports},
	} {
		b = m.custom(appendVector(b, s.id, s.entries))
	}
	if m.start >= 0 {
		b = m.custom(appendSection(b, sectionStart, appendU32(nil, uint32(m.start))))
	}
	b = m.custom(appendVector(b, sectionElement, elements))
	if len(data) > 0 {
		b = m.custom(appendSection(b, sectionDataCount, appendU32(nil, uint32(len(data)))))
	}
	b = m.custom(appendVector(b, sectionCode, bodies))
	b = m.custom(appendVector(b, sectionData, data))
	if m.names {
		m.note("name section")
		b = m.custom(appendSection(b, sectionCustom, m.nameSection()))
	}
	return b
}

// custom adds a section of no meaning, rarely. It is never empty: wazero 1.12
// refuses an empty one that is a module's last.
func (m *module) custom(b []byte) []byte {
	if !m.rarely(12) {
		return b
	}
	m.note("custom section")
	name := one(m.choices, []string{"", "producers", ".debug_str", "name of nothing"})
	return appendSection(b, sectionCustom, append(appendName(nil, name), "\x00anything"[:1+m.below(8)]...))
}

// nameSection names the module, some functions, and a local ("Name Section").
func (m *module) nameSection() []byte {
	b := appendName(nil, "name")
	if m.rarely(2) {
		b = appendSection(b, 0, appendName(nil, "generated"))
	}
	var names, locals [][]byte
	for i, f := range m.functions {
		if m.rarely(3) {
			continue
		}
		names = append(names, appendName(appendU32(nil, uint32(i)), "function "+strconv.Itoa(i)))
		if len(f.typ.params) > 0 {
			locals = append(locals, appendName(append(appendU32(nil, uint32(i)), 1, 0), "first"))
		}
	}
	b = appendVector(b, 1, names)
	return appendVector(b, 2, locals)
}
