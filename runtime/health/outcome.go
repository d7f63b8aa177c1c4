// Package health judges versions by what becomes of their calls: a Breaker keeps
// calls from a version that fails, and Judge compares two versions that share calls.
package health

import "github.com/marketprism/prismrt/runtime/task"

// Outcome is what a call says of the version that served it.
type Outcome int

// The outcomes.
const (
	// Neither says nothing: the fault was the caller's or the moment's, or the
	// version was not reached.
	Neither Outcome = iota

	// Good is an answer, a refusal of the input by the guest included.
	Good

	// Bad is a fault of the version's own.
	Bad
)

// Of returns what the kind of a call's fault, "" for none, says of the version. Ran
// tells whether the guest was reached: a deadline that passed in a line is not its own.
func Of(kind task.Kind, ran bool) Outcome {
	switch kind {
	case "", task.KindGuest:
		return Good
	case task.KindTrap, task.KindExit, task.KindMemory, task.KindFuel, task.KindInternal:
		return Bad
	case task.KindDeadline:
		if ran {
			return Bad
		}
	}
	return Neither
}
