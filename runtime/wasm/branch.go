package wasm

// number is that by which a branch names a label, from within so many labels
// more than are open.
func (c *coder) number(l *label, within int) uint32 { return uint32(c.depth - 1 - l.depth + within) }

// label is what an author's number names.
func (c *coder) label(number uint32) *label {
	if int64(number) >= int64(len(c.labels)) {
		c.fail("a branch names label %d of %d", number, len(c.labels))
		return &c.labels[0]
	}
	return &c.labels[len(c.labels)-1-int(number)]
}

// branch writes a br or br_if.
func (c *coder) branch(op Opcode, at int, j jump) {
	c.replace(at)
	l := c.label(c.index)
	within := 0
	before := c.now
	if op == opBrIf && l.op == opLoop && !l.carries {
		c.written = append(c.written, byte(opIf), emptyType)
		op, within = opBr, 1
	}
	if ahead := c.ahead(l, op, j); ahead != nil {
		l = ahead
	}
	if l.op == opLoop {
		c.again(op, l, j, within)
	} else {
		c.pay()
		l.at.join(c.now)
		c.written = appendU32(append(c.written, byte(op)), c.number(l, within))
	}
	switch {
	case within == 1: // what was paid was paid on the way that is gone
		c.written = append(c.written, byte(opEnd))
		c.now = before
	case op == opBr:
		c.now = flow{dead: true}
	}
}

// ahead returns the block that a jump by way of a dispatch leads to, if it is not
// yet over. Into a loop it is better to jump by way of the dispatch: wazero
// v1.12.0 lays out its variables for the way it saw first.
func (c *coder) ahead(l *label, op Opcode, j jump) *label {
	if op != opBr || !j.by(l) {
		return nil
	}
	d := l.dispatch
	to := d.to(j.value)
	if to.index >= len(c.labels) || c.labels[to.index].id != to.id || c.labels[to.index].op == opLoop {
		return nil
	}
	if to.index > d.loop && d.entersLoop(d.ended, to.index-d.loop-1) {
		return nil
	}
	return &c.labels[to.index]
}

// again begins a loop again.
func (c *coder) again(op Opcode, l *label, j jump, within int) {
	from, due := l.at, uint64(0)
	if j.by(l) {
		// Back to a block that is over: what it and those behind it ran is due, not
		// what was run before it. Ahead into a loop, it counts as if the loop had been
		// begun at its beginning.
		if to := l.dispatch.to(j.value); to.index >= len(c.labels) || c.labels[to.index].id != to.id {
			from, due = c.landings[to.id], 2 // the dispatch itself
		}
	}
	due = max(due+c.now.since(from), 1)
	if !l.outlined {
		c.written = c.check(c.written, due)
		c.written = appendU32(append(c.written, byte(op)), c.number(l, within))
		return
	}
	c.written = c.spend(c.written, due)
	c.written = appendU32(append(c.written, globalGet), c.fuel)
	c.written = append(c.written, i64Const, 0, i64GeS, byte(opIf), emptyType, byte(opBr))
	c.written = append(appendU32(c.written, c.number(l, within+1)), byte(opEnd), byte(opBr))
	c.written = appendU32(c.written, c.number(l, within+1)) // the block around the loop: one more than the loop
}

// branchTable writes a br_table, behind a check where it may begin a loop again.
func (c *coder) branchTable(at int, o opening) {
	c.replace(at)
	dispatches := o.loop > 0 && o.local >= 0
	r := &reader{b: c.b, pos: at + 1, end: c.pos}
	n := r.count()
	labels := c.targets[:0]
	due := uint64(0)
	for range n + 1 {
		number := r.u32()
		if l := c.label(number); l.op == opLoop {
			due = max(due, c.now.since(l.at), 1)
		}
		labels = append(labels, number)
	}
	if c.targets = labels; c.err != nil {
		return
	}
	if dispatches {
		c.labels[o.loop].dispatch = c.dispatches(o, labels)
	}
	if due > 0 {
		c.written = c.check(c.written, due)
	} else {
		c.pay()
	}
	c.written = appendU32(append(c.written, byte(opBrTable)), uint32(n))
	for _, number := range labels {
		l := c.label(number)
		switch {
		case l.op == opLoop:
		case dispatches && c.label(number).id > c.labels[o.loop].id:
			l.other = c.now
		default:
			l.at.join(c.now)
		}
		c.written = appendU32(c.written, c.number(l, 0))
	}
	c.now = flow{dead: true}
}
