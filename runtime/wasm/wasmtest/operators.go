package wasmtest

import "slices"

// operator is an instruction that takes operands from the stack and leaves one
// result there, or none.
type operator struct {
	op     opcode
	params []valueType
	result valueType // 0: none
	align  uint32    // of what reaches memory: at most this power of two
	lanes  int       // the immediate is one of so many
}

// letters are how types are written below.
var letters = map[byte]valueType{'i': i32, 'l': i64, 'f': f32, 'd': f64, 'v': v128}

// span is a run of opcodes of the same type, written "params:result".
type span struct {
	from, to opcode
	typ      string
	align    uint32
	lanes    int
}

const simd opcode = prefixSIMD << 16

// arithmetic has neither memory nor immediates other than a lane
// ("Numeric Instructions", "Vector Instructions").
var arithmetic = spread(
	span{from: 0x45, to: 0x45, typ: "i:i"},
	span{from: 0x46, to: 0x4f, typ: "ii:i"},
	span{from: 0x50, to: 0x50, typ: "l:i"},
	span{from: 0x51, to: 0x5a, typ: "ll:i"},
	span{from: 0x5b, to: 0x60, typ: "ff:i"},
	span{from: 0x61, to: 0x66, typ: "dd:i"},
	span{from: 0x67, to: 0x69, typ: "i:i"},
	span{from: 0x6a, to: 0x78, typ: "ii:i"},
	span{from: 0x79, to: 0x7b, typ: "l:l"},
	span{from: 0x7c, to: 0x8a, typ: "ll:l"},
	span{from: 0x8b, to: 0x91, typ: "f:f"},
	span{from: 0x92, to: 0x98, typ: "ff:f"},
	span{from: 0x99, to: 0x9f, typ: "d:d"},
	span{from: 0xa0, to: 0xa6, typ: "dd:d"},
	span{from: 0xa7, to: 0xa7, typ: "l:i"}, // i32.wrap_i64
	span{from: 0xa8, to: 0xa9, typ: "f:i"},
	span{from: 0xaa, to: 0xab, typ: "d:i"},
	span{from: 0xac, to: 0xad, typ: "i:l"},
	span{from: 0xae, to: 0xaf, typ: "f:l"},
	span{from: 0xb0, to: 0xb1, typ: "d:l"},
	span{from: 0xb2, to: 0xb3, typ: "i:f"},
	span{from: 0xb4, to: 0xb5, typ: "l:f"},
	span{from: 0xb6, to: 0xb6, typ: "d:f"},
	span{from: 0xb7, to: 0xb8, typ: "i:d"},
	span{from: 0xb9, to: 0xba, typ: "l:d"},
	span{from: 0xbb, to: 0xbb, typ: "f:d"},
	span{from: 0xbc, to: 0xbc, typ: "f:i"}, // reinterpretations
	span{from: 0xbd, to: 0xbd, typ: "d:l"},
	span{from: 0xbe, to: 0xbe, typ: "i:f"},
	span{from: 0xbf, to: 0xbf, typ: "l:d"},
	span{from: 0xc0, to: 0xc1, typ: "i:i"}, // sign extensions
	span{from: 0xc2, to: 0xc4, typ: "l:l"},
	span{from: 0xfc_0000, to: 0xfc_0001, typ: "f:i"}, // saturating truncations
	span{from: 0xfc_0002, to: 0xfc_0003, typ: "d:i"},
	span{from: 0xfc_0004, to: 0xfc_0005, typ: "f:l"},
	span{from: 0xfc_0006, to: 0xfc_0007, typ: "d:l"},

	span{from: simd + 0x0d, to: simd + 0x0e, typ: "vv:v"}, // shuffle, swizzle
	span{from: simd + 0x0f, to: simd + 0x11, typ: "i:v"},  // splats
	span{from: simd + 0x12, to: simd + 0x12, typ: "l:v"},
	span{from: simd + 0x13, to: simd + 0x13, typ: "f:v"},
	span{from: simd + 0x14, to: simd + 0x14, typ: "d:v"},
	span{from: simd + 0x15, to: simd + 0x16, typ: "v:i", lanes: 16},
	span{from: simd + 0x17, to: simd + 0x17, typ: "vi:v", lanes: 16},
	span{from: simd + 0x18, to: simd + 0x19, typ: "v:i", lanes: 8},
	span{from: simd + 0x1a, to: simd + 0x1a, typ: "vi:v", lanes: 8},
	span{from: simd + 0x1b, to: simd + 0x1b, typ: "v:i", lanes: 4},
	span{from: simd + 0x1c, to: simd + 0x1c, typ: "vi:v", lanes: 4},
	span{from: simd + 0x1d, to: simd + 0x1d, typ: "v:l", lanes: 2},
	span{from: simd + 0x1e, to: simd + 0x1e, typ: "vl:v", lanes: 2},
	span{from: simd + 0x1f, to: simd + 0x1f, typ: "v:f", lanes: 4},
	span{from: simd + 0x20, to: simd + 0x20, typ: "vf:v", lanes: 4},
	span{from: simd + 0x21, to: simd + 0x21, typ: "v:d", lanes: 2},
	span{from: simd + 0x22, to: simd + 0x22, typ: "vd:v", lanes: 2},
	span{from: simd + 0x23, to: simd + 0x4c, typ: "vv:v"}, // comparisons
	span{from: simd + 0x4d, to: simd + 0x4d, typ: "v:v"},
	span{from: simd + 0x4e, to: simd + 0x51, typ: "vv:v"},
	span{from: simd + 0x52, to: simd + 0x52, typ: "vvv:v"}, // bitselect
	span{from: simd + 0x53, to: simd + 0x53, typ: "v:i"},
	span{from: simd + 0x5e, to: simd + 0x62, typ: "v:v"},
	span{from: simd + 0x63, to: simd + 0x64, typ: "v:i"},
	span{from: simd + 0x65, to: simd + 0x66, typ: "vv:v"},
	span{from: simd + 0x67, to: simd + 0x6a, typ: "v:v"},
	span{from: simd + 0x6b, to: simd + 0x6d, typ: "vi:v"}, // shifts
	span{from: simd + 0x6e, to: simd + 0x73, typ: "vv:v"},
	span{from: simd + 0x74, to: simd + 0x75, typ: "v:v"},
	span{from: simd + 0x76, to: simd + 0x79, typ: "vv:v"},
	span{from: simd + 0x7a, to: simd + 0x7a, typ: "v:v"},
	span{from: simd + 0x7b, to: simd + 0x7b, typ: "vv:v"},
	span{from: simd + 0x7c, to: simd + 0x81, typ: "v:v"},
	span{from: simd + 0x82, to: simd + 0x82, typ: "vv:v"},
	span{from: simd + 0x83, to: simd + 0x84, typ: "v:i"},
	span{from: simd + 0x85, to: simd + 0x86, typ: "vv:v"},
	span{from: simd + 0x87, to: simd + 0x8a, typ: "v:v"},
	span{from: simd + 0x8b, to: simd + 0x8d, typ: "vi:v"},
	span{from: simd + 0x8e, to: simd + 0x93, typ: "vv:v"},
	span{from: simd + 0x94, to: simd + 0x94, typ: "v:v"},
	span{from: simd + 0x95, to: simd + 0x99, typ: "vv:v"},
	span{from: simd + 0x9b, to: simd + 0x9f, typ: "vv:v"},
	span{from: simd + 0xa0, to: simd + 0xa1, typ: "v:v"},
	span{from: simd + 0xa3, to: simd + 0xa4, typ: "v:i"},
	span{from: simd + 0xa7, to: simd + 0xaa, typ: "v:v"},
	span{from: simd + 0xab, to: simd + 0xad, typ: "vi:v"},
	span{from: simd + 0xae, to: simd + 0xae, typ: "vv:v"},
	span{from: simd + 0xb1, to: simd + 0xb1, typ: "vv:v"},
	span{from: simd + 0xb5, to: simd + 0xba, typ: "vv:v"},
	span{from: simd + 0xbc, to: simd + 0xbf, typ: "vv:v"},
	span{from: simd + 0xc0, to: simd + 0xc1, typ: "v:v"},
	span{from: simd + 0xc3, to: simd + 0xc4, typ: "v:i"},
	span{from: simd + 0xc7, to: simd + 0xca, typ: "v:v"},
	span{from: simd + 0xcb, to: simd + 0xcd, typ: "vi:v"},
	span{from: simd + 0xce, to: simd + 0xce, typ: "vv:v"},
	span{from: simd + 0xd1, to: simd + 0xd1, typ: "vv:v"},
	span{from: simd + 0xd5, to: simd + 0xdf, typ: "vv:v"},
	span{from: simd + 0xe0, to: simd + 0xe1, typ: "v:v"},
	span{from: simd + 0xe3, to: simd + 0xe3, typ: "v:v"},
	span{from: simd + 0xe4, to: simd + 0xeb, typ: "vv:v"},
	span{from: simd + 0xec, to: simd + 0xed, typ: "v:v"},
	span{from: simd + 0xef, to: simd + 0xef, typ: "v:v"},
	span{from: simd + 0xf0, to: simd + 0xf7, typ: "vv:v"},
	span{from: simd + 0xf8, to: simd + 0xff, typ: "v:v"}, // conversions
)

