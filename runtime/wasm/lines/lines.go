// Package lines lets stack traces of rewritten WebAssembly tell lines of source.
//
// Compilers put DWARF into custom sections of a module: which line of which file
// each of its code is of, and where functions were inlined, by offsets in the code
// section. When that is rewritten, they are wrong. Moved reads them, versions 2 to
// 5, and writes what wazero's traces are made of (internal/wasmdebug), at the offsets
// of the rewritten code: line tables, and where functions were inlined, but no names,
// types or variables. It writes DWARF 4, which wazero reads, also where the author's
// is of version 5, which it does not.
//
// debug/dwarf, whose names for tags and attributes are used, is not for foreign
// bytes (its documentation, "Security"): a line table of 40 bytes makes it allocate
// 128 GiB, which ends the process, and entries that share a string, or units that
// share abbreviations, take it the product of their sizes. Here time and memory are
// bounded by the size of what is read, and whatever is returned debug/dwarf, by which
// wazero reads it, reads in as little.
package lines

import (
	"debug/dwarf"
	"encoding/binary"
	"slices"
	"sort"
)

// Bounds on debug information. What is beyond them is left out: it is foreign,
// and no reason to refuse a module.
const (
	// workPerByte is what may be spent on a byte of debug information, as
	// sections counts it. What compilers write takes 1 to 5.
	workPerByte = 16

	// maxPath bounds the directory a unit was compiled in, in bytes; a longer one is
	// not put before its paths. maxPaths bounds all paths of a line table, which
	// wazero puts together for every frame of a trace.
	maxPath  = 512
	maxPaths = 4 << 20

	// maxRows are those of the line tables of all units: of about 2 MB of code. For
	// each of a unit that it has shown a line of, wazero keeps 125 bytes.
	maxRows = 1 << 18

	// maxInlined are the places where functions were inlined, of about 500 KB of code.
	// wazero reads them all for every frame of a trace, of up to 30, in 0.3 to 1 µs each.
	maxInlined = 1 << 14
)

// Move says where code went: the byte at From, counted in the contents of the code
// section, is at To in those of the rewritten module, and the bytes after it follow
// it there, up to the next move.
type Move struct{ From, To uint32 }

// Section is a custom section to be added to a module.
type Section struct {
	Name    string
	Content []byte
}

// Moved returns the debug sections of rewritten code, given those of the code as
// it was, by their names. There are none where there are no lines to tell.
//
// The moves are sorted by From; of several with the same, the last counts. The
// last of all says where both sections end.
//
// What is returned is new. Left out are functions that the linker removed, all that
// cannot be read, and what is beyond the bounds. Rows stay in their order, by which
// wazero chooses among those of one address.
//
// However damaged the author's is, what is returned can be shown: in it, rows
// and calls are in files that are there, without which wazero panics.
func Moved(debug map[string][]byte, moves []Move) []Section {
	if len(moves) == 0 {
		return nil
	}
	d := newSections(debug)
	w := &writer{moves: moves, tables: map[tableKey]*table{}}
	d.units(w.unit)
	if d.work < 0 || len(w.info) == 0 {
		return nil
	}
	return []Section{
		{".debug_abbrev", slices.Clone(newAbbreviations)},
		{".debug_info", w.info},
		{".debug_line", w.line},
		{".debug_ranges", w.ranges},
	}
}

// writer collects the new sections.
type writer struct {
	moves              []Move
	near               int // the move that was needed last
	info, line, ranges []byte
	tables             map[tableKey]*table // nil: it could not be read
	rows               rowWriter           // of the table that is being written
	told               int                 // rows, by all units
	inlined            int
	spans, moved       []span
}

// tableKey tells line tables apart: before version 5, the directory is the unit's.
type tableKey struct {
	offset    uint64
	directory string
}

// moveTo returns where an address went. It is false for what is not in the code:
// linkers give functions that they removed the address 0, or one of the last.
func (w *writer) moveTo(address uint64) (uint32, bool) {
	m := w.moves
	if address == 0 || address < uint64(m[0].From) || address > uint64(m[len(m)-1].From) {
		return 0, false
	}
	within := func(i int) bool {
		return uint64(m[i].From) <= address && (i+1 == len(m) || address < uint64(m[i+1].From))
	}
	if !within(w.near) {
		if w.near++; w.near == len(m) || !within(w.near) {
			w.near = sort.Search(len(m), func(i int) bool { return uint64(m[i].From) > address }) - 1
		}
	}
	to := m[w.near].To + (uint32(address) - m[w.near].From)
	if w.near+1 < len(m) {
		to = min(to, m[w.near+1].To) // what was replaced may have become shorter
	}
	return to, true
}

// The codes of the entries that are written.
const (
	codeUnit          = 1
	codeInlined       = 2 // of one span, without children
	codeInlinedParent = 3
	codeRanges        = 4 // of more, without children
	codeRangesParent  = 5
)

