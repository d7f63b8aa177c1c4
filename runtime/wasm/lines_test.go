package wasm

import (
	"bytes"
	"debug/dwarf"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// compiled is a module of testdata/lines, built with the flags. It has an export
// for each way to trap.
func compiled(tb testing.TB, flags string) []byte {
	tb.Helper()
	clang := os.Getenv("CLANG")
	if clang == "" {
		clang = "clang"
	}
	if _, err := exec.LookPath(clang); err != nil {
		tb.Skipf("there is no %s to build what is traced: make guests installs it", clang)
	}
	out := filepath.Join(tb.TempDir(), "trap.wasm")
	args := append([]string{"--target=wasm32-wasi", "-mexec-model=reactor", "-o", out, "trap.c", "elsewhere.c"}, strings.Fields(flags)...)
	if sysroot := os.Getenv("WASI_SYSROOT"); sysroot != "" {
		args = append(args, "--sysroot="+sysroot)
	}
	cmd := exec.CommandContext(tb.Context(), clang, args...)
	cmd.Dir = filepath.Join("testdata", "lines")
	if text, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("clang %v: %v\n%s", args, err, text)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		tb.Fatal(err)
	}
	return module
}

// foreign is a module of other compilers, which wazero's Go module carries.
func foreign(tb testing.TB, name string) []byte {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join(strings.TrimSpace(string(out)), "internal/testing/dwarftestdata/testdata", name, "main.wasm")
	module, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		if module, err = exec.CommandContext(tb.Context(), "xz", "-dc", file+".xz").Output(); err != nil {
			tb.Skipf("xz does not unpack %s: %v", name, err)
		}
	} else if err != nil {
		tb.Fatal(err)
	}
	return module
}

// sectionsOf calls f with every section of a module, at its contents, with the
// name it has if it is a custom one.
func sectionsOf(tb testing.TB, module []byte, f func(r *reader, id byte, name string)) {
	tb.Helper()
	r := &reader{b: module, pos: 8, end: len(module)}
	for r.pos < len(module) && r.err == nil {
		id, size := r.byte(), r.u32()
		start := r.pos
		r.end = start + int(size)
		name := ""
		if id == sectionCustom {
			name = r.name()
			r.pos = start
		}
		f(r, id, name)
		r.pos, r.end = start+int(size), len(module)
	}
	if r.err != nil {
		tb.Fatal(r.err)
	}
}

// debugOf returns a module's debug sections.
func debugOf(tb testing.TB, module []byte) map[string][]byte {
	tb.Helper()
	debug := map[string][]byte{}
	sectionsOf(tb, module, func(r *reader, _ byte, name string) {
		if strings.HasPrefix(name, ".debug_") {
			r.name()
			debug[name] = r.b[r.pos:r.end]
		}
	})
	return debug
}

// shifted puts a nop at the start of every function, three before every call and
// one after every loop, writes sizes in five bytes, and says what moved. Debug
// sections are left out.
func shifted(tb testing.TB, module []byte) (out []byte, moves []move) {
	tb.Helper()
	out = slices.Clone(module[:8])
	sectionsOf(tb, module, func(r *reader, id byte, name string) {
		if strings.HasPrefix(name, ".debug_") {
			return
		}
		out = append(out, id, 0, 0, 0, 0, 0)
		begun := len(out)
		if id == sectionCode {
			moves = shiftedCode(r, &out)
		} else {
			out = append(out, r.b[r.pos:r.end]...)
		}
		putU32(out[begun-5:], uint32(len(out)-begun))
	})
	return out, moves
}

