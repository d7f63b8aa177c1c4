//go:build unix

package engine

import "golang.org/x/sys/unix"

func reserve(limit int64) (*memory, error) {
	b, err := unix.Mmap(-1, 0, int(limit), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, err
	}
	return &memory{bytes: b, limit: limit}, nil
}

func release(b []byte) {
	if err := unix.Munmap(b); err != nil {
		panic("engine: a guest's memory was not mapped: " + err.Error())
	}
}