// access reaches memory ("Memory Instructions"). The first operand is the address.
var access = spread(
	span{from: 0x28, to: 0x28, typ: "i:i", align: 2},
	span{from: 0x29, to: 0x29, typ: "i:l", align: 3},
	span{from: 0x2a, to: 0x2a, typ: "i:f", align: 2},
	span{from: 0x2b, to: 0x2b, typ: "i:d", align: 3},
	span{from: 0x2c, to: 0x2d, typ: "i:i"},
	span{from: 0x2e, to: 0x2f, typ: "i:i", align: 1},
	span{from: 0x30, to: 0x31, typ: "i:l"},
	span{from: 0x32, to: 0x33, typ: "i:l", align: 1},
	span{from: 0x34, to: 0x35, typ: "i:l", align: 2},
	span{from: 0x36, to: 0x36, typ: "ii:", align: 2},
	span{from: 0x37, to: 0x37, typ: "il:", align: 3},
	span{from: 0x38, to: 0x38, typ: "if:", align: 2},
	span{from: 0x39, to: 0x39, typ: "id:", align: 3},
	span{from: 0x3a, to: 0x3a, typ: "ii:"},
	span{from: 0x3b, to: 0x3b, typ: "ii:", align: 1},
	span{from: 0x3c, to: 0x3c, typ: "il:"},
	span{from: 0x3d, to: 0x3d, typ: "il:", align: 1},
	span{from: 0x3e, to: 0x3e, typ: "il:", align: 2},

	span{from: simd + 0x00, to: simd + 0x00, typ: "i:v", align: 4},
	span{from: simd + 0x01, to: simd + 0x06, typ: "i:v", align: 3},
	span{from: simd + 0x07, to: simd + 0x07, typ: "i:v"},
	span{from: simd + 0x08, to: simd + 0x08, typ: "i:v", align: 1},
	span{from: simd + 0x09, to: simd + 0x09, typ: "i:v", align: 2},
	span{from: simd + 0x0a, to: simd + 0x0a, typ: "i:v", align: 3},
	span{from: simd + 0x0b, to: simd + 0x0b, typ: "iv:", align: 4},
	span{from: simd + 0x54, to: simd + 0x54, typ: "iv:v", lanes: 16},
	span{from: simd + 0x55, to: simd + 0x55, typ: "iv:v", align: 1, lanes: 8},
	span{from: simd + 0x56, to: simd + 0x56, typ: "iv:v", align: 2, lanes: 4},
	span{from: simd + 0x57, to: simd + 0x57, typ: "iv:v", align: 3, lanes: 2},
	span{from: simd + 0x58, to: simd + 0x58, typ: "iv:", lanes: 16},
	span{from: simd + 0x59, to: simd + 0x59, typ: "iv:", align: 1, lanes: 8},
	span{from: simd + 0x5a, to: simd + 0x5a, typ: "iv:", align: 2, lanes: 4},
	span{from: simd + 0x5b, to: simd + 0x5b, typ: "iv:", align: 3, lanes: 2},
	span{from: simd + 0x5c, to: simd + 0x5c, typ: "i:v", align: 2},
	span{from: simd + 0x5d, to: simd + 0x5d, typ: "i:v", align: 3},
)

