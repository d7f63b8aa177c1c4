package wasi

// proc_exit(code) leaves the module open, so that the instance can be used again.
func procExit(g Guest, _ memory, stack []uint64) errno {
	g.Exit(uint32(stack[0]))
	panic("wasi: a program went on after its exit")
}

// sched_yield()
func schedYield(Guest, memory, []uint64) errno {
	return errnoSuccess // guests are made to yield where they pay
}

// random_get(ptr, length)
func randomGet(g Guest, mem memory, stack []uint64) errno {
	rest, ok := mem.view(uint32(stack[0]), uint32(stack[1]))
	if !ok {
		return errnoFault
	}
	for len(rest) > 0 {
		piece := rest[:min(len(rest), maxPiece)]
		g.Spend(fuelRandomByte * int64(len(piece)))
		g.Random(piece)
		rest = rest[len(piece):]
	}
	return errnoSuccess
}
