//go:build unix

package memory

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reserve takes a range of addresses, zero and without memory until it is touched.
func reserve(size int) ([]byte, error) {
	n := max(size, 1) // the system maps no nothing, and rounds up to a page
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|noReserve)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	b := unsafe.Slice((*byte)(p), n)[:size:size]
	advise(b)
	return b, nil
}

// release gives a range back; nil is none.
func release(b []byte) {
	if b == nil {
		return
	}
	err := unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(b)), uintptr(max(len(b), 1)))
	if err != nil {
		// A process with as many mappings as it may have cannot cut a hole into one
		// (ENOMEM). The addresses are lost then, not the memory.
		_ = unix.Madvise(b, unix.MADV_DONTNEED)
	}
}
