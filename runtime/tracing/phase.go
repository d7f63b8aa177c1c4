package tracing

import (
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// phase is a part of an invocation: when it began and how long it took.
type phase struct {
	name string
	from time.Time
	took time.Duration
}

func (p *phase) until() time.Time { return p.from.Add(p.took) }

// phases of an invocation, in the order in which they come. They have the names that the
// monitor has for them.
const (
	queue = iota
	pool
	birth
	bind
	run // with what the guest waits on the host
	collect
	rewind
	phases
)

var phaseNames = [phases]string{"queue", "pool", "birth", "bind", "run", "collect", "rewind"}

// phasesOf lays what a Timing tells one after another, so that the last ends when the
// invocation did. That is as it was, to the nanosecond, but for three that are told in sum:
// a second wait for a turn, after the one for an instance, is part of queue; and a guest
// may take input and give output at any time while it runs.
func phasesOf(t *task.Timing, ended time.Time) (all [phases]phase) {
	taken := min(max(0, t.Bind), max(0, t.Run))
	given := min(max(0, t.Collect), max(0, t.Run)-taken)
	born := min(max(0, t.Birth), max(0, t.Pool))
	for p, took := range [phases]time.Duration{
		queue: t.Queue, pool: t.Pool - born, birth: born, bind: taken, run: t.Run - taken - given, collect: given, rewind: t.Rewind,
	} {
		all[p] = phase{name: phaseNames[p], took: max(0, took)}
	}
	for p := phases - 1; p >= 0; p-- {
		ended = ended.Add(-all[p].took)
		all[p].from = ended
	}
	return all
}

// waitsOf lays what a guest waited for one after another from the beginning of its run on:
// how long that took is known, but not when it was. None of it ends after the run.
func waitsOf(waits []task.Wait, run *phase) []phase {
	all := make([]phase, 0, len(waits))
	from, left := run.from, run.took
	for n := range waits {
		took := min(max(0, waits[n].Time), left)
		all = append(all, phase{name: "host", from: from, took: took})
		from, left = from.Add(took), left-took
	}
	return all
}
