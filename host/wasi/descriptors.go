package wasi

// stream is what a descriptor leads to.
type stream uint8

const (
	own    stream = iota // the stream that began with the descriptor's number
	closed               // none
	input
	output
	logged
)

// Descriptors are those of an instance, a word each: which are open, what they
// lead to and with which flags. Zero is as a program expects to find them; the
// rest is this package's affair.
type Descriptors = [3]uint32

// descriptors is how Descriptors are read: the stream and, above it, the flags.
type descriptors Descriptors

func descriptorsOf(g Guest) *descriptors { return (*descriptors)(g.Descriptors()) }

// stream returns what fd leads to, closed where that is nothing.
func (d *descriptors) stream(fd uint32) stream {
	if fd >= uint32(len(d)) {
		return closed
	}
	if s := stream(d[fd]); s != own {
		return s
	}
	return input + stream(fd)
}

func (d *descriptors) flags(fd uint32) uint16 { return uint16(d[fd] >> 16) }

func (d *descriptors) set(fd uint32, s stream, flags uint16) { d[fd] = uint32(s) | uint32(flags)<<16 }

// The only flags that descriptors have. They are kept for who asks: streams are
// always ready, and have no end but theirs to append to.
const (
	flagAppend   = 1 << 0
	flagNonblock = 1 << 2
	flagsSync    = 1<<1 | 1<<3 | 1<<4 // dsync, rsync, sync: for opening files
)

// fileType is what wazero's WASI says of streams that are no files: a block
// device, of all things. A character device without the rights to seek and tell
// would be a terminal (wasi-libc, isatty), which these are not.
const fileType = 1

// streamRights are what wazero's WASI grants files: fd_datasync to fd_allocate,
// fd_filestat_get to fd_filestat_set_times and poll_fd_readwrite.
const streamRights = 0x1ff | 7<<21 | 1<<27

// answer makes a function that does nothing: it answers e where the descriptor
// in the given parameter is open.
func answer(parameter int, e errno) function {
	return func(g Guest, _ memory, stack []uint64) errno {
		if descriptorsOf(g).stream(uint32(stack[parameter])) == closed {
			return errnoBadf
		}
		return e
	}
}

// unsupported is what preview 1 has dropped.
func unsupported(Guest, memory, []uint64) errno { return errnoNosys }

// noPreopen tells programs, which ask from descriptor 3 on, that no directory
// was opened for them.
func noPreopen(Guest, memory, []uint64) errno { return errnoBadf }

// fd_advise(fd, offset, length, advice)
func fdAdvise(g Guest, _ memory, stack []uint64) errno {
	switch advice := uint8(stack[3]); {
	case descriptorsOf(g).stream(uint32(stack[0])) == closed:
		return errnoBadf
	case advice > 5: // noreuse
		return errnoInval
	}
	return errnoSuccess
}

// fd_allocate(fd, offset, length)
func fdAllocate(g Guest, _ memory, stack []uint64) errno {
	end := int64(stack[1] + stack[2])
	switch {
	case descriptorsOf(g).stream(uint32(stack[0])) == closed:
		return errnoBadf
	case end < 0:
		return errnoInval
	case end > 0:
		return errnoNosys
	}
	return errnoSuccess
}

// fd_close(fd)
func fdClose(g Guest, _ memory, stack []uint64) errno {
	d, fd := descriptorsOf(g), uint32(stack[0])
	if d.stream(fd) == closed {
		return errnoBadf
	}
	d.set(fd, closed, 0)
	return errnoSuccess
}

// fd_renumber(fd, to) moves a descriptor, closing what was at its new number.
func fdRenumber(g Guest, _ memory, stack []uint64) errno {
	d, fd, to := descriptorsOf(g), uint32(stack[0]), uint32(stack[1])
	s := d.stream(fd)
	if s == closed || to >= uint32(len(d)) {
		return errnoBadf
	}
	if fd != to {
		d.set(to, s, d.flags(fd))
		d.set(fd, closed, 0)
	}
	return errnoSuccess
}

// fd_fdstat_get(fd, fdstat)
func fdFdstatGet(g Guest, mem memory, stack []uint64) errno {
	d, fd := descriptorsOf(g), uint32(stack[0])
	stat, ok := mem.view(uint32(stack[1]), 24)
	if !ok {
		return errnoFault
	}
	if d.stream(fd) == closed {
		return errnoBadf
	}
	le.PutUint16(stat[0:], fileType)
	le.PutUint16(stat[2:], d.flags(fd))
	le.PutUint32(stat[4:], 0)
	le.PutUint64(stat[8:], streamRights)
	le.PutUint64(stat[16:], 0) // rights of what is opened through it
	return errnoSuccess
}

// fd_fdstat_set_flags(fd, flags)
func fdFdstatSetFlags(g Guest, _ memory, stack []uint64) errno {
	d, fd, flags := descriptorsOf(g), uint32(stack[0]), uint16(stack[1])
	if flags&flagsSync != 0 {
		return errnoInval
	}
	if d.stream(fd) == closed {
		return errnoBadf
	}
	d.set(fd, d.stream(fd), flags&(flagAppend|flagNonblock))
	return errnoSuccess
}

// fd_filestat_get(fd, filestat)
func fdFilestatGet(g Guest, mem memory, stack []uint64) errno {
	stat, ok := mem.view(uint32(stack[1]), 64)
	if !ok {
		return errnoFault
	}
	if descriptorsOf(g).stream(uint32(stack[0])) == closed {
		return errnoBadf
	}
	clear(stat) // device, inode, size and times are 0
	le.PutUint64(stat[16:], fileType)
	le.PutUint64(stat[24:], 1) // links
	return errnoSuccess
}

// fd_filestat_set_times(fd, accessed, modified, flags)
func fdFilestatSetTimes(g Guest, _ memory, stack []uint64) errno {
	const accessed, modified = 3, 3 << 2 // each a time and now, of which one may be set
	flags := uint16(stack[3])
	switch {
	case descriptorsOf(g).stream(uint32(stack[0])) == closed:
		return errnoBadf
	case flags&accessed == accessed, flags&modified == modified:
		return errnoInval
	}
	return errnoNosys
}
