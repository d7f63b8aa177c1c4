package wasmtest

import (
	"encoding/binary"
	"slices"
)

// valueType is the type of a value, as encoded.
type valueType byte

const (
	i32       valueType = 0x7f
	i64       valueType = 0x7e
	f32       valueType = 0x7d
	f64       valueType = 0x7c
	v128      valueType = 0x7b
	funcref   valueType = 0x70
	externref valueType = 0x6f
)

func (t valueType) isRef() bool { return t == funcref || t == externref }

// funcType is the type of a function or a block.
type funcType struct{ params, results []valueType }

func (t funcType) equal(other funcType) bool {
	return slices.Equal(t.params, other.params) && slices.Equal(t.results, other.results)
}

// opcode is an instruction: one byte, or a prefix in the high half and the number
// after it in the low half.
type opcode uint32

const (
	prefixMisc = 0xfc
	prefixSIMD = 0xfd
)

// What modules are made of ("Sections").
const (
	sectionCustom = iota
	sectionType
	sectionImport
	sectionFunction
	sectionTable
	sectionMemory
	sectionGlobal
	sectionExport
	sectionStart
	sectionElement
	sectionCode
	sectionData
	sectionDataCount
)

// The kinds of imports and exports.
const (
	kindFunction = iota
	kindTable
	kindMemory
	kindGlobal
)

func appendU32(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }

// appendPadded writes v in five bytes, which is as long as the format allows.
func appendPadded(b []byte, v uint32) []byte {
	for range 4 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// appendSigned writes a signed LEB128.
func appendSigned(b []byte, v int64) []byte {
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

func appendTypes(b []byte, types []valueType) []byte {
	b = appendU32(b, uint32(len(types)))
	for _, t := range types {
		b = append(b, byte(t))
	}
	return b
}

func appendSection(b []byte, id byte, content []byte) []byte {
	return append(appendU32(append(b, id), uint32(len(content))), content...)
}

// appendVector writes a section of entries, or nothing where there are none.
func appendVector(b []byte, id byte, entries [][]byte) []byte {
	if len(entries) == 0 {
		return b
	}
	content := appendU32(nil, uint32(len(entries)))
	for _, e := range entries {
		content = append(content, e...)
	}
	return appendSection(b, id, content)
}

// limits are how long a table or memory is at first and at most.
type limits struct {
	min, max uint32
	bounded  bool // by max
}

func (l limits) append(b []byte) []byte {
	if l.bounded {
		return appendU32(appendU32(append(b, 1), l.min), l.max)
	}
	return appendU32(append(b, 0), l.min)
}
