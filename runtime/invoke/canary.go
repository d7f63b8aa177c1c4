package invoke

import (
	"fmt"
	"math"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/task"
)

// canary is a version that gets a share of the calls, and what both versions' calls
// came to meanwhile.
type canary struct {
	to *deployment
	split

	own, live *health.Tally
}

func newCanary(to *deployment, share float64) *canary {
	now := time.Now()
	return &canary{to: to, split: split{share: uint64(math.Ldexp(share, 64))}, own: health.NewTally(now), live: health.NewTally(now)}
}

// split deals calls out evenly. The sum of shares is cut into blocks of one; of the calls
// that begin in a block, one is the canary's. So its part of the first n calls is exact
// to a call at any n, and that of any calls in a row to two. Which call of a block it is
// looks random: a split in step with the calls would be one by their inputs where a
// caller sends these in turn (RATIONALE.md, "How are calls dealt out to a canary?").
type split struct {
	share uint64 // in parts of 2^64
	calls atomic.Uint64
}

// turn tells whether the next call is the canary's.
func (s *split) turn() bool {
	n := s.calls.Add(1) - 1
	block, phase := bits.Mul64(n, s.share)
	place := phase / s.share                           // of the call in its block
	size := place + 1 + (math.MaxUint64-phase)/s.share // calls in the block
	chosen, _ := bits.Mul64(scatter(block), size)
	return place == chosen
}

// scatter makes of numbers in a row such that look random (splitmix64; Steele, Lea and
// Flood 2014, "Fast splittable pseudorandom number generators").
func scatter(n uint64) uint64 {
	n = (n + 1) * 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// tally returns the counters of d's calls.
func (c *canary) tally(d *deployment) *health.Tally {
	if d == c.to {
		return c.own
	}
	return c.live
}

// Share sends a share of a plugin's calls, over 0 and below 1, to one version that was
// loaded and the others to another. What they come to is counted from now on.
func (i *Invoker) Share(live, beside task.Ref, share float64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return
	}
	l, c := i.loaded[live], i.loaded[beside]
	if l == nil || c == nil {
		panic(fmt.Sprintf("invoke: %v and %v share calls and are not both loaded", live, beside))
	}
	i.settleLocked(nameOf(live), target{l, newCanary(c, share)}, nil)
}

// Samples returns what the calls of a live version and of the canary beside it came
// to. Without a canary it returns false.
func (i *Invoker) Samples(namespace, plugin string) (live, canary *health.Sample, ok bool) {
	r := i.route(name{namespace, plugin})
	if r == nil || !isClosed(r.settled) || r.canary == nil {
		return nil, nil, false
	}
	now := time.Now()
	return r.canary.live.Sample(now), r.canary.own.Sample(now), true
}
