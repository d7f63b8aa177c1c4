package wasm

// coder rewrites one function. Besides the checks it changes three kinds of
// branches, so that metered code costs about what the author's does (BENCHMARKS.md,
// "What metering costs"; RATIONALE.md, "Why does metering rewrite branches?"):
//
//   - To begin a loop again, its fuel must suffice. If not, control leaves the
//     loop, refuels, and enters it again: the loop itself has no call, and its
//     variables stay in registers.
//   - A "br_if" that begins a loop again becomes "if, br, end".
//   - A jump ahead in a loop that begins with a dispatch goes to its block at once.
type coder struct {
	*meter
	*body
	kind      uint32 // the index of its type
	signature FuncType
	written   []byte // the code between entry and exit
	copied    int    // how far the author's code is in written
	labels    []label
	landings  []flow // what held where labels ended, by id
	depth     int    // of labels in written
	now       flow
	opening   opening
	jump      jump
	locals    uint32
	puts      int // locals more, to put operands aside
}

// code rewrites a function, of which all callees are settled but the recursive.
func (m *meter) code(function int) {
	kind := m.functions[int(m.imported)+function]
	c := &coder{
		meter: m, body: &m.bodies[function], kind: kind, signature: m.types[kind],
		written: m.scratch[:0], landings: m.landings[:1], labels: m.labels[:0],
	}
	m.pos, m.end = c.start, c.stop
	c.needs(c.frame(), m.calledBy(function), m.bodies)

	start := m.pos
	c.copied, c.firstMove = start, len(m.moves)
	c.labels = append(c.labels, label{op: opBlock, carries: len(c.signature.Results) > 0, at: flow{dead: true}, other: flow{dead: true}})
	c.landings[0] = flow{}
	if c.depth = 1; c.counted {
		c.labels[0].depth, c.depth = 1, 2 // a block around all
	}
	for len(c.labels) > 0 && m.err == nil {
		c.instruct()
	}
	c.assemble(start)
	m.scratch, m.landings, m.labels = c.written, c.landings, c.labels
}

// frame reads the locals and estimates what a frame takes.
func (c *coder) frame() uint64 {
	size := uint64(stackOfFrame)
	for _, t := range c.signature.Params {
		size += t.size()
	}
	for _, t := range c.signature.Results {
		size += t.size()
	}
	c.locals = uint32(len(c.signature.Params))
	for range c.u32() {
		n := c.u32()
		c.locals += n
		size += uint64(n) * c.valueType().size()
	}
	return size
}

// assemble puts the function together, which begins with what is only known now
// that its code was read.
func (c *coder) assemble(start int) {
	exit := c.landings[0]
	c.checked = c.recursive || c.addressable || c.most > maxUnchecked
	if c.unpaid = 0; !exit.dead {
		c.unpaid = exit.unpaid
	}

	out := c.codes
	c.from = len(out)
	r := &reader{b: c.b, pos: c.start, end: start}
	groups, added := r.u32(), []byte(nil)
	if c.counted {
		groups++
		added = append(added, 1, byte(I64)) // what was left of the stack before
	}
	if c.puts > 0 {
		groups++
		added = append(added, byte(c.puts), byte(I32))
	}
	out = append(append(appendU32(out, groups), c.b[r.pos:start]...), added...)
	if c.counted {
		out = c.takeStack(out)
	}
	if c.checked {
		out = c.spend(out, max(c.unpaid, 1))
		out = appendU32(append(out, globalGet), c.fuel)
		if c.counted {
			out = append(appendU32(append(out, globalGet), c.fuel+1), i64Or)
		}
		out = c.refuelBelowZero(out)
	}
	if c.counted {
		out = c.blockType(append(out, byte(opBlock)))
	}
	for i := c.firstMove; i < len(c.moves); i++ {
		c.moves[i].To += uint32(len(out) - c.from)
	}
	out = append(out, c.written...)
	if c.counted {
		out = c.giveStack(append(out, byte(opEnd)))
	}
	out = append(out, byte(opEnd))
	c.codes = out
	c.to, c.lastMove = len(c.codes), len(c.moves)
}

// instruct reads an instruction and writes what becomes of it.
func (c *coder) instruct() {
	at := c.pos
	op := c.instruction()
	jump, opening := c.jump, c.opening
	c.jump, c.opening = jump.after(op, c.reader), c.opened(op)
	switch op {
	case opNop:
	case opBlock, opLoop:
		c.open(op, at)
	case opIf:
		c.run(1, 1)
		c.open(op, at)
	case opElse:
		c.copy(at)
		l := &c.labels[len(c.labels)-1]
		c.pay()
		l.at.join(c.now)
		c.now, l.other = l.other, flow{dead: true}
		c.copied = at
	case opEnd:
		c.close(at)
	case opBr, opBrIf:
		c.run(1, 1)
		c.branch(op, at, jump)
	case opBrTable:
		c.run(1, 1)
		c.branchTable(at, opening)
	case opReturn:
		c.run(1, 1)
		c.replace(at)
		c.pay()
		if c.counted {
			c.written = appendU32(append(c.written, byte(opBr)), c.number(&c.labels[0], 0))
		} else {
			c.written = append(c.written, byte(op))
		}
		c.labels[0].at.join(c.now)
		c.now = flow{dead: true}
	case opUnreachable:
		c.run(1, 1)
		c.now = flow{dead: true}
	case opCall:
		c.replace(at)
		c.written = appendU32(append(c.written, byte(op)), c.shifted(c.index))
		if c.run(1, 1); c.index >= c.imported {
			c.run(c.bodies[c.index-c.imported].owed())
		}
	case opRefFunc:
		c.run(1, 1)
		c.replace(at)
		c.written = appendU32(append(c.written, byte(op)), c.shifted(c.index))
	default:
		c.run(1, 1)
		if c.marksSpoilt() && spoils(op) {
			c.copy(at)
			c.written = append(c.written, i32Const, 1, globalSet)
			c.written = appendU32(c.written, c.fuel+2)
		}
		if shift := lengthShift(op); shift >= 0 {
			c.bulk(op, shift, at, jump)
		}
	}
}

