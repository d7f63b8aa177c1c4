package lines

import (
	"bytes"
	"debug/dwarf"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/runtime/wasm/lines/linestest"
)

// traps is where the C programs are whose lines are told.
var traps = filepath.Join("testdata", "trap")

// spread makes moves as if the code of a module had been rewritten: pieces of it
// come later, and some of them become shorter.
func spread(module []byte) []Move {
	random := rand.New(rand.NewPCG(1, 2))
	size, from, to := uint32(0), uint32(0), uint32(0)
	for s := range linestest.Sections(module) {
		if s.ID == 10 {
			size = uint32(len(s.Content))
		}
	}
	var moves []Move
	for from < size {
		moves = append(moves, Move{from, to})
		switch random.IntN(4) {
		case 0: // something is put before it
			to += 1 + random.Uint32N(20)
			moves = append(moves, Move{from, to})
		case 1: // it is replaced
			n := 1 + min(random.Uint32N(5), size-from-1)
			from, to = from+n, to+random.Uint32N(n+2)
			continue
		}
		n := min(1+random.Uint32N(40), size-from)
		from, to = from+n, to+n
	}
	return append(moves, Move{size, to})
}

// movedBy is where the moves say that an address went, taken byte by byte.
func movedBy(moves []Move) func(uint64) (uint64, bool) {
	last := moves[len(moves)-1]
	went := make([]uint32, last.From+1)
	for i, m := range moves[:len(moves)-1] {
		next := moves[i+1]
		for from := m.From; from < next.From; from++ {
			went[from] = min(m.To+from-m.From, next.To)
		}
	}
	went[last.From] = last.To
	return func(address uint64) (uint64, bool) {
		if address == 0 || address >= uint64(len(went)) {
			return 0, false
		}
		return uint64(went[address]), true
	}
}

func stays(address uint64) (uint64, bool) { return address, true }

func byName(sections []Section) map[string][]byte {
	debug := map[string][]byte{}
	for _, s := range sections {
		debug[s.Name] = s.Content
	}
	return debug
}

// told is what debug/dwarf reads of the units that have code and lines: where the
// code is, after it moved, and of which lines.
func told(tb testing.TB, debug map[string][]byte, moved func(uint64) (uint64, bool)) (lines []string) {
	tb.Helper()
	tell(tb, debug, moved, func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) })
	return lines
}

func tell(tb testing.TB, debug map[string][]byte, moved func(uint64) (uint64, bool), line func(format string, args ...any)) {
	tb.Helper()
	d, err := dwarf.New(debug[".debug_abbrev"], nil, nil, debug[".debug_info"], debug[".debug_line"], nil, debug[".debug_ranges"], debug[".debug_str"])
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range []string{".debug_addr", ".debug_line_str", ".debug_str_offsets", ".debug_rnglists"} {
		if err := d.AddSection(name, debug[name]); err != nil {
			tb.Fatal(err)
		}
	}
	// debug/dwarf does not join all paths in version 5.
	var directory string
	joined := func(f *dwarf.LineFile) string {
		if path.IsAbs(directory) && !path.IsAbs(f.Name) {
			return path.Join(directory, f.Name)
		}
		return f.Name
	}
	spans := func(e *dwarf.Entry) (text string) {
		ranges, err := d.Ranges(e)
		if err != nil {
			tb.Fatal(err)
		}
		for _, r := range ranges {
			low, ok := moved(r[0])
			high, also := moved(r[1])
			if ok && also && low < high {
				text += fmt.Sprintf("[%#x, %#x) ", low, high)
			}
		}
		return text
	}
	var files []*dwarf.LineFile // of a unit that is told of
	for r := d.Reader(); ; {
		e, err := r.Next()
		if err != nil {
			tb.Fatal(err)
		}
		if e == nil {
			return
		}
		switch e.Tag {
		case dwarf.TagCompileUnit:
			files = nil
			directory, _ = e.Val(dwarf.AttrCompDir).(string)
			where := spans(e)
			l, err := d.LineReader(e)
			if err != nil {
				tb.Fatal(err)
			}
			if where == "" || l == nil {
				continue
			}
			line("%sunit", where)
			begins, removed := true, false
			for {
				var row dwarf.LineEntry
				if err := l.Next(&row); err == io.EOF {
					break
				} else if err != nil {
					tb.Fatal(err)
				}
				address, ok := moved(row.Address)
				if begins {
					removed = !ok
				}
				if begins = row.EndSequence; ok && !removed {
					line("%#x: %s:%d:%d %t", address, joined(row.File), row.Line, row.Column, row.EndSequence)
				}
			}
			files = l.Files()
		case dwarf.TagInlinedSubroutine:
			if where := spans(e); where != "" && files != nil {
				line("%sin %s:%v:%v %t", where, joined(files[e.Val(dwarf.AttrCallFile).(int64)]), e.Val(dwarf.AttrCallLine), e.Val(dwarf.AttrCallColumn), e.Children)
			}
		}
	}
}

