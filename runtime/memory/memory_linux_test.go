package memory

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// page is an entry of /proc/self/pagemap (Documentation/admin-guide/mm/pagemap.rst).
type page uint64

func (p page) file() bool    { return p>>61&1 == 1 }
func (p page) swapped() bool { return p>>62&1 == 1 }
func (p page) present() bool { return p>>63&1 == 1 }

// pagesOf reads what the kernel has for each page of b by the older way.
func pagesOf(t *testing.T, b []byte) []page {
	t.Helper()
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	entries := make([]byte, len(b)/pageSize*8)
	if _, err := f.ReadAt(entries, int64(address(b))/int64(pageSize)*8); err != nil {
		t.Skip(err)
	}
	pages := make([]page, len(entries)/8)
	for k := range pages {
		pages[k] = page(binary.LittleEndian.Uint64(entries[8*k:]))
	}
	return pages
}

func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// private counts the pages of the memory that take memory of their own.
func private(t *testing.T, m *Memory) (n int) {
	t.Helper()
	for _, p := range pagesOf(t, m.bytes) {
		if (p.present() || p.swapped()) && !p.file() {
			n++
		}
	}
	return n
}

// mappings gives a line of /proc/self/maps for each mapping in the memory.
func mappings(t *testing.T, m *Memory) (lines []string) {
	t.Helper()
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	from, to := address(m.bytes), address(m.bytes)+uintptr(len(m.bytes))
	for s := bufio.NewScanner(f); s.Scan(); {
		var start, end uintptr
		fmt.Sscanf(s.Text(), "%x-%x", &start, &end)
		if start < to && from < end {
			lines = append(lines, s.Text())
		}
	}
	return lines
}

func needScan(t *testing.T) {
	t.Helper()
	if Method() != Scan {
		t.Skip("this kernel does not name private pages")
	}
}

// The masks name exactly the pages that a call may have left something in. The
// rule is that of pagemap_scan_is_interesting_page in Linux, fs/proc/task_mmu.c.
func TestTheMasksNamePrivatePages(t *testing.T) {
	named := func(categories uint64) bool {
		categories ^= scanInverted
		return categories&scanMask == scanMask && categories&scanAnyOf != 0
	}
	const written = 1 << 1 // PAGE_IS_WRITTEN, set without userfaultfd, too
	for _, c := range []struct {
		what       string
		categories uint64
		want       bool
	}{
		{"never touched", 0, false},
		{"the file's, read", pageIsPresent | pageIsFile | written, false},
		{"the file's, on its way elsewhere", pageIsSwapped | pageIsFile, false},
		{"read, of zeros", pageIsPresent | pageIsZero | written, false},
		{"written", pageIsPresent | written, true},
		{"written and swapped out", pageIsSwapped | written, true},
	} {
		if got := named(c.categories); got != c.want {
			t.Errorf("a page %s: named %t, want %t", c.what, got, c.want)
		}
	}
}

// A scan names what was written and nothing that was read, in any number of regions.
func TestScanNamesWhatWasWritten(t *testing.T) {
	needScan(t)
	r := rand.New(rand.NewPCG(6, 7))
	m := reserved(t, Scan, 64*wasmPage)
	adopt(t, m, imageOf(t, patches(r, 40)))
	m.Reallocate(64 * wasmPage)
	written := map[int]bool{}
	read := 0
	for range 600 {
		at := r.IntN(len(m.bytes))
		if r.IntN(3) == 0 {
			read += int(m.bytes[at])
			continue
		}
		m.bytes[at]++
		written[at/pageSize] = true
	}
	t.Logf("what was read adds up to %d", read)

	calls := 0
	for at := 0; at < len(m.bytes); calls++ {
		found, next, err := m.scan(at)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			for at := int(f.start); at < int(f.end); at += pageSize {
				if !written[at/pageSize] {
					t.Errorf("page %d is named and was not written", at/pageSize)
				}
				delete(written, at/pageSize)
			}
		}
		at = next
	}
	for p := range written {
		t.Errorf("page %d was written and is not named", p)
	}
	if calls < 2 {
		t.Errorf("%d calls: the test is to need more than one", calls)
	}
}

