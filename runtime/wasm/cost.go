package wasm

// maxUnchecked is the most a function without a check of its own may cost its
// caller, in instructions. It bounds what a tree of calls without a loop or a
// cycle can run between two checks.
const maxUnchecked = 1_000

// body is a function of the module and what its code costs.
type body struct {
	start, end int // of the body behind its size
	params     int

	// regions are stretches of code that run once a check: region 0 the function
	// outside its loops, the others each a loop without the loops inside it, in
	// the order in which they begin.
	regions []region

	indirect bool // it calls functions that are not known before it runs
	bulk     bool // it has instructions that cost by a length
	checked  bool // a check stands at its entry

	// Settled once the functions it calls are: the most it runs, and what those
	// who call it are charged for it, where it has no check of its own.
	most, charge uint64
}

// region is one stretch of code. Its straight part goes up to where control
// leaves for good: the first br, br_table, return or unreachable.
type region struct {
	instructions, straight uint64
	calls                  []int32 // the functions called, imported ones left out
	straightCalls          int     // how many of them are in the straight part
	ended                  bool    // the straight part
}

// undercount bounds how much more a region may run than is charged for it. The
// straight part alone would charge next to nothing for a loop that begins with a
// jump, such as those Go's compiler makes of every function, each turn of which
// runs one of many blocks; all of the region would charge for the others too.
const undercount = 32

// survey walks the body at p.pos and counts.
func (p *parser) survey(b *body, imported uint32) {
	for range p.count() { // locals
		p.u32()
		p.valueType()
	}
	b.regions = []region{{}}
	current, outer := 0, []int{0} // the region of the innermost block, and of those around it
	for len(outer) > 0 && p.err == nil {
		r := &b.regions[current]
		switch op := p.instruction(); op {
		case opLoop:
			outer = append(outer, current)
			current = len(b.regions)
			b.regions = append(b.regions, region{})
			continue
		case opBlock:
			outer = append(outer, current)
			continue
		case opIf:
			outer = append(outer, current)
		case opEnd:
			current, outer = outer[len(outer)-1], outer[:len(outer)-1]
			continue
		case opElse, opNop:
			continue
		case opCall:
			if p.index >= imported {
				r.calls = append(r.calls, int32(p.index-imported))
				if !r.ended {
					r.straightCalls++
				}
			}
		case opBr, opBrTable, opReturn, opUnreachable:
			r.straight++
			r.ended = true
		case opCallIndirect:
			b.indirect = true
		default:
			b.bulk = b.bulk || lengthShift(op) >= 0
		}
		r.instructions++
		if !r.ended {
			r.straight++
		}
	}
}

// lengthShift tells how an instruction whose last operand is a length is charged:
// that many steps to the right of the length, or to the left where the length is
// in pages; -1: it has none.
func lengthShift(op Opcode) int {
	switch op {
	case opMemoryInit, opMemoryCopy, opMemoryFill:
		return 3 // eight bytes an instruction
	case opTableInit, opTableCopy, opTableGrow, opTableFill, opMemoryGrow:
		return 0
	}
	return -1
}

// placeChecks decides which functions need a check at their entry so that no
// cycle of calls is without one, and no more than maxUnchecked instructions run
// between two: those that call through a table, the targets of back edges in the
// graph of direct calls, and those whose calls add up.
func placeChecks(bodies []body) {
	const (
		unseen = iota
		open   // on the way from the root to here
		done
	)
	state := make([]byte, len(bodies))
	type frame struct{ function, region, call int }
	for root := range bodies {
		if state[root] != unseen {
			continue
		}
		state[root] = open
		for way := []frame{{function: root}}; len(way) > 0; {
			f := &way[len(way)-1]
			b := &bodies[f.function]
			if f.region == len(b.regions) {
				b.settle(bodies)
				state[f.function] = done
				way = way[:len(way)-1]
				continue
			}
			calls := b.regions[f.region].calls
			if f.call == len(calls) {
				f.region, f.call = f.region+1, 0
				continue
			}
			callee := int(calls[f.call])
			f.call++
			switch state[callee] {
			case open:
				bodies[callee].checked = true
			case unseen:
				state[callee] = open
				way = append(way, frame{function: callee})
			}
		}
	}
}

// settle adds up what a function costs whoever calls it, once the functions it
// calls are settled.
func (b *body) settle(bodies []body) {
	b.most, b.charge = b.regions[0].most(bodies), b.regions[0].charge(bodies)
	if b.indirect || b.most > maxUnchecked {
		b.checked = true
	}
}

// most is the most that is run between a check in front of the region and the
// next: its instructions, and those of the functions without a check.
func (r *region) most(bodies []body) uint64 {
	most := r.instructions
	for _, callee := range r.calls {
		if !bodies[callee].checked {
			most += bodies[callee].most
		}
	}
	return most
}

// charge is what a check in front of the region takes, at least 1.
func (r *region) charge(bodies []body) uint64 {
	charge := r.straight
	for _, callee := range r.calls[:r.straightCalls] {
		if !bodies[callee].checked {
			charge += bodies[callee].charge
		}
	}
	return max(charge, r.most(bodies)/undercount, 1)
}
