package task

// Trace is where an invocation stands in a distributed trace (W3C Trace Context). Who has
// invocations made fills it, and nobody changes it after that.
type Trace struct {
	// ID is the trace's, and Span the one that whatever the invocation calls is a child of.
	// Neither is zero.
	ID   [16]byte
	Span [8]byte

	Flags byte   // of a traceparent: 1 is sampled
	State string // the tracestate; "": there is none

	// Recorded tells that Span is the invocation's own, of which Parent is the parent; zero:
	// it has none. Without it, Span is the caller's.
	Recorded bool
	Parent   [8]byte

	// Within tells that Parent is a span of this server, such as that of a batch.
	Within bool
}

// IsRecorded reports whether the invocation has a span of its own. Without a Trace it has
// none.
func (t *Trace) IsRecorded() bool { return t != nil && t.Recorded }
