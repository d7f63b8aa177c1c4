package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

// report prints the series as a table, and below it what callers were told.
func (l *limitsCmd) report(t *terminal.IO, g *globals, rows []series) error {
	if g.JSON {
		return t.JSON(map[string]any{"deadline_ms": float64(l.Deadline.Microseconds()) / 1000, "at_once": crowd, "guests": rows})
	}
	if _, err := fmt.Fprintf(t.Out, "a deadline of %v, %d calls at once, limits.memory %v\n"+
		"p50, p99, max: when calls were answered, from the deadline on, in ms\n\n", l.Deadline, crowd, l.Memory); err != nil {
		return err
	}
	var lines []table.Row
	var told strings.Builder
	for _, r := range rows {
		holds := "yes"
		if len(r.Broke) > 0 {
			holds = "no"
		}
		lines = append(lines, table.Row{
			r.Guest, r.Does, kinds(r.Kinds), signed(r.Over.P50MS), signed(r.Over.P99MS), signed(r.Over.MaxMS),
			r.Memory.String(), terminal.MS(r.Next.P50MS), terminal.MS(r.Next.MaxMS), holds,
		})
		fmt.Fprintf(&told, "  %-10s %s\n", r.Guest, firstLine(r.Said))
		for _, b := range r.Broke {
			fmt.Fprintf(&told, "  %-10s DOES NOT HOLD: %s\n", "", b)
		}
	}
	header := table.Row{"guest", "what it does", "answers", "p50", "p99", "max", "memory rose", "next p50", "next max", "holds"}
	if err := t.Table(header, lines, 4); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.Out, "\nmemory may rise by %s; next: the well-behaved call after each round, in ms\n"+
		"start: uploads, compiling included, with the deadline as upload.start_timeout\n\nwhat the first hostile call was told\n%s",
		humanize.IBytes(l.bound()), told.String())
	return err
}

// kinds lists how many answers there were of which kind.
func kinds(counts map[string]int) string {
	list := byCount(counts)
	for i, kind := range list {
		list[i] = humanize.Comma(int64(counts[kind])) + " " + kind
	}
	return strings.Join(list, ", ")
}

// byCount returns the kinds there were, the most frequent first.
func byCount(counts map[string]int) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
}

// signed is ms with its sign.
func signed(v float64) string {
	if v < 0 {
		return terminal.MS(v)
	}
	return "+" + terminal.MS(v)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
