package wasmtest

import "strconv"

const (
	// BudgetGlobal is the exported mutable i32 that every jump back and every
	// guarded call takes from. It begins at a number up to MaxBudget; a host may
	// set it anew before each call, no higher.
	BudgetGlobal = "budget"

	// MaxBudget is the most of it.
	MaxBudget = 1000

	// CountGlobal is the exported mutable i64 in which the modules of
	// GenerateCounting count.
	CountGlobal = "instructions"

	// MaxDepth bounds how many calls are under way at once.
	MaxDepth = 50

	// callCost is what a guarded call takes from the budget, so that no more than
	// MaxBudget/callCost are under way at once.
	callCost = 30
)

// Generate returns the module that choices describe.
func Generate(choices []byte) []byte { return generate(choices, false).binary() }

// GenerateCounting returns the module of Generate(choices) with code in front of
// every instruction that adds one to CountGlobal. Like Meter, it counts neither
// block, loop, else, end and nop, nor the dispatch that a jump ahead goes through.
func GenerateCounting(choices []byte) []byte { return generate(choices, true).binary() }

// declared is a function of the module.
type declared struct {
	typ   funcType
	level int
	body  func(m *module) []byte // nil: chosen
}

// Levels say who may call whom without a guard: a function calls those of lower
// levels. Those that are free call all others, with a guard.
const free = 3

type table struct {
	limits
	elements valueType
}

type global struct {
	typ     valueType
	mutable bool
}

// module is one while it is generated.
type module struct {
	*choices
	types     []funcType
	imports   [][]byte
	functions []declared // imported ones first
	imported  int
	tables    []table // imported ones first
	memory    *limits
	globals   []global // imported ones first
	values    [][]byte // what the module's own globals begin with
	exports   [][]byte
	elements  []elementSegment
	data      []dataSegment
	names     bool // a name section

	log, pick int   // the indices of the host's functions, -1: not imported
	spend     int   // the index of the function that guards call, -1: none
	start     int   // -1: none
	named     []int // functions that ref.func may name
	slots     []slot
	budget    uint32

	importedTables int
	importedMemory bool

	counting bool
	counter  uint32

	// What it holds, for tests of the generator.
	opcodes map[opcode]int
	notes   map[string]int
}

// slot is an element of a table of which it is known what it holds at first.
type slot struct{ table, index, function int }

func generate(bytes []byte, counting bool) *module {
	all := &choices{left: bytes}
	m := &module{
		choices: all.cut(min(len(bytes)/3, 160)),
		log:     -1, pick: -1, spend: -1, start: -1,
		counting: counting,
		opcodes:  map[opcode]int{}, notes: map[string]int{},
	}
	m.chooseTypes()
	m.chooseImports()
	m.chooseFunctions()
	m.chooseTables()
	m.chooseMemory()
	m.chooseGlobals()
	m.chooseExports()
	m.chooseElements()
	m.chooseData()
	m.names = m.rarely(3)
	head := m.choices
	for i := m.imported; i < len(m.functions); i++ {
		f := &m.functions[i]
		if f.body != nil {
			continue
		}
		// Each has its share, so that a byte changes one function and not all.
		left := 0
		for _, later := range m.functions[i:] {
			if later.body == nil {
				left++
			}
		}
		code := m.body(all.cut(len(all.left)/left), f)
		f.body = func(*module) []byte { return code }
	}
	m.choices = head
	return m
}

// note remembers that something was generated.
func (m *module) note(what string) { m.notes[what]++ }

// anyType chooses the type of a value.
func (m *module) anyType() valueType {
	return anyType(m.choices)
}

func anyType(c *choices) valueType {
	return []valueType{i32, i64, f32, f64, v128, funcref, externref}[c.weighted(8, 5, 3, 3, 3, 1, 1)]
}

func anyTypes(c *choices, most int) []valueType {
	types := make([]valueType, c.below(most+1))
	for i := range types {
		types[i] = anyType(c)
	}
	return types
}

func (m *module) chooseTypes() {
	for range m.below(6) {
		if len(m.types) > 0 && m.rarely(4) {
			m.note("type: twice")
			m.types = append(m.types, one(m.choices, m.types))
			continue
		}
		m.types = append(m.types, funcType{anyTypes(m.choices, 4), anyTypes(m.choices, 3)})
	}
}

// typeIndex returns an index of t, which becomes a type of the module.
func (m *module) typeIndex(c *choices, t funcType) uint32 {
	var same []uint32
	for i := range m.types {
		if m.types[i].equal(t) {
			same = append(same, uint32(i))
		}
	}
	if same == nil {
		m.types = append(m.types, t)
		return uint32(len(m.types) - 1)
	}
	return one(c, same)
}

