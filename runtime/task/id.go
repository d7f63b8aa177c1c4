package task

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
)

// ID names one invocation. It is a ULID: 26 characters, sortable by the
// millisecond it was made in (github.com/ulid/spec). Invocations of one batch have
// the batch's, a hyphen and their number.
type ID string

// last is the time and number of the id made last: milliseconds since 1970, and how many
// were made in the same one.
var last atomic.Uint64

// numbered is how many bits the number has. What is over goes to the next millisecond.
const numbered = 16

// NewID makes an ID. Ids made by one process sort in the order they were made: of those of
// one millisecond the first two bytes after the time count up, and the other eight are
// random. It takes no lock (RATIONALE.md, "Why does the hot path try locks?").
func NewID() ID {
	next := uint64(time.Now().UnixMilli()) << numbered
	for {
		before := last.Load()
		next = max(next, before+1)
		if last.CompareAndSwap(before, next) {
			break
		}
	}
	var id ulid.ULID
	binary.BigEndian.PutUint64(id[:8], next)
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	var text [ulid.EncodedSize]byte
	_ = id.MarshalTextTo(text[:]) // whose length is right
	return ID(text[:])
}

// IDsAfter has the ids that NewID makes from now on sort after one: also where the clock
// has been set back since that was made. What is no ULID is no id of ours, and ignored.
func IDsAfter(id ID) {
	parsed, err := ulid.ParseStrict(string(id))
	if err != nil {
		return
	}
	floor := binary.BigEndian.Uint64(parsed[:8])
	for before := last.Load(); before < floor && !last.CompareAndSwap(before, floor); before = last.Load() {
	}
}
