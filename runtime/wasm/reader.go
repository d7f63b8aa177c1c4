package wasm

import (
	"fmt"
	"unicode/utf8"
)

// Error says what is wrong with a binary and where.
type Error struct {
	Offset  int    // byte in the binary
	Section string // "" outside the sections
	Message string
}

// Error returns the sentence with its place.
func (e *Error) Error() string {
	if e.Section == "" {
		return fmt.Sprintf("%s (byte %d)", e.Message, e.Offset)
	}
	return fmt.Sprintf("%s (%s section, byte %d)", e.Message, e.Section, e.Offset)
}

// reader walks a binary. Once something is wrong err is set and every further
// read gives zero, so that callers check once a section and not once a byte.
type reader struct {
	b       []byte
	pos     int
	end     int // of the current section, or of the binary
	section string
	err     *Error

	// Of the last instruction that has one.
	index    uint32
	constant int32 // of i32.const
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &Error{Offset: r.pos, Section: r.section, Message: fmt.Sprintf(format, args...)}
	}
}

func (r *reader) byte() byte {
	if r.pos >= r.end || r.err != nil {
		r.short()
		return 0
	}
	r.pos++
	return r.b[r.pos-1]
}

func (r *reader) short() { r.fail("the module ends too early: it is truncated or damaged") }

func (r *reader) bytes(n uint32) []byte {
	if uint64(n) > uint64(r.end-r.pos) {
		r.short()
	}
	if r.err != nil {
		return nil
	}
	r.pos += int(n)
	return r.b[r.pos-int(n) : r.pos]
}

// u32 reads an unsigned LEB128 of at most five bytes ("Integers").
func (r *reader) u32() uint32 {
	// Most are one byte, and code is made of little else: 2 MB are read twice as
	// fast for it.
	if r.pos < r.end && r.b[r.pos] < 0x80 && r.err == nil {
		r.pos++
		return uint32(r.b[r.pos-1])
	}
	var v uint32
	for shift := uint(0); ; shift += 7 {
		c := r.byte()
		if r.err != nil {
			return 0
		}
		if shift == 28 && c > 0x0f {
			r.fail("an integer does not fit in 32 bits")
			return 0
		}
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
}

func (r *reader) name() string {
	b := r.bytes(r.u32())
	if !utf8.Valid(b) {
		r.fail("a name is not UTF-8")
		return ""
	}
	return string(b)
}

// count reads the length of a vector whose elements take at least one byte
// each, so that no length makes us allocate more than the binary could hold.
func (r *reader) count() int {
	n := r.u32()
	if r.err == nil && uint64(n) > uint64(r.end-r.pos) {
		r.fail("a vector of %d elements does not fit in what is left", n)
		return 0
	}
	return int(n)
}

func (r *reader) valueType() ValueType {
	t := ValueType(r.byte())
	if _, known := valueTypeNames[t]; !known && r.err == nil {
		r.pos--
		r.fail("value type 0x%02x is not of WebAssembly 2.0; garbage-collected and typed references are not supported", byte(t))
	}
	return t
}

func (r *reader) valueTypes() []ValueType {
	types := make([]ValueType, r.count())
	for i := range types {
		types[i] = r.valueType()
	}
	return types
}
