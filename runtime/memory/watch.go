package memory

// A scan costs a system call that looks at every page that was ever read. It finds
// what it found the last time unless the guest wrote a page for the first time, and
// that takes a page fault: a page that is private stays so and is written without
// one until it is dropped. The kernel counts the page faults of each thread, so a
// guest that ran on one thread which had none has written no page that was not known.

// knowledge is what is known of the pages that are private.
type knowledge uint8

const (
	unknown  knowledge = iota // nothing
	settled                   // Memory.private has them all, and nobody has run since
	watching                  // the same, and a guest runs
	repeated                  // the same, and a guest has run
)

// pages are neighbours, from start up to but not including end, counted in pages of the system's.
type pages struct{ start, end uint32 }

// mostKnown bounds the runs of private pages that a memory remembers, 8 bytes each.
const mostKnown = 512

// Watch begins to look out for pages that are written for the first time. It
// reports false where there is no use in that, and nothing is to be ended then.
// Until Watched or Unwatch the caller stays on its thread (runtime.LockOSThread),
// and so does whoever writes to the memory.
func (m *Memory) Watch() bool {
	if m.known != settled {
		m.known = unknown
		return false
	}
	m.known = watching
	m.faults = faults()
	return true
}

// Watched ends what Watch began. Where no page was written that was not private
// before, the next Rewind does without a scan.
func (m *Memory) Watched() {
	if m.known == watching && m.faults == faults() {
		m.known = repeated
	} else {
		m.known = unknown
	}
}

// Unwatch ends what Watch began when the thread is about to be left.
func (m *Memory) Unwatch() { m.known = unknown }
