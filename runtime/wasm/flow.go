package wasm

// flow is what a function has run from its entry to a point on the dearest way
// there: what of it is not paid for, and all of it.
//
// Fuel is paid for where ways part or meet, if it is worth instructions of its
// own, and otherwise carried along. Since the dearest way counts where ways meet,
// a guest never pays less than it runs; it pays less than worthPaying too much
// for each such place.
type flow struct {
	unpaid, most uint64
	dead         bool // no way leads here
}

const (
	// worthPaying is how many instructions are carried along at most.
	worthPaying = 48

	// maxUnchecked is the most a function without a check at its entry may run
	// outside its loops. It bounds what a tree of calls without a loop or a cycle
	// can run between two checks.
	maxUnchecked = 1_000
)

// join adds another way to where f leads.
func (f *flow) join(other flow) {
	switch {
	case other.dead:
	case f.dead:
		*f = other
	default:
		f.unpaid, f.most = max(f.unpaid, other.unpaid), max(f.most, other.most)
	}
}

// since is what was run from a point before without being paid for.
func (f flow) since(before flow) uint64 {
	if f.dead || f.unpaid <= before.unpaid {
		return 0
	}
	return f.unpaid - before.unpaid
}

// maxOutlined is how many loops in loops are left for refuelling. Each becomes two
// loops for that, which wazero v1.12.0 takes long to compile: 2.2 s for 500 in
// each other, which as they were took 0.06 s.
const maxOutlined = 16

// label is what a branch names: a block, which it leaves, or a loop, which it
// begins again.
type label struct {
	op      Opcode // opBlock, opLoop, opIf; opBlock for the function
	id      int    // different for all labels of a function
	depth   int    // labels around it in the code that is written
	carries bool   // branches to it take values along

	at    flow   // of a loop, its beginning; of others, where the ways meet that leave it
	other flow   // of an if, what holds if its condition does not; of a block at the head of a dispatch, what that comes with
	head  int    // of such a block, how many there are around it, with itself
	loops int    // of the loops around it and itself
	paid  uint64 // what is unpaid at the beginning of the innermost loop; that loop does not pay for it

	outlined bool      // a loop that is left for refuelling
	dispatch *dispatch // of a loop that begins with one
}
