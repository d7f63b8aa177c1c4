package wasm

import (
	"bytes"
	"encoding/binary"
)

// Bounds on what a module may declare, against modules that make the host
// allocate before any of their code runs. They are those of other engines
// (WebAssembly JavaScript Interface, "Implementation-defined Limits"), but for
// tables, each element of which costs 8 bytes in every instance: MaxTableLength
// is what all may begin with, together.
const (
	MaxTypes       = 1_000_000
	MaxFunctions   = 1_000_000
	MaxImports     = 100_000
	MaxExports     = 100_000
	MaxTables      = 100
	MaxTableLength = 1_000_000
)

// maxPages are what 32 bits address: 4 GiB.
const maxPages = 1 << 16

const (
	sectionCustom    = 0
	sectionType      = 1
	sectionImport    = 2
	sectionFunction  = 3
	sectionTable     = 4
	sectionMemory    = 5
	sectionGlobal    = 6
	sectionExport    = 7
	sectionStart     = 8
	sectionElement   = 9
	sectionCode      = 10
	sectionData      = 11
	sectionDataCount = 12
	sectionTag       = 13
)

var sectionNames = [...]string{
	"custom", "type", "import", "function", "table", "memory", "global", "export", "start", "element", "code", "data", "data count", "tag",
}

var magic = []byte{0, 'a', 's', 'm'}

// Parse reads a module and checks its bounds: what it needs and offers, and every
// instruction of its code. It does not check types; that is the engine's. Errors
// are of type *Error and say what to do. It takes time linear in the module's
// size and allocates for what it returns, not for the code.
func Parse(b []byte) (*Module, error) {
	p, err := parse(b, nil)
	if err != nil {
		return nil, err
	}
	return p.module, nil
}

// parse notes in g, if there is one, who calls whom.
func parse(b []byte, g *graph) (*parser, error) {
	r := &reader{b: b, end: len(b)}
	r.preamble()
	p := &parser{reader: r, graph: g, module: &Module{}, function: -1}
	for r.err == nil && r.pos < len(b) {
		p.nextSection()
	}
	if r.err == nil {
		p.complete()
	}
	if r.err != nil {
		if p.function >= 0 {
			r.err.Message = p.subject(p.function) + r.err.Message
		}
		return nil, r.err
	}
	return p, nil
}

func (r *reader) preamble() {
	switch {
	case len(r.b) == 0:
		r.fail("the module is empty")
	case !bytes.HasPrefix(r.b, magic) && !bytes.HasPrefix(magic, r.b):
		r.fail("not a WebAssembly module: %s", strange(r.b))
	case len(r.b) < 8:
		r.fail("the module ends too early: it is truncated or damaged")
	case binary.LittleEndian.Uint16(r.b[6:]) == 1:
		r.fail("this is a WebAssembly component; prismrt runs core modules: build for WASI preview 1, " +
			"such as --target wasm32-wasip1, without wrapping the result in a component")
	case binary.LittleEndian.Uint32(r.b[4:]) != 1:
		r.fail("binary format version %d is not known; 1 is", binary.LittleEndian.Uint32(r.b[4:]))
	}
	r.pos = min(8, len(r.b))
}

// section is where the content of one lies.
type section struct {
	id         byte
	start, end int
}

const forWasm = "build it for WebAssembly, such as --target wasm32-wasip1 or GOOS=wasip1 GOARCH=wasm"

// strange says what else it may be that was given for a module.
func strange(b []byte) string {
	for _, kind := range []struct{ magic, says string }{
		{"\x7fELF", "it is a program or object for Linux or the like (ELF); " + forWasm},
		{"MZ", "it is a program for Windows; " + forWasm},
		{"\xcf\xfa\xed\xfe", "it is a program for macOS (Mach-O); " + forWasm},
		{"!<arch>", "it is an archive of object files; link it to a module"},
		{"BC\xc0\xde", "it is LLVM bitcode; compile and link it to a module"},
		{"\x1f\x8b", "it is compressed with gzip; unpack it"},
		{"\x28\xb5\x2f\xfd", "it is compressed with zstd; unpack it"},
		{"PK\x03\x04", "it is a zip archive; unpack it"},
		{"(module", "it is in the text format; make a binary of it, such as with wat2wasm"},
	} {
		if bytes.HasPrefix(b, []byte(kind.magic)) {
			return kind.says
		}
	}
	return "it does not begin with \\0asm; upload the .wasm file a compiler made"
}

