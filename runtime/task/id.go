package task

import "github.com/oklog/ulid/v2"

// ID names one invocation. It is a ULID: 26 characters, sortable by the
// millisecond it was made in (github.com/ulid/spec). Invocations of one batch have
// the batch's, a hyphen and their number.
type ID string

// NewID makes an ID. Ids made by one process sort in the order they were made.
func NewID() ID { return ID(ulid.Make().String()) }