func TestEveryLineGoesWhereItsCodeWent(t *testing.T) {
	modules := map[string]func(*testing.T) []byte{}
	for _, name := range linestest.Others {
		modules[name] = func(t *testing.T) []byte { return linestest.Other(t, name) }
	}
	for _, flags := range []string{"-g -O0", "-g -O2", "-gdwarf-2 -O1", "-gdwarf-3 -Os", "-gdwarf-5 -O0", "-gdwarf-5 -O2", "-g1 -O2"} {
		modules[flags] = func(t *testing.T) []byte { return linestest.Compile(t, traps, flags) }
	}
	for name, module := range modules {
		t.Run(name, func(t *testing.T) {
			module := module(t)
			debug, moves := linestest.Debug(module), spread(module)
			want, got := told(t, debug, movedBy(moves)), told(t, byName(Moved(debug, moves)), stays)
			t.Logf("%d lines", len(want))
			if !slices.Equal(got, want) {
				i := 0
				for i < min(len(got), len(want)) && got[i] == want[i] {
					i++
				}
				t.Errorf("%d and not %d lines are told; from the first that differs:\n%s\nand not\n%s", len(got), len(want),
					strings.Join(got[i:min(i+5, len(got))], "\n"), strings.Join(want[i:min(i+5, len(want))], "\n"))
			}
		})
	}
}

func TestRemovedFunctionsHaveNoLines(t *testing.T) {
	module := linestest.Compile(t, traps, "-g -O0")
	debug, moves := linestest.Debug(module), spread(module)
	want := byName(Moved(debug, moves))
	// As older linkers write it: address 0, among that of code.
	const setAddress = "\x00\x05\x02"
	before := debug[".debug_line"]
	debug[".debug_line"] = bytes.ReplaceAll(before, []byte(setAddress+"\xff\xff\xff\xff"), []byte(setAddress+"\x00\x00\x00\x00"))
	if bytes.Equal(debug[".debug_line"], before) {
		t.Fatal("the linker removed nothing")
	}
	if got := byName(Moved(debug, moves)); !maps.EqualFunc(got, want, bytes.Equal) {
		t.Error("what the linker removed is told of")
	}
	if all := strings.Join(told(t, want, stays), "\n"); strings.Contains(all, "trap.c:15:") || !strings.Contains(all, "trap.c:19:") {
		t.Errorf("removed is told of, or outer is not:\n%s", all)
	}
}

func BenchmarkLines(b *testing.B) {
	for _, name := range []string{"rust", "tinygo"} {
		b.Run("module="+name, func(b *testing.B) {
			module := linestest.Other(b, name)
			debug, moves := linestest.Debug(module), spread(module)
			b.SetBytes(int64(total(debug)))
			b.ReportAllocs()
			for b.Loop() {
				Moved(debug, moves)
			}
		})
	}
}
