package health

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// cells divide whole numbers up to 2^44, each octave into eight: 9% a cell. Larger
// ones are in the last. As nanoseconds that is five hours.
const cells = (44 - 2) * 8

// cellOf returns the cell a number is in.
func cellOf(v int64) int {
	if v < 8 {
		return int(max(0, v))
	}
	octave := bits.Len64(uint64(v)) - 1
	return min((octave-2)*8+int(v>>(octave-3))&7, cells-1)
}

// floorOf returns the least number in a cell.
func floorOf(cell int) float64 {
	if cell < 8 {
		return float64(cell)
	}
	return math.Ldexp(float64(8+cell%8), cell/8-1)
}

// Histogram is a distribution of whole numbers, good to 9%. Its zero value is empty.
type Histogram struct {
	n     int64
	cells [cells]int64
}

// Add counts a number. Below 0 counts as 0.
func (h *Histogram) Add(v int64) {
	h.n++
	h.cells[cellOf(v)]++
}

// Quantile returns the number that a part p of all, from 0 to 1, do not exceed: its
// cell's least. It is 0 for none.
func (h *Histogram) Quantile(p float64) float64 {
	if h.n == 0 {
		return 0
	}
	return floorOf(h.rank(p))
}

// rank returns the cell in which the part p of all numbers is reached: -1 for p <= 0
// and past the last for p > 1, of which nothing is known.
func (h *Histogram) rank(p float64) int {
	if p <= 0 {
		return -1
	}
	want, seen := int64(math.Ceil(p*float64(h.n))), int64(0)
	for cell := range h.cells {
		if seen += h.cells[cell]; seen >= want {
			return cell
		}
	}
	return cells
}

// Sample is what a version's calls came to.
type Sample struct {
	Calls  int64 // with an outcome Good or Bad
	Faults int64 // of these, Bad

	// Run and Fuel are of good calls: nanoseconds the guest ran, and instructions.
	Run, Fuel Histogram

	// Span is how long calls were counted.
	Span time.Duration
}

// Tally counts the calls of a version. It is safe for concurrent use and takes no
// lock: what it gives out may miss a part of a call that is being counted.
type Tally struct {
	begun         time.Time
	calls, faults atomic.Int64
	run, fuel     [cells]atomic.Int64
}

// NewTally makes a Tally that begins now.
func NewTally(now time.Time) *Tally { return &Tally{begun: now} }

// Add counts a call: what it said of the version, how long the guest ran, and the
// instructions it used. Neither is not counted.
func (t *Tally) Add(o Outcome, run time.Duration, fuel int64) {
	switch o {
	case Neither:
		return
	case Bad:
		t.faults.Add(1)
	case Good:
		t.run[cellOf(int64(run))].Add(1)
		t.fuel[cellOf(fuel)].Add(1)
	}
	t.calls.Add(1)
}

// Sample returns what was counted up to now.
func (t *Tally) Sample(now time.Time) *Sample {
	s := &Sample{Calls: t.calls.Load(), Span: now.Sub(t.begun)}
	s.Faults = min(s.Calls, t.faults.Load())
	for cell := range cells {
		s.Run.cells[cell], s.Fuel.cells[cell] = t.run[cell].Load(), t.fuel[cell].Load()
		s.Run.n += s.Run.cells[cell]
		s.Fuel.n += s.Fuel.cells[cell]
	}
	return s
}
