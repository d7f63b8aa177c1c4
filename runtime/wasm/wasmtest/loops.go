package wasmtest

import "slices"

// guard takes cost from the budget and leaves whether something is left of it.
func (f *function) guard(cost int32) {
	m := f.m
	take := func() {
		f.op(opGlobalGet, m.budget)
		f.number(cost)
		f.op(opI32Sub)
	}
	positive := func() {
		f.number(0)
		f.op(opI32GtS)
	}
	switch form := f.weighted(2, 2, 2, 2, 1); {
	case form == 1:
		m.note("guard: by a local")
		if f.scratch == 0 {
			f.scratch = f.newLocal(i32)
		}
		take()
		f.op(opLocalTee, f.scratch)
		f.op(opGlobalSet, m.budget)
		f.op(opLocalGet, f.scratch)
		positive()
	case form == 2:
		m.note("guard: by an if")
		f.op(opGlobalGet, m.budget)
		positive()
		f.op(opIf)
		f.code = append(f.code, byte(i32))
		take()
		f.op(opGlobalSet, m.budget)
		f.number(1)
		f.op(opElse)
		f.number(0)
		f.op(opEnd)
	case form == 3 && m.spend >= 0 && cost == 1:
		m.note("guard: by a call")
		f.calls++
		f.op(opCall, uint32(m.spend))
	case form == 4:
		m.note("guard: by a select")
		take()
		f.op(opGlobalSet, m.budget)
		f.number(1)
		f.number(0)
		f.op(opGlobalGet, m.budget)
		positive()
		f.op(opSelect)
	default:
		m.note("guard: by the global")
		take()
		f.op(opGlobalSet, m.budget)
		f.op(opGlobalGet, m.budget)
		positive()
	}
}

// again leaves whether loop l may be gone back to.
func (f *function) again(l label) {
	if l.counter == 0 || f.rarely(3) {
		f.guard(1)
		return
	}
	f.m.note("guard: by a counter")
	f.op(opLocalGet, l.counter)
	f.number(1)
	f.op(opI32Sub)
	f.op(opLocalTee, l.counter)
	f.number(0)
	f.op(opI32GtS)
}

// againTo is again for the loop around so many labels.
func (f *function) againTo(around int) { f.again(f.labels[len(f.labels)-1-around]) }

// shape is a way of writing a loop, which leaves results.
type shape struct {
	name   string
	weight int
	write  func(f *function, results []valueType, depth int)
}

var shapes []shape

func init() { // they contain loops themselves
	shapes = []shape{
		{"loop: back at its end", 6, (*function).backAtEnd},
		{"loop: values kept on the stack", 3, (*function).backThrough},
		{"loop: asked at its top", 4, (*function).askedAtTop},
		{"loop: begins with a jump", 4, (*function).beginsWithJump},
		{"loop: around a dispatch", 6, (*function).aroundDispatch},
		{"loop: back by br_table", 4, (*function).backByTable},
		{"loop: back from within an if", 3, (*function).backFromIf},
		{"loop: left from within", 4, (*function).leftFromWithin},
		{"loop: two begin together", 3, (*function).twoTogether},
		{"loop: nothing but itself", 1, (*function).spin},
		{"loop: several ways back", 4, (*function).severalBack},
	}
}

// loop writes one of any shape.
func (f *function) loop(results []valueType, depth int) {
	weights := make([]int, len(shapes))
	for i, s := range shapes {
		weights[i] = s.weight
	}
	inside, before := f.inLoop(), f.calls
	s := shapes[f.weighted(weights...)]
	s.write(f, results, depth)
	f.m.note(s.name)
	if inside {
		f.m.note("loop: in a loop")
	}
	if f.calls > before {
		f.m.note("loop: with calls")
	} else {
		f.m.note("loop: without calls")
	}
}

// beginLoop begins one, with a counter if no loop around it has one: so it turns
// a few times for each time it is come to.
func (f *function) beginLoop(t funcType) {
	counter := uint32(0)
	if f.rarely(4) && !slices.ContainsFunc(f.labels, func(l label) bool { return l.counter != 0 }) {
		counter = f.newLocal(i32)
		f.number(int32(f.below(8)))
		f.op(opLocalSet, counter)
	}
	if len(t.params) > 0 {
		f.m.note("loop: with parameters")
	}
	if len(t.results) > 0 {
		f.m.note("loop: with results")
	}
	f.begin(opLoop, t, counter)
}

