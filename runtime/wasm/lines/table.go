package lines

import "encoding/binary"

// table is a line table that was written.
type table struct {
	offset       uint32
	directory    []byte // the unit's
	first, files uint64 // number of the first file that was read, and how many
	rows         int
}

// How line tables are written: a special opcode stands for a row that is up to 17
// bytes, and from 5 lines before to 8 after, the last, as in LLVM's.
const (
	lineBase    = -5
	lineRange   = 14
	lineOpcode  = 13 // the first that is special
	unknownFile = 1  // what is not among the files that were read
)

var lineHeader = []byte{1, 1, 1, 256 + lineBase, lineRange, lineOpcode, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1}

// file returns the new number of a file.
func (t *table) file(n uint64) uint64 {
	if i := n - t.first; i < t.files {
		return i + unknownFile + 1
	}
	return unknownFile
}

// table writes the line table of a unit, unless it was. It is nil where that
// cannot be read.
func (w *writer) table(u *unit) *table {
	directory := u.text(u.root.forms[slotDirectory], u.root.values[slotDirectory])
	key := tableKey{u.root.values[slotStatements], string(directory)}
	t, known := w.tables[key]
	if !known {
		t = w.newTable(u)
		w.tables[key] = t
		u.keep(64 + len(directory))
	}
	return t
}

func (w *writer) newTable(u *unit) *table {
	old, ok := u.lineTable()
	if !ok {
		return nil
	}
	t := &table{offset: uint32(len(w.line)), directory: old.directories[0], first: old.first}
	w.rows = rowWriter{program: w.rows.program[:0]}
	begins, removed := true, false
	if !old.rows(func(r row) {
		to, moved := w.moveTo(r.address)
		if begins {
			removed = !moved
		}
		if begins = r.end; moved && !removed {
			t.files = uint64(len(old.files))
			r.address, r.file = uint64(to), t.file(r.file)
			if t.rows++; t.rows <= maxRows {
				w.rows.write(r)
			}
		}
	}) || t.rows > maxRows {
		return nil
	}
	t.files = uint64(len(old.files))

	w.line = append(w.line, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0) // length, version, length of the rest of the header
	w.line = append(w.line, lineHeader...)
	for _, d := range old.directories[1:] {
		if len(d) == 0 {
			d = []byte{'.'} // an empty name ends the list
		}
		w.line = append(append(w.line, d...), 0)
	}
	w.line = append(w.line, 0, '?', 0, 0, 0, 0)
	for _, f := range old.files {
		if len(f.name) == 0 {
			f.name = []byte{'?'}
		}
		w.line = binary.AppendUvarint(append(append(w.line, f.name...), 0), f.directory)
		w.line = append(w.line, 0, 0)
	}
	w.line = append(w.line, 0)
	header := w.line[t.offset:]
	binary.LittleEndian.PutUint32(header[6:], uint32(len(header)-10))
	binary.LittleEndian.PutUint32(header, uint32(len(header)-4+len(w.rows.program)))
	w.line = append(w.line, w.rows.program...)
	u.keep(len(w.line) - int(t.offset))
	return t
}

// rowWriter writes the program that makes rows.
type rowWriter struct {
	program []byte
	last    row  // what is known when the next is written
	begun   bool // a sequence
}

func (w *rowWriter) write(r row) {
	if !w.begun {
		w.begun, w.last = true, row{file: 1, line: 1}
	}
	last := w.last
	if r.address < last.address || last.address == 0 {
		w.program = binary.LittleEndian.AppendUint32(append(w.program, 0, 5, 2), uint32(r.address))
		last.address = r.address
	}
	if r.file != last.file {
		w.program = binary.AppendUvarint(append(w.program, 4), r.file)
	}
	if r.column != last.column {
		w.program = binary.AppendUvarint(append(w.program, 5), r.column)
	}
	lines, bytes := r.line-last.line, r.address-last.address
	if lines < lineBase || lines >= lineBase+lineRange || r.end && lines != 0 {
		w.program = appendSleb(append(w.program, 3), lines)
		lines = 0
	}
	const far = (255 - lineOpcode) / lineRange // opcode 8 stands for this many bytes
	opcode := uint64(lines - lineBase + lineOpcode)
	room := (255 - opcode) / lineRange
	switch {
	case r.end || bytes > room+far:
		w.program = binary.AppendUvarint(append(w.program, 2), bytes)
		bytes = 0
	case bytes > room:
		w.program = append(w.program, 8)
		bytes -= far
	}
	if w.last = r; r.end {
		w.program, w.begun = append(w.program, 0, 1, 1), false
		return
	}
	w.program = append(w.program, byte(opcode+bytes*lineRange))
}

// appendSleb appends a signed LEB128.
func appendSleb(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}
