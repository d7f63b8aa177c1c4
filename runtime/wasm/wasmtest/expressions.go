package wasmtest

// exprs leaves values of these types.
func (f *function) exprs(types []valueType, depth int) {
	if len(types) > 1 && depth > 0 && f.rarely(4) {
		f.block(funcType{results: types}, depth-1)
		return
	}
	for _, t := range types {
		f.expr(t, depth)
	}
}

// expr leaves a value of type t.
func (f *function) expr(t valueType, depth int) {
	if depth <= 0 {
		f.leaf(t)
		return
	}
	depth--
	alone := []valueType{t}
	switch f.weighted(5, 12, 26, 12, 4, 5, 5, 5, 8, 4, 3, 1) {
	case 0:
		f.constant(t)
	case 1:
		f.leaf(t)
	case 2:
		f.compute(t, depth)
	case 3:
		f.read(t, depth)
	case 4:
		f.expr(t, depth)
		if l, ok := f.local(t); ok {
			f.op(opLocalTee, l)
		}
	case 5:
		f.block(funcType{results: alone}, depth)
	case 6:
		f.conditional(funcType{results: alone}, depth)
	case 7:
		f.loop(alone, depth)
	case 8:
		f.callFor(t, depth)
	case 9:
		f.expr(t, depth)
		f.expr(t, depth)
		f.expr(i32, depth)
		if t.isRef() {
			f.selectTyped(t)
		} else {
			f.op(opSelect)
		}
	case 10:
		f.expr(t, depth)
		f.expr(t, depth)
		f.expr(i32, depth)
		f.selectTyped(t)
	case 11:
		f.leave(depth)
	}
}

func (f *function) selectTyped(t valueType) {
	f.op(opSelectTyped)
	f.code = append(f.code, 1, byte(t))
}

// compute leaves the result of an operator.
func (f *function) compute(t valueType, depth int) {
	if t.isRef() {
		f.leaf(t)
		return
	}
	o := one(f.choices, computing[t])
	gentle := !f.rarely(6) // few operands should trap
	for i, p := range o.params {
		switch {
		case gentle && o.truncates():
			f.expr(i32, depth)
			f.number(0xffff)
			f.op(opI32And)
			f.op(map[valueType]opcode{f32: opF32ConvertU, f64: opF64ConvertU}[p])
		case gentle && o.divides() && i == 1 && p == i32:
			f.expr(i32, depth)
			f.number(1)
			f.op(opI32Or)
		case gentle && o.divides() && i == 1:
			f.expr(i64, depth)
			f.op(opI64Const)
			f.code = append(f.code, 1)
			f.op(opI64Or)
		default:
			f.expr(p, depth)
		}
	}
	f.operator(o)
}

// operator writes o, for which the operands are there.
func (f *function) operator(o operator) {
	f.op(o.op)
	switch {
	case o.op == opShuffle:
		for range 16 {
			f.code = append(f.code, byte(f.below(32)))
		}
	case o.lanes > 0:
		f.code = append(f.code, byte(f.below(o.lanes)))
	}
}

// read leaves a value of type t from where values are kept.
func (f *function) read(t valueType, depth int) {
	if t == i32 {
		switch f.weighted(10, 1, 1, 1, 1, 1, 2) {
		case 1:
			f.memoryNumber(depth)
			return
		case 2, 3:
			f.tableNumber(depth)
			return
		case 4, 5:
			f.expr(one(f.choices, []valueType{funcref, externref}), depth)
			f.op(opRefIsNull)
			return
		case 6:
			if f.m.pick >= 0 {
				f.calls++
				f.op(opCall, uint32(f.m.pick))
				return
			}
		}
	}
	if t == funcref && len(f.m.named) > 0 && f.rarely(2) {
		f.op(opRefFunc, uint32(one(f.choices, f.m.named)))
		return
	}
	if t.isRef() {
		if i, ok := f.table(t); ok {
			f.slot(i, depth)
			f.op(opTableGet, i)
			return
		}
	} else if f.m.memory != nil {
		o := one(f.choices, loading[t])
		f.address(depth)
		if len(o.params) == 2 {
			f.expr(v128, depth)
		}
		f.reach(o)
		return
	}
	f.leaf(t)
}

// store writes to memory.
func (f *function) store(depth int) {
	if f.m.memory == nil {
		f.op(opNop)
		return
	}
	o := one(f.choices, storing)
	f.address(depth)
	f.expr(o.params[1], depth)
	f.reach(o)
}

// address leaves an address, mostly of what is there.
func (f *function) address(depth int) {
	f.expr(i32, depth)
	if !f.rarely(24) {
		f.number(one(f.choices, []int32{0x7fff, 0xff, 0xfff, 0x3ff}))
		f.op(opI32And)
	}
}

// reach writes o, its alignment and its offset.
func (f *function) reach(o operator) {
	f.op(o.op)
	f.code = appendU32(f.code, uint32(f.below(int(o.align)+1)))
	switch f.weighted(20, 16, 8, 1) {
	case 0:
		f.index(0)
	case 1:
		f.index(uint32(f.byte()))
	case 2:
		f.index(uint32(f.bits(2)) & 0x7fff)
	case 3:
		f.index(one(f.choices, []uint32{1<<32 - 1, 1 << 31, 1<<16 - 1, 1 << 16}))
	}
	if o.lanes > 0 {
		f.code = append(f.code, byte(f.below(o.lanes)))
	}
}

// through works on values that are on the stack and leaves such there again.
func (f *function) through(types []valueType, depth int) {
	if len(types) == 0 {
		return
	}
	t := types[len(types)-1]
	switch {
	case f.rarely(3):
		if l, ok := f.local(t); ok {
			f.op(opLocalTee, l)
		}
	case !t.isRef():
		f.expr(t, depth)
		f.operator(one(f.choices, combining[t]))
	}
}