// After one heavy call the memory is as small and rewinding as cheap as before.
func TestAnOutlierIsForgotten(t *testing.T) {
	const heavy = 50 << 20
	for _, way := range []Way{Scan, Copy} {
		t.Run(way.String(), func(t *testing.T) {
			if way == Scan {
				needScan(t)
			}
			m := reserved(t, way, 64<<20)
			adopt(t, m, imageOf(t, ones(2*wasmPage)))
			call := func(bytes int) Rewound {
				for at := 0; at < bytes; at += pageSize {
					m.Reallocate(uint64(max(bytes, m.length)))[at]++
				}
				return rewind(t, m)
			}
			for range 3 {
				call(3 * pageSize)
			}
			before, usual := private(t, m), call(3*pageSize)

			if r := call(heavy); r.Way != Drop {
				t.Errorf("a call that wrote %d MiB was rewound by %+v", heavy>>20, r)
			}
			for range 3 {
				call(3 * pageSize)
			}
			if after := private(t, m); after > before {
				t.Errorf("%d private pages, %d before the heavy call", after, before)
			}
			if r := call(3 * pageSize); r != usual {
				t.Errorf("a small call is rewound by %+v, before the heavy one by %+v", r, usual)
			}
		})
	}
}

// A call that wrote more than the usual, but not too much, is forgotten later.
func TestPagesNoLongerWrittenAreDropped(t *testing.T) {
	needScan(t)
	const heavy = 20 * fewPages
	m := reserved(t, Scan, heavy*pageSize)
	adopt(t, m, imageOf(t, ones(heavy*pageSize)))
	call := func(pages int) Rewound {
		for p := range pages {
			m.bytes[p*pageSize]++
		}
		return rewind(t, m)
	}
	call(heavy) // also when it is the first
	for k := 0; call(2).Pages > 2; k++ {
		if k > 2*minPatience {
			t.Fatalf("%d pages are still put back", call(2).Pages)
		}
	}

	// What is written by every call is dropped ever more rarely.
	drops := 0
	for range 1000 {
		if call(heavy).Way == Drop {
			drops++
		}
	}
	if drops > 5 {
		t.Errorf("%d of 1000 rewinds dropped pages that the next call wrote", drops)
	}
}

// A guest that writes no page for the first time is rewound without a scan; one that
// does, is not.
func TestPagesWrittenAgainAreKnown(t *testing.T) {
	needScan(t)
	m := reserved(t, Scan, 64*wasmPage)
	adopt(t, m, imageOf(t, ones(4*wasmPage)))
	m.Reallocate(8 * wasmPage)
	call := func(offsets ...int) Rewound {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		m.Reallocate(8 * wasmPage)
		watched := m.Watch()
		for _, at := range offsets {
			m.bytes[at]++
		}
		if watched {
			m.Watched()
		}
		return rewind(t, m) // which compares all of it
	}
	const a, b, grown = 5, 3*wasmPage + 7, 6 * wasmPage
	if r := call(a); r != (Rewound{1, Scan}) {
		t.Errorf("the first call was rewound by %+v", r)
	}
	eventually := func(want Rewound, offsets ...int) { // a stranger's page fault costs a scan
		t.Helper()
		var r Rewound
		for range 20 {
			if r = call(offsets...); r == want {
				return
			}
		}
		t.Errorf("calls that wrote at %v were rewound by %+v, want %+v", offsets, r, want)
	}
	eventually(Rewound{1, Again}, a)
	eventually(Rewound{1, Again}) // nothing
	for _, at := range []int{b, grown} {
		if r := call(a, at); r.Way != Scan {
			t.Errorf("a call that wrote at %d for the first time was rewound by %+v", at, r)
		}
	}
	eventually(Rewound{3, Again}, grown, a)

	m.bytes[b+pageSize]++ // while nobody watches
	if r := rewind(t, m); r != (Rewound{4, Scan}) {
		t.Errorf("what was not watched was rewound by %+v", r)
	}
	m.Watch()
	m.bytes[b+2*pageSize]++
	m.Unwatch()
	if r := rewind(t, m); r != (Rewound{5, Scan}) {
		t.Errorf("what was no longer watched was rewound by %+v", r)
	}
}

