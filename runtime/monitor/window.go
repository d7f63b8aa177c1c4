package monitor

import (
	"cmp"
	"slices"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// Window is what happened between two moments: counters are what was added, and gauges
// their values at the looks in between.
type Window struct {
	From, To time.Time
	Cores    int    // that guests may have at once
	Policy   string // of the scheduler
	Process  Process
	Disk     Disk
	Free     int64         // bytes of memory that the machine has left at the end; 0: not known
	Busy     time.Duration // for which as many guests ran as there are cores
	Flows    []Flow        // by namespace and plugin; Running, Waiting and Drain are as they are now
	Versions []Version     // by namespace, plugin and number, also those of which nothing was called
}

// Length is how long the window is.
func (w *Window) Length() time.Duration { return w.To.Sub(w.From) }

// Disk is how long writing waited for the disk to have it.
type Disk struct {
	Syncs int64
	Time  time.Duration
}

// disk is what commits and modules waited for since the start.
func (m *Monitor) disk() (d Disk) {
	for _, of := range []*Durations{m.Commits, m.ModuleWrites} {
		n, sum := of.counted()
		d.Syncs += n
		d.Time += sum
	}
	return d
}

func (d Disk) minus(before Disk) Disk {
	return Disk{d.Syncs - before.Syncs, d.Time - before.Time}
}

// Version is what became of one version of a plugin.
type Version struct {
	Ref       task.Ref
	Counts           // in the window
	Ever      Counts // since the server's start
	Instances Instances
}

// Instances are a version's, in a window.
type Instances struct {
	Loaded        bool // at the window's end; else all that follows is zero
	Births        int64
	FailedBirths  int64
	BirthTime     time.Duration
	Deaths        map[string]int64 // by cause
	Pages         int64            // of memory that calls wrote and rewinds put back, of the system's size
	Held          time.Duration    // lent, altogether
	Capacity      time.Duration    // lived, altogether
	Min, Max      int              // that there may be
	Size          int              // worth having, at the end
	Ready         Gauge
	Lent          Gauge
	Waiting       Gauge   // calls in line
	Private       []int64 // bytes of memory that are no others', at each look, the oldest first
	Begins, Cause string  // what each call begins with, and why not with more than that
}

// Gauge is what was seen of a number.
type Gauge struct {
	Mean float64
	Max  int
}

// gaugeOf sums up what of gives for each pool.
func gaugeOf(pools []Pool, of func(*Pool) int) (g Gauge) {
	for n := range pools {
		v := of(&pools[n])
		g.Mean += float64(v) / float64(len(pools))
		g.Max = max(g.Max, v)
	}
	return g
}

// pool is a version's in a look; nil: it was not loaded.
func (l *look) pool(ref task.Ref) *Pool {
	n, found := slices.BinarySearchFunc(l.pools, ref, func(p Pool, ref task.Ref) int { return compareRefs(p.Ref, ref) })
	if !found {
		return nil
	}
	return &l.pools[n]
}

func versionIn(moments []*moment, ref task.Ref) Version {
	first, last := moments[0], moments[len(moments)-1]
	v := Version{Ref: ref}
	if now, ok := last.rows[ref]; ok {
		v.Ever, v.Counts = *now.counts, *now.counts
		if was, ok := first.rows[ref]; ok && was.row == now.row {
			v.Counts = now.counts.minus(was.counts)
		}
	}
	now := last.pool(ref)
	if now == nil {
		return v
	}
	var seen []Pool
	for _, at := range moments {
		if p := at.pool(ref); p != nil {
			seen = append(seen, *p)
		}
	}
	was := first.pool(ref)
	if was == nil || was.Births > now.Births || was.Capacity > now.Capacity { // it was loaded meanwhile
		was = new(Pool)
	}
	i := &v.Instances
	*i = Instances{
		Loaded: true, Births: now.Births - was.Births, FailedBirths: now.FailedBirths - was.FailedBirths, BirthTime: now.BirthTime - was.BirthTime,
		Deaths: make(map[string]int64), Pages: now.Pages - was.Pages, Held: now.Held - was.Held, Capacity: now.Capacity - was.Capacity,
		Min: now.Min, Max: now.Max, Size: now.Size, Begins: now.Begins, Cause: now.Reason,
		Ready:   gaugeOf(seen, func(p *Pool) int { return p.Ready }),
		Lent:    gaugeOf(seen, func(p *Pool) int { return p.Lent }),
		Waiting: gaugeOf(seen, func(p *Pool) int { return p.Waiting }),
	}
	for cause, n := range now.Deaths {
		if n -= was.Deaths[cause]; n > 0 {
			i.Deaths[cause] = n
		}
	}
	for _, p := range seen {
		i.Private = append(i.Private, p.Guests.PrivateBytes)
	}
	return v
}

func flowsBetween(before, now *Scheduler) []Flow {
	flows := slices.Clone(now.Flows)
	for n := range flows {
		f := &flows[n]
		at := slices.IndexFunc(before.Flows, func(b Flow) bool {
			return b.Namespace == f.Namespace && b.Plugin == f.Plugin && b.Begun <= f.Begun
		})
		refused := make(map[string]int64)
		for reason, count := range f.Refused {
			if at >= 0 {
				count -= before.Flows[at].Refused[reason]
			}
			if count > 0 {
				refused[reason] = count
			}
		}
		f.Refused = refused
		if at >= 0 {
			f.Begun -= before.Flows[at].Begun
			f.Fuel -= before.Flows[at].Fuel
			f.Waited -= before.Flows[at].Waited
		}
	}
	slices.SortFunc(flows, func(a, b Flow) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Plugin, b.Plugin))
	})
	return flows
}

func compareRefs(a, b task.Ref) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Plugin, b.Plugin), cmp.Compare(a.Version, b.Version))
}
