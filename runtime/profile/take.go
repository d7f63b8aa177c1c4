package profile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ianlancetaylor/demangle"

	"github.com/marketprism/prismrt/runtime/task"
)

// Query says which profile is wanted.
type Query struct {
	Ref    task.Ref
	Window time.Duration // how long; from Resolution to Longest, rounded up to whole windows
	Ago    time.Duration // how long ago it ended; 0: it goes on
	Lines  bool          // lines of source are wanted, which may take a while to read
}

// Profile is where the guests of a version burnt their fuel and waited in a time. It
// does not change.
type Profile struct {
	Ref      task.Ref
	Digest   task.Digest // of the module; empty where nothing is known of the version
	From, To time.Time   // whole windows, but for one that goes on
	Stacks   []Stack     // different ones, those with the most fuel first
	Total    Values
}

// Stack is a call stack and what was found in it.
type Stack struct {
	Frames []Frame // innermost first
	Values
}

// Frame is a function in a stack.
type Frame struct {
	Function string // as people write it
	Symbol   string // as the module has it
	File     string // of the line; empty: not known
	Line     int
	Host     bool // it is the host's
}

// Take makes a profile of what was sampled. It has no stacks where there was nothing.
func (p *Profiler) Take(q Query) *Profile {
	end := time.Now().Add(-q.Ago)
	n := max(1, int64((q.Window+Resolution-1)/Resolution))
	last := end.UnixNano() / int64(Resolution)
	out := &Profile{Ref: q.Ref, From: startOf(last - n + 1).UTC(), To: startOf(last + 1).UTC()}
	if now := time.Now().UTC(); now.Before(out.To) {
		out.To = now
	}
	v := p.version(q.Ref)
	if v == nil {
		return out
	}
	out.Digest = v.digest
	counted := v.count(last-n+1, last)
	read := reader{functions: make(map[string]string)}
	if q.Lines && p.options.Lines != nil && slices.ContainsFunc(counted, hasOffset) {
		read.lines = p.options.Lines(v.digest)
	}
	merged := make(map[string]int)
	for _, c := range counted {
		one := Stack{Frames: read.frames(c.stack), Values: c.Values}
		key := fmt.Sprint(one.Frames)
		if at, known := merged[key]; known {
			out.Stacks[at].add(c.Values)
		} else {
			merged[key] = len(out.Stacks)
			out.Stacks = append(out.Stacks, one)
		}
		out.Total.add(c.Values)
	}
	slices.SortStableFunc(out.Stacks, func(a, b Stack) int {
		return cmp.Or(cmp.Compare(b.Fuel, a.Fuel), cmp.Compare(b.Waited, a.Waited), slices.CompareFunc(a.Frames, b.Frames, func(a, b Frame) int {
			return cmp.Or(strings.Compare(a.Function, b.Function), cmp.Compare(a.Line, b.Line))
		}))
	})
	return out
}

func startOf(window int64) time.Time { return time.Unix(0, window*int64(Resolution)) }

// count adds up windows.
func (v *version) count(from, to int64) []cell {
	v.mu.Lock()
	defer v.mu.Unlock()
	place := make(map[*stack]int)
	var out []cell
	for i := range v.ring {
		w := &v.ring[i]
		if w.number < from || w.number > to {
			continue
		}
		for _, c := range w.cells {
			if c.Values == (Values{}) {
				continue
			}
			at, known := place[c.stack]
			if !known {
				at = len(out)
				place[c.stack] = at
				out = append(out, cell{stack: c.stack})
			}
			out[at].add(c.Values)
		}
	}
	return out
}

func hasOffset(c cell) bool {
	return slices.ContainsFunc(c.stack.frames, func(f *task.Frame) bool { return f.Offset != 0 })
}

// reader makes frames that people can read.
type reader struct {
	functions map[string]string // by their names in the module
	lines     func(offset uint64) (file string, line int)
}

func (r *reader) frames(s *stack) []Frame {
	out := make([]Frame, 0, len(s.frames))
	for _, f := range s.frames {
		one := Frame{Symbol: f.Name, Host: f.Host}
		if one.Function = r.functions[f.Name]; one.Function == "" {
			one.Function = cmp.Or(demangle.Filter(f.Name, demangle.NoParams, demangle.NoEnclosingParams, demangle.MaxLength(10)), "(nameless)")
			r.functions[f.Name] = one.Function
		}
		if f.Host {
			one.Function = hostPrefix + f.Name
		}
		if r.lines != nil && f.Offset != 0 {
			one.File, one.Line = r.lines(f.Offset)
		}
		out = append(out, one)
	}
	return out
}