func (f *function) backAtEnd(results []valueType, depth int) {
	params := anyTypes(f.choices, 2)
	f.exprs(params, depth)
	f.beginLoop(funcType{params, results})
	f.sinks(params)
	f.statements(depth)
	f.exprs(params, depth)
	f.againTo(0)
	f.op(opBrIf, 0)
	f.sinks(params)
	f.exprs(results, depth)
	f.end()
}

func (f *function) backThrough(results []valueType, depth int) {
	f.exprs(results, depth)
	f.beginLoop(funcType{results, results})
	f.through(results, depth)
	f.statements(depth)
	f.againTo(0)
	f.op(opBrIf, 0)
	f.end()
}

func (f *function) askedAtTop(results []valueType, depth int) {
	f.begin(opBlock, funcType{results: results}, 0)
	f.beginLoop(funcType{results: results})
	f.exprs(results, depth)
	f.againTo(0)
	f.op(opI32Eqz)
	f.op(opBrIf, 1)
	f.sinks(results)
	f.statements(depth)
	if f.last == opLocalSet { // no jump by a dispatch; jumpTo writes those
		f.op(opNop)
	}
	f.op(opBr, 0)
	f.dead(depth)
	f.end()
	f.end()
}

func (f *function) beginsWithJump(results []valueType, depth int) {
	f.beginLoop(funcType{results: results})
	f.begin(opBlock, funcType{}, 0)
	if f.rarely(2) {
		f.op(opBr, 0)
		f.dead(depth)
	} else {
		f.expr(i32, depth)
		f.op(opBrTable)
		f.code = append(f.code, 1, 0, 0)
	}
	f.end()
	f.statements(depth)
	f.againTo(0)
	f.op(opBrIf, 0)
	f.exprs(results, depth)
	f.end()
}

func (f *function) backByTable(results []valueType, depth int) {
	f.begin(opBlock, funcType{}, 0)
	f.beginLoop(funcType{})
	f.statements(depth)
	innermost := len(f.labels) - 1
	forth := []int{innermost - 1}
	for _, i := range f.open() {
		if l := f.labels[i]; i < innermost-1 && !l.loop && len(l.types) == 0 && f.rarely(3) {
			forth = append(forth, i)
		}
	}
	f.switchTo(nil, []int{innermost}, forth, depth)
	f.end()
	f.end()
	f.exprs(results, depth)
}

func (f *function) backFromIf(results []valueType, depth int) {
	f.beginLoop(funcType{results: results})
	f.statements(depth)
	f.againTo(0)
	f.begin(opIf, funcType{}, 0)
	f.op(opBr, 1)
	if f.rarely(2) {
		f.op(opElse)
		f.statements(depth)
	}
	f.end()
	f.exprs(results, depth)
	f.end()
}

func (f *function) leftFromWithin(results []valueType, depth int) {
	f.beginLoop(funcType{results: results})
	f.statements(depth)
	f.againTo(0)
	f.op(opI32Eqz)
	f.begin(opIf, funcType{}, 0)
	f.labels[len(f.labels)-1].closed = true // behind it, there is no way but back
	f.leave(depth)
	f.end()
	f.op(opBr, 0)
	f.dead(depth)
	f.end()
}

func (f *function) twoTogether(results []valueType, depth int) {
	f.beginLoop(funcType{results: results})
	f.beginLoop(funcType{})
	f.statements(depth)
	f.againTo(1)
	f.op(opBrIf, 1)
	f.againTo(0)
	f.op(opBrIf, 0)
	f.end()
	f.exprs(results, depth)
	f.end()
}

func (f *function) spin(results []valueType, depth int) {
	f.beginLoop(funcType{})
	f.againTo(0)
	f.op(opBrIf, 0)
	f.end()
	f.exprs(results, depth)
}

func (f *function) severalBack(results []valueType, depth int) {
	f.beginLoop(funcType{results: results})
	for range 2 + f.below(3) {
		f.statements(depth)
		f.expr(i32, depth)
		f.againTo(0)
		f.op(opI32And)
		f.op(opBrIf, 0)
	}
	f.exprs(results, depth)
	f.end()
}
