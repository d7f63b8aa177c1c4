package sched

import "time"

// Totals are counted since a flow began, or the scheduler.
type Totals struct {
	Begun   int64
	Refused [reasons]int64 // by Reason
	Fuel    int64          // burnt
	Waited  time.Duration  // in line, over all turns
}

func (t *Totals) add(u Totals) {
	t.Begun += u.Begun
	t.Fuel += u.Fuel
	t.Waited += u.Waited
	for r, n := range u.Refused {
		t.Refused[r] += n
	}
}

// Stats is a Scheduler at a moment.
type Stats struct {
	Totals // of flows that were forgotten, too

	Policy                 Policy
	Cores, Slots           int
	Running, Long, Waiting int // guests with a slot, those of them past their first slice, guests without

	// Busy is for how long as many slots were held as there are cores: the time
	// each was, over their number. Time is how long there was.
	Busy, Time time.Duration

	Flows []FlowStats // in no order
}

// FlowStats is a flow at a moment.
type FlowStats struct {
	Totals

	Namespace, Plugin string
	Running, Waiting  int

	// Lag is how far the flow's virtual time is behind its namespace's, and
	// NamespaceLag that one behind all: fuel of weight 1 that it is owed. Negative
	// is what it had too much. Zero under FIFO and Priority.
	Lag, NamespaceLag float64

	// Drain is how many of those in line were done with a second while others
	// waited, lately. Under FIFO and Priority it is everybody's. Zero: not measured.
	Drain float64
}

// Utilisation is which part of the cores' time guests had since an earlier moment,
// from 0 to 1. Since Stats{} it is that of the whole life.
func (s Stats) Utilisation(since Stats) float64 {
	if s.Time <= since.Time {
		return 0
	}
	return float64(s.Busy-since.Busy) / float64(s.Time-since.Time)
}

// Stats tells how things stand.
func (s *Scheduler) Stats() Stats {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.countLocked(now)
	stats := Stats{
		Totals: s.gone, Policy: s.options.Policy, Cores: s.options.Cores, Slots: s.slots,
		Running: s.running, Long: s.long, Waiting: int(s.waiting.Load()),
		Busy: s.busy / time.Duration(s.options.Cores), Time: max(now, s.counted),
	}
	for _, n := range s.namespaces {
		for _, f := range n.flows {
			totals := f.totalsLocked()
			stats.add(totals)
			flow := FlowStats{
				Totals: totals, Namespace: n.name, Plugin: f.name,
				Running: f.running, Waiting: f.waiting, Drain: f.drainLocked(),
			}
			if s.line == nil {
				flow.Lag = n.passed - f.queue.time
				flow.NamespaceLag = s.root.passed - n.time
			}
			stats.Flows = append(stats.Flows, flow)
		}
	}
	return stats
}

func (f *Flow) totalsLocked() Totals {
	return Totals{Begun: f.begun, Refused: f.refused, Fuel: f.fuel.Load(), Waited: f.waited}
}

func (f *Flow) drainLocked() float64 {
	l := &f.queue.lines[f.usual()]
	if len(f.door.turns) > 0 {
		l = &f.door
	}
	if gap := l.gap.mean; gap > 0 {
		return 1 / gap
	}
	return 0
}
