package memory

import (
	"errors"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// noReserve: memory is counted when it is touched, not when it is mapped.
const noReserve = unix.MAP_NORESERVE

// backing is an image's part in a file of its own: runs of pages that are not as
// in its base. The base of an image that is no delta is empty, and beyond a base
// all is zero, so what lies in no file is anonymous memory.
type backing struct {
	base *Image   // held; nil when the image is gone
	file *os.File // sealed; nil without runs
	runs []run    // in order, apart from one another
}

// fill makes the image of contents. It takes over the hold on base, also when it fails.
func (i *Image) fill(base *Image, contents []byte) error {
	i.base = base
	most, always := maxDeltaRuns, joinEqual
	if base == empty {
		most, always = maxRuns, joinZeros
	}
	i.runs = join(differing(base.view, contents), most, always)
	if len(i.runs) > 0 {
		f, err := write(contents, i.runs)
		if err != nil {
			return err
		}
		i.file = f
	}
	view, err := reserve(i.length)
	if err != nil {
		return err
	}
	i.view = view
	if err := i.mapOver(view, unix.PROT_READ); err != nil || i.length == 0 {
		return err
	}
	return os.NewSyscallError("mprotect", unix.Mprotect(view, unix.PROT_READ)) // what lies in no file, too
}

// write puts the runs of contents into a file in memory, one after another. Pages
// of zeros stay holes. Sealed, it cannot change whatever happens to this process.
func write(contents []byte, runs []run) (*os.File, error) {
	f, err := memfd("prismrt-image")
	if err != nil {
		return nil, err
	}
	last := runs[len(runs)-1]
	err = f.Truncate(last.at + int64(last.length))
	for _, r := range runs {
		for _, p := range differing(nil, contents[r.offset:r.end()]) {
			if err == nil {
				_, err = f.WriteAt(contents[r.offset+p.offset:r.offset+p.end()], r.at+int64(p.offset))
			}
		}
	}
	if err == nil {
		const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// memfd makes a file in memory that can be sealed. Kernels before 6.3 do not know
// that it need not be executable, which some later ones insist on (sysctl
// vm.memfd_noexec).
func memfd(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// mapOver maps the image, or as much of it as there is room for, privately over
// the beginning of to, which must be zero.
func (i *Image) mapOver(to []byte, protection int) error {
	if i.base != nil {
		if err := i.base.mapOver(to[:min(len(to), i.length)], protection); err != nil {
			return err
		}
	}
	for _, r := range i.runs {
		if r.offset >= len(to) {
			break
		}
		piece := to[r.offset:min(r.end(), len(to))]
		if err := mapFixed(piece, protection, unix.MAP_PRIVATE, int(i.file.Fd()), r.at); err != nil {
			return err
		}
	}
	return nil
}

// mapFixed replaces what is mapped at piece.
func mapFixed(piece []byte, protection, flags, fd int, at int64) error {
	_, err := unix.MmapPtr(fd, at, unsafe.Pointer(unsafe.SliceData(piece)), uintptr(len(piece)), protection, flags|unix.MAP_FIXED|noReserve)
	return os.NewSyscallError("mmap", err)
}

// lay maps the image over the beginning of the memory; what was there before is
// replaced by fresh anonymous memory.
func (m *Memory) lay(i *Image) error {
	if used := max(m.high, m.image.length); used > 0 {
		if err := mapFixed(m.bytes[:used], unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON, -1, 0); err != nil {
			return err
		}
	}
	if err := i.mapOver(m.bytes, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return err
	}
	advise(m.bytes)
	return nil
}

// drop makes the kernel forget what was written: what lies in a file is as there
// again, what is anonymous is zero (madvise(2), "MADV_DONTNEED").
func (m *Memory) drop() error {
	if m.high == 0 {
		return nil
	}
	return os.NewSyscallError("madvise", unix.Madvise(m.bytes[:m.high], unix.MADV_DONTNEED))
}

// advise keeps the kernel from making more private than what was written, and from
// making shared again what was. A huge page would make one written byte 2 MiB to
// put back. Merging equal pages (KSM) turns a written page of zeros into the zero
// page, which no scan names, and lets one guest find out by the clock what another
// one holds. A kernel that does neither answers with an error.
func advise(b []byte) {
	_ = unix.Madvise(b, unix.MADV_NOHUGEPAGE)
	_ = unix.Madvise(b, unix.MADV_UNMERGEABLE)
}

func (i *Image) isDelta() bool { return i.base != nil && i.base != empty }

func (i *Image) ownBytes() int {
	if i.file == nil {
		return 0
	}
	info, err := i.file.Stat()
	if err != nil {
		return 0 // closed
	}
	return int(info.Sys().(*syscall.Stat_t).Blocks) * 512 // stat(2): the unit of st_blocks
}

func (i *Image) dispose() error {
	release(i.view)
	i.view = nil
	var err error
	if i.file != nil {
		err = i.file.Close()
	}
	if i.base != nil {
		err = errors.Join(err, i.base.release())
		i.base = nil
	}
	return err
}
