package profile

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Weight is what stacks are weighed by where there is one number for each.
type Weight string

// The weights there are.
const (
	ByFuel Weight = "fuel" // instructions
	ByHost Weight = "host" // time waited on the host, in microseconds
)

func (w Weight) of(v Values) int64 {
	if w == ByHost {
		return v.Waited.Microseconds()
	}
	return v.Fuel
}

// Note says what profiles do not see.
const Note = "fuel is looked at in loops and where some functions begin: what runs between two looks counts at the second, " +
	"so that a function without a loop is seen through its caller"

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// folded is a line of a folded profile.
type folded struct {
	stack       string // outermost first, with semicolons between
	value, base int64
}

// fold merges stacks that have the same functions.
func (p *Profile) fold(base *Profile, by Weight) []folded {
	places := make(map[string]int)
	var out []folded
	put := func(s *Stack) *folded {
		var b strings.Builder
		for i, f := range slices.Backward(s.Frames) {
			b.WriteString(oneLine(f.Function))
			if i > 0 {
				b.WriteByte(';')
			}
		}
		at, known := places[b.String()]
		if !known {
			at = len(out)
			places[b.String()] = at
			out = append(out, folded{stack: b.String()})
		}
		return &out[at]
	}
	for i := range p.Stacks {
		if n := by.of(p.Stacks[i].Values); n > 0 {
			put(&p.Stacks[i]).value += n
		}
	}
	if base != nil {
		for i := range base.Stacks {
			if n := by.of(base.Stacks[i].Values); n > 0 {
				put(&base.Stacks[i]).base += n
			}
		}
	}
	slices.SortFunc(out, func(a, b folded) int { return cmp.Compare(a.stack, b.stack) })
	return out
}

// WriteFolded writes a line for each stack: its functions, outermost first, with
// semicolons between, and its weight. With a base, which may be nil, there are two
// weights, the base's first, as difffolded.pl writes them (github.com/brendangregg/FlameGraph).
func (p *Profile) WriteFolded(w io.Writer, base *Profile, by Weight) error {
	b := bufio.NewWriter(w)
	for _, line := range p.fold(base, by) {
		if base != nil {
			fmt.Fprintf(b, "%s %d %d\n", line.stack, line.base, line.value)
		} else {
			fmt.Fprintf(b, "%s %d\n", line.stack, line.value)
		}
	}
	return b.Flush()
}

// oneLine is a name without what has a meaning in a folded profile.
func oneLine(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ';':
			return ':'
		case r < ' ' || r == 0x7f:
			return ' '
		}
		return r
	}, name)
}
