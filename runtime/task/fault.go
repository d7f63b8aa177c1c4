package task

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Kind says whose failure a Fault is and of which sort. The zero Kind is not
// used; FaultOf turns an error without a kind into KindInternal.
type Kind string

// The kinds. Those of the caller, of the guest, of the moment, and of ours.
const (
	KindInvalid      Kind = "invalid"      // the request or the module is not what it must be
	KindUnauthorised Kind = "unauthorised" // no key, or one that is not known
	KindForbidden    Kind = "forbidden"    // a known key that may not do this
	KindNotFound     Kind = "not_found"    // no such plugin, version or function
	KindConflict     Kind = "conflict"     // the state of things forbids it now
	KindTooLarge     Kind = "too_large"    // input, output or upload passed its limit

	KindFuel   Kind = "fuel"   // the guest used up its instructions
	KindMemory Kind = "memory" // the guest was refused memory and then failed
	KindTrap   Kind = "trap"   // the guest trapped
	KindExit   Kind = "exit"   // the guest's program ended with a code other than 0
	KindGuest  Kind = "guest"  // the guest said that it failed

	KindBusy        Kind = "busy"        // no room to run this in time
	KindDeadline    Kind = "deadline"    // the invocation passed its deadline
	KindCanceled    Kind = "canceled"    // the caller went away
	KindUnavailable Kind = "unavailable" // the server or the version cannot serve now
	KindInternal    Kind = "internal"    // a fault of ours
)

// Kinds lists every kind, in the order above.
var Kinds = []Kind{
	KindInvalid, KindUnauthorised, KindForbidden, KindNotFound, KindConflict, KindTooLarge,
	KindFuel, KindMemory, KindTrap, KindExit, KindGuest,
	KindBusy, KindDeadline, KindCanceled, KindUnavailable, KindInternal,
}

// Retryable reports whether the same invocation may succeed at another time.
func (k Kind) Retryable() bool {
	return slices.Contains([]Kind{KindBusy, KindDeadline, KindUnavailable, KindInternal}, k)
}

// Fault is a failure told apart: a Kind for programs, a sentence for the
// caller, and a cause for the operator that never leaves the process.
type Fault struct {
	Kind    Kind
	Message string

	// Stack is the guest's call stack by function name, innermost first.
	// Empty unless the guest trapped or was stopped.
	Stack []string

	// Log is the end of what the guest wrote to its log and standard error.
	Log []string

	// RetryAfter is when the same invocation is worth another try. Zero: that is not
	// known.
	RetryAfter time.Duration

	cause error
}

// Faultf makes a Fault. An error passed for a %w verb becomes the cause; its
// text is then part of the message, so wrap only what the caller may read.
func Faultf(kind Kind, format string, args ...any) *Fault {
	err := fmt.Errorf(format, args...)
	return &Fault{Kind: kind, Message: err.Error(), cause: errors.Unwrap(err)}
}

// CausedBy records why, for the operator's log, and returns f.
func (f *Fault) CausedBy(err error) *Fault {
	f.cause = err
	return f
}

// Error returns the kind, the sentence and the cause, for logs.
func (f *Fault) Error() string {
	if f.cause != nil && f.cause.Error() != f.Message {
		return fmt.Sprintf("%s: %s (%v)", f.Kind, f.Message, f.cause)
	}
	return fmt.Sprintf("%s: %s", f.Kind, f.Message)
}

// Unwrap returns the cause, nil when there is none.
func (f *Fault) Unwrap() error { return f.cause }

// FaultOf finds the Fault in err's chain. Ends of a context become deadline and
// canceled faults; anything else is internal, with err as its cause and a
// message that gives nothing away. FaultOf(nil) is nil.
func FaultOf(err error) *Fault {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return Faultf(KindDeadline, "the deadline passed").CausedBy(err)
	case errors.Is(err, context.Canceled):
		return Faultf(KindCanceled, "the call was given up").CausedBy(err)
	}
	return Faultf(KindInternal, "something went wrong on the server; the request id finds it in the log").CausedBy(err)
}
