package wasm

// Stack is counted in bytes that native frames are estimated to take, so that
// recursion ends at the same depth on every machine. Functions that break the
// cycles of calls take it for themselves and for what they call without taking
// any, and give it back when they return.
const (
	// stackOfFrame is what a frame takes without its locals.
	stackOfFrame = 96

	// stackOfCallees is what a call through a table sets aside for a callee that
	// takes none.
	stackOfCallees = 256

	// maxUncounted is the most a function may leave for its callers to take.
	maxUncounted = 4096
)

// size is what a value takes in a frame.
func (t ValueType) size() uint64 {
	if t == V128 {
		return 16
	}
	return 8
}
