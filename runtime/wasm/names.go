package wasm

import "strconv"

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

	subsection := appendU32(nil, uint32(len(names)+len(m.host())+len(m.appended)))
	for i, name := range names {
		if i == int(m.imported) {
			subsection = m.hostNames(subsection)
		}
		if name == "" {
			name = "$" + strconv.Itoa(i)
		}
		subsection = appendName(appendU32(subsection, m.shifted(uint32(i))), name)
	}
	if int(m.imported) == len(names) {
		subsection = m.hostNames(subsection)
	}
	for i, f := range m.appended {
		subsection = appendName(appendU32(subsection, m.shifted(uint32(len(names)+i))), f.name)
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

// hostNames names the functions that are imported for the meter.
func (m *meter) hostNames(subsection []byte) []byte {
	for i, name := range m.host() {
		subsection = appendName(appendU32(subsection, m.imported+uint32(i)), name)
	}
	return subsection
}
