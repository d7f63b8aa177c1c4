package monitor

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

const (
	// beat is how often everything is looked at.
	beat = time.Second

	// Looks of the last minute are all kept, of those before one in ten seconds.
	allOf      = time.Minute
	coarseBeat = 10 * time.Second

	// MaxWindow is how far back windows reach.
	MaxWindow = 15 * time.Minute
)

// moment is everything as it was at a time. What does not change from one to the next
// they share.
type moment struct {
	look
	rows map[task.Ref]rowAt
}

// rowAt is a row at a moment. A plugin that was deleted and uploaded again has another.
type rowAt struct {
	row    *Row
	counts *Counts
}

// moment looks at everything.
func (m *Monitor) moment(before *moment) *moment {
	now := &moment{look: m.look(), rows: make(map[task.Ref]rowAt)}
	for ref, row := range m.copyOfRows() {
		if was, ok := before.rows[ref]; ok && was.row == row && !row.movedSince(was.counts) {
			now.rows[ref] = was
			continue
		}
		counts := row.counts()
		now.rows[ref] = rowAt{row, &counts}
	}
	return now
}

// history is what there was, the oldest moment first.
type history struct {
	mu      sync.Mutex
	moments []*moment
}

func (h *history) last() *moment {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.moments) == 0 {
		return &moment{}
	}
	return h.moments[len(h.moments)-1]
}

// note adds a moment, and forgets what is old.
func (h *history) note(now *moment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.moments = append(h.moments, now)
	kept := h.moments[:0]
	for n, one := range h.moments {
		age := now.at.Sub(one.at)
		switch {
		case age <= allOf:
		case age > MaxWindow+coarseBeat:
			continue
		case len(kept) > 0 && n+1 < len(h.moments) && h.moments[n+1].at.Sub(kept[len(kept)-1].at) <= coarseBeat:
			continue // its neighbours are near enough to each other
		}
		kept = append(kept, one)
	}
	clear(h.moments[len(kept):])
	h.moments = kept
}

// since returns the moments of a window that ends now, the first of which is its beginning.
func (h *history) since(begin time.Time) []*moment {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, exact := slices.BinarySearchFunc(h.moments, begin, func(one *moment, at time.Time) int { return one.at.Compare(at) })
	if !exact && n > 0 {
		n--
	}
	return slices.Clone(h.moments[n:])
}

// Run looks at everything once a second, so that there are windows, and at the layers every
// five. It returns when ctx has ended. Without it windows begin where they end, and what is
// told of the last minute is of the time since the process began.
func (m *Monitor) Run(ctx context.Context) {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for n := 0; ; n++ {
		now := m.moment(m.history.last())
		now.commit, now.blobWrite = m.Commits.takeSlowest(), m.ModuleWrites.takeSlowest()
		m.history.note(now)
		if n%int(sampleEvery/beat) == 0 {
			m.sample(&now.look)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Window tells what happened in the time up to now: in at most MaxWindow, and not before
// Run began.
func (m *Monitor) Window(length time.Duration) *Window {
	last := m.history.last()
	now := m.moment(last)
	begin := now.at.Add(-min(length, MaxWindow))
	moments := append(m.history.since(begin), now)
	first := moments[0]
	w := &Window{
		From: first.at, To: now.at, Cores: now.turns.Cores, Policy: now.turns.Policy,
		Process: processOf(&now.now).minus(processOf(&first.now)), Disk: now.disk.minus(first.disk),
		Busy: now.turns.Busy - first.turns.Busy,
	}
	w.Free, _ = machineMemory()
	w.Flows = flowsBetween(&first.turns, &now.turns)
	refs := make(map[task.Ref]bool)
	for ref := range now.rows {
		refs[ref] = true
	}
	for n := range now.pools {
		refs[now.pools[n].Ref] = true
	}
	for ref := range refs {
		w.Versions = append(w.Versions, versionIn(moments, ref))
	}
	slices.SortFunc(w.Versions, func(a, b Version) int { return compareRefs(a.Ref, b.Ref) })
	return w
}
