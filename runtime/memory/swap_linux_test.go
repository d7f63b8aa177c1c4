package memory

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What was swapped out is put back, too.
func TestSwappedPagesAreNamed(t *testing.T) {
	needScan(t)
	needSwap(t)
	everyWay(t, func(t *testing.T, way Way) {
		m := reserved(t, way, 8*wasmPage)
		adopt(t, m, imageOf(t, ones(4*wasmPage)))
		written := []int{0, 3, 4, 5 * wasmPage / pageSize, 6 * wasmPage / pageSize}
		m.Reallocate(8 * wasmPage)
		for _, p := range written {
			m.bytes[p*pageSize] = 9
		}
		if err := unix.Madvise(m.bytes, unix.MADV_PAGEOUT); err != nil {
			t.Skip("madvise MADV_PAGEOUT: ", err)
		}
		pages := pagesOf(t, m.bytes)
		for _, p := range written {
			if !pages[p].swapped() {
				t.Skipf("page %d did not go to swap", p)
			}
		}
		if r := rewind(t, m); way == Scan && r != (Rewound{len(written), Scan}) {
			t.Errorf("%+v, want the %d pages swapped out", r, len(written))
		}
	})
}

// needSwap gives the system 4 MiB of swap for this test if it has none.
func needSwap(t *testing.T) {
	t.Helper()
	swaps, err := os.ReadFile("/proc/swaps")
	if err != nil {
		t.Skip(err)
	}
	if strings.Count(string(swaps), "\n") > 1 {
		return
	}
	if os.Getuid() != 0 {
		t.Skip("there is no swap, and only root can add some")
	}
	// The header of a swap file: Linux, include/linux/swap.h, union swap_header.
	swap := make([]byte, 4<<20)
	binary.NativeEndian.PutUint32(swap[1024:], 1)                            // version
	binary.NativeEndian.PutUint32(swap[1028:], uint32(len(swap)/pageSize-1)) // last page
	copy(swap[pageSize-10:], "SWAPSPACE2")
	path := filepath.Join(t.TempDir(), "swap")
	if err := os.WriteFile(path, swap, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	name, _ := unix.BytePtrFromString(path)
	if _, _, errno := unix.Syscall(unix.SYS_SWAPON, uintptr(unsafe.Pointer(name)), 0, 0); errno != 0 {
		t.Skip("there is no swap, and swapon of a file answers: ", errno)
	}
	t.Cleanup(func() {
		if _, _, errno := unix.Syscall(unix.SYS_SWAPOFF, uintptr(unsafe.Pointer(name)), 0, 0); errno != 0 {
			t.Error("swapoff: ", errno)
		}
	})
}
