package lines

import "debug/dwarf"

// Names in quotes are headings of the DWARF specification, version 5.

// sections are what debug information lies in.
type sections struct {
	abbrev, addr, info, line, lineStr, ranges, rnglists, str, strOffsets []byte

	abbreviations map[uint64]map[uint64]abbreviation // by their place, then by code

	// work bounds the time and memory that are spent: a step costs one, and a byte
	// that is kept two. Below zero all cursors are bad.
	work int
}

func newSections(debug map[string][]byte) *sections {
	d := &sections{
		abbrev:     debug[".debug_abbrev"],
		addr:       debug[".debug_addr"],
		info:       debug[".debug_info"],
		line:       debug[".debug_line"],
		lineStr:    debug[".debug_line_str"],
		ranges:     debug[".debug_ranges"],
		rnglists:   debug[".debug_rnglists"],
		str:        debug[".debug_str"],
		strOffsets: debug[".debug_str_offsets"],

		abbreviations: map[uint64]map[uint64]abbreviation{},
		work:          1 << 20,
	}
	for _, s := range [][]byte{d.abbrev, d.addr, d.info, d.line, d.lineStr, d.ranges, d.rnglists, d.str, d.strOffsets} {
		d.work += workPerByte * len(s)
	}
	return d
}

// at returns a cursor into one of the sections.
func (d *sections) at(section []byte, offset uint64) cursor {
	c := cursor{b: section, work: &d.work, bad: offset > uint64(len(section))}
	if !c.bad {
		c.pos = int(offset)
	}
	return c
}

// keep accounts for memory, of n bytes.
func (d *sections) keep(n int) { d.work -= 2 * n }

// abbreviation says what entries with its code consist of.
type abbreviation struct {
	tag      dwarf.Tag
	children bool
	fields   []field
}

type field struct {
	implicit int64 // the value, of formImplicitConst
	form     uint16
	slot     slot
}

// slot is where an entry keeps an attribute.
type slot byte

const (
	slotNone slot = iota // it is not needed
	slotLow
	slotHigh
	slotRanges
	slotEntry
	slotStatements
	slotDirectory
	slotFile
	slotLine
	slotColumn
	slotAddrBase
	slotStrBase
	slotRangesBase
	slots
)

var slotOf = map[dwarf.Attr]slot{
	dwarf.AttrLowpc: slotLow, dwarf.AttrHighpc: slotHigh, dwarf.AttrRanges: slotRanges, dwarf.AttrEntrypc: slotEntry,
	dwarf.AttrStmtList: slotStatements, dwarf.AttrCompDir: slotDirectory,
	dwarf.AttrCallFile: slotFile, dwarf.AttrCallLine: slotLine, dwarf.AttrCallColumn: slotColumn,
	dwarf.AttrAddrBase: slotAddrBase, dwarf.AttrStrOffsetsBase: slotStrBase, dwarf.AttrRnglistsBase: slotRangesBase,
}

// abbreviationsAt reads the table at an offset; nil where it cannot.
func (d *sections) abbreviationsAt(offset uint64) map[uint64]abbreviation {
	if t, ok := d.abbreviations[offset]; ok {
		return t
	}
	t := map[uint64]abbreviation{}
	c := d.at(d.abbrev, offset)
	for code := c.uleb(); code != 0; code = c.uleb() {
		a := abbreviation{tag: dwarf.Tag(c.uleb()), children: c.byte() != 0}
		d.keep(64)
		for {
			name, form := c.uleb(), c.uleb()
			if name == 0 && form == 0 { // or the cursor is bad
				break
			}
			f := field{form: uint16(min(form, 0xffff)), slot: slotOf[dwarf.Attr(name)]}
			if form == formImplicitConst {
				f.implicit = c.sleb()
			}
			a.fields = append(a.fields, f)
			d.keep(16)
		}
		t[code] = a
	}
	if c.bad {
		t = nil
	}
	d.abbreviations[offset] = t
	return t
}

// entry is a debugging information entry. One with the tag 0 ends the children
// of another.
type entry struct {
	tag      dwarf.Tag
	children bool
	forms    [slots]uint64 // 0: it is not there
	values   [slots]uint64
}

// unit is a part of the information that came of one compilation.
type unit struct {
	*sections
	entries         cursor // what is left of it
	version         int
	address, offset int // bytes
	abbreviations   map[uint64]abbreviation

	root                         entry
	base                         uint64 // of ranges
	addrBase, strBase, rangeBase uint64
}

// next reads the next entry, and leaves the cursor bad where it cannot.
func (u *unit) next(e *entry) {
	c := &u.entries
	*e = entry{}
	code := c.uleb()
	if code == 0 {
		return
	}
	a, known := u.abbreviations[code]
	if !known {
		c.bad = true
		return
	}
	e.tag, e.children = a.tag, a.children
	for i := range a.fields {
		f := &a.fields[i]
		form, value := uint64(f.form), uint64(f.implicit)
		if form == formIndirect {
			form = c.uleb()
			value = u.form(c, form)
		} else if form != formImplicitConst {
			value = u.form(c, form)
		}
		c.spend(1)
		if f.slot != slotNone && e.forms[f.slot] == 0 {
			e.forms[f.slot], e.values[f.slot] = form, value
		}
		if c.bad {
			*e = entry{}
			return
		}
	}
}

// units calls f with every compile unit that can be read, at its first child.
func (d *sections) units(f func(*unit)) {
	for c := d.at(d.info, 0); c.more(); {
		length, offset := c.length()
		u := &unit{sections: d, entries: c, offset: offset}
		if c.skip(length); c.bad {
			return
		}
		if u.entries.b = d.info[:c.pos]; u.header() {
			f(u)
		}
	}
}