var newAbbreviations = func() []byte {
	const inlined = byte(dwarf.TagInlinedSubroutine)
	span := []byte{byte(dwarf.AttrLowpc), formAddr, byte(dwarf.AttrHighpc), formUdata}
	ranges := []byte{byte(dwarf.AttrRanges), formSecOffset}
	call := []byte{byte(dwarf.AttrCallFile), formUdata, byte(dwarf.AttrCallLine), formUdata, byte(dwarf.AttrCallColumn), formUdata, 0, 0}
	return slices.Concat(
		[]byte{codeUnit, byte(dwarf.TagCompileUnit), 1},
		[]byte{byte(dwarf.AttrStmtList), formSecOffset, byte(dwarf.AttrCompDir), formString, byte(dwarf.AttrRanges), formSecOffset, 0, 0},
		[]byte{codeInlined, inlined, 0}, span, call,
		[]byte{codeInlinedParent, inlined, 1}, span, call,
		[]byte{codeRanges, inlined, 0}, ranges, call,
		[]byte{codeRangesParent, inlined, 1}, ranges, call,
		[]byte{0},
	)
}()

// unit writes a compile unit with the functions inlined in it, if it has code and
// lines.
func (w *writer) unit(u *unit) {
	if w.moveSpans(u, &u.root); len(w.moved) == 0 || u.root.forms[slotStatements] == 0 {
		return
	}
	t := w.table(u)
	if t == nil || t.rows > maxRows-w.told {
		return
	}
	w.told += t.rows
	ranges := w.rangeList(u)
	begun := len(w.info)
	w.info = append(w.info, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 4, codeUnit) // length, version, abbreviations, size of an address
	w.info = binary.LittleEndian.AppendUint32(w.info, t.offset)
	w.info = append(append(w.info, t.directory...), 0)
	w.info = binary.LittleEndian.AppendUint32(w.info, ranges)

	var parents []bool // of what is read: whether they are written
	var e entry
	for u.entries.more() {
		if u.next(&e); e.tag == 0 {
			if n := len(parents) - 1; n >= 0 {
				if parents[n] {
					w.info = append(w.info, 0)
				}
				parents = parents[:n]
			}
			continue
		}
		written := e.tag == dwarf.TagInlinedSubroutine && w.inlinedIn(u, &e, t)
		if e.children {
			parents = append(parents, written)
		}
	}
	for _, written := range parents {
		if written {
			w.info = append(w.info, 0)
		}
	}
	w.info = append(w.info, 0)
	binary.LittleEndian.PutUint32(w.info[begun:], uint32(len(w.info)-begun-4))
	u.keep(len(w.info) - begun)
}

// inlinedIn writes where a function was inlined, and tells whether it did.
func (w *writer) inlinedIn(u *unit, e *entry, t *table) bool {
	if w.moveSpans(u, e); len(w.moved) == 0 || w.inlined == maxInlined {
		return false
	}
	w.inlined++
	code, parent := byte(codeInlined), byte(0)
	if e.children {
		parent = 1
	}
	if len(w.moved) == 1 {
		s := w.moved[0]
		w.info = binary.LittleEndian.AppendUint32(append(w.info, code+parent), uint32(s.low))
		w.info = binary.AppendUvarint(w.info, s.high-s.low)
	} else {
		code = codeRanges
		w.info = binary.LittleEndian.AppendUint32(append(w.info, code+parent), w.rangeList(u))
	}
	file := uint64(unknownFile)
	if n, ok := e.number(slotFile); ok {
		file = t.file(n)
	}
	w.info = binary.AppendUvarint(w.info, file)
	for _, s := range []slot{slotLine, slotColumn} {
		n, _ := e.number(s)
		w.info = binary.AppendUvarint(w.info, n)
	}
	return true
}

// moveSpans fills moved with where the code of an entry went.
func (w *writer) moveSpans(u *unit, e *entry) {
	w.spans, w.moved = u.spans(w.spans[:0], e), w.moved[:0]
	for _, s := range w.spans {
		low, ok := w.moveTo(s.low)
		high, also := w.moveTo(s.high)
		if ok && also && low < high {
			w.moved = append(w.moved, span{uint64(low), uint64(high)})
		}
	}
}

// rangeList writes moved as a list, and returns its place.
func (w *writer) rangeList(u *unit) uint32 {
	place := uint32(len(w.ranges))
	for _, s := range append(w.moved, span{}) {
		w.ranges = binary.LittleEndian.AppendUint32(w.ranges, uint32(s.low))
		w.ranges = binary.LittleEndian.AppendUint32(w.ranges, uint32(s.high))
	}
	u.keep(len(w.ranges) - int(place))
	return place
}
