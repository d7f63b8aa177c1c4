package wasi

import "bytes"

const (
	// maxVectors bounds the iovecs of a call, as Linux does (IOV_MAX).
	maxVectors = 1024
	// maxTransfer bounds, in bytes, what one call reads or writes, as Linux does
	// (MAX_RW_COUNT): iovecs may name the same memory again and again, and the
	// sum is to fit its 32 bits. What is over is left for the next call.
	maxTransfer = 1<<31 - 1<<12
)

// fd_read(fd, iovecs, count, read)
func fdRead(g Guest, mem memory, stack []uint64) errno {
	if descriptorsOf(g).stream(uint32(stack[0])) != input {
		return errnoBadf
	}
	await(g, fdRead, mem, stack) // also where no bytes are asked for
	return transfer(g, mem, stack, readPiece)
}

// fd_write(fd, iovecs, count, written)
func fdWrite(g Guest, mem memory, stack []uint64) errno {
	switch descriptorsOf(g).stream(uint32(stack[0])) {
	case output:
		return transfer(g, mem, stack, writePiece)
	case logged:
		return transfer(g, mem, stack, logPiece)
	case input:
		if g.WriteFailure(nil) {
			return transfer(g, mem, stack, failurePiece)
		}
	}
	return errnoBadf
}

// transfer moves bytes between a stream and the memory that iovecs name, until
// a piece comes out short.
func transfer(g Guest, mem memory, stack []uint64, move func(Guest, []byte) (int, bool)) errno {
	count := uint32(stack[2])
	if count > maxVectors {
		return errnoInval
	}
	vectors, ok := mem.view(uint32(stack[1]), 8*count)
	if !ok {
		return errnoFault
	}
	result, ok := mem.view(uint32(stack[3]), 4)
	if !ok {
		return errnoFault
	}
	g.Spend(fuelVector * int64(count))

	total := 0
vectors:
	for ; len(vectors) > 0; vectors = vectors[8:] {
		ptr, length := le.Uint32(vectors), le.Uint32(vectors[4:])
		if length == 0 {
			continue
		}
		part, ok := mem.view(ptr, length)
		if !ok {
			return errnoFault
		}
		for part = part[:min(len(part), maxTransfer-total)]; len(part) > 0; {
			piece := part[:min(len(part), maxPiece)]
			n, ok := move(g, piece)
			if !ok {
				return errnoIO
			}
			if total += n; n < len(piece) {
				break vectors
			}
			part = part[n:]
		}
	}
	le.PutUint32(result, uint32(total))
	return errnoSuccess
}

// readPiece pays afterwards, since only then is it known how much there was.
func readPiece(g Guest, p []byte) (int, bool) {
	n := g.Read(p)
	g.Spend(fuelCopy(n))
	return n, true
}

func writePiece(g Guest, p []byte) (int, bool) {
	g.Spend(fuelCopy(len(p)))
	n, err := g.Write(p)
	return n, err == nil
}

func failurePiece(g Guest, p []byte) (int, bool) {
	g.Spend(fuelCopy(len(p)))
	return len(p), g.WriteFailure(p)
}

func logPiece(g Guest, p []byte) (int, bool) {
	g.Spend(fuelCopy(len(p)) + fuelLine*int64(bytes.Count(p, []byte{'\n'})))
	g.WriteLog(p)
	return len(p), true
}
