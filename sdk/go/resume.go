package prism

import (
	"math/rand/v2"

	"github.com/marketprism/prismrt/sdk/go/internal/host"
	"github.com/marketprism/prismrt/sdk/go/internal/resume"
)

// OnResume registers what is to run at the beginning of each call, before the handler and at its
// expense; hooks run in the order they were registered. It is called from an init function or while
// package variables are initialised, for what was prepared there and must not be the same in every call:
//
//	var dice = prism.Rand()
//
//	func init() { prism.OnResume(func() { dice = prism.Rand() }) }
//
// Hooks do not run when the manifest has image = "off": init functions then run for each call.
// A nil hook is a mistake in the plugin, and panics.
func OnResume(hook func()) {
	if hook == nil {
		panic("prism: OnResume was called without a hook")
	}
	resume.Add(hook)
}

// Rand returns a new generator, seeded by the host. A plugin may as well use the functions of math/rand/v2,
// which the SDK sees to; this one is for those who want one of their own, and does not depend on how Go's
// runtime is built.
//
// One that is made while package variables are initialised, or in an init function, gives the same
// numbers in every call: see OnResume.
func Rand() *rand.Rand {
	var seed [32]byte
	host.Random(seed[:])
	return rand.New(rand.NewChaCha8(seed))
}
