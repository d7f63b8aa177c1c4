package pool

import "time"

// Stats is a pool at a moment, and what it did since it was made.
type Stats struct {
	Ready, Lent, Building, Probing, Ending int // instances alive, by State
	Waiting                                int // callers in line

	Size int // how many instances are worth having
	Max  int

	Births Births
	Deaths Deaths
	Probes Probes

	// Work is that of all instances, ended or alive. Work.Held over Capacity is the
	// share of the time in which the instances were of use.
	Work     Work
	Capacity time.Duration // lived by all instances, ended or alive, since they were built
}

// Births counts what the constructor did.
type Births struct {
	Built  int64
	By     map[Why]int64 // of these; every reason is there
	Failed int64
	Time   time.Duration // over both
	Err    error         // of the last one that failed, nil when none did since the last that did not
}

// Deaths counts the instances that were destroyed. Over their number, Calls and
// Lived are the mean life.
type Deaths struct {
	By    map[Cause]int64 // every cause is there
	Calls int64           // loans they served
	Lived time.Duration   // since they were built
}

// Total is the number of instances that were destroyed.
func (d Deaths) Total() int64 {
	var n int64
	for _, of := range d.By {
		n += of
	}
	return n
}

// Probes counts the probes that came to an end of their own.
type Probes struct {
	Passed, Failed int64
	InARow         int64 // failed since the last that passed
	Err            error // of the last one, nil when it passed
}

// Stats counts.
func (p *Pool[T]) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{
		Ready: len(p.ready), Lent: p.lent, Building: p.building, Ending: p.ending, Waiting: p.line.length,
		Size: p.sizer.size, Max: p.options.Max, Births: p.births, Deaths: p.deaths, Probes: p.probes, Work: p.work,
		Capacity: p.deaths.Lived,
	}
	s.Deaths.By = make(map[Cause]int64, len(Causes))
	for _, c := range Causes {
		s.Deaths.By[c] = p.deaths.By[c]
	}
	s.Births.By = make(map[Why]int64, len(Whys))
	for _, w := range Whys {
		s.Births.By[w] = p.births.By[w]
	}
	now := time.Now()
	for _, it := range p.items {
		switch it.State {
		case Building:
			continue
		case Probing:
			s.Probing++
		}
		s.Capacity += it.lived(now)
	}
	return s
}
