package lines

import (
	"bytes"
	"debug/dwarf"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/marketprism/prismrt/runtime/wasm/lines/linestest"
)

// The abbreviations of handmade information: a unit, an inlined function of one
// span, one of a list, and an entry that names a string.
var handmade = []byte{
	1, byte(dwarf.TagCompileUnit), 1, byte(dwarf.AttrCompDir), formString, byte(dwarf.AttrLowpc), formAddr, byte(dwarf.AttrHighpc), formData4, byte(dwarf.AttrStmtList), formData4, 0, 0,
	2, byte(dwarf.TagInlinedSubroutine), 0, byte(dwarf.AttrLowpc), formAddr, byte(dwarf.AttrHighpc), formData4, byte(dwarf.AttrCallFile), formSdata, byte(dwarf.AttrCallLine), formData1, 0, 0,
	3, byte(dwarf.TagInlinedSubroutine), 0, byte(dwarf.AttrRanges), formData4, 0, 0,
	4, byte(dwarf.TagVariable), 0, byte(dwarf.AttrName), formStrp, 0, 0,
	0,
}

// sized puts the length of what follows before it, as units have it.
func sized(b ...[]byte) []byte {
	all := slices.Concat(b...)
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(all))), all...)
}

// handmadeUnit is of the code from 1 to 5.
func handmadeUnit(directory string, entries ...byte) []byte {
	return sized([]byte{4, 0, 0, 0, 0, 0, 4, 1}, []byte(directory), []byte{0, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0}, entries)
}

// handmadeTable has one file, and rows by a program.
func handmadeTable(program ...byte) []byte {
	header := sized([]byte{1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1}, []byte("include\x00\x00file.c\x00\x01\x00\x00\x00"))
	return sized([]byte{4, 0}, header, program)
}

