package queue

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/marketprism/prismrt/runtime/task"
)

// The places of events among those of an attempt, or before the first one, which is attempt
// 0. They are the same when events are made again from the record. Lines of the log come
// between.
const (
	placeBegun    = 1
	placeEnded    = 1_000_000 // of the attempt
	placeCanceled = placeEnded + 1
	placeSent     = placeEnded + 2 // again
)

// before tells whether an event comes before another one of its task.
func (id EventID) before(other EventID) bool {
	return id.Attempt < other.Attempt || id.Attempt == other.Attempt && id.N < other.N
}

// String returns both numbers with a dot between: "1.17".
func (id EventID) String() string { return strconv.Itoa(id.Attempt) + "." + strconv.Itoa(id.N) }

// MarshalText encodes an EventID as String does.
func (id EventID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// ParseEventID reads what String wrote, and nothing else. It returns a fault of kind invalid.
func ParseEventID(text string) (EventID, error) {
	attempt, n, _ := strings.Cut(text, ".")
	a, err := strconv.Atoi(attempt)
	b, err2 := strconv.Atoi(n)
	id := EventID{a, b}
	if err != nil || err2 != nil || a < 0 || b < 0 || id.String() != text {
		return EventID{}, task.Faultf(task.KindInvalid, "%s is not the id of an event of a task; take the id of the last one that came, or none",
			fmt.Sprintf("%.80q", text))
	}
	return id, nil
}
