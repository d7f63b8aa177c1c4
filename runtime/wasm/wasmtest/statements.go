package wasmtest

import "slices"

// statements leave the stack as it is.
func (f *function) statements(depth int) {
	for range f.below(5) {
		f.statement(depth)
	}
}

func (f *function) statement(depth int) {
	if depth <= 0 {
		f.op(opNop)
		return
	}
	depth--
	switch f.weighted(1, 10, 5, 9, 4, 4, 5, 9, 16, 10, 6, 7, 5, 5, 5, 5, 1, 6) {
	case 0:
		f.op(opNop)
	case 1:
		if t := anyType(f.choices); f.rarely(6) || !slices.Contains(f.locals, t) {
			f.expr(i32, depth)
			f.sink(i32)
		} else {
			f.expr(t, depth)
			f.sink(t)
		}
	case 2:
		if t := anyType(f.choices); true {
			f.expr(t, depth)
			f.sink(t)
		}
	case 3:
		f.store(depth)
	case 4:
		f.expr(anyType(f.choices), depth)
		f.op(opDrop)
	case 5:
		f.expr(i32, depth)
		if f.m.log < 0 {
			f.op(opDrop)
			return
		}
		f.calls++
		f.op(opCall, uint32(f.m.log))
	case 6:
		t := f.blockType()
		f.exprs(t.params, depth)
		f.block(t, depth)
		f.sinks(t.results)
	case 7:
		t := f.blockType()
		f.exprs(t.params, depth)
		f.conditional(t, depth)
		f.sinks(t.results)
	case 8:
		results := anyTypes(f.choices, 1)
		f.loop(results, depth)
		f.sinks(results)
	case 9:
		f.call(depth)
	case 10:
		f.callIndirect(depth)
	case 11:
		f.branchIf(depth)
	case 12:
		f.branchTable(depth)
	case 13:
		f.bulk(depth)
	case 14:
		f.tables(depth)
	case 15: // leaving from within
		f.expr(i32, depth)
		f.begin(opIf, funcType{}, 0)
		f.leave(depth)
		f.end()
	case 16:
		f.leave(depth)
	case 17:
		f.jump(depth)
	}
}

// blockType chooses what a block takes and leaves: mostly nothing.
func (f *function) blockType() funcType {
	switch f.weighted(5, 2, 2, 1) {
	case 1:
		return funcType{params: anyTypes(f.choices, 2), results: anyTypes(f.choices, 2)}
	case 2:
		types := anyTypes(f.choices, 2)
		return funcType{params: types, results: types}
	case 3:
		if len(f.m.types) > 0 {
			return one(f.choices, f.m.types)
		}
	}
	return funcType{}
}

// block writes one; its parameters are on the stack.
func (f *function) block(t funcType, depth int) {
	f.begin(opBlock, t, 0)
	f.inside(t, depth)
	f.end()
}

// conditional writes an if; its parameters are on the stack.
func (f *function) conditional(t funcType, depth int) {
	f.expr(i32, depth)
	f.begin(opIf, t, 0)
	f.inside(t, depth)
	if !slices.Equal(t.params, t.results) || f.rarely(2) {
		f.op(opElse)
		f.inside(t, depth)
	} else {
		f.m.note("if without else")
	}
	f.end()
}

// inside makes results of parameters.
func (f *function) inside(t funcType, depth int) {
	if len(t.params) > 0 && slices.Equal(t.params, t.results) && f.rarely(2) {
		f.through(t.params, depth)
		f.statements(depth) // on top of what is on the stack
		return
	}
	f.sinks(t.params)
	f.statements(depth)
	f.exprs(t.results, depth)
}

// call calls a function and takes its results.
func (f *function) call(depth int) {
	i, ok := f.callee(func(funcType) bool { return true })
	if !ok {
		f.op(opNop)
		return
	}
	t := f.m.functions[i].typ
	write := func() {
		f.exprs(t.params, depth)
		f.op(opCall, i)
		f.sinks(t.results)
	}
	f.calls++
	if f.m.functions[i].level < f.level {
		f.m.note("call: without a guard")
		write()
		return
	}
	f.m.note("call: with a guard")
	f.guarded(write)
}

// callee chooses a function that f may call.
func (f *function) callee(fits func(funcType) bool) (uint32, bool) {
	return indexOf(f.choices, f.m.functions, func(d declared) bool {
		return (d.level < f.level || f.level == free) && fits(d.typ)
	})
}

// guarded writes what must not happen without end.
func (f *function) guarded(write func()) {
	if f.rarely(3) {
		f.begin(opBlock, funcType{}, 0)
		f.guard(callCost)
		f.op(opI32Eqz)
		f.op(opBrIf, 0)
		write()
		f.end()
		return
	}
	f.guard(callCost)
	f.begin(opIf, funcType{}, 0)
	write()
	f.end()
}

// callFor leaves the first result, of type t, of a function.
func (f *function) callFor(t valueType, depth int) {
	i, ok := f.callee(func(u funcType) bool { return len(u.results) > 0 && u.results[0] == t })
	if !ok {
		f.leaf(t)
		return
	}
	d := &f.m.functions[i]
	write := func() {
		f.exprs(d.typ.params, depth)
		f.op(opCall, i)
		f.sinks(d.typ.results[1:])
	}
	f.calls++
	if d.level < f.level {
		write()
		return
	}
	f.guard(callCost)
	f.begin(opIf, funcType{results: []valueType{t}}, 0)
	write()
	f.op(opElse)
	f.leaf(t)
	f.end()
}

// callIndirect calls through a table, mostly what is there and of its type.
func (f *function) callIndirect(depth int) {
	i, ok := f.table(funcref)
	if !ok || f.level < free {
		f.call(depth)
		return
	}
	var t funcType
	index := func() { f.slot(i, depth) }
	if len(f.m.slots) > 0 && !f.rarely(5) {
		s := one(f.choices, f.m.slots)
		i = uint32(s.table)
		t = f.m.functions[s.function].typ
		index = func() { f.number(int32(s.index)) }
		f.m.note("call_indirect: of what is there")
	} else {
		t = one(f.choices, f.m.types)
		f.m.note("call_indirect: of anything")
	}
	f.calls++
	f.guarded(func() {
		f.exprs(t.params, depth)
		index()
		f.op(opCallIndirect, f.m.typeIndex(f.choices, t), i)
		f.sinks(t.results)
	})
}