// header reads up to the children of a compile unit ("Unit Headers").
func (u *unit) header() bool {
	c := &u.entries
	u.version = int(c.fixed(2))
	var place uint64
	if u.version == 5 {
		if kind := c.byte(); kind != 1 { // not a compilation
			return false
		}
		u.address, place = int(c.byte()), c.fixed(u.offset)
	} else {
		place, u.address = c.fixed(u.offset), int(c.byte())
	}
	if c.bad || u.version < 2 || u.version > 5 || u.address != 4 && u.address != 8 {
		return false
	}
	u.abbreviations = u.abbreviationsAt(place)
	u.next(&u.root)
	u.addrBase, u.strBase, u.rangeBase = u.root.values[slotAddrBase], u.root.values[slotStrBase], u.root.values[slotRangesBase]
	if base, ok := u.addressIn(&u.root, slotEntry); ok { // see Data.baseAddressForEntry in debug/dwarf
		u.base = base
	} else if base, ok := u.addressIn(&u.root, slotLow); ok {
		u.base = base
	}
	return u.root.tag == dwarf.TagCompileUnit && !c.bad
}

// addressIn returns an attribute that is an address ("Address Class").
func (u *unit) addressIn(e *entry, s slot) (uint64, bool) {
	switch e.forms[s] {
	case formAddr:
		return e.values[s], true
	case formAddrx, formAddrx1, formAddrx2, formAddrx3, formAddrx4:
		return u.indexed(e.values[s])
	}
	return 0, false
}

// indexed returns one of the addresses that are kept apart ("Address Table").
func (u *unit) indexed(i uint64) (uint64, bool) {
	c := u.at(u.addr, u.addrBase+i*uint64(u.address))
	return c.fixed(u.address), !c.bad
}

// number returns an attribute that is a constant.
func (e *entry) number(s slot) (uint64, bool) {
	switch e.forms[s] {
	case formData1, formData2, formData4, formData8, formSdata, formUdata, formImplicitConst:
		return e.values[s], true
	}
	return 0, false
}

// text returns a string that was read as a value.
func (u *unit) text(form, value uint64) []byte {
	var c cursor
	switch form {
	case formString:
		c = u.at(u.info, value)
	case formStrp:
		c = u.at(u.str, value)
	case formLineStrp:
		c = u.at(u.lineStr, value)
	case formStrx, formStrx1, formStrx2, formStrx3, formStrx4:
		at := u.at(u.strOffsets, u.strBase+value*uint64(u.offset))
		if value = at.fixed(u.offset); at.bad {
			return nil
		}
		c = u.at(u.str, value)
	default:
		return nil
	}
	c.b = c.b[:min(len(c.b), c.pos+maxPath)]
	return c.text()
}

// span is code from low up to, but not including, high.
type span struct{ low, high uint64 }

// spans appends the code that an entry is of ("Code Addresses, Ranges and Base
// Addresses").
func (u *unit) spans(spans []span, e *entry) []span {
	if low, ok := u.addressIn(e, slotLow); ok {
		if high, ok := u.addressIn(e, slotHigh); ok {
			spans = append(spans, span{low, high})
		} else if length, ok := e.number(slotHigh); ok {
			spans = append(spans, span{low, low + length})
		}
	}
	offset := e.values[slotRanges]
	switch {
	case e.forms[slotRanges] == 0:
		return spans
	case u.version < 5:
		return u.rangeList(spans, u.at(u.ranges, offset))
	case e.forms[slotRanges] == formRnglistx:
		c := u.at(u.rnglists, u.rangeBase+offset*uint64(u.offset))
		offset = u.rangeBase + c.fixed(u.offset)
		if c.bad {
			return spans
		}
	}
	return u.rangeList5(spans, u.at(u.rnglists, offset))
}

// rangeList reads pairs of addresses (version 4, "Non-Contiguous Address Ranges").
func (u *unit) rangeList(spans []span, c cursor) []span {
	for base := u.base; c.more(); {
		low, high := c.fixed(u.address), c.fixed(u.address)
		switch {
		case c.bad, low == 0 && high == 0:
			return spans
		case low == 1<<(8*u.address)-1:
			base = high
		default:
			spans = append(spans, span{base + low, base + high})
		}
	}
	return spans
}

// rangeList5 reads what stands for them in version 5 ("Range List").
func (u *unit) rangeList5(spans []span, c cursor) []span {
	for base := u.base; c.more(); {
		var s span
		ok := true
		switch c.byte() {
		case 1: // the base, by its index
			if base, ok = u.indexed(c.uleb()); ok {
				continue
			}
		case 2: // both, by their indices
			if s.low, ok = u.indexed(c.uleb()); ok {
				s.high, ok = u.indexed(c.uleb())
			}
		case 3: // the first by its index, and how long
			s.low, ok = u.indexed(c.uleb())
			s.high = s.low + c.uleb()
		case 4: // both from the base on
			s.low, s.high = base+c.uleb(), base+c.uleb()
		case 5: // the base
			base = c.fixed(u.address)
			continue
		case 6: // both
			s.low, s.high = c.fixed(u.address), c.fixed(u.address)
		case 7: // the first, and how long
			s.low = c.fixed(u.address)
			s.high = s.low + c.uleb()
		default: // the end
			return spans
		}
		if !ok || c.bad {
			break
		}
		spans = append(spans, s)
	}
	return spans
}