func TestFilesThatAreNotThereAreNotShown(t *testing.T) {
	// wazero would panic: the row is in file 9, the call in file 0.
	debug := map[string][]byte{
		".debug_abbrev": handmade,
		".debug_info":   handmadeUnit("/src", 2, 1, 0, 0, 0, 4, 0, 0, 0, 0, 7, 0),
		".debug_line":   handmadeTable(0, 5, 2, 1, 0, 0, 0, 4, 9, 1, 2, 4, 0, 1, 1),
	}
	trap := []byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x07\x08\x01\x04trap\x00\x00\x0a\x05\x01\x03\x00\x00\x0b")
	for _, s := range Moved(debug, []Move{{0, 0}, {5, 5}}) {
		section := slices.Concat(binary.AppendUvarint(nil, uint64(len(s.Name))), []byte(s.Name), s.Content)
		trap = slices.Concat(trap, binary.AppendUvarint([]byte{0}, uint64(len(section))), section)
	}
	r := wazero.NewRuntime(t.Context())
	defer r.Close(t.Context())
	m, err := r.Instantiate(t.Context(), trap)
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.ExportedFunction("trap").Call(t.Context())
	if want := "wasm error: unreachable\nwasm stack trace:\n\t.$0()\n\t\t0x3: /src/?:1 (inlined)\n\t\t     /src/?:7"; err == nil || err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

// everywhere is one move, of all code.
var everywhere = []Move{{0, 0}, {1 << 20, 1 << 20}}

func TestHostileDebugInformationIsReadInTime(t *testing.T) {
	many := func(n int, b ...byte) []byte { return bytes.Repeat(b, n) }
	const n = 1 << 18
	end := []byte{0, 1, 1}
	rows := handmadeTable(slices.Concat([]byte{0, 5, 2, 1, 0, 0, 0}, many(n, 18), end)...)
	for name, debug := range map[string]map[string][]byte{
		// What debug/dwarf allocates for.
		"2^33 directories": {
			".debug_info": handmadeUnit("/"),
			".debug_line": sized([]byte{5, 0, 4, 0}, sized([]byte{1, 1, 1, 0xfb, 14, 1, 0, 0x80, 0x80, 0x80, 0x80, 0x20}, many(16, 0))),
		},
		"directories of nothing": {
			".debug_info": handmadeUnit("/"),
			".debug_line": sized([]byte{5, 0, 4, 0}, sized([]byte{1, 1, 1, 0xfb, 14, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, many(16, 0))),
		},
		// What takes the product of sizes.
		"names": {
			".debug_info": handmadeUnit("/", many(n, 4, 0, 0, 0, 0)...),
			".debug_line": rows,
			".debug_str":  append(many(n, 'a'), 0),
		},
		"directories": {
			".debug_info": bytes.Repeat(handmadeUnit("/"+strings.Repeat("d", maxPath-2)), n/maxPath),
			".debug_line": rows,
		},
		"paths": {
			".debug_info": handmadeUnit("/" + strings.Repeat("d", maxPath-2)),
			".debug_line": sized([]byte{4, 0}, sized([]byte{1, 1, 1, 0xfb, 14, 1}, many(n, 'd', 0), []byte{0}, many(n, 'f', 0, 1, 0, 0), []byte{0})),
		},
		"abbreviations": {
			".debug_abbrev": slices.Concat(many(n, 1, 0x34, 0, 0, 0), handmade),
			".debug_info": func() (b []byte) {
				for i := range n / 16 {
					b = append(b, sized([]byte{4, 0}, binary.LittleEndian.AppendUint32(nil, uint32(5*i)), []byte{4, 1})...)
				}
				return b
			}(),
			".debug_line": rows,
		},
		"fields": {
			".debug_abbrev": slices.Concat(handmade[:len(handmade)-1], []byte{5, byte(dwarf.TagVariable), 0}, many(n, byte(dwarf.AttrName), formFlagPresent), []byte{0, 0, 0}),
			".debug_info":   handmadeUnit("/", many(n, 5)...),
			".debug_line":   rows,
		},
		"ranges": {
			".debug_info":   handmadeUnit("/", many(n, 3, 0, 0, 0, 0)...),
			".debug_line":   rows,
			".debug_ranges": many(n, 1, 0, 0, 0, 2, 0, 0, 0),
		},
		"tables": {
			".debug_info": func() (b []byte) {
				for i := range n / 64 {
					b = append(b, handmadeUnit(strconv.Itoa(i))...)
				}
				return b
			}(),
			".debug_line": rows,
		},
		"parents": {
			".debug_abbrev": slices.Concat(handmade[:len(handmade)-1], []byte{5, byte(dwarf.TagLexDwarfBlock), 1, 0, 0, 0}),
			".debug_info":   handmadeUnit("/", many(n, 5)...),
			".debug_line":   rows,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if debug[".debug_abbrev"] == nil {
				debug[".debug_abbrev"] = handmade
			}
			begun := time.Now()
			lines := byName(Moved(debug, everywhere))
			t.Logf("%d and %d bytes in %v", total(debug), total(lines), time.Since(begun))
			usable(t, debug, lines)
			if took := time.Since(begun); took > 20*time.Second {
				t.Errorf("%d bytes took %v", total(debug), took)
			}
		})
	}
}

func TestWhatIsBeyondTheBoundsIsLeftOut(t *testing.T) {
	rows := func(n int) []byte {
		return handmadeTable(slices.Concat([]byte{0, 5, 2, 1, 0, 0, 0}, bytes.Repeat([]byte{18}, n), []byte{2, 4, 0, 1, 1})...)
	}
	for name, tt := range map[string]struct{ rows, inlined, want int }{
		"rows":          {maxRows - 1, 0, 1 + maxRows},
		"too many rows": {maxRows, 0, 0},
		"functions":     {1, maxInlined + 1, 1 + 2 + maxInlined},
	} {
		lines := byName(Moved(map[string][]byte{
			".debug_abbrev": handmade,
			".debug_info":   handmadeUnit("/", bytes.Repeat([]byte{2, 1, 0, 0, 0, 4, 0, 0, 0, 1, 7}, tt.inlined)...),
			".debug_line":   rows(tt.rows),
		}, everywhere))
		got := 0
		if len(lines) > 0 {
			tell(t, lines, stays, func(string, ...any) { got++ })
		}
		if got != tt.want {
			t.Errorf("%s: %d lines, want %d", name, got, tt.want)
		}
	}
}

func total(debug map[string][]byte) (n int) {
	for _, b := range debug {
		n += len(b)
	}
	return n
}

// usable checks what was made of debug information: wazero can show it, and it is
// not much more than there was.
func usable(t *testing.T, debug, lines map[string][]byte) {
	t.Helper()
	if len(lines) > 0 {
		tell(t, lines, stays, func(string, ...any) {})
	}
	if was, is := total(debug), total(lines); is > 1<<19+workPerByte/2*was {
		t.Errorf("%d bytes became %d", was, is)
	}
}

func FuzzLines(f *testing.F) {
	add := func(debug map[string][]byte, moves []Move) {
		var numbers []byte
		for _, m := range moves {
			numbers = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(numbers, m.From), m.To)
		}
		f.Add(numbers, debug[".debug_abbrev"], debug[".debug_addr"], debug[".debug_info"], debug[".debug_line"], debug[".debug_line_str"],
			debug[".debug_ranges"], debug[".debug_rnglists"], debug[".debug_str"], debug[".debug_str_offsets"])
	}
	add(map[string][]byte{
		".debug_abbrev": handmade,
		".debug_info":   handmadeUnit("/src", 2, 1, 0, 0, 0, 4, 0, 0, 0, 1, 7, 0),
		".debug_line":   handmadeTable(0, 5, 2, 1, 0, 0, 0, 1, 2, 4, 0, 1, 1),
	}, everywhere)
	modules := [][]byte{linestest.Other(f, "zig-cc"), linestest.Other(f, "zig")}
	if _, found := linestest.Clang(); found {
		modules = append(modules, linestest.Compile(f, traps, "-gdwarf-5 -O2"))
	}
	for _, module := range modules {
		add(linestest.Debug(module), spread(module))
	}
	f.Fuzz(func(t *testing.T, numbers, abbrev, addr, info, line, lineStr, ranges, rnglists, str, strOffsets []byte) {
		debug := map[string][]byte{
			".debug_abbrev": abbrev, ".debug_addr": addr, ".debug_info": info, ".debug_line": line, ".debug_line_str": lineStr,
			".debug_ranges": ranges, ".debug_rnglists": rnglists, ".debug_str": str, ".debug_str_offsets": strOffsets,
		}
		var moves []Move
		for ; len(numbers) >= 8; numbers = numbers[8:] {
			moves = append(moves, Move{binary.LittleEndian.Uint32(numbers), binary.LittleEndian.Uint32(numbers[4:])})
		}
		begun := time.Now()
		lines := byName(Moved(debug, moves))
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%d bytes took %v", total(debug), took)
		}
		usable(t, debug, lines)
	})
}