type parser struct {
	*reader
	*graph    // nil: it is not wanted
	module    *Module
	types     []FuncType
	functions []uint32 // the type of each function, imported ones first
	exported  []uint32 // the index behind each export
	globals   int
	start     uint32 // the start function, if the module has one
	tables    int
	elements  uint64 // of all tables
	sections  []section
	last      byte     // the last section that was not custom
	open      []Opcode // the blocks around the instruction that is read
	function  int      // whose body is being read, -1: none
	coded     bool     // the code section was there
	segmented bool     // code uses data segments
	spoils    bool     // code changes state that is neither memory nor a global
}

func (p *parser) nextSection() {
	p.section = ""
	id := p.byte()
	size := p.u32()
	if p.err != nil {
		return
	}
	if int(id) >= len(sectionNames) {
		p.fail("section %d is not known", id)
		return
	}
	p.section = sectionNames[id]
	if id != sectionCustom {
		if order(id) <= order(p.last) {
			p.fail("the section is there twice or in the wrong place")
			return
		}
		p.last = id
	}
	start := p.pos
	if p.bytes(size); p.err != nil {
		return
	}
	end := p.pos
	p.pos, p.end = start, end
	p.sections = append(p.sections, section{id, start, end})
	p.content(id)
	if p.err == nil && p.pos != end {
		p.fail("the section holds more than it says")
	}
	p.end = len(p.b)
}

// order is the place of a section in the binary. Two were added later and do
// not stand where their numbers say ("Modules").
func order(id byte) int {
	switch id {
	case sectionDataCount:
		return 2*sectionCode - 1
	case sectionTag:
		return 2*sectionMemory + 1
	}
	return 2 * int(id)
}

func (p *parser) content(id byte) {
	switch id {
	case sectionCustom:
		p.customSection()
	case sectionType:
		p.typeSection()
	case sectionImport:
		p.importSection()
	case sectionFunction:
		p.functionSection()
	case sectionTable:
		for range p.bounded("tables", MaxTables) {
			p.table()
		}
	case sectionMemory:
		for range p.count() {
			p.memory()
		}
	case sectionGlobal:
		p.globals += p.count()
		p.pos = p.end // what they hold, the engine checks
	case sectionExport:
		p.exportSection()
	case sectionStart:
		p.module.HasStart = true
		if p.start = p.u32(); int64(p.start) >= int64(len(p.functions)) {
			p.fail("the start function is %d, which is not there", p.start)
		} else if t := p.types[p.functions[p.start]]; !t.Equal(FuncType{}) {
			p.fail("the start function is of type %s; it must be of type () -> ()", t)
		}
	case sectionElement:
		p.bounded("element segments", MaxSegments)
		p.pos = p.end // what they hold, the engine checks
	case sectionDataCount:
		if n := p.u32(); n > MaxSegments {
			p.fail("%d data segments are over the limit of %d", n, MaxSegments)
		}
	case sectionCode:
		p.coded = true
		p.codeSection()
	case sectionData:
		p.bounded("data segments", MaxSegments)
		p.pos = p.end
	case sectionTag:
		p.fail("exceptions are not supported; build without them, such as -fno-exceptions or -C panic=abort")
	default:
		p.pos = p.end
	}
}

// customSection reads names, since the engine sets memory aside for as many as
// they say they are. What else is in such sections concerns nobody here.
func (p *parser) customSection() {
	end := p.end
	if p.name() != "name" {
		p.pos = end
		return
	}
	p.section = "name"
	for p.err == nil && p.pos < end {
		id, size := p.byte(), p.u32()
		start := p.pos
		if p.bytes(size); p.err != nil {
			return
		}
		p.pos, p.end = start, start+int(size)
		switch id {
		case 1: // functions
			p.nameMap()
		case 2: // locals of functions
			for range p.count() {
				p.u32()
				if p.nameMap(); p.err != nil {
					return
				}
			}
		}
		p.pos, p.end = start+int(size), end
	}
}

func (p *parser) nameMap() {
	for range p.count() {
		p.u32()
		if p.name(); p.err != nil {
			return
		}
	}
}

// bounded reads a vector's length and refuses one over limit.
func (p *parser) bounded(what string, limit int) int {
	n := p.count()
	if n > limit {
		p.fail("%d %s are over the limit of %d", n, what, limit)
		return 0
	}
	return n
}

