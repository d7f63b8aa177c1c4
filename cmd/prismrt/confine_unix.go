//go:build unix

package main

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// confine bounds this process for good.
func confine(memory uint64, cpu time.Duration) error {
	seconds := uint64(max(1, cpu/time.Second))
	return errors.Join(
		unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: memory, Max: memory}),
		unix.Setrlimit(unix.RLIMIT_CPU, &unix.Rlimit{Cur: seconds, Max: seconds}),
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}),
	)
}