func shiftedCode(r *reader, out *[]byte) (moves []move) {
	const nop = byte(opNop)
	start, begun, from := r.pos, len(*out), r.pos
	copied := func(to int) {
		moves = append(moves, move{uint32(from - start), uint32(len(*out) - begun)})
		*out = append(*out, r.b[from:to]...)
		from = to
	}
	for range r.u32() {
		copied(r.pos) // the count, or nothing
		size := int(r.u32())
		end := r.pos + size
		*out = append(*out, 0, 0, 0, 0, 0)
		body := len(*out)
		from = r.pos
		for range r.u32() {
			r.u32()
			r.valueType()
		}
		copied(r.pos)
		*out = append(*out, nop)
		for r.pos < end && r.err == nil {
			at := r.pos
			switch r.instruction() {
			case opLoop:
				copied(r.pos)
				*out = append(*out, nop)
			case opCall, opCallIndirect:
				copied(at)
				*out = append(*out, nop, nop, nop)
			}
		}
		copied(end)
		putU32((*out)[body-5:], uint32(len(*out)-body))
	}
	return append(moves, move{uint32(r.end - start), uint32(len(*out) - begun)})
}

// withDebug appends debug sections to a module.
func withDebug(module []byte, lines []customSection) []byte {
	module = slices.Clone(module)
	for _, s := range lines {
		section := append(appendName(nil, s.name), s.content...)
		module = append(appendU32(append(module, sectionCustom), uint32(len(section))), section...)
	}
	return module
}

func byName(lines []customSection) map[string][]byte {
	debug := map[string][]byte{}
	for _, s := range lines {
		debug[s.name] = s.content
	}
	return debug
}

