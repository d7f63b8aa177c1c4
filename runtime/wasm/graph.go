package wasm

// body is a function's code: where it lies, whom it calls, and what running it
// costs in fuel and in stack.
type body struct {
	start, stop int  // of the author's code, behind its size
	calls       int  // where the functions it calls begin in graph.calls
	indirect    bool // it calls through a table
	addressable bool // the host may call it, or others through a table

	// recursive functions break all cycles of calls: those that call through a
	// table, and the targets of back edges in the graph of direct calls.
	recursive bool

	// The rest is known once the function is settled.

	checked      bool   // it asks for fuel at its entry, for all of it that is not paid for elsewhere
	counted      bool   // it takes stack at its entry
	unpaid, most uint64 // see flow
	stack, held  uint64 // see stack.go
	from, to     int    // of its new code in meter.codes

	firstMove, lastMove int // in meter.moves, whose new places are counted in that code
}

// owed is what a caller pays for the function, and the most it runs.
func (b *body) owed() (unpaid, most uint64) {
	if b.checked || b.recursive {
		return 0, 0
	}
	return b.unpaid, b.most
}

// graph is who calls whom.
type graph struct {
	bodies []body
	calls  []uint32 // the defined functions called directly, function by function, in the order of the code
}

// calledBy returns the functions that a function calls directly.
func (g *graph) calledBy(function int) []uint32 {
	end := len(g.calls)
	if function+1 < len(g.bodies) {
		end = g.bodies[function+1].calls
	}
	return g.calls[g.bodies[function].calls:end]
}

// settle visits every function, each after all it calls directly but those that
// are then known to be recursive.
func (g *graph) settle(visit func(function int)) {
	const (
		unseen = iota
		open   // on the way from the root to here
		done
	)
	state := make([]byte, len(g.bodies))
	type frame struct{ function, call int }
	for root := range g.bodies {
		if state[root] != unseen {
			continue
		}
		state[root] = open
		for way := []frame{{function: root}}; len(way) > 0; {
			f := &way[len(way)-1]
			calls := g.calledBy(f.function)
			if f.call == len(calls) {
				b := &g.bodies[f.function]
				b.recursive = b.recursive || b.indirect
				visit(f.function)
				state[f.function] = done
				way = way[:len(way)-1]
				continue
			}
			callee := int(calls[f.call])
			f.call++
			switch state[callee] {
			case open:
				g.bodies[callee].recursive = true
			case unseen:
				state[callee] = open
				way = append(way, frame{function: callee})
			}
		}
	}
}
