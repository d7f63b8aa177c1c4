package memory

import (
	"errors"
	"sync"
)

// Way is how a memory's bytes are put back.
type Way uint8

// The ways, fastest first for what most calls leave behind.
const (
	// Scan asks the kernel which pages are private and copies those from the image.
	// They stay in memory, so the next call writes them without a page fault.
	Scan Way = iota
	// Copy copies the whole image and clears what the guest grew.
	Copy
	// Drop lets the kernel forget all private pages. The next call has a page fault
	// for every page it touches.
	Drop
	// Again copies those pages that the last scan found, since no other was written:
	// Memory.Watch.
	Again
)

func (w Way) String() string { return [...]string{"scan", "copy", "drop", "again"}[w] }

// Method is the way this process rewinds memories: Scan where trying it on a small
// memory gave the right answer, Linux 6.7 and later, and otherwise Copy. Each falls
// back to Drop. It is decided at the first use.
func Method() Way { return chosen() }

var chosen = sync.OnceValue(method)

// When to drop follows from BENCHMARKS.md, in pages of 4 KiB: putting back one that
// is named costs 0.2 to 1.5 us, dropping it and the page fault of the next write 4
// to 12 us, 6 to 20 times as much.
const (
	// fewPages are never dropped: putting them back takes 20 to 100 us.
	fewPages = 64

	// mostPages bounds what a memory keeps private for its next call, 32 MiB, and
	// the time that a rewind copies, 4 to 10 ms. Beyond, pages are dropped at once.
	mostPages = 8192

	// minPatience is how many rewinds put back more than fewPages before they are
	// dropped to find out whether calls still write them. By then copies have cost
	// what the page faults will, so dropping at worst about doubles the price. Whenever
	// most pages were written again at once, patience grows fourfold.
	minPatience = 16
	maxPatience = 1 << 14

	// copyMost is the length in bytes up to which all is copied where nothing is
	// named: at 1 MiB that costs as much as the page faults of 5 written pages.
	copyMost = 1 << 20
)

// Rewound says what a Rewind did.
type Rewound struct {
	// Pages of the system's size that were put back: with Copy all that the guest
	// had, otherwise those known to be private.
	Pages int
	Way   Way
}

// Rewind puts back every byte and the length. If the length is not the image's,
// it calls resize, which must have Reallocate called once, whatever size it asks
// for: so the owner of the bytes learns of the shorter slice.
//
// After an error the memory is not as the image and its instance must go.
func (m *Memory) Rewind(resize func()) (Rewound, error) {
	if m.image == nil {
		return Rewound{}, errUnusable
	}
	m.refused = false
	r := m.putBack()
	m.settling = m.length != m.image.length
	if m.settling {
		resize()
		if m.settling || m.length != m.image.length {
			return r, errors.New("memory: the length was not put back")
		}
	}
	return r, nil
}

func (m *Memory) putBack() Rewound {
	found := 0
	switch m.way {
	case Scan:
		way := Scan
		var enough bool
		if m.known == repeated {
			way = Again
			found, enough = m.putBackKnown()
		} else {
			found, enough = m.putBackNamed()
		}
		if enough {
			return Rewound{found, way}
		}
	case Copy:
		if m.high <= copyMost {
			return m.putBackAll()
		}
	}
	m.known = unknown
	if m.drop() != nil {
		return m.putBackAll() // locked into memory (mlockall), or no Linux
	}
	m.refresh()
	return Rewound{found, Drop}
}

// putBackKnown copies back the pages that were private before the guest ran. It
// answers false when they should be dropped now.
func (m *Memory) putBackKnown() (found int, enough bool) {
	for _, p := range m.private {
		m.restore(int(p.start)*pageSize, int(p.end)*pageSize)
		found += int(p.end - p.start)
	}
	m.known = settled
	return found, !m.stale(found)
}

// putBackNamed copies back the pages that the kernel names, all that were written
// since private pages were last dropped. It answers false when they should be
// dropped now, which is right also after a part was copied.
func (m *Memory) putBackNamed() (found int, enough bool) {
	m.private, m.known = m.private[:0], settled
	for at := 0; at < m.high; {
		regions, next, err := m.scan(at)
		if err != nil {
			return found, false
		}
		for _, r := range regions {
			found += int(r.end-r.start) / pageSize
		}
		if found > mostPages {
			return found, false
		}
		for _, r := range regions {
			m.restore(int(r.start), int(r.end))
		}
		m.note(regions)
		at = next
	}
	return found, !m.stale(found)
}

// note remembers what a scan found, unless that becomes too much.
func (m *Memory) note(regions []region) {
	if len(m.private)+len(regions) > mostKnown {
		m.known = unknown
		return
	}
	for _, r := range regions {
		m.private = append(m.private, pages{uint32(r.start / uint64(pageSize)), uint32(r.end / uint64(pageSize))})
	}
}

// stale says whether it is time to drop the pages found: they are many and were
// put back often, so that perhaps one call wrote them, long ago.
func (m *Memory) stale(found int) bool {
	m.age++
	if m.age == 1 && m.dropped > 0 {
		if found > m.dropped/2 {
			m.patience = min(4*m.patience, maxPatience)
		} else {
			m.patience = minPatience
		}
	}
	m.dropped = 0
	if found <= fewPages || m.age < m.patience {
		return false
	}
	m.dropped = found
	return true
}

func (m *Memory) putBackAll() Rewound {
	m.restore(0, m.high)
	return Rewound{(m.high + pageSize - 1) / pageSize, Copy}
}

// restore puts back the bytes from start to end.
func (m *Memory) restore(start, end int) {
	end = min(end, len(m.bytes))
	if start < m.image.length {
		start += copy(m.bytes[start:end], m.image.view[start:])
	}
	clear(m.bytes[start:end])
}

// Trim gives back what the memory, which was rewound, keeps private for its next
// call, where that is more than a few pages; the call has page faults then. It returns
// how many pages of the system's size are still private, -1 when that is not known.
func (m *Memory) Trim() (kept int) {
	for _, p := range m.private {
		kept += int(p.end - p.start)
	}
	known := m.known == settled
	switch {
	case m.image == nil, known && kept <= fewPages:
		return kept
	case m.drop() != nil:
		return -1
	}
	m.refresh()
	m.dropped = 0 // it says nothing of what calls write
	m.private = nil
	m.known = unknown
	return 0
}

// Private counts the bytes that are the memory's own now. It asks the kernel, and where
// that does not tell, it is all that the guest has.
func (m *Memory) Private() (bytes int) {
	if m.way != Scan {
		return m.length
	}
	for at := 0; at < m.high; {
		regions, next, err := m.scan(at)
		if err != nil {
			return m.length
		}
		for _, r := range regions {
			bytes += int(r.end - r.start)
		}
		at = next
	}
	return bytes
}

// refresh notes that no page is private.
func (m *Memory) refresh() {
	m.high = m.image.length
	m.age = 0
}