func (m *module) chooseImports() {
	add := func(from, name string, kind byte, rest []byte) {
		m.imports = append(m.imports, append(append(appendName(appendName(nil, from), name), kind), rest...))
		m.note("import: " + name)
	}
	function := func(from, name string, t funcType) int {
		add(from, name, kindFunction, appendU32(nil, m.typeIndex(m.choices, t)))
		m.functions = append(m.functions, declared{typ: t, level: -1})
		m.imported++
		return len(m.functions) - 1
	}
	variable := func(name string, g global) {
		add("state", name, kindGlobal, appendGlobalType(nil, g))
		m.globals = append(m.globals, g)
	}
	for range m.below(8) {
		switch m.below(10) {
		case 0, 1, 2:
			m.log = function("env", "log", funcType{params: []valueType{i32}})
		case 3, 4:
			m.pick = function("env", "pick", funcType{results: []valueType{i32}})
		case 5:
			function("state", stateFunction, doubling)
		case 6, 7:
			name := one(m.choices, stateNames)
			variable(name, stateGlobals[name].global)
		case 8:
			name := one(m.choices, []string{"table", "externs"})
			t := stateTables[name]
			if t.bounded = !m.rarely(3); !t.bounded {
				t.max = 0
			}
			add("state", name, kindTable, t.append([]byte{byte(t.elements)}))
			m.tables = append(m.tables, t)
			m.importedTables++
		case 9:
			if !m.importedMemory {
				m.importedMemory = true
				m.memory = &limits{min: stateMemory.min, max: stateMemory.max, bounded: true}
				add("state", "memory", kindMemory, m.memory.append(nil))
			}
		}
	}
	if m.rarely(24) { // indices beyond one byte, which metering makes one more
		m.note("import: more than 120 functions")
		for range 120 + m.below(10) {
			m.log = function("env", "log", funcType{params: []valueType{i32}})
		}
	}
}

func (m *module) chooseFunctions() {
	for range 1 + m.below(6) {
		level := []int{free, 2, 1, 0}[m.weighted(4, 1, 1, 2)]
		var t funcType
		if len(m.types) > 0 && m.rarely(2) {
			t = one(m.choices, m.types)
		} else {
			t = funcType{anyTypes(m.choices, 3), anyTypes(m.choices, 2)}
			m.typeIndex(m.choices, t)
		}
		m.functions = append(m.functions, declared{typ: t, level: level})
	}
	if m.rarely(3) {
		m.spend = len(m.functions)
		t := funcType{results: []valueType{i32}}
		m.typeIndex(m.choices, t)
		m.functions = append(m.functions, declared{typ: t, level: -1, body: spending})
	}
	if m.rarely(4) {
		m.start = len(m.functions)
		m.typeIndex(m.choices, funcType{})
		m.functions = append(m.functions, declared{level: m.below(free + 1)})
		m.note("start function")
	}
}

// spending takes one from the budget and answers whether something is left.
func spending(m *module) []byte {
	f := &function{choices: &choices{}, m: m}
	f.op(opGlobalGet, m.budget)
	f.number(1)
	f.op(opI32Sub)
	f.op(opGlobalSet, m.budget)
	f.op(opGlobalGet, m.budget)
	f.number(0)
	f.op(opI32GtS)
	f.op(opEnd)
	return append([]byte{0}, f.code...)
}

func (m *module) chooseTables() {
	for range m.weighted(1, 3, 2) {
		t := table{elements: funcref, limits: limits{min: uint32(m.below(12))}}
		if m.rarely(4) {
			t.elements = externref
		}
		if m.rarely(2) {
			t.bounded, t.max = true, t.min+uint32(m.below(20))
		}
		m.tables = append(m.tables, t)
		m.note("table: own")
	}
}

func (m *module) chooseMemory() {
	if m.memory != nil || m.rarely(10) {
		return
	}
	m.memory = &limits{min: uint32(m.weighted(0, 8, 2, 1)), bounded: true}
	switch m.weighted(6, 2, 1) {
	case 0:
		m.memory.max = m.memory.min + uint32(m.below(4))
	case 1:
		m.memory.bounded = false
		m.note("memory: without a maximum")
	case 2:
		m.memory.min = 0
		m.memory.max = 2
		m.note("memory: empty at first")
	}
}

func (m *module) chooseExports() {
	export := func(name string, kind byte, index int) {
		m.exports = append(m.exports, appendU32(append(appendName(nil, name), kind), uint32(index)))
	}
	for i := m.imported; i < len(m.functions); i++ {
		if !m.rarely(4) && i != m.spend {
			export("f"+strconv.Itoa(i-m.imported), kindFunction, i)
			m.named = append(m.named, i)
		}
	}
	if m.imported > 0 && m.rarely(4) {
		i := m.below(m.imported)
		export("imported", kindFunction, i)
		m.named = append(m.named, i)
		m.note("export: imported function")
	}
	for i := range m.tables {
		if m.rarely(2) {
			export("t"+strconv.Itoa(i), kindTable, i)
		}
	}
	if m.memory != nil && !m.rarely(4) {
		export("memory", kindMemory, 0)
	}
	for i := range m.globals {
		if i != int(m.budget) && !m.rarely(4) {
			export("g"+strconv.Itoa(i), kindGlobal, i)
		}
	}
	export(BudgetGlobal, kindGlobal, int(m.budget))
	if m.counting {
		m.counter = uint32(len(m.globals))
		m.globals = append(m.globals, global{i64, true})
		m.values = append(m.values, []byte{byte(opI64Const), 0})
		export(CountGlobal, kindGlobal, int(m.counter))
	}
	if len(m.tables) > 0 {
		t := funcType{}
		for range m.tables {
			t.results = append(t.results, i32)
		}
		m.typeIndex(m.choices, t)
		export("sizes", kindFunction, len(m.functions))
		m.functions = append(m.functions, declared{typ: t, level: -1, body: sizes})
	}
}

// sizes answers how long the tables are.
func sizes(m *module) []byte {
	f := &function{choices: &choices{}, m: m}
	for i := range m.tables {
		f.op(opTableSize, uint32(i))
	}
	f.op(opEnd)
	return append([]byte{0}, f.code...)
}
