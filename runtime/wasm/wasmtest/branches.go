package wasmtest

import "slices"

// to is the number by which a branch names label i.
func (f *function) to(i int) uint32 { return uint32(len(f.labels) - 1 - i) }

// open are the labels that may be branched to, the function's among them.
func (f *function) open() []int {
	var open []int
	for i, l := range f.labels {
		if !l.closed {
			open = append(open, i)
		}
	}
	return open
}

// noteBranch tells what a branch to label i leaves.
func (f *function) noteBranch(i int) {
	loops := 0
	for _, l := range f.labels[i+1:] {
		if l.loop {
			loops++
		}
	}
	switch {
	case f.labels[i].loop && loops > 0:
		f.m.note("branch: back to an outer loop")
	case f.labels[i].loop:
		f.m.note("branch: back")
	case i == 0 && loops > 0:
		f.m.note("branch: to the function's label, out of loops")
	case i == 0:
		f.m.note("branch: to the function's label")
	case loops > 1:
		f.m.note("branch: out of several loops")
	case loops > 0:
		f.m.note("branch: out of a loop")
	}
}

// branchIf is a br_if to any label; back to a loop only while there is budget.
func (f *function) branchIf(depth int) {
	i := one(f.choices, f.open())
	l := f.labels[i]
	f.exprs(l.types, depth)
	f.noteBranch(i)
	if l.loop {
		f.again(l)
		if f.rarely(2) {
			f.expr(i32, depth)
			f.op(opI32And)
		}
	} else {
		f.expr(i32, depth)
	}
	f.op(opBrIf, f.to(i))
	f.sinks(l.types)
}

// branchTable is a br_table to labels that take the same along, loops among them.
// It may have left for good.
func (f *function) branchTable(depth int) {
	open := f.open()
	types := f.labels[one(f.choices, open)].types
	var back, forth []int
	for _, i := range open {
		switch l := f.labels[i]; {
		case !slices.Equal(l.types, types):
		case l.loop:
			back = append(back, i)
		default:
			forth = append(forth, i)
		}
	}
	f.switchTo(types, back, forth, depth)
}

// switchTo writes a br_table to some of these labels. Where there are any to go
// back to, one of them is among the targets, and whether it can be taken is
// asked before.
func (f *function) switchTo(types []valueType, back, forth []int, depth int) {
	targets := make([]int, f.below(5)+1) // the last is the default
	all := slices.Concat(forth, back)
	for i := range targets {
		targets[i] = one(f.choices, all)
	}
	if len(back) > 0 {
		targets[f.below(len(targets))] = one(f.choices, back)
		f.m.note("br_table: back")
	}
	wrapped := len(back) > 0 && (len(forth) == 0 || f.rarely(2))
	exit := len(targets)
	if len(back) > 0 && !wrapped {
		targets = append(targets, one(f.choices, forth))
		exit = f.below(len(targets))
		last := len(targets) - 1
		targets[exit], targets[last] = targets[last], targets[exit]
	}
	if wrapped {
		f.guard(1)
		f.begin(opIf, funcType{}, 0)
	}
	f.exprs(types, depth)
	f.expr(i32, depth)
	if mask := int32(7); !f.rarely(4) {
		f.number(mask)
		f.op(opI32And)
	}
	if len(back) > 0 && !wrapped {
		f.number(int32(exit))
		f.guard(1)
		f.op(opSelect)
	}
	f.op(opBrTable)
	f.code = appendU32(f.code, uint32(len(targets)-1))
	for _, i := range targets {
		f.noteBranch(i)
		f.index(f.to(i))
	}
	f.dead(depth)
	if wrapped {
		f.end()
	}
}

// leave leaves for good, and not to a loop.
func (f *function) leave(depth int) {
	var forth []int
	for _, i := range f.open() {
		if !f.labels[i].loop {
			forth = append(forth, i)
		}
	}
	switch f.weighted(5, 3, 2, 1) {
	case 0:
		i := one(f.choices, forth)
		f.noteBranch(i)
		f.exprs(f.labels[i].types, depth)
		f.op(opBr, f.to(i))
	case 1:
		if f.inLoop() {
			f.m.note("return: out of a loop")
		}
		f.exprs(f.typ.results, depth)
		f.op(opReturn)
	case 2:
		types := f.labels[one(f.choices, forth)].types
		forth = slices.DeleteFunc(forth, func(i int) bool { return !slices.Equal(f.labels[i].types, types) })
		f.switchTo(types, nil, forth, depth)
		return
	case 3:
		if f.inLoop() {
			f.m.note("unreachable: in a loop")
		}
		f.op(opUnreachable)
	}
	f.dead(depth)
}

// dead writes code that cannot be reached, where any operand is on the stack.
func (f *function) dead(depth int) {
	if depth <= 0 {
		return
	}
	var known []valueType // what it left there
	for range f.below(4) {
		switch f.weighted(1, 1, 3, 2) {
		case 0:
			f.statement(depth - 1)
		case 1:
			t := anyType(f.choices)
			f.expr(t, depth-1)
			known = append(known, t)
		case 2:
			o := one(f.choices, arithmetic)
			known = f.taken(known, o.params)
			f.operator(o)
			known = append(known, o.result)
			f.m.note("dead: operator")
		case 3:
			t := funcType{anyTypes(f.choices, 2), anyTypes(f.choices, 1)}
			known = f.taken(known, t.params)
			f.begin(one(f.choices, []opcode{opBlock, opLoop}), t, 0)
			f.inside(t, depth-1)
			f.end()
			known = append(known, t.results...)
			f.m.note("dead: block")
		}
	}
	for range known {
		f.op(opDrop)
	}
}

// taken is what is known of the stack once operands of these types are taken
// from it. Where those on it are of other types they are dropped first.
func (f *function) taken(known, types []valueType) []valueType {
	n := min(len(known), len(types))
	if slices.Equal(known[len(known)-n:], types[len(types)-n:]) {
		return known[:len(known)-n]
	}
	for range known {
		f.op(opDrop)
	}
	return nil
}
