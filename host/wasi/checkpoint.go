package wasi

import (
	"context"
	"slices"
)

// await stops a guest that waits for its input before f looks at it: nothing has
// been done then that f would not do again.
func await(g Guest, f function, mem memory, stack []uint64) {
	if !g.Awaiting() {
		return
	}
	params := slices.Clone(stack) // which wazero uses for other calls, too
	g.Await(func(ctx context.Context) uint64 {
		g := guestOf(ctx)
		g.Spend(fuelCall)
		return uint64(f(g, mem, params))
	})
}
