package pool

import (
	"math"
	"time"
)

const (
	// headroom is how many more instances are worth having than Little's law finds in
	// use: some of a loan is neither computing nor waiting on the host.
	headroom = 1.25

	// scant is how much of an instance is not worth a whole one.
	scant = 0.1

	// remembered is the time after which what the Reports said counts for 1/e.
	remembered = 3 * time.Second
)

// sizer finds how many instances are worth having. By Little's law the cores are
// kept busy by cores × (run + host) / run loans at once: a guest that computes needs
// as many as there are cores, and one that mostly waits on the host needs more.
//
// It rises at once, when somebody would have to wait, and falls to the most that
// was asked for within the last hold: load that comes and goes faster than that
// moves nothing. RATIONALE.md, "How large is a pool?".
type sizer struct {
	cores    int // 0: the size is most
	min, max int
	hold     time.Duration

	size      int
	run, host float64 // seconds, of loans that ended, fading with their age

	// The most that was asked for in the half of hold that goes on, and in the one before.
	recent, before int
	turned         time.Time // when the one that goes on began
	beaten         time.Time // the last beat
}

func newSizer(cores, least, most int, hold time.Duration, now time.Time) sizer {
	s := sizer{cores: cores, min: max(least, 1), max: most, hold: hold, turned: now, beaten: now}
	s.recent = s.target()
	s.size = s.recent
	return s
}

// note counts a loan that ended.
func (s *sizer) note(run, host time.Duration) {
	s.run += run.Seconds()
	s.host += host.Seconds()
}

// target is the size that the Reports ask for at this moment. Before the first it
// is that of guests that only compute.
func (s *sizer) target() int {
	if s.cores == 0 {
		return s.max
	}
	ratio := 1.0
	if s.host > 0 {
		ratio = (s.run + s.host) / s.run // may be infinite
	}
	return int(max(float64(s.min), min(float64(s.max), math.Ceil(float64(s.cores)*ratio*headroom-scant))))
}

// ask raises the size to n at least, and keeps it there for hold.
func (s *sizer) ask(n int) {
	s.recent = max(s.recent, min(n, s.max))
	s.size = max(s.size, s.recent)
}

// beat lets time pass: Reports fade, and the size falls to what was asked for lately.
func (s *sizer) beat(now time.Time) {
	fade := math.Exp(-float64(now.Sub(s.beaten)) / float64(remembered))
	s.run *= fade
	s.host *= fade
	s.beaten = now

	s.ask(s.target())
	if now.Sub(s.turned) >= s.hold/2 {
		s.recent, s.before, s.turned = s.target(), s.recent, now
	}
	s.size = max(s.recent, s.before)
}
