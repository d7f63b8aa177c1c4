package wasm

import "slices"

// dispatch is how loops begin that Go's compiler makes of functions: blocks in
// blocks and in the innermost "local.get n, br_table". To go on anywhere in the
// function such code sets n and begins the loop again. Behind the end of each block
// lies a stretch of the function; the inner blocks end first.
type dispatch struct {
	loop    int // index of the loop's label
	local   uint32
	targets []target // by the value of the local; the last is for those above

	ended int // blocks at the head that are not over: the code is behind the next

	// inner tells of each block at the head, by how many are around it, the
	// innermost loop of the function's own that its stretch is in: by the block behind
	// which that loop begins. -1: there is none.
	inner []int
}

// target is a label: its index, as long as the one there has this id.
type target struct{ index, id int }

// to is where a value of the local leads.
func (d *dispatch) to(value int32) target {
	return d.targets[min(int64(uint32(value)), int64(len(d.targets)-1))]
}

// entersLoop reports whether a jump from behind one block to behind another gets
// into a loop that it is not in. Blocks are given by how many are around them at
// the head.
func (d *dispatch) entersLoop(from, to int) bool {
	return d.inner[to] >= to && d.inner[to] < from
}

// opening recognises a dispatch instruction by instruction.
type opening struct {
	loop  int // index of the loop's label, 0: there is none
	local int64
}

// jump recognises "i32.const value, local.set local".
type jump struct {
	seen  int // how many of the two
	value int32
	local uint32
}

func (j jump) after(op Opcode, r *reader) jump {
	switch {
	case op == opI32Const:
		return jump{seen: 1, value: r.constant}
	case op == opLocalSet && j.seen == 1:
		return jump{seen: 2, value: j.value, local: r.index}
	}
	return jump{}
}

// by reports whether the jump leads through the dispatch of that label.
func (j jump) by(l *label) bool {
	return j.seen == 2 && l.op == opLoop && l.dispatch != nil && l.dispatch.local == j.local
}

// opened follows the beginning of a loop up to its dispatch.
func (c *coder) opened(op Opcode) opening {
	o := c.opening
	switch {
	case op == opLoop:
		return opening{loop: len(c.labels), local: -1}
	case o.loop > 0 && o.local < 0 && op == opBlock:
		return o
	case o.loop > 0 && o.local < 0 && op == opLocalGet:
		return opening{loop: o.loop, local: int64(c.index)}
	}
	return opening{}
}

// dispatches reads a dispatch, whose br_table has these labels, and then ahead to
// the end of its loop, to find the loops that jumps back make.
func (c *coder) dispatches(o opening, numbers []uint32) *dispatch {
	d := &dispatch{loop: o.loop, local: uint32(o.local), targets: make([]target, len(numbers))}
	for i, number := range numbers {
		d.targets[i] = target{len(c.labels) - 1 - int(number), c.label(number).id}
	}
	blocks := len(c.labels) - 1 - o.loop
	reach := make([]int, blocks) // by the block a loop begins behind, the last block it reaches
	for i := range reach {
		reach[i] = i + 1
	}
	d.ended = blocks
	for i := range blocks {
		c.labels[o.loop+1+i].head = i + 1
	}
	start := c.pos
	open, ended, j := len(c.labels), blocks, jump{}
	for open > o.loop && c.err == nil {
		op := c.instruction()
		switch op {
		case opBlock, opLoop, opIf:
			open++
		case opEnd:
			if open--; open-1-o.loop < ended {
				ended = max(open-1-o.loop, 0)
			}
		case opBr, opBrIf:
			if j.seen == 2 && j.local == d.local && int(c.index) == open-1-o.loop {
				if to := d.to(j.value).index - o.loop - 1; to >= ended && to < blocks {
					reach[to] = min(reach[to], ended)
				}
			}
		}
		j = j.after(op, c.reader)
	}
	c.pos = start

	// Loops that begin later are the inner ones; what they reach is theirs.
	d.inner = slices.Repeat([]int{-1}, blocks)
	next := make([]int, blocks+1) // the next block that is not yet any loop's
	for i := range next {
		next[i] = i
	}
	free := func(i int) int {
		for next[i] != i {
			next[i] = next[next[i]]
			i = next[i]
		}
		return i
	}
	for begins, last := range reach {
		for i := free(last); i <= begins; i = free(i) {
			d.inner[i] = begins
			next[i] = i + 1
		}
	}
	return d
}
