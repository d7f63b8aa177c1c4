package wasmtest

import (
	"encoding/binary"
	"math"
)

// constant writes an instruction that leaves a value of type t.
func (f *function) constant(t valueType) {
	switch t {
	case i32:
		f.number(int32(integer(f.choices)))
	case i64:
		f.op(opI64Const)
		f.code = appendSigned(f.code, integer(f.choices))
	case f32:
		f.op(opF32Const)
		f.code = appendFloat(f.code, 4, float32Bits(f.choices))
	case f64:
		f.op(opF64Const)
		f.code = appendFloat(f.code, 8, float64Bits(f.choices))
	case v128:
		f.op(opV128Const)
		low, high := f.bits(4), f.bits(4)
		for _, half := range []uint64{low * 0x0001_0001, high * 0x0101_0101_0101} {
			f.code = binary.LittleEndian.AppendUint64(f.code, half)
		}
	default:
		f.op(opRefNull)
		f.code = append(f.code, byte(t))
	}
}

// integer chooses small numbers, those at the ends, and any.
func integer(c *choices) int64 {
	switch c.weighted(4, 1, 1) {
	case 0:
		return int64(int8(c.byte()))
	case 1:
		return one(c, []int64{math.MinInt32, math.MaxInt32, math.MaxUint32, math.MinInt64, math.MaxInt64, 1 << 31, 1 << 16, 1<<16 - 1})
	}
	return int64(c.bits(8))
}

func float32Bits(c *choices) uint64 {
	switch c.weighted(4, 2, 1) {
	case 0:
		return uint64(math.Float32bits(float32(int8(c.byte())) / 2))
	case 1: // zeroes, infinities, quiet and signalling NaNs, the smallest, the largest
		return one(c, []uint64{1 << 31, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0xffc0_1234, 0x7f80_0001, 1, 0x7f7f_ffff})
	}
	return c.bits(4)
}

func float64Bits(c *choices) uint64 {
	switch c.weighted(4, 2, 1) {
	case 0:
		return math.Float64bits(float64(int8(c.byte())) / 2)
	case 1:
		return one(c, []uint64{1 << 63, 0x7ff << 52, 0xfff << 52, 0x7ff8 << 48, 0xfff8<<48 | 0x1234, 0x7ff<<52 | 1, 1, 0x7fef<<48 | 1<<48 - 1})
	}
	return c.bits(8)
}

func appendFloat(b []byte, size int, bits uint64) []byte {
	for i := range size {
		b = append(b, byte(bits>>(8*i)))
	}
	return b
}

// leaf leaves a value that takes no work.
func (f *function) leaf(t valueType) {
	switch f.weighted(1, 4, 1) {
	case 1:
		if l, ok := f.local(t); ok {
			f.op(opLocalGet, l)
			return
		}
	case 2:
		if g, ok := f.global(t, false); ok {
			f.op(opGlobalGet, g)
			return
		}
	}
	f.constant(t)
}

// sink takes a value of type t from the stack.
func (f *function) sink(t valueType) {
	switch f.weighted(1, 3, 1) {
	case 1:
		if l, ok := f.local(t); ok {
			f.op(opLocalSet, l)
			return
		}
	case 2:
		if g, ok := f.global(t, true); ok {
			f.op(opGlobalSet, g)
			return
		}
	}
	f.op(opDrop)
}

// sinks takes values from the stack, the last first.
func (f *function) sinks(types []valueType) {
	for i := len(types) - 1; i >= 0; i-- {
		f.sink(types[i])
	}
}
