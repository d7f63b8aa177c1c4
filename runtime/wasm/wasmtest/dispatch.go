package wasmtest

// dispatching is how many instructions a dispatch is.
const dispatching = 2

// dispatch is a br_table by a local, at the beginning of a loop, to the cases
// that follow: what Go's compiler makes of every function. To go to another case
// is to set the local and go back to the loop.
type dispatch struct {
	next    uint32 // the local
	table   []int  // the case for each value, the last for all others
	current int    // the case that is being written
}

// to is the case for a value of the local.
func (d *dispatch) to(value int) int {
	if last := len(d.table) - 1; value < 0 || value > last {
		return d.table[last]
	}
	return d.table[value]
}

func (f *function) aroundDispatch(results []valueType, depth int) {
	cases := 1 + f.below(5)
	d := &dispatch{table: make([]int, cases+f.below(3)), current: -1}
	for i := range d.table {
		if d.table[i] = i; i >= cases || f.rarely(6) {
			d.table[i] = f.below(cases)
		}
	}
	var known bool
	if d.next, known = f.local(i32); !known || !f.rarely(3) {
		d.next = f.newLocal(i32)
	}
	if f.rarely(3) {
		f.expr(i32, depth)
		f.number(3)
		f.op(opI32And)
		f.op(opLocalSet, d.next)
	}
	var behind []valueType // the loop, as is usual, and not within
	if f.rarely(4) {
		f.beginLoop(funcType{results: results})
	} else {
		results, behind = nil, results
		f.begin(opLoop, funcType{}, 0)
	}
	loop := len(f.labels) - 1
	f.labels[loop].dispatch = d
	for range cases {
		f.begin(opBlock, funcType{}, 0)
	}
	f.op(opLocalGet, d.next)
	if f.rarely(12) {
		f.op(opNop)
	}
	f.op(opBrTable)
	f.code = appendU32(f.code, uint32(len(d.table)-1))
	for _, to := range d.table {
		f.index(uint32(to))
	}
	for d.current = range cases {
		f.end()
		f.statements(depth)
		if f.rarely(2) {
			f.jumpTo(loop, depth)
		}
	}
	f.exprs(results, depth)
	f.end()
	f.exprs(behind, depth)
}

// jump goes to another case of a dispatch around.
func (f *function) jump(depth int) {
	loop, ok := indexOf(f.choices, f.labels, func(l label) bool { return l.dispatch != nil && l.dispatch.current >= 0 })
	if !ok {
		f.branchIf(depth)
		return
	}
	f.expr(i32, depth)
	f.begin(opIf, funcType{}, 0)
	f.jumpTo(int(loop), depth)
	f.end()
}

// jumpTo sets the local and goes back to the loop: at once to a later case, which
// has an end, and else only while there is budget.
func (f *function) jumpTo(loop, depth int) {
	l := f.labels[loop]
	d := l.dispatch
	value := f.below(len(d.table)+2) - 1
	set := func(local uint32) {
		f.number(int32(value))
		f.op(opLocalSet, local)
	}
	f.noteBranch(loop)
	ahead := d.to(value) > d.current
	switch {
	case ahead && f.rarely(3):
		f.m.note("jump: ahead by br_if")
		f.expr(i32, depth)
		set(d.next)
		f.count(-dispatching) // too few, where it is not taken
		f.op(opBrIf, f.to(loop))
	case ahead:
		f.m.note("jump: ahead")
		set(d.next)
		f.count(-dispatching)
		f.op(opBr, f.to(loop))
	case f.rarely(3):
		f.m.note("jump: back by br_if")
		f.again(l)
		set(d.next)
		f.op(opBrIf, f.to(loop))
	default:
		f.m.note("jump: back")
		f.again(l)
		f.begin(opIf, funcType{}, 0)
		local := d.next
		if other, ok := f.local(i32); ok && f.rarely(3) { // what looks like a jump
			local, value = other, f.below(len(d.table)+2)-1
		}
		set(local)
		f.op(opBr, f.to(loop))
		f.end()
	}
}
