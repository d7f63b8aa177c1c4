package memory

import (
	"bytes"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The ioctl that names pages by what they are: Linux, include/uapi/linux/fs.h and
// Documentation/admin-guide/mm/pagemap.rst. golang.org/x/sys does not have it.
const (
	pagemapScan = 0xC0606610 // _IOWR('f', 16, struct pm_scan_arg)

	pageIsFile    = 1 << 2
	pageIsPresent = 1 << 3
	pageIsSwapped = 1 << 4
	pageIsZero    = 1 << 5 // reads as zero and was never written

	// A page is named when, with the inverted bits flipped, it has all of the mask
	// and any of the others: neither the file's page nor the zero page, and there. A
	// private page that was swapped out is there, too: without it a call would read
	// what the one before it had written.
	scanInverted = pageIsFile | pageIsZero
	scanMask     = pageIsFile | pageIsZero
	scanAnyOf    = pageIsPresent | pageIsSwapped
)

// scanArg is struct pm_scan_arg.
type scanArg struct {
	size, flags           uint64
	start, end, walkEnd   uint64 // addresses
	vec, vecLen, maxPages uint64 // maxPages 0: no bound
	inverted, mask, anyOf uint64
	returned              uint64 // categories to be told; 0, so that neighbours are one region
}

// region is struct page_region: addresses from the kernel, offsets from scan.
type region struct{ start, end, _ uint64 }

// regions is how many the kernel names at once. With more than 512, Linux 6.7 may
// say that it stopped earlier than it did.
const regions = 64

// scanner is what the system call needs, kept so that rewinding allocates nothing.
type scanner struct {
	arg scanArg
	vec [regions]region
}

// slowScan is the length in bytes from which Go is told that the system call may
// take long: some 10 us at least.
const slowScan = 8 << 20

// pagemap is /proc/self/pagemap, open as long as the process lives.
var pagemap *os.File

// scan names the private pages in [at, high), in order, and says how far it came.
func (m *Memory) scan(at int) (found []region, next int, err error) {
	base := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(m.bytes))))
	m.arg = scanArg{
		size: uint64(unsafe.Sizeof(scanArg{})), start: base + uint64(at), end: base + uint64(m.high),
		vec: uint64(uintptr(unsafe.Pointer(&m.vec))), vecLen: regions,
		inverted: scanInverted, mask: scanMask, anyOf: scanAnyOf,
	}
	var n uintptr
	var errno unix.Errno
	if m.high-at < slowScan {
		n, _, errno = unix.RawSyscall(unix.SYS_IOCTL, pagemap.Fd(), pagemapScan, uintptr(unsafe.Pointer(&m.arg)))
	} else {
		n, _, errno = unix.Syscall(unix.SYS_IOCTL, pagemap.Fd(), pagemapScan, uintptr(unsafe.Pointer(&m.arg)))
	}
	if errno != 0 {
		return nil, 0, os.NewSyscallError("ioctl PAGEMAP_SCAN", errno)
	}
	found = m.vec[:n]
	for k := range found {
		found[k].start -= base
		found[k].end -= base
	}
	return found, int(m.arg.walkEnd - base), nil
}

// method opens pagemap and tries it.
func method() Way {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return Copy
	}
	pagemap = f
	if scanWorks() {
		return Scan
	}
	f.Close()
	return Copy
}

// scanWorks tries a scan on a memory whose pages were left alone, read or written,
// in the image and beyond, and says whether it names exactly those written.
func scanWorks() bool {
	const imaged, grown = 4 * wasmPage, 8 * wasmPage
	contents := bytes.Repeat([]byte{1}, imaged)
	i, err := NewImage(contents)
	if err != nil {
		return false
	}
	defer i.Close()
	m, err := newMemory(grown, Scan)
	if err != nil {
		return false
	}
	defer m.Free()
	if m.Adopt(i) != nil {
		return false
	}
	m.Reallocate(imaged)
	b := m.Reallocate(grown)
	read := b[1*wasmPage] == 1 && b[5*wasmPage] == 0
	b[2*wasmPage], b[6*wasmPage] = 2, 2

	found, next, err := m.scan(0)
	return read && err == nil && next == grown && slices.Equal(found, []region{
		{start: 2 * wasmPage, end: 2*wasmPage + uint64(pageSize)},
		{start: 6 * wasmPage, end: 6*wasmPage + uint64(pageSize)},
	})
}