// Whatever is written, in however many calls between two rewinds, is put back.
func TestNothingEscapesTheWatch(t *testing.T) {
	needScan(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r := rand.New(rand.NewPCG(8, 9))
	m := reserved(t, Scan, 16*wasmPage)
	adopt(t, m, imageOf(t, patches(r, 5)))
	ways := map[Way]int{}
	for range 3000 {
		pages := 1 + r.IntN(1+r.IntN(16*wasmPage/pageSize)) // mostly the same few
		for range r.IntN(4) {
			watched := m.Watch()
			m.Reallocate(uint64(max(m.length, r.IntN(17)*wasmPage)))
			for range r.IntN(10) {
				m.bytes[r.IntN(max(1, min(pages*pageSize, m.length)))]++
			}
			switch {
			case !watched:
			case r.IntN(10) == 0:
				m.Unwatch()
			default:
				m.Watched()
			}
		}
		ways[rewind(t, m).Way]++
		if r.IntN(100) == 0 {
			m.Trim()
		}
	}
	if ways[Again] == 0 || ways[Scan] == 0 {
		t.Errorf("the ways were %v", ways)
	}
}

// What a memory keeps for its next call can be taken from it.
func TestATrimmedMemoryTakesNothing(t *testing.T) {
	needScan(t)
	m := reserved(t, Scan, 64*wasmPage)
	adopt(t, m, imageOf(t, ones(64*wasmPage)))
	for _, tt := range []struct{ written, kept int }{{fewPages, fewPages}, {4 * fewPages, 0}} {
		for p := range tt.written {
			m.bytes[p*pageSize]++
		}
		rewind(t, m)
		if kept := m.Trim(); kept != tt.kept || private(t, m) != tt.kept {
			t.Errorf("of %d pages a trim keeps %d by its word, %d by the kernel's; want %d", tt.written, kept, private(t, m), tt.kept)
		}
	}
	m.bytes[9]++
	if r := rewind(t, m); r != (Rewound{1, Scan}) {
		t.Errorf("after a trim, a call was rewound by %+v", r)
	}
}

func TestZerosTakeNoMemory(t *testing.T) {
	contents := make([]byte, 64<<20)
	contents[1<<20], contents[40<<20] = 1, 1
	i := imageOf(t, contents)
	if n := i.OwnBytes(); n != 2*pageSize {
		t.Errorf("two pages in 64 MiB of zeros take %d bytes", n)
	}
	if at, differs := difference(i.Bytes(), contents); differs { // reads all
		t.Fatalf("differs at %d", at)
	}
	if n := i.OwnBytes(); n != 2*pageSize {
		t.Errorf("%d bytes after they were read", n)
	}
	m := reserved(t, Method(), 64<<20)
	adopt(t, m, i)
	m.Differs()
	m.bytes[0]++
	rewind(t, m)
	if n := imageOf(t, make([]byte, 64<<20)).OwnBytes(); n != 0 {
		t.Errorf("zeros take %d bytes", n)
	}
}

func TestADeltaHasFewMappingsAndSharesTheRest(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	base := make([]byte, 32<<20)
	for at := 0; at < len(base); at += 3 * wasmPage { // more runs than there may be
		base[at+r.IntN(wasmPage)] = 1
	}
	changed := slices.Clone(base)
	for range 500 {
		changed[r.IntN(len(changed))]++
	}
	i := imageOf(t, base)
	few := slices.Clone(base)
	few[5<<20]++
	few[25<<20]++
	for _, c := range [][]byte{changed, few, changed[:20<<20], append(slices.Clone(few), make([]byte, 4<<20)...)} {
		d := deltaOf(t, i, c)
		m := reserved(t, Method(), 48<<20)
		adopt(t, m, d)
		if n := len(mappings(t, m)); n > 2*(maxRuns+maxDeltaRuns)+1 {
			t.Errorf("%d mappings", n)
		}
		if at, differs := difference(m.bytes[:len(c)], c); differs {
			t.Errorf("differs at %d", at)
		}
	}
	if n := deltaOf(t, i, few).OwnBytes(); n != 2*pageSize {
		t.Errorf("a delta of two pages takes %d bytes", n)
	}
}

// With huge pages one written byte would be 2 MiB to put back.
func TestNoMappingMayBecomeHuge(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage"); err != nil {
		t.Skip("this kernel has no huge pages")
	}
	m := reserved(t, Method(), 8<<20)
	adopt(t, m, imageOf(t, patches(rand.New(rand.NewPCG(10, 11)), 64)))
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	for _, mapping := range mappings(t, m) {
		_, rest, _ := strings.Cut(string(smaps), mapping)
		_, rest, _ = strings.Cut(rest, "VmFlags:")
		flags, _, _ := strings.Cut(rest, "\n")
		if !slices.Contains(strings.Fields(flags), "nh") {
			t.Errorf("%s has the flags%s, want nh among them", mapping, flags)
		}
	}
}