// run counts instructions.
func (c *coder) run(unpaid, most uint64) {
	if !c.now.dead {
		c.now.unpaid += unpaid
		c.now.most += most
		c.most = max(c.most, c.now.most)
	}
}

// pay pays for what was carried along, if it is that much. What was run before
// the innermost loop is not paid for at each of its turns.
func (c *coder) pay() {
	paid := c.labels[len(c.labels)-1].paid
	if owed := c.now.since(flow{unpaid: paid}); owed >= worthPaying {
		c.written = c.spend(c.written, owed)
		c.now.unpaid = paid
	}
}

// open begins a block, a loop or an if.
func (c *coder) open(op Opcode, at int) {
	blockType := c.b[at+1 : c.pos]
	params, results := c.carried(blockType)
	around := &c.labels[len(c.labels)-1]
	l := label{op: op, id: len(c.landings), depth: c.depth, carries: results > 0, at: flow{dead: true}, other: flow{dead: true}, loops: around.loops, paid: around.paid}
	c.landings = append(c.landings, flow{})
	switch op {
	case opIf:
		l.other = c.now
	case opLoop:
		l.loops++
		l.carries, l.outlined = params > 0, params == 0 && l.loops <= maxOutlined
		l.at, l.paid = c.now, c.now.unpaid
	}
	if len(blockType) != 1 || blockType[0] != emptyType {
		c.opening = opening{} // a dispatch takes no values along
	}
	if l.outlined {
		c.copy(at)
		c.written = append(append(c.written, byte(opBlock)), blockType...)
		c.written = append(c.written, byte(opLoop), emptyType, byte(opBlock), emptyType)
		c.copied = at
		l.depth += 3
	}
	c.depth = l.depth + 1
	c.labels = append(c.labels, l)
}

// carried tells how many values a block takes and gives.
func (c *coder) carried(blockType []byte) (params, results int) {
	if t := blockType[0]; len(blockType) == 1 && t == emptyType {
		return 0, 0
	} else if len(blockType) == 1 && t&0x40 != 0 { // negative: a value type
		return 0, 1
	}
	r := &reader{b: blockType, end: len(blockType)}
	index := r.signed(33)
	if index < 0 || index >= int64(len(c.types)) {
		c.fail("a block is of type %d, which is not there", index)
		return 0, 0
	}
	return len(c.types[index].Params), len(c.types[index].Results)
}

// close ends a block, a loop, an if, or the function.
func (c *coder) close(at int) {
	l := &c.labels[len(c.labels)-1]
	if l.op == opIf {
		l.at.join(l.other)
	}
	if l.op != opLoop {
		if !l.at.dead && !c.now.dead {
			c.copy(at)
			c.pay()
			c.copied = at
		}
		if l.at.join(c.now); l.at.dead {
			// The dispatch is the only way here. Where there are others it does not
			// count: jumps by way of it pay for what lies between (see again).
			l.at = l.other
		}
		c.now = l.at
		c.landings[l.id] = c.now
	}
	if l.head > 0 {
		c.labels[len(c.labels)-1-l.head].dispatch.ended = l.head - 1
	}
	c.depth = l.depth
	switch {
	case len(c.labels) == 1:
		c.copy(at) // assemble writes the last end
	case l.outlined:
		c.depth -= 3
		c.copy(c.pos)
		c.written = append(c.written, byte(opBr), 2, byte(opEnd), byte(opCall))
		c.written = append(appendU32(c.written, c.imported), byte(opBr), 0, byte(opEnd), byte(opUnreachable), byte(opEnd))
	}
	c.labels = c.labels[:len(c.labels)-1]
}

// copy writes the author's code up to there.
func (c *coder) copy(to int) {
	if to > c.copied {
		c.moved(c.copied)
		c.written = append(c.written, c.b[c.copied:to]...)
		c.copied = to
	}
}

// replace is copy for an instruction that is then written otherwise.
func (c *coder) replace(at int) {
	c.copy(at)
	c.moved(at)
	c.copied = c.pos
}

// blockType writes the type of a block that gives the function's results.
func (c *coder) blockType(out []byte) []byte {
	switch len(c.signature.Results) {
	case 0:
		return append(out, emptyType)
	case 1:
		return append(out, byte(c.signature.Results[0]))
	}
	return appendU32(out, c.blockTypes[c.kind])
}

// moved notes that the author's code from there on is what is written next.
func (c *coder) moved(from int) {
	if c.debug != nil {
		c.moves = append(c.moves, move(from, len(c.written)))
	}
}
