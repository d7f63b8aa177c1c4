package lines

import (
	"bytes"
	"encoding/binary"
)

// cursor reads on in a section. Past its end, and where the work is used up, it
// is bad, stays where it is and reads zeros.
type cursor struct {
	b    []byte
	pos  int
	bad  bool
	work *int
}

func (c *cursor) spend(n int) {
	if *c.work -= n; *c.work < 0 {
		c.bad = true
	}
}

func (c *cursor) more() bool { return c.pos < len(c.b) && !c.bad }

func (c *cursor) skip(n uint64) {
	if c.spend(1); c.bad || n > uint64(len(c.b)-c.pos) {
		c.bad = true
		return
	}
	c.pos += int(n)
}

// fixed reads a number of n bytes. WebAssembly is little-endian.
func (c *cursor) fixed(n int) uint64 {
	start := c.pos
	if c.skip(uint64(n)); c.bad {
		return 0
	}
	var number [8]byte
	copy(number[:], c.b[start:c.pos])
	return binary.LittleEndian.Uint64(number[:])
}

func (c *cursor) byte() byte { return byte(c.fixed(1)) }

func (c *cursor) uleb() uint64 {
	if c.pos < len(c.b) && c.b[c.pos] < 0x80 { // as most are
		return c.fixed(1)
	}
	v, n := binary.Uvarint(c.b[c.pos:])
	if n <= 0 {
		c.bad = true
		return 0
	}
	if c.skip(uint64(n)); c.bad {
		return 0
	}
	return v
}

func (c *cursor) sleb() int64 {
	v := int64(0)
	for shift := 0; shift < 64; shift += 7 {
		b := c.byte()
		v |= int64(b&0x7f) << shift
		if b < 0x80 {
			if b&0x40 != 0 && shift < 57 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
	c.bad = true
	return 0
}

// text reads up to a zero byte.
func (c *cursor) text() []byte {
	start := c.pos
	n := bytes.IndexByte(c.b[start:], 0)
	if n < 0 {
		c.bad = true
		return nil
	}
	if c.skip(uint64(n) + 1); c.bad {
		return nil
	}
	return c.b[start : start+n]
}

// length reads how long a unit is, and how long offsets in it are ("32-Bit and
// 64-Bit DWARF Formats").
func (c *cursor) length() (length uint64, offset int) {
	if length = c.fixed(4); length != 0xffff_ffff {
		return length, 4
	}
	return c.fixed(8), 8
}

// The forms of attributes ("Form Encodings").
const (
	formAddr          = 0x01
	formBlock2        = 0x03
	formBlock4        = 0x04
	formData2         = 0x05
	formData4         = 0x06
	formData8         = 0x07
	formString        = 0x08
	formBlock         = 0x09
	formBlock1        = 0x0a
	formData1         = 0x0b
	formFlag          = 0x0c
	formSdata         = 0x0d
	formStrp          = 0x0e
	formUdata         = 0x0f
	formRefAddr       = 0x10
	formRef1          = 0x11
	formRef2          = 0x12
	formRef4          = 0x13
	formRef8          = 0x14
	formRefUdata      = 0x15
	formIndirect      = 0x16
	formSecOffset     = 0x17
	formExprloc       = 0x18
	formFlagPresent   = 0x19
	formStrx          = 0x1a
	formAddrx         = 0x1b
	formRefSup4       = 0x1c
	formStrpSup       = 0x1d
	formData16        = 0x1e
	formLineStrp      = 0x1f
	formRefSig8       = 0x20
	formImplicitConst = 0x21
	formLoclistx      = 0x22
	formRnglistx      = 0x23
	formRefSup8       = 0x24
	formStrx1         = 0x25
	formStrx2         = 0x26
	formStrx3         = 0x27
	formStrx4         = 0x28
	formAddrx1        = 0x29
	formAddrx2        = 0x2a
	formAddrx3        = 0x2b
	formAddrx4        = 0x2c
)

// form reads a value: a number, an offset or an index, and the place of a
// string that stands here.
func (u *unit) form(c *cursor, form uint64) uint64 {
	switch form {
	case formFlagPresent:
		return 1
	case formData1, formFlag, formRef1, formStrx1, formAddrx1:
		return c.fixed(1)
	case formData2, formRef2, formStrx2, formAddrx2:
		return c.fixed(2)
	case formStrx3, formAddrx3:
		return c.fixed(3)
	case formData4, formRef4, formRefSup4, formStrx4, formAddrx4:
		return c.fixed(4)
	case formData8, formRef8, formRefSig8, formRefSup8:
		return c.fixed(8)
	case formStrp, formLineStrp, formSecOffset, formStrpSup:
		return c.fixed(u.offset)
	case formAddr:
		return c.fixed(u.address)
	case formRefAddr:
		if u.version == 2 {
			return c.fixed(u.address)
		}
		return c.fixed(u.offset)
	case formUdata, formRefUdata, formStrx, formAddrx, formLoclistx, formRnglistx:
		return c.uleb()
	case formSdata:
		return uint64(c.sleb())
	case formString:
		start := c.pos
		c.text()
		return uint64(start)
	case formBlock1:
		c.skip(c.fixed(1))
	case formBlock2:
		c.skip(c.fixed(2))
	case formBlock4:
		c.skip(c.fixed(4))
	case formBlock, formExprloc:
		c.skip(c.uleb())
	case formData16:
		c.skip(16)
	default:
		c.bad = true
	}
	return 0
}