func TestRunsAreJoinedAcrossTheSmallestGaps(t *testing.T) {
	var runs []run
	at := 0
	for k := range 3 * maxRuns { // gaps of joinEqual+1 page, +2, ...
		runs = append(runs, run{offset: at, length: pageSize})
		at += pageSize + joinEqual + (k+1)*pageSize
	}
	joined := join(slices.Clone(runs), maxRuns, joinEqual)
	if len(joined) != maxRuns {
		t.Fatalf("%d runs, want %d", len(joined), maxRuns)
	}
	if first := joined[0]; first.offset != 0 || first.end() != runs[2*maxRuns].end() {
		t.Errorf("the first run is %+v, want all runs with the smallest gaps", first)
	}
	var place int64
	for _, r := range joined {
		if r.at != place {
			t.Errorf("run %+v is not where the one before it ends", r)
		}
		place += int64(r.length)
	}
	if got := join([]run{{offset: 0, length: pageSize}, {offset: pageSize + joinEqual, length: pageSize}}, maxDeltaRuns, joinEqual); len(got) != 1 || got[0].length != 2*pageSize+joinEqual {
		t.Errorf("a small gap makes %+v", got)
	}
	if join(nil, maxRuns, joinEqual) != nil {
		t.Error("runs of nothing")
	}
}

// When the scan fails pages are dropped, and when that fails, too, all is copied.
func TestWhatFailsIsDoneAnotherWay(t *testing.T) {
	needScan(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func(f *os.File) { pagemap = f; null.Close() }(pagemap)
	m := reserved(t, Scan, 4*wasmPage)
	adopt(t, m, imageOf(t, ones(2*wasmPage)))
	m.Reallocate(3 * wasmPage)[2*wasmPage]++
	m.bytes[5]++

	pagemap = null
	if scanWorks() {
		t.Error("a scan that fails is taken for one that works")
	}
	if r := rewind(t, m); r.Way != Drop {
		t.Errorf("without a scan: %+v", r)
	}
	m.bytes[5]++
	if err := unix.Mlock(m.bytes); err != nil {
		t.Skip("cannot lock memory: ", err)
	}
	if r := rewind(t, m); r.Way != Copy {
		t.Errorf("with memory that cannot be dropped: %+v", r)
	}
}
