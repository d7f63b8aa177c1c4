package memory

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// faults counts the page faults of the calling thread since it began (getrusage(2),
// RUSAGE_THREAD). In handle_mm_fault, Linux counts each on the thread that had it,
// also when it was the kernel that wrote for that thread.
func faults() int64 {
	var u unix.Rusage
	if _, _, errno := unix.RawSyscall(unix.SYS_GETRUSAGE, unix.RUSAGE_THREAD, uintptr(unsafe.Pointer(&u)), 0); errno != 0 {
		return -1
	}
	return int64(u.Minflt) + int64(u.Majflt) //nolint:unconvert // of 32 bits on systems of 32
}
