package wasm

import (
	"cmp"
	"debug/dwarf"
	"slices"
)

// Lines reads which lines of source the code of a rewritten module was made of. The
// result finds the line of an instruction by its offset in the code section; it is of the
// function that was inlined there, if one was. It is nil where the module has no lines.
func Lines(rewritten []byte) (find func(offset uint64) (file string, line int)) {
	p, err := parse(rewritten, nil)
	if err != nil {
		return nil
	}
	m := &meter{copier: copier{parser: p}}
	if m.debugSections(); m.debug == nil {
		return nil
	}
	d, err := dwarf.New(m.debug[".debug_abbrev"], nil, nil, m.debug[".debug_info"], m.debug[".debug_line"], nil, m.debug[".debug_ranges"], nil)
	if err != nil {
		return nil
	}
	rows := sourceRows(d)
	if len(rows) == 0 {
		return nil
	}
	return func(offset uint64) (string, int) {
		i, found := slices.BinarySearchFunc(rows, offset, func(r sourceRow, offset uint64) int { return cmp.Compare(r.offset, offset) })
		if !found {
			i--
		}
		if i < 0 {
			return "", 0
		}
		return rows[i].file, rows[i].line
	}
}

// sourceRow begins a stretch of code that was made of a line; without a file, of none.
type sourceRow struct {
	offset uint64
	file   string
	line   int
}

// sourceRows reads the line tables, in the order of the code. What is damaged is left out.
func sourceRows(d *dwarf.Data) []sourceRow {
	var rows []sourceRow
	for r := d.Reader(); ; r.SkipChildren() {
		unit, err := r.Next()
		if err != nil || unit == nil {
			break
		}
		table, err := d.LineReader(unit)
		if err != nil || table == nil {
			continue
		}
		var e dwarf.LineEntry
		for table.Next(&e) == nil {
			row := sourceRow{offset: e.Address}
			if !e.EndSequence && e.File != nil && e.Line > 0 {
				row.file, row.line = e.File.Name, e.Line
			}
			rows = append(rows, row)
		}
	}
	// Where one stretch ends another may begin: that one counts.
	slices.SortStableFunc(rows, func(a, b sourceRow) int {
		return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(min(a.line, 1), min(b.line, 1)))
	})
	return slices.CompactFunc(rows, func(a, b sourceRow) bool { return a == b })
}
