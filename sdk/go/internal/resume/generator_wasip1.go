package resume

import (
	"math/rand/v2"
	"unsafe"

	"github.com/marketprism/prismrt/sdk/go/internal/host"
)

// The functions of math/rand and math/rand/v2 that need no generator, hash/maphash and
// the order of maps draw from one generator inside Go's runtime, which is seeded when
// the runtime starts: before the image. The runtime has no function that seeds it anew,
// and the linker lets nobody name it. It is therefore found in memory, by the numbers
// it gives out. What is then written to it was made by rand.ChaCha8, which is the same
// generator, and whether it draws as that does is tried before it is relied on.

// state is the generator's: what is in rand.ChaCha8 before what its Read keeps, which
// are eight bytes and their number. It begins with the batch of numbers that are given
// out next, and has no pointers.
type state [unsafe.Sizeof(rand.ChaCha8{}) - 8 - unsafe.Sizeof(int(0))]byte

// generator is the runtime's own; nil where it was not found.
var generator *state

// A seed gives four batches of 32 numbers, of which the last four are not given out
// but are the next seed. They are at nextSeed, in bytes.
const (
	perSeed  = 4*32 - 4
	nextSeed = (32 - 4) * 8
)

// spent is a state that takes the next seed when it is next drawn from, so that a call
// which draws nothing does not pay for a batch.
var spent = func() state {
	c := rand.NewChaCha8([32]byte{})
	for range perSeed {
		c.Uint64()
	}
	return *(*state)(unsafe.Pointer(c))
}()

func init() {
	if generator = find(); generator == nil {
		return
	}
	before := *generator
	reseed()
	same := rand.NewChaCha8([32]byte(generator[nextSeed:]))
	known := true
	for range 2 * perSeed {
		known = rand.Uint64() == same.Uint64() && known
	}
	*generator = before
	if !known {
		generator = nil
	}
}

// reseed seeds the generator, or reports false where it is not known.
func reseed() bool {
	if generator == nil {
		return false
	}
	*generator = spent
	host.Random(generator[nextSeed : nextSeed+32])
	return true
}

// find looks for the generator. It is in the static data behind the variables that are
// smaller, which the linker orders by size; the stack is behind all of them.
func find() *state {
	bound := new(byte)
	memory := unsafe.Slice((*uint64)(unsafe.Pointer(&generator)),
		(uintptr(unsafe.Pointer(bound))-uintptr(unsafe.Pointer(&generator)))/8)
	for range 3 { // the number may have been its batch's last
		drawn := rand.Uint64()
		for at, word := range memory {
			if word != drawn || at+1 == len(memory) || memory[at+1] != rand.Uint64() {
				continue
			}
			// The numbers of a batch stay until the next batch takes their place.
			var first uint64
			for range 32 {
				if first = rand.Uint64(); memory[at] != drawn {
					break
				}
			}
			for start := max(0, at-31); start <= at; start++ {
				if memory[start] == first {
					return (*state)(unsafe.Pointer(&memory[start]))
				}
			}
		}
	}
	return nil
}
