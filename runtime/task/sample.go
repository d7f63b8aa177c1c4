package task

import "time"

// Sample is where a guest was at a moment, and what it spent up to then. It is the
// caller's again when the one that was given it returns.
type Sample struct {
	// Calls are the addresses that the guest's calls return to in compiled code,
	// innermost first: equal ones mean equal frames while the program is loaded. They
	// are empty where the stack cannot be told.
	Calls []uintptr

	Cut    bool          // there are calls around those
	Starts bool          // the guest is being started, and serves no call yet
	Fuel   int64         // instructions that the instance ran since its last sample with fuel
	Waited time.Duration // on the host, in the innermost function

	// Frames says what Calls are, without what rewriting has added. The result is good
	// until the next sample of the instance.
	Frames func() []Frame
}

// Frame is a function that a guest is in.
type Frame struct {
	Function uint32 // its number in the module that runs
	Name     string // as its author knows it
	Offset   uint64 // of the instruction in that module's code section; 0 where the module has no lines

	// Host tells of a function of the host, whose Name has its module's before it.
	Host bool
}
