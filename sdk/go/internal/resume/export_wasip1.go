package resume

import "runtime"

// Warn tells the operator. Package prism has it log; by itself this package imports
// nothing that only prismrt provides.
var Warn = func(message string) { println("warn: " + message) }

// The server calls it at the beginning of each call that starts from an image.
//
//go:wasmexport prism_resume
func prismResume() {
	if !Run() {
		Warn("math/rand repeats its numbers in every call: this version of prismrt's SDK does not know " +
			runtime.Version() + "; use prism.Rand or crypto/rand, or a newer SDK")
	}
}
