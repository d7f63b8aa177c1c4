package lines

// lineTable tells the lines of a unit, by a program that makes rows ("Line Number
// Information").
type lineTable struct {
	*sections
	program  cursor
	version  int
	shortest uint64 // bytes of an instruction
	ops      uint64 // instructions in one of them, for processors that have such
	base     int64  // the least number of lines that a special opcode advances by
	steps    uint64 // how many such numbers there are
	lengths  []byte // how many arguments opcodes have; those beyond have none

	directories [][]byte // the first is the compilation's
	files       []sourceFile
	first       uint64 // number of the first file
	paths       int    // bytes of all paths together
}

type sourceFile struct {
	name      []byte
	directory uint64
}

// row is of the code from its address on.
type row struct {
	address uint64
	file    uint64
	line    int64
	column  uint64
	end     bool // of a sequence of rows: it is of no code
}

// lineTable reads the header of the unit's table ("The Line Number Program Header").
func (u *unit) lineTable() (*lineTable, bool) {
	c := u.at(u.line, u.root.values[slotStatements])
	length, offset := c.length()
	if c.bad || length > uint64(len(c.b)-c.pos) {
		return nil, false
	}
	c.b = c.b[:c.pos+int(length)]
	t := &lineTable{sections: u.sections, version: int(c.fixed(2)), ops: 1}
	if t.version < 2 || t.version > 5 {
		return nil, false
	}
	if t.version == 5 {
		c.skip(2) // sizes of an address and of a segment's selector
	}
	t.program = c
	headerLength := c.fixed(offset)
	t.program.pos = c.pos
	t.program.skip(headerLength)
	t.shortest = c.fixed(1)
	if t.version >= 4 {
		t.ops = c.fixed(1)
	}
	c.skip(1) // whether rows are statements
	t.base, t.steps = int64(int8(c.byte())), c.fixed(1)
	opcodes := c.byte()
	for i := byte(1); i < opcodes; i++ {
		t.lengths = append(t.lengths, c.byte())
	}
	if c.bad || opcodes == 0 || t.ops == 0 || t.steps == 0 || !t.standard() {
		return nil, false
	}
	if t.version < 5 {
		t.tables(&c, u.text(u.root.forms[slotDirectory], u.root.values[slotDirectory]))
	} else {
		t.tables5(&unit{sections: u.sections, version: 5, offset: offset, strBase: u.strBase}, &c)
	}
	return t, !c.bad && !t.program.bad && t.paths <= maxPaths
}

// standard tells whether the opcodes that are known have the arguments they are
// known for.
func (t *lineTable) standard() bool {
	known := []byte{0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1}
	for i, n := range t.lengths[:min(len(known), len(t.lengths))] {
		if n != known[i] {
			return false
		}
	}
	return true
}

// tables reads directories and files before version 5.
func (t *lineTable) tables(c *cursor, directory []byte) {
	t.directory(directory)
	for {
		directory := c.text()
		if len(directory) == 0 {
			break
		}
		t.directory(directory)
	}
	t.first = 1
	for {
		name := c.text()
		if len(name) == 0 {
			break
		}
		t.file(c, name)
	}
}

func (t *lineTable) directory(name []byte) {
	t.keep(24)
	t.directories = append(t.directories, name)
	t.paths += len(t.directories[0]) + len(name)
}

// file reads the rest of a file's entry.
func (t *lineTable) file(c *cursor, name []byte) {
	t.add(c, sourceFile{name, c.uleb()})
	c.uleb() // time
	c.uleb() // length
}

func (t *lineTable) add(c *cursor, f sourceFile) {
	if f.directory >= uint64(len(t.directories)) || c.bad {
		c.bad = true
		return
	}
	t.keep(32)
	t.paths += len(t.directories[0]) + len(t.directories[f.directory]) + len(f.name)
	t.files = append(t.files, f)
}

// tables5 reads them in version 5, where u tells of what form they are.
func (t *lineTable) tables5(u *unit, c *cursor) {
	t.list(u, c, func(f sourceFile) { t.directory(f.name) })
	if len(t.directories) == 0 {
		c.bad = true
		return
	}
	if len(t.directories[0]) > maxPath {
		t.directories[0] = nil
	}
	t.list(u, c, func(f sourceFile) { t.add(c, f) })
}

// list reads a list whose entries are of a form that stands before it.
func (t *lineTable) list(u *unit, c *cursor, f func(sourceFile)) {
	const path, directory = 1, 2
	type part struct{ content, form uint64 }
	parts := make([]part, c.byte())
	for i := range parts {
		parts[i] = part{c.uleb(), c.uleb()}
	}
	for range c.uleb() {
		var file sourceFile
		for _, p := range parts {
			start := c.pos
			switch value := u.form(c, p.form); {
			case c.bad:
				return
			case p.content == directory:
				file.directory = value
			case p.content == path && p.form == formString: // it lies here
				file.name = c.b[start : c.pos-1]
			case p.content == path:
				file.name = u.text(p.form, value)
			}
		}
		f(file)
		if c.spend(1); c.bad { // it may take no bytes
			return
		}
	}
}

// rows calls f with every row, in the order of the program, and tells whether it
// could be read to its end.
func (t *lineTable) rows(f func(row)) bool {
	begin := row{file: 1, line: 1}
	c, r, op := t.program, begin, uint64(0)
	tell := func() {
		c.spend(8) // for what f does
		f(r)
	}
	advance := func(n uint64) {
		op += n
		r.address += t.shortest * (op / t.ops)
		op %= t.ops
	}
	for c.more() {
		opcode := uint64(c.byte())
		if special := opcode - uint64(len(t.lengths)) - 1; opcode > uint64(len(t.lengths)) {
			advance(special / t.steps)
			r.line += t.base + int64(special%t.steps)
			tell()
			continue
		}
		switch opcode {
		case 0:
			length := c.uleb()
			end := c
			if end.skip(length); end.bad || length == 0 {
				return false
			}
			switch c.byte() {
			case 1: // the end of a sequence
				r.end = true
				tell()
				r, op = begin, 0
			case 2: // address
				if length > 9 {
					return false
				}
				r.address, op = c.fixed(int(length)-1), 0
			case 3: // one more file
				t.file(&c, c.text())
			}
			if c.bad || c.pos > end.pos {
				return false
			}
			c.pos = end.pos
		case 1:
			tell()
		case 2:
			advance(c.uleb())
		case 3:
			r.line += c.sleb()
		case 4:
			r.file = c.uleb()
		case 5:
			r.column = c.uleb()
		case 8: // as far as the last of the special opcodes would
			advance((254 - uint64(len(t.lengths))) / t.steps)
		case 9:
			r.address, op = r.address+c.fixed(2), 0
		default: // nothing that is kept
			for range t.lengths[opcode-1] {
				c.uleb()
			}
		}
	}
	return !c.bad && t.paths <= maxPaths
}
