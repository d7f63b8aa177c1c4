package wasm

import "encoding/binary"

// copier writes a module anew, in which functions have other indices. Its parser is used to
// read on.
type copier struct {
	*parser
	out      []byte
	renumber func(uint32) uint32 // the new index of a function that is named outside of code
}

// at lets the parser read a section.
func (c *copier) at(s section) {
	c.pos, c.end, c.section = s.start, s.end, sectionNames[s.id]
}

// begin writes a section's id and room for its size; finish fills that in.
func (c *copier) begin(id byte) int {
	c.out = append(c.out, id, 0, 0, 0, 0, 0)
	return len(c.out)
}

func (c *copier) finish(begun int) { putU32(c.out[begun-5:begun], uint32(len(c.out)-begun)) }

// entries reads how many there are in a section, none where it is only added.
func (c *copier) entries(s section) uint32 {
	if s.start == s.end {
		return 0
	}
	return uint32(c.count())
}

// elementEntries copies that many segments ("Element Section").
func (c *copier) elementEntries(n uint32) {
	for range n {
		if c.err != nil {
			return
		}
		flags := c.u32()
		c.out = appendU32(c.out, flags)
		passive, explicit, expressions := flags&1 != 0, flags&2 != 0, flags&4 != 0
		if !passive {
			if explicit {
				c.out = appendU32(c.out, c.u32()) // the table
			}
			c.expression() // the offset
		}
		if passive || explicit {
			c.copied(1) // the kind or type of the elements
		}
		elements := c.count()
		c.out = appendU32(c.out, uint32(elements))
		for range elements {
			if c.err != nil {
				return
			}
			if expressions {
				c.expression()
				continue
			}
			index := c.u32()
			c.there("function", index, len(c.functions))
			c.out = appendU32(c.out, c.renumber(index))
		}
	}
}

// globalEntries copies that many globals.
func (c *copier) globalEntries(n uint32) {
	for range n {
		if c.err != nil {
			return
		}
		c.copied(2) // type and mutability
		c.expression()
	}
}

// copied copies the next n bytes.
func (c *copier) copied(n uint32) { c.out = append(c.out, c.bytes(n)...) }

// expression copies a constant expression.
func (c *copier) expression() {
	for c.err == nil {
		start := c.pos
		op := c.instruction()
		if op == opGlobalGet {
			c.there("global", c.index, c.globals)
		}
		if op == opRefFunc {
			c.there("function", c.index, len(c.functions))
			c.out = appendU32(append(c.out, byte(op)), c.renumber(c.index))
			continue
		}
		if c.out = append(c.out, c.b[start:c.pos]...); op == opEnd {
			return
		}
	}
}

// appendU32 appends an unsigned LEB128.
func appendU32(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }

// putU32 writes an unsigned LEB128 of exactly five bytes, which is as long as
// the format allows it to be.
func putU32(b []byte, v uint32) {
	for i := range 4 {
		b[i] = byte(v) | 0x80
		v >>= 7
	}
	b[4] = byte(v)
}

// appendI64 appends a signed LEB128.
func appendI64(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func appendName(b []byte, name string) []byte {
	return append(appendU32(b, uint32(len(name))), name...)
}
