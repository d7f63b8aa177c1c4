package sqlite

import (
	"encoding/binary"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/marketprism/prismrt/runtime/task"
)

// seqOf is the first half of an id, which is given once: the milliseconds, and what
// task.NewID counts up within them. What is no id of ours has none.
func seqOf(id task.ID) (seq int64, ok bool) {
	parsed, err := ulid.ParseStrict(string(id))
	if err != nil {
		return 0, false
	}
	seq = int64(binary.BigEndian.Uint64(parsed[:8]))
	return seq, seq >= 0 // it is, until the year 6429
}

// newOrd is a number that is greater than the seq of every id made before.
func newOrd() int64 {
	seq, _ := seqOf(task.NewID())
	return seq
}

// noteOrd has later ones be greater, also where the clock was set back since.
func noteOrd(ord int64) {
	var id ulid.ULID
	binary.BigEndian.PutUint64(id[:8], uint64(ord))
	task.IDsAfter(task.ID(id.String()))
}

// moment is a time as a column has it.
func moment(us int64) time.Time { return time.UnixMicro(us).UTC() }

// exact is a time as it is kept, to the microsecond.
func exact(t time.Time) time.Time { return moment(t.UnixMicro()) }

// orNull is a time that may be zero.
func orNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}