func (p *parser) typeSection() {
	for range p.bounded("types", MaxTypes) {
		if form := p.byte(); form != 0x60 && p.err == nil {
			p.pos--
			p.fail("type form 0x%02x is not of WebAssembly 2.0; %s", form, noGC)
			return
		}
		p.types = append(p.types, FuncType{Params: p.valueTypes(), Results: p.valueTypes()})
		if p.err != nil {
			return
		}
	}
}

func (p *parser) importSection() {
	for range p.bounded("imports", MaxImports) {
		i := Import{Module: p.name(), Name: p.name(), Kind: ExternKind(p.byte())}
		switch i.Kind {
		case ExternFunc:
			index := p.typeIndex()
			if p.err == nil {
				i.Type = p.types[index]
				p.functions = append(p.functions, index)
			}
		case ExternTable:
			p.table()
		case ExternMemory:
			p.memory()
		case ExternGlobal:
			p.valueType()
			p.byte() // mutability
			p.globals++
		default:
			p.fail("import %s is of the unknown kind %d", i, byte(i.Kind))
		}
		if p.err != nil {
			return
		}
		p.module.Imports = append(p.module.Imports, i)
	}
}

func (p *parser) functionSection() {
	n := p.bounded("functions", MaxFunctions)
	for range n {
		p.functions = append(p.functions, p.typeIndex())
		if p.err != nil {
			return
		}
	}
	p.module.Functions = n
}

func (p *parser) typeIndex() uint32 {
	index := p.u32()
	if p.err == nil && int(index) >= len(p.types) {
		p.fail("type %d is not there", index)
	}
	return index
}

func (p *parser) table() {
	if p.tables++; p.tables > MaxTables {
		p.fail("%d tables are over the limit of %d", p.tables, MaxTables)
	}
	if t := p.valueType(); t != FuncRef && t != ExternRef && p.err == nil {
		p.fail("a table of %s is not possible", t)
	}
	least, _ := p.limits(1<<32 - 1)
	if p.elements += least; p.elements > MaxTableLength {
		p.fail("tables of %d elements are over the limit of %d", p.elements, MaxTableLength)
	}
}

func (p *parser) memory() {
	least, most := p.limits(maxPages)
	if least > maxPages || most > maxPages {
		p.fail("a memory of %d pages is over the 65536 that can be addressed", max(least, most))
	}
	if p.err == nil && p.module.Memory != nil {
		p.fail("more than one memory is not supported")
	}
	p.module.Memory = &Memory{Min: uint32(least), Max: uint32(most)}
}

// limits reads a minimum and a maximum, which is unbounded where the module
// names none ("Limits").
func (p *parser) limits(unbounded uint64) (least, most uint64) {
	flags := p.byte()
	switch {
	case flags&4 != 0:
		p.fail("64-bit memories (memory64) are not supported; build for wasm32")
	case flags&2 != 0:
		p.fail("shared memories (threads) are not supported; build without -pthread")
	case flags > 1:
		p.fail("limits of the unknown form 0x%02x", flags)
	}
	least, most = uint64(p.u32()), unbounded
	if flags&1 != 0 {
		most = uint64(p.u32())
	}
	if flags&1 != 0 && most < least {
		p.fail("a maximum of %d is under the minimum of %d", most, least)
	}
	return least, most
}

func (p *parser) exportSection() {
	for range p.bounded("exports", MaxExports) {
		e := Export{Name: p.name(), Kind: ExternKind(p.byte())}
		if e.Kind > ExternGlobal {
			p.fail("export %q is of the unknown kind %d", e.Name, byte(e.Kind))
		}
		p.exported = append(p.exported, p.u32())
		if p.err != nil {
			return
		}
		p.module.Exports = append(p.module.Exports, e)
	}
}

// complete gives exported functions their types, once all are known, and misses
// what should have come.
func (p *parser) complete() {
	p.section = "export"
	if p.module.Functions > 0 && !p.coded {
		p.section = ""
		p.fail("the module ends too early: its functions have no code")
		return
	}
	for i := range p.module.Exports {
		e := &p.module.Exports[i]
		index := p.exported[i]
		count := 0
		switch {
		case e.Kind == ExternFunc:
			count = len(p.functions)
		case e.Kind == ExternTable:
			count = p.tables
		case e.Kind == ExternGlobal:
			count = p.globals
		case p.module.Memory != nil:
			count = 1
		}
		if int64(index) >= int64(count) {
			p.fail("export %q is %s %d, which is not there", e.Name, e.Kind, index)
			return
		}
		if e.Kind == ExternFunc {
			e.Type = p.types[p.functions[index]]
		}
	}
}
