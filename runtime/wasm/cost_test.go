package wasm

import (
	"math/rand/v2"
	"testing"
)

// TestNoCycleOfCallsIsWithoutACheck looks at graphs of calls: what is left when
// checked functions are taken away must have no cycle, and no way through it may
// run more than maxUnchecked instructions.
func TestNoCycleOfCallsIsWithoutACheck(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 2000 {
		bodies := make([]body, 1+random.IntN(40))
		for i := range bodies {
			b := &bodies[i]
			b.regions = make([]region, 1+random.IntN(3))
			b.indirect = random.IntN(20) == 0
			for r := range b.regions {
				b.regions[r].instructions = uint64(random.IntN(200))
				b.regions[r].straight = uint64(random.IntN(1 + int(b.regions[r].instructions)))
				for range random.IntN(3) {
					b.regions[r].calls = append(b.regions[r].calls, int32(random.IntN(len(bodies))))
				}
				b.regions[r].straightCalls = random.IntN(1 + len(b.regions[r].calls))
			}
		}
		placeChecks(bodies)

		// most runs through the calls from outside loops; those in loops only
		// have to end.
		const unseen, open, done = 0, 1, 2
		state, most := make([]int, len(bodies)), make([]uint64, len(bodies))
		var visit func(i int32)
		visit = func(i int32) {
			if state[i] == open {
				t.Fatalf("round %d: a cycle through function %d has no check", round, i)
			}
			if state[i] == done {
				return
			}
			state[i] = open
			most[i] = bodies[i].regions[0].instructions
			for r := range bodies[i].regions {
				for _, callee := range bodies[i].regions[r].calls {
					if bodies[callee].checked {
						continue
					}
					visit(callee)
					if r == 0 {
						most[i] += most[callee]
					}
				}
			}
			state[i] = done
		}
		for i := range bodies {
			if bodies[i].checked {
				continue
			}
			visit(int32(i))
			if bodies[i].indirect || most[i] > maxUnchecked {
				t.Fatalf("round %d: function %d runs %d instructions without a check, through a table: %v", round, i, most[i], bodies[i].indirect)
			}
		}
		for i := range bodies {
			for r := range bodies[i].regions {
				region := &bodies[i].regions[r]
				if charge, most := region.charge(bodies), region.most(bodies); charge < 1 || charge > max(most, 1) || charge*undercount+undercount < most {
					t.Fatalf("round %d: a region of %d instructions is charged %d", round, most, charge)
				}
			}
		}
	}
}
