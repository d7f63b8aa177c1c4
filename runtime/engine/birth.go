package engine

import (
	"crypto/sha256"
	"math/rand/v2"
	"time"
)

// birth is the world as a guest sees it until its image is taken. Those of all
// instances of a program are equal, so that the instances become equal, byte for
// byte: time passes by sleeping and by looking at it, and each random number is
// known beforehand.
type birth struct {
	epoch  time.Time     // what realtime began with
	passed time.Duration // since then; at most maxBirth
	seed   [32]byte
	random *rand.ChaCha8
}

const (
	// birthTick passes with each look at a clock, before it: to Go's runtime, a
	// monotonic clock at 0 is broken (runtime.main, "nanotime returning zero").
	birthTick = time.Microsecond

	// maxBirth bounds what passes in all. The real monotonic clock began with it,
	// so that it is never behind what a guest saw at birth.
	maxBirth = 24 * time.Hour
)

// began is when the real monotonic clock said maxBirth.
var began = time.Now()

func newBirth(epoch time.Time, seed [32]byte) *birth {
	return &birth{epoch: epoch, seed: seed, random: rand.NewChaCha8(seed)}
}

// reseed makes random numbers those of what a guest reads at birth.
func (b *birth) reseed(read []byte) {
	b.random = rand.NewChaCha8(sha256.Sum256(append(b.seed[:], read...)))
}

// now is the time on both clocks, in nanoseconds.
func (b *birth) now() (realtime, monotonic uint64) {
	return uint64(b.epoch.Add(b.passed).UnixNano()), uint64(b.passed)
}

// pass lets time go by, or reports false where that were too much.
func (b *birth) pass(d time.Duration) bool {
	if d > maxBirth-b.passed {
		return false
	}
	b.passed += d
	return true
}
