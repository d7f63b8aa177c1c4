package wasi

import "math"

// args_get(pointers, bytes)
func argsGet(g Guest, mem memory, stack []uint64) errno { return values(g, mem, stack, g.Args()) }

// args_sizes_get(count, length)
func argsSizesGet(g Guest, mem memory, stack []uint64) errno { return sizes(g, mem, stack, g.Args()) }

// environ_get(pointers, bytes)
func environGet(g Guest, mem memory, stack []uint64) errno {
	if g.EnvironAwaiting() {
		await(g, environGet, mem, stack)
	}
	return values(g, mem, stack, g.Environ())
}

// environ_sizes_get(count, length)
func environSizesGet(g Guest, mem memory, stack []uint64) errno {
	if g.EnvironAwaiting() {
		await(g, environSizesGet, mem, stack)
	}
	return sizes(g, mem, stack, g.Environ())
}

// values lays out strings, each ended by a zero byte, and their addresses.
func values(g Guest, mem memory, stack []uint64, list []string) errno {
	length := lengthOf(g, list)
	if length > math.MaxUint32 || 4*uint64(len(list)) > math.MaxUint32 {
		return errnoFault
	}
	pointers, ok := mem.view(uint32(stack[0]), uint32(4*len(list)))
	if !ok {
		return errnoFault
	}
	ptr := uint32(stack[1])
	to, ok := mem.view(ptr, uint32(length))
	if !ok {
		return errnoFault
	}
	for _, value := range list {
		le.PutUint32(pointers, ptr)
		pointers = pointers[4:]
		ptr += uint32(len(value)) + 1
		for len(value) > 0 {
			piece := value[:min(len(value), maxPiece)]
			g.Spend(fuelCopy(len(piece)))
			copy(to, piece)
			to, value = to[len(piece):], value[len(piece):]
		}
		to[0] = 0
		to = to[1:]
	}
	return errnoSuccess
}

// sizes says how much room values takes.
func sizes(g Guest, mem memory, stack []uint64, list []string) errno {
	count, ok := mem.view(uint32(stack[0]), 4)
	if !ok {
		return errnoFault
	}
	length, ok := mem.view(uint32(stack[1]), 4)
	if !ok {
		return errnoFault
	}
	le.PutUint32(count, uint32(len(list)))
	le.PutUint32(length, uint32(lengthOf(g, list)))
	return errnoSuccess
}

// lengthOf is what the values take, their zero bytes included.
func lengthOf(g Guest, list []string) uint64 {
	g.Spend(fuelVector * int64(len(list)))
	length := uint64(len(list))
	for _, value := range list {
		length += uint64(len(value))
	}
	return length
}
