package wasm

import (
	"math/rand/v2"
	"testing"
)

// TestNoCycleOfCallsIsWithoutACheck looks at graphs of calls: what is left when
// the recursive functions are taken away must have no cycle, and each function
// must come after those it calls.
func TestNoCycleOfCallsIsWithoutACheck(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 5000 {
		g := &graph{bodies: make([]body, 1+random.IntN(40))}
		for i := range g.bodies {
			g.bodies[i] = body{calls: len(g.calls), indirect: random.IntN(20) == 0}
			for range random.IntN(4) {
				g.calls = append(g.calls, uint32(random.IntN(len(g.bodies))))
			}
		}
		place := make([]int, len(g.bodies)) // in the order in which they are settled
		settled := 0
		g.settle(func(function int) {
			settled++
			place[function] = settled
			for _, callee := range g.calledBy(function) {
				if place[callee] == 0 && !g.bodies[callee].recursive {
					t.Fatalf("round %d: function %d is settled before %d, which it calls", round, function, callee)
				}
			}
		})
		if settled != len(g.bodies) {
			t.Fatalf("round %d: %d of %d functions are settled", round, settled, len(g.bodies))
		}
		for i := range g.bodies {
			if g.bodies[i].indirect && !g.bodies[i].recursive {
				t.Fatalf("round %d: function %d calls through a table and has no check", round, i)
			}
			for _, callee := range g.calledBy(i) {
				// In a cycle some function comes before one that it calls.
				if place[callee] >= place[i] && !g.bodies[callee].recursive {
					t.Fatalf("round %d: a cycle through %d and %d has no check", round, i, callee)
				}
			}
		}
	}
}

func TestStackHoldsWhatARecursionNeeds(t *testing.T) {
	// 0 is recursive and calls 1, which calls back, 2, which does not, and 3, which
	// is counted itself.
	bodies := []body{{recursive: true}, {}, {}, {}}
	bodies[2].needs(1000, nil, bodies)
	bodies[3].needs(maxUncounted+1, nil, bodies)
	bodies[1].needs(100, []uint32{0}, bodies)
	bodies[0].needs(50, []uint32{1, 2, 3}, bodies)
	if b := bodies[0]; !b.counted || b.held != 150 {
		t.Errorf("the recursive function holds %d, counted: %v; want its own 50 and the 100 of the one that calls back", b.held, b.counted)
	}
	if b := bodies[2]; b.counted || b.stack != 1000 || b.held != 0 {
		t.Errorf("a leaf: %+v", b)
	}
	if b := bodies[3]; !b.counted || b.held != maxUncounted+1 {
		t.Errorf("a large frame: %+v", b)
	}
}
