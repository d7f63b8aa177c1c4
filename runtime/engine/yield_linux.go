package engine

import "golang.org/x/sys/unix"

// yield lets threads run that the kernel has woken meanwhile. Otherwise they wait
// for the core until the time it gives to threads that are busy is over, some
// milliseconds: RATIONALE.md, "Why do guests yield to the kernel, too?".
func yield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
