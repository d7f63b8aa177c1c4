package profile

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// Function is a function's part in a profile.
type Function struct {
	Name string `json:"function"`
	Host bool   `json:"host,omitempty"` // it is the host's

	Flat      int64   `json:"flat_fuel"`  // burnt in it, and in functions it calls that have no check
	FlatShare float64 `json:"flat_share"` // of all fuel
	Cum       int64   `json:"cum_fuel"`   // and in what it calls
	CumShare  float64 `json:"cum_share"`

	// WaitedMS is how long guests waited on the host in it, and CumWaitedMS in what it calls, too.
	WaitedMS    float64 `json:"host_ms"`
	CumWaitedMS float64 `json:"cum_host_ms"`
}

// Hot returns the n functions of a version that burnt the most fuel themselves in the
// last of its time, or waited the longest where that is equal. There are none where
// nothing was sampled. Function.FlatShare tells how much it is, of all fuel.
func (p *Profiler) Hot(ref task.Ref, window time.Duration, n int) []Function {
	f := p.Take(Query{Ref: ref, Window: window}).Functions()
	return f[:min(n, len(f))]
}

// Functions returns the parts of all functions, those that burnt the most first.
func (p *Profile) Functions() []Function {
	type part struct {
		host              bool
		flat, cum         int64
		waited, cumWaited time.Duration
		seen              int // the last stack that it was counted in
	}
	parts := make(map[string]*part)
	for n := range p.Stacks {
		s := &p.Stacks[n]
		for depth, f := range s.Frames {
			at := parts[f.Function]
			if at == nil {
				at = &part{seen: -1, host: f.Host}
				parts[f.Function] = at
			}
			if depth == 0 {
				at.flat += s.Fuel
				at.waited += s.Waited
			}
			if at.seen != n { // once where it calls itself
				at.seen = n
				at.cum += s.Fuel
				at.cumWaited += s.Waited
			}
		}
	}
	out := make([]Function, 0, len(parts))
	for name, at := range parts {
		out = append(out, Function{
			Name: name, Host: at.host, Flat: at.flat, Cum: at.cum, FlatShare: share(at.flat, p.Total.Fuel), CumShare: share(at.cum, p.Total.Fuel),
			WaitedMS: milliseconds(at.waited), CumWaitedMS: milliseconds(at.cumWaited),
		})
	}
	slices.SortFunc(out, func(a, b Function) int {
		return cmp.Or(cmp.Compare(b.Flat, a.Flat), cmp.Compare(b.WaitedMS, a.WaitedMS), cmp.Compare(b.Cum, a.Cum), strings.Compare(a.Name, b.Name))
	})
	return out
}

func share(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Summary is a profile for programs and tables.
type Summary struct {
	Span
	Functions []Function   `json:"functions"` // the hottest, at most mostFunctions
	Stacks    []HotStack   `json:"stacks"`    // the hottest, at most mostStacks
	Diff      *Differences `json:"diff,omitempty"`
	Notes     []string     `json:"notes"`
}

// Span is what a profile is of.
type Span struct {
	Plugin  string      `json:"plugin"`
	Version int         `json:"version"`
	Digest  task.Digest `json:"digest,omitempty"`
	From    time.Time   `json:"from"`
	To      time.Time   `json:"to"`
	Values
	WaitedMS float64 `json:"host_ms"`
}

// HotStack is a stack of functions.
type HotStack struct {
	Stack     []string `json:"stack"` // outermost first
	FuelShare float64  `json:"share"` // of all fuel
	Values
	WaitedMS float64 `json:"host_ms"`
}

// Differences are how a profile differs from a base.
type Differences struct {
	Base      Span         `json:"base"`
	Functions []Difference `json:"functions"` // those that differ most, at most mostFunctions
}

// Difference is that of a function.
type Difference struct {
	Name       string  `json:"function"`
	Share      float64 `json:"flat_share"`
	Base       float64 `json:"base_flat_share"`
	Points     float64 `json:"flat_points"` // what was added to its share, in hundredths of all fuel
	Cum        float64 `json:"cum_share"`
	BaseCum    float64 `json:"base_cum_share"`
	CumPoints  float64 `json:"cum_points"`
	WaitedMS   float64 `json:"host_ms"`
	BaseWaited float64 `json:"base_host_ms"`
}

const (
	mostFunctions = 500
	mostStacks    = 100
)

// Summary sums a profile up, beside a base if that is not nil.
func (p *Profile) Summary(base *Profile) Summary {
	functions := p.Functions()
	s := Summary{Span: p.span(), Functions: functions[:min(len(functions), mostFunctions)], Stacks: []HotStack{}, Notes: []string{Note}}
	if len(p.Stacks) == 0 {
		s.Notes = []string{"nothing was sampled in this time: the version was not called, or used less fuel than lies between two samples"}
	}
	for _, at := range p.Stacks[:min(len(p.Stacks), mostStacks)] {
		one := HotStack{FuelShare: share(at.Fuel, p.Total.Fuel), Values: at.Values, WaitedMS: milliseconds(at.Waited)}
		for _, f := range slices.Backward(at.Frames) {
			one.Stack = append(one.Stack, f.at())
		}
		s.Stacks = append(s.Stacks, one)
	}
	if base != nil {
		s.Diff = &Differences{Base: base.span(), Functions: differences(functions, base.Functions())}
	}
	return s
}

// at is a function and, where it is known, its line.
func (f Frame) at() string {
	if f.File == "" {
		return f.Function
	}
	return fmt.Sprintf("%s (%s:%d)", f.Function, f.File, f.Line)
}

func (p *Profile) span() Span {
	return Span{Plugin: p.Ref.Plugin, Version: p.Ref.Version, Digest: p.Digest, From: p.From, To: p.To, Values: p.Total, WaitedMS: milliseconds(p.Total.Waited)}
}

func differences(now, base []Function) []Difference {
	places := make(map[string]int)
	out := []Difference{}
	at := func(name string) *Difference {
		i, known := places[name]
		if !known {
			i = len(out)
			places[name] = i
			out = append(out, Difference{Name: name})
		}
		return &out[i]
	}
	for _, f := range now {
		d := at(f.Name)
		d.Share, d.Cum, d.WaitedMS = f.FlatShare, f.CumShare, f.WaitedMS
	}
	for _, f := range base {
		d := at(f.Name)
		d.Base, d.BaseCum, d.BaseWaited = f.FlatShare, f.CumShare, f.WaitedMS
	}
	for i := range out {
		out[i].Points, out[i].CumPoints = 100*(out[i].Share-out[i].Base), 100*(out[i].Cum-out[i].BaseCum)
	}
	slices.SortFunc(out, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Points), math.Abs(a.Points)), cmp.Compare(math.Abs(b.CumPoints), math.Abs(a.CumPoints)), strings.Compare(a.Name, b.Name))
	})
	return out[:min(len(out), mostFunctions)]
}
