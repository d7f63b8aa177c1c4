package wasmtest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// expected are the instructions of WebAssembly 2.0, all of which are generated
// ("Index of Instructions").
func expected() []opcode {
	var ops []opcode
	add := func(from, to opcode, holes ...opcode) {
		for op := from; op <= to; op++ {
			if !slices.Contains(holes, op&0xffff) {
				ops = append(ops, op)
			}
		}
	}
	add(0x00, 0x05)
	add(0x0b, 0x11)
	add(0x1a, 0x1c)
	add(0x20, 0x26)
	add(0x28, 0xc4)
	add(0xd0, 0xd2)
	add(0xfc_0000, 0xfc_0011)
	add(0xfd_0000, 0xfd_00ff, 154, 162, 165, 166, 175, 176, 178, 179, 180, 187, 194, 197, 198, 207, 208, 210, 211, 212, 226, 238)
	return ops
}

func TestEverythingIsGenerated(t *testing.T) {
	const modules, least = 1500, 3
	opcodes, notes := map[opcode]int{}, map[string]int{} // in how many modules
	random := rand.NewChaCha8([32]byte{3})
	for range modules {
		choices := make([]byte, random.Uint64()%3000)
		random.Read(choices)
		m := generate(choices, false)
		m.binary()
		for op := range m.opcodes {
			opcodes[op]++
		}
		for what := range m.notes {
			notes[what]++
		}
	}
	for _, op := range expected() {
		if opcodes[op] < least {
			t.Errorf("instruction 0x%x is in %d of %d modules", uint32(op), opcodes[op], modules)
		}
	}
	if got, want := len(opcodes), len(expected()); got != want {
		t.Errorf("%d instructions were generated, want %d", got, want)
	}
	required := []string{
		"import: log", "import: pick", "import: " + stateFunction, "import: memory", "import: table", "import: externs",
		"import: more than 120 functions", "export: imported function", "type: twice", "start function", "name section", "custom section",
		"table: own", "memory: without a maximum", "memory: empty at first", "constant: global.get", "constant: ref.func", "segment: at a global",
		"data segment: form 0", "data segment: form 1", "data segment: form 2",
		"block type: index", "if without else", "dead: operator", "dead: block", "more than 127 locals", "indices of five bytes",
		"call: with a guard", "call: without a guard", "call_indirect: of what is there", "call_indirect: of anything",
		"branch: back", "branch: back to an outer loop", "branch: out of a loop", "branch: out of several loops", "branch: to the function's label",
		"branch: to the function's label, out of loops", "return: out of a loop", "unreachable: in a loop", "br_table: back",
		"jump: ahead", "jump: ahead by br_if", "jump: back", "jump: back by br_if",
		"guard: by the global", "guard: by a local", "guard: by an if", "guard: by a call", "guard: by a select", "guard: by a counter",
		"loop: in a loop", "loop: with calls", "loop: without calls", "loop: with parameters", "loop: with results",
		"bulk instruction in a loop", "table instruction in a loop",
	}
	for _, s := range shapes {
		required = append(required, s.name)
	}
	for form := range 8 {
		required = append(required, fmt.Sprint("element segment: form ", form))
	}
	for _, name := range stateNames {
		required = append(required, "import: "+name)
	}
	for _, what := range required {
		if notes[what] < least {
			t.Errorf("%q is in %d of %d modules", what, notes[what], modules)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(notes)) {
		t.Logf("%5.1f%% %s", float64(notes[what])*100/modules, what)
	}
}

func TestWithoutChoicesTheSimplestIsGenerated(t *testing.T) {
	m := generate(nil, false)
	m.binary()
	if len(m.functions) != 1 || len(m.imports) != 0 || len(m.opcodes) != 1 || m.opcodes[opEnd] != 1 {
		t.Errorf("%d functions, %d imports, instructions %v", len(m.functions), len(m.imports), m.opcodes)
	}
}