func spread(spans ...span) []operator {
	var out []operator
	for _, s := range spans {
		for op := s.from; op <= s.to; op++ {
			o := operator{op: op, align: s.align, lanes: s.lanes}
			i := 0
			for ; s.typ[i] != ':'; i++ {
				o.params = append(o.params, letters[s.typ[i]])
			}
			if i+1 < len(s.typ) {
				o.result = letters[s.typ[i+1]]
			}
			out = append(out, o)
		}
	}
	return out
}

// The same by what is looked for.
var (
	computing = by(arithmetic, func(operator) bool { return true })
	loading   = by(access, func(o operator) bool { return o.result != 0 })
	storing   = by(access, func(o operator) bool { return o.result == 0 })[0]

	// combining takes two of a type and leaves one, and never traps.
	combining = by(arithmetic, func(o operator) bool {
		return slices.Equal(o.params, []valueType{o.result, o.result}) && !o.divides()
	})
)

func by(from []operator, wanted func(operator) bool) map[valueType][]operator {
	out := map[valueType][]operator{}
	for _, o := range from {
		if wanted(o) {
			out[o.result] = append(out[o.result], o)
		}
	}
	return out
}

// divides tells whether o traps where its second operand is zero.
func (o operator) divides() bool {
	return o.op >= 0x6d && o.op <= 0x70 || o.op >= 0x7f && o.op <= 0x82
}

// truncates tells whether o traps where its operand is not in range.
func (o operator) truncates() bool {
	return o.op >= 0xa8 && o.op <= 0xab || o.op >= 0xae && o.op <= 0xb1
}
