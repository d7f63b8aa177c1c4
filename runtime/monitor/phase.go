package monitor

import (
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// Phase is a part of an invocation's way. Phases do not overlap: what is left of an
// invocation's time is the way between them.
type Phase uint8

// The phases, in the order in which most of them come.
const (
	PhaseQueue   Phase = iota // waiting for a turn
	PhasePool                 // waiting for an instance that others had
	PhaseBirth                // waiting for an instance that was being made
	PhaseBind                 // copying large input into the guest
	PhaseRun                  // the guest
	PhaseHost                 // waiting on the host
	PhaseCollect              // copying large output out of the guest
	PhaseRewind               // making the instance clean; after a long call that is done once it was answered
	Phases                    // how many there are
)

// String is the phase's name in metrics and findings.
func (p Phase) String() string {
	return [...]string{"queue", "pool", "birth", "bind", "run", "host", "collect", "rewind"}[p]
}

// MarshalText gives the name.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// durationsOf takes a Timing apart.
func durationsOf(t *task.Timing) [Phases]time.Duration {
	return [Phases]time.Duration{
		PhaseQueue: t.Queue, PhasePool: t.Pool - t.Birth, PhaseBirth: t.Birth, PhaseBind: t.Bind, PhaseRun: t.Compute(), PhaseHost: t.Host, PhaseCollect: t.Collect, PhaseRewind: t.Rewind,
	}
}