// traces returns what wazero says when the exports of a module are called, or its
// _start.
func traces(tb testing.TB, config wazero.RuntimeConfig, module []byte) map[string]string {
	tb.Helper()
	ctx := tb.Context()
	r := wazero.NewRuntimeWithConfig(ctx, config)
	defer r.Close(ctx)
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	c, err := r.CompileModule(ctx, module)
	if err != nil {
		tb.Fatal(err)
	}
	texts := map[string]string{}
	for name, f := range c.ExportedFunctions() {
		if name == "_initialize" || len(f.ParamTypes()) > 0 {
			continue
		}
		m, err := r.InstantiateModule(ctx, c, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize"))
		if err != nil {
			tb.Fatal(err)
		}
		if _, err = m.ExportedFunction(name).Call(ctx); err != nil {
			texts[name] = err.Error()
		}
		m.Close(ctx)
	}
	return texts
}

// movedBy is where the moves say that an address went, read one by one.
func movedBy(moves []move) func(uint64) (uint64, bool) {
	return func(address uint64) (uint64, bool) {
		for i := len(moves) - 1; i >= 0; i-- {
			if from := uint64(moves[i].from); from <= address {
				return uint64(moves[i].to) + address - from, address > 0 && (i < len(moves)-1 || from == address)
			}
		}
		return 0, false
	}
}

var frame = regexp.MustCompile(`(?m)^\t\t(0x[0-9a-f]+: )(.*)((?:\n\t\t +.*)*)`)

// movedTrace is the trace that rewritten code should have: its offsets are new,
// and lines of callers are indented by their length.
func movedTrace(tb testing.TB, trace string, moves []move) string {
	tb.Helper()
	return frame.ReplaceAllStringFunc(trace, func(lines string) string {
		parts := frame.FindStringSubmatch(lines)
		n, err := strconv.ParseUint(strings.TrimSuffix(parts[1], ": "), 0, 32)
		if err != nil {
			tb.Fatal(err)
		}
		to, ok := movedBy(moves)(n)
		if !ok {
			tb.Fatalf("%#x is not of the code", n)
		}
		prefix := fmt.Sprintf("%#x: ", to)
		callers := strings.ReplaceAll(parts[3], "\n\t\t"+strings.Repeat(" ", len(parts[1])), "\n\t\t"+strings.Repeat(" ", len(prefix)))
		return "\t\t" + prefix + parts[2] + callers
	})
}

// compareTraces holds the traces of a module after it was shifted to those
// before, or of the same code with lines that wazero can read.
func compareTraces(t *testing.T, module, readable []byte) {
	t.Helper()
	code, moves := shifted(t, module)
	lines := moveLines(debugOf(t, module), moves)
	if lines == nil {
		t.Fatal("no lines are left")
	}
	for name, config := range map[string]wazero.RuntimeConfig{"compiler": wazero.NewRuntimeConfig(), "interpreter": wazero.NewRuntimeConfigInterpreter()} {
		want, got := traces(t, config, readable), traces(t, config, withDebug(code, lines))
		if len(want) == 0 {
			t.Fatal("nothing traps")
		}
		for export, text := range want {
			text = movedTrace(t, text, moves)
			if got[export] != text {
				t.Errorf("%s, %s: got\n%s\nwant\n%s", name, export, got[export], text)
			}
			if !frame.MatchString(text) {
				t.Errorf("%s, %s: there are no lines:\n%s", name, export, text)
			}
		}
	}
}

func TestTracesOfRewrittenCodeTellItsLines(t *testing.T) {
	for _, flags := range []string{
		"-O0", "-O1", "-O2", "-Os", "-O0 -gdwarf-2", "-O2 -gdwarf-2", "-O2 -gdwarf-3", "-O2 -g1", "-O2 -Wl,--no-gc-sections",
	} {
		t.Run(flags, func(t *testing.T) {
			module := compiled(t, "-g "+flags)
			compareTraces(t, module, module)
		})
	}
	for _, flags := range []string{"-O0", "-O2"} { // wazero does not read version 5
		t.Run(flags+" -gdwarf-5", func(t *testing.T) {
			compareTraces(t, compiled(t, flags+" -gdwarf-5"), compiled(t, flags+" -gdwarf-4"))
		})
	}
	for _, name := range []string{"tinygo", "zig", "zig-cc", "rust"} {
		t.Run(name, func(t *testing.T) {
			module := foreign(t, name)
			compareTraces(t, module, module)
		})
	}
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

func stays(address uint64) (uint64, bool) { return address, true }

func TestEveryLineGoesWhereItsCodeWent(t *testing.T) {
	modules := map[string]func(*testing.T) []byte{}
	for _, name := range []string{"tinygo", "zig", "zig-cc", "rust"} {
		modules[name] = func(t *testing.T) []byte { return foreign(t, name) }
	}
	for _, flags := range []string{"-g -O0", "-g -O2", "-gdwarf-2 -O1", "-gdwarf-3 -Os", "-gdwarf-5 -O0", "-gdwarf-5 -O2", "-g1 -O2"} {
		modules[flags] = func(t *testing.T) []byte { return compiled(t, flags) }
	}
	for name, module := range modules {
		t.Run(name, func(t *testing.T) {
			module := module(t)
			_, moves := shifted(t, module)
			debug := debugOf(t, module)
			want, got := told(t, debug, movedBy(moves)), told(t, byName(moveLines(debug, moves)), stays)
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
	module := compiled(t, "-g -O0")
	_, moves := shifted(t, module)
	debug := debugOf(t, module)
	want := byName(moveLines(debug, moves))
	// As older linkers write it: address 0, among that of code.
	const setAddress = "\x00\x05\x02"
	before := debug[".debug_line"]
	debug[".debug_line"] = bytes.ReplaceAll(before, []byte(setAddress+"\xff\xff\xff\xff"), []byte(setAddress+"\x00\x00\x00\x00"))
	if bytes.Equal(debug[".debug_line"], before) {
		t.Fatal("the linker removed nothing")
	}
	if got := byName(moveLines(debug, moves)); !maps.EqualFunc(got, want, bytes.Equal) {
		t.Error("what the linker removed is told of")
	}
	if all := strings.Join(told(t, want, stays), "\n"); strings.Contains(all, "trap.c:15:") || !strings.Contains(all, "trap.c:19:") {
		t.Errorf("removed is told of, or outer is not:\n%s", all)
	}
}

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
	code, moves := shifted(t, trap)
	want := "wasm error: unreachable\nwasm stack trace:\n\t.$0()\n\t\t0x8: /src/?:1 (inlined)\n\t\t     /src/?:7"
	if got := traces(t, wazero.NewRuntimeConfig(), withDebug(code, moveLines(debug, moves)))["trap"]; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// everywhere is one move, of all code.
var everywhere = []move{{0, 0}, {1 << 20, 1 << 20}}

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
			lines := byName(moveLines(debug, everywhere))
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
		lines := byName(moveLines(map[string][]byte{
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
	add := func(debug map[string][]byte, moves []move) {
		var numbers []byte
		for _, m := range moves {
			numbers = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(numbers, m.from), m.to)
		}
		f.Add(numbers, debug[".debug_abbrev"], debug[".debug_addr"], debug[".debug_info"], debug[".debug_line"], debug[".debug_line_str"],
			debug[".debug_ranges"], debug[".debug_rnglists"], debug[".debug_str"], debug[".debug_str_offsets"])
	}
	add(map[string][]byte{
		".debug_abbrev": handmade,
		".debug_info":   handmadeUnit("/src", 2, 1, 0, 0, 0, 4, 0, 0, 0, 1, 7, 0),
		".debug_line":   handmadeTable(0, 5, 2, 1, 0, 0, 0, 1, 2, 4, 0, 1, 1),
	}, everywhere)
	modules := [][]byte{foreign(f, "zig-cc"), foreign(f, "zig")}
	if _, err := exec.LookPath("clang"); err == nil {
		modules = append(modules, compiled(f, "-gdwarf-5 -O2"))
	}
	for _, module := range modules {
		_, moves := shifted(f, module)
		add(debugOf(f, module), moves)
	}
	f.Fuzz(func(t *testing.T, numbers, abbrev, addr, info, line, lineStr, ranges, rnglists, str, strOffsets []byte) {
		debug := map[string][]byte{
			".debug_abbrev": abbrev, ".debug_addr": addr, ".debug_info": info, ".debug_line": line, ".debug_line_str": lineStr,
			".debug_ranges": ranges, ".debug_rnglists": rnglists, ".debug_str": str, ".debug_str_offsets": strOffsets,
		}
		var moves []move
		for ; len(numbers) >= 8; numbers = numbers[8:] {
			moves = append(moves, move{binary.LittleEndian.Uint32(numbers), binary.LittleEndian.Uint32(numbers[4:])})
		}
		begun := time.Now()
		lines := byName(moveLines(debug, moves))
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%d bytes took %v", total(debug), took)
		}
		usable(t, debug, lines)
	})
}

func BenchmarkLines(b *testing.B) {
	for _, name := range []string{"rust", "tinygo"} {
		b.Run("module="+name, func(b *testing.B) {
			module := foreign(b, name)
			_, moves := shifted(b, module)
			debug := debugOf(b, module)
			b.SetBytes(int64(total(debug)))
			b.ReportAllocs()
			for b.Loop() {
				moveLines(debug, moves)
			}
		})
	}
}

// What the trace of a trap costs: with the author's debug information, with what
// moveLines leaves of it, and without.
func BenchmarkTrace(b *testing.B) {
	module := foreign(b, "rust")
	code, moves := shifted(b, module)
	for _, v := range []struct {
		name   string
		module []byte
	}{{"authors", module}, {"moved", withDebug(code, moveLines(debugOf(b, module), moves))}, {"none", code}} {
		b.Run("lines="+v.name, func(b *testing.B) {
			ctx := b.Context()
			r := wazero.NewRuntime(ctx)
			defer r.Close(ctx)
			wasi_snapshot_preview1.MustInstantiate(ctx, r)
			c, err := r.CompileModule(ctx, v.module)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.InstantiateModule(ctx, c, wazero.NewModuleConfig().WithName("")); err == nil {
					b.Fatal("it did not trap")
				}
			}
		})
	}
}
