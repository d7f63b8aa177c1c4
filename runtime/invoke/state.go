package invoke

import (
	"slices"
	"time"

	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/pool"
	"github.com/marketprism/prismrt/runtime/sched"
)

// Pools tells of every loaded version's instances.
func (i *Invoker) Pools() []monitor.Pool {
	i.mu.RLock()
	defer i.mu.RUnlock()
	pools := make([]monitor.Pool, 0, len(i.loaded))
	for ref, d := range i.loaded {
		s := d.pool.Stats()
		begins, reason := d.program.Begins()
		deaths := make(map[string]int64, len(s.Deaths.By))
		for cause, n := range s.Deaths.By {
			deaths[string(cause)] = n
		}
		born := make(map[string]int64, len(s.Births.By))
		for why, n := range s.Births.By {
			born[string(why)] = n
		}
		pools = append(pools, monitor.Pool{
			Min:    d.version.Min,
			Begins: string(begins), Reason: reason,
			Ref: ref, Ready: s.Ready, Building: s.Building, Lent: s.Lent, Waiting: s.Waiting, Size: s.Size, Max: s.Max,
			Births: s.Births.Built, BornFor: born, FailedBirths: s.Births.Failed, BirthTime: s.Births.Time,
			Deaths: deaths, Probes: s.Probes.Passed, FailedProbes: s.Probes.Failed, DeadCalls: s.Deaths.Calls, Held: s.Work.Held, Capacity: s.Capacity,
			Calls: s.Work.Calls, Rewinds: s.Work.Rewinds, Pages: s.Work.Pages, Guests: monitor.Guests(d.program.Stats()),
		})
	}
	return pools
}

// Scheduler tells who runs and who waits for a turn.
func (i *Invoker) Scheduler() monitor.Scheduler {
	s, slices := i.options.Scheduler.Stats(), i.options.Engine.Slices()
	out := monitor.Scheduler{
		Policy: string(s.Policy), Cores: s.Cores, Running: s.Running, Long: s.Long, Waiting: s.Waiting,
		Refused: byReason(s.Totals), Busy: s.Busy, Time: s.Time, Begun: s.Begun, Waited: s.Waited,
		Slices: slices.UsedUp, TimedSlices: slices.Timed, SliceTime: slices.Took, LongestSlice: slices.Longest,
	}
	for _, f := range s.Flows {
		out.Flows = append(out.Flows, monitor.Flow{
			Namespace: f.Namespace, Plugin: f.Plugin, Running: f.Running, Waiting: f.Waiting,
			Refused: byReason(f.Totals), Fuel: f.Fuel, Drain: f.Drain, Begun: f.Begun, Waited: f.Waited,
		})
	}
	return out
}

func byReason(t sched.Totals) map[string]int64 {
	refused := make(map[string]int64, len(t.Refused))
	for reason, n := range t.Refused {
		refused[sched.Reason(reason).String()] = n
	}
	return refused
}

// endedLives is how many lives that ended are told of.
const endedLives = 32

// Instances tells of a plugin's instances: those alive, the oldest first, and then the
// last that ended, the latest first.
func (i *Invoker) Instances(namespace, plugin string) []monitor.Instance {
	i.mu.RLock()
	defer i.mu.RUnlock()
	alive, ended := []monitor.Instance{}, []monitor.Instance{}
	for ref, d := range i.loaded {
		if nameOf(ref) != (name{namespace, plugin}) {
			continue
		}
		for _, l := range d.pool.Living() {
			one := life(ref.Version, l.Life)
			if l.Instance != nil {
				one.PrivateBytes, one.MemoryBytes = l.Instance.Private(), l.Instance.Size()
			}
			alive = append(alive, one)
		}
		for _, l := range d.pool.Ended() {
			ended = append(ended, life(ref.Version, l))
		}
	}
	slices.SortFunc(alive, func(a, b monitor.Instance) int { return a.BornAt.Compare(b.BornAt) })
	slices.SortFunc(ended, func(a, b monitor.Instance) int { return b.EndedAt.Compare(a.EndedAt) })
	return append(alive, ended[:min(len(ended), endedLives)]...)
}

func life(version int, l pool.Life) monitor.Instance {
	milliseconds := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	out := monitor.Instance{
		Version: version, ID: l.ID, State: string(l.State), BornFor: string(l.Why), Cause: string(l.Cause),
		BornAt: l.Born.UTC(), BirthMS: milliseconds(l.Birth), UsedAt: l.Used.UTC(), EndedAt: l.Died.UTC(),
		Calls: l.Calls, GuestFaults: l.GuestFaults, OurFaults: l.OurFaults, Rewinds: l.Rewinds,
		RunMS: milliseconds(l.Run), HostMS: milliseconds(l.Host), RewindMS: milliseconds(l.Rewind),
		DirtyPages: l.LastPages, DirtyPagesTotal: l.Pages,
	}
	lived := l.Died.Sub(l.Born)
	if l.Died.IsZero() {
		lived = time.Since(l.Born)
	}
	if lived > 0 {
		out.BusyShare = min(1, float64(l.Held)/float64(lived))
		if l.Birth > 0 {
			out.IdleShare = max(0, 1-float64(l.Held+l.Birth)/float64(lived))
		}
	}
	return out
}
