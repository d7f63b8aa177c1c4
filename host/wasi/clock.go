package wasi

// The clocks there are, by their numbers. Of the processor time that preview 1
// has as well, wazero's WASI too says EINVAL.
const (
	clockRealtime  = 0
	clockMonotonic = 1
)

// What is said of the clocks' resolutions, in nanoseconds: the same as wazero.
const (
	resolutionRealtime  = 1000
	resolutionMonotonic = 1
)

// instant is one moment on both clocks, in nanoseconds.
type instant struct{ realtime, monotonic uint64 }

func now(g Guest) instant {
	realtime, monotonic := g.Now()
	return instant{realtime, monotonic}
}

// clock returns what the clock with a number says, false where there is none.
func (i instant) clock(number uint32) (uint64, bool) {
	switch number {
	case clockRealtime:
		return i.realtime, true
	case clockMonotonic:
		return i.monotonic, true
	}
	return 0, false
}

// clock_res_get(clock, resolution)
func clockResGet(_ Guest, mem memory, stack []uint64) errno {
	resolution, ok := instant{resolutionRealtime, resolutionMonotonic}.clock(uint32(stack[0]))
	if !ok {
		return errnoInval
	}
	return putUint64(mem, uint32(stack[1]), resolution)
}

// clock_time_get(clock, precision, time)
func clockTimeGet(g Guest, mem memory, stack []uint64) errno {
	t, ok := now(g).clock(uint32(stack[0]))
	if !ok {
		return errnoInval
	}
	return putUint64(mem, uint32(stack[2]), t)
}

func putUint64(mem memory, ptr uint32, value uint64) errno {
	result, ok := mem.view(ptr, 8)
	if !ok {
		return errnoFault
	}
	le.PutUint64(result, value)
	return errnoSuccess
}
