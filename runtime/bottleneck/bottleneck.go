// Package bottleneck says what is slow, why, and what to do about it. A rule reads a
// window of what the monitor saw and finds one kind of bottleneck in it; findings are
// ranked by the time that calls lost.
package bottleneck

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/profile"
	"github.com/marketprism/prismrt/runtime/task"
)

// Finding is a bottleneck.
type Finding struct {
	Rule  string // the kind, such as pool_too_small
	Phase string // where the time is lost: one of a call's phases, or gc, scheduling, locks, memory, compile, disk

	// Ref is the version that it is about, of which there is only the plugin where all
	// versions are meant, and nothing where the whole process is.
	Ref task.Ref

	Lost     time.Duration // by all calls together; 0: memory, not time
	Share    float64       // of the time of all calls in the window, from 0 to 1
	P50, P99 time.Duration // of what a call lost, of those that it touched
	Calls    int64         // that it touched

	// Urgent is what ends the server if it goes on: it comes before what costs time.
	Urgent bool

	Cause     string // one sentence
	Evidence  []Evidence
	Advice    Advice
	Functions []profile.Function // of the guest, the hottest first, where it computes too long
}

// Evidence is a figure that a finding rests on.
type Evidence struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
}

// Advice is what to do.
type Advice struct {
	Text    string `json:"text"`              // a sentence or two
	Setting string `json:"setting,omitempty"` // the name of a setting, with where it is
	Value   string `json:"value,omitempty"`   // what to try

	// GainMS is how much shorter calls can be expected to be, in milliseconds on average:
	// what they lose, or half of it where only the plugin's author can do something. 0: not
	// known.
	GainMS float64 `json:"gain_ms,omitempty"`
}

// MarshalJSON writes a row of /v1/bottlenecks.
func (f Finding) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Rule      string             `json:"rule"`
		Phase     string             `json:"phase"`
		Namespace string             `json:"namespace,omitempty"`
		Plugin    string             `json:"plugin,omitempty"`
		Version   int                `json:"version,omitempty"`
		LostMS    float64            `json:"lost_ms"`
		Share     float64            `json:"share"`
		P50MS     float64            `json:"p50_ms"`
		P99MS     float64            `json:"p99_ms"`
		Calls     int64              `json:"calls"`
		Urgent    bool               `json:"urgent,omitempty"`
		Cause     string             `json:"cause"`
		Evidence  []Evidence         `json:"evidence"`
		Advice    Advice             `json:"advice"`
		Functions []profile.Function `json:"functions,omitempty"`
	}{
		f.Rule, f.Phase, f.Ref.Namespace, f.Ref.Plugin, f.Ref.Version, milliseconds(f.Lost), f.Share, milliseconds(f.P50), milliseconds(f.P99),
		f.Calls, f.Urgent, f.Cause, f.Evidence, f.Advice, f.Functions,
	})
}

// Hot gives up to n of the functions that a version burnt most of its fuel in lately, the
// hottest first.
type Hot func(ref task.Ref, lately time.Duration, n int) []profile.Function

// functionsTold is how many functions a finding names.
const functionsTold = 5

// rules are all there are; of findings that lost the same, those of the earlier come first.
var rules = []func(*view) []Finding{
	guestComputes, slowHost, poolTooSmall, noisyNeighbour, refusals, coldBirths, dirtyMemory, copies, slowerVersion, failures,
	garbage, runQueue, locks, disk, compilations, memoryGrows, poolTooLarge,
}

// Find finds the bottlenecks of a window: what is urgent, then the one that cost most. Hot may be nil.
func Find(w *monitor.Window, hot Hot) []Finding {
	if w.Length() <= 0 {
		return nil
	}
	v := newView(w)
	var all []Finding
	for _, rule := range rules {
		all = append(all, rule(v)...)
	}
	for n := range all {
		f := &all[n]
		if v.took > 0 {
			f.Share = min(1, float64(f.Lost)/float64(v.took))
		}
		if hot != nil && f.Phase == monitor.PhaseRun.String() && f.Ref.Version != 0 {
			f.Functions = hot(f.Ref, w.Length(), functionsTold)
		}
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		switch {
		case a.Urgent && !b.Urgent:
			return -1
		case b.Urgent && !a.Urgent:
			return 1
		}
		return cmp.Compare(b.Lost, a.Lost)
	})
	return all
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
