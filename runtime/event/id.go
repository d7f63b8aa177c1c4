package event

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/marketprism/prismrt/runtime/task"
)

// ID names an event among all of all lives of a server. The zero ID names none.
type ID struct {
	Life task.ID // of the Log that gave it, which is made anew at each start
	N    uint64  // from 1 on; 0 is before the first
}

// String returns the life, a hyphen and the number: 01KAXV8Q2M5Z0R3T7Y9W4N6C1E-17.
func (id ID) String() string { return string(id.Life) + "-" + strconv.FormatUint(id.N, 10) }

// MarshalText encodes an ID as String does.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// ParseID reads what String wrote, and nothing else. It returns a fault of kind invalid.
func ParseID(text string) (ID, error) {
	life, number, ok := strings.Cut(text, "-")
	if ok {
		u, err := ulid.ParseStrict(life)
		n, err2 := strconv.ParseUint(number, 10, 64)
		id := ID{Life: task.ID(u.String()), N: n}
		if err == nil && err2 == nil && id.String() == text {
			return id, nil
		}
	}
	return ID{}, task.Faultf(task.KindInvalid, "%s is not the id of an event; take the id of the last one that came, or none",
		fmt.Sprintf("%.80q", text))
}
