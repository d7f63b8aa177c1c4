package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

// progress returns what to call for every step, and at the end: on a terminal it
// moves a bar.
func progress(total int, what string, w io.Writer) (tick, end func()) {
	f, ok := w.(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) {
		return func() {}, func() {}
	}
	bar := progressbar.NewOptions(total,
		progressbar.OptionSetWriter(f),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(50*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
	// A terminal that cannot be written to is no reason to end a measurement.
	return func() { _ = bar.Add(1) }, sync.OnceFunc(func() { _, _ = bar.Exit(), bar.Clear() })
}

// json writes a value to standard output.
func (t *terminal) json(value any) error {
	enc := json.NewEncoder(t.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(value)
}

// table writes rows under a header. From column right on they hold numbers, but
// for the last.
func (t *terminal) table(header table.Row, rows []table.Row, right int) error {
	w := table.NewWriter()
	w.SetStyle(table.StyleLight)
	w.Style().Options.DrawBorder = false
	w.Style().Options.SeparateColumns = false
	w.Style().Format.Header = text.FormatDefault
	var columns []table.ColumnConfig
	for number := right; number < len(header); number++ {
		columns = append(columns, table.ColumnConfig{Number: number, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	w.SetColumnConfigs(columns)
	w.SuppressTrailingSpaces()
	w.AppendHeader(header)
	w.AppendRows(rows)
	_, err := fmt.Fprintln(t.out, w.Render())
	return err
}

// report prints the series as a table, and below it what callers were told.
func (l *limitsCmd) report(t *terminal, g *globals, rows []series) error {
	if g.JSON {
		return t.json(map[string]any{"deadline_ms": float64(l.Deadline.Microseconds()) / 1000, "at_once": crowd, "guests": rows})
	}
	if _, err := fmt.Fprintf(t.out, "a deadline of %v, %d calls at once, limits.memory %v\n"+
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
			r.Memory.String(), ms(r.Next.P50MS), ms(r.Next.MaxMS), holds,
		})
		fmt.Fprintf(&told, "  %-10s %s\n", r.Guest, firstLine(r.Said))
		for _, b := range r.Broke {
			fmt.Fprintf(&told, "  %-10s DOES NOT HOLD: %s\n", "", b)
		}
	}
	header := table.Row{"guest", "what it does", "answers", "p50", "p99", "max", "memory rose", "next p50", "next max", "holds"}
	if err := t.table(header, lines, 4); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.out, "\nmemory may rise by %s; next: the well-behaved call after each round, in ms\n"+
		"start: uploads, compiling included, with the deadline as upload.start_timeout\n\nwhat the first hostile call was told\n%s",
		humanize.IBytes(l.bound()), told.String())
	return err
}

// String says how far it rose.
func (m memory) String() string {
	if !m.known() {
		return "unknown"
	}
	return humanize.IBytes(m.Rise)
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

// ms shows milliseconds to three digits or so.
func ms(v float64) string {
	switch {
	case v >= 100 || v <= -100:
		return humanize.CommafWithDigits(float64(int64(v)), 0)
	case v >= 10 || v <= -10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// signed is ms with its sign.
func signed(v float64) string {
	if v < 0 {
		return ms(v)
	}
	return "+" + ms(v)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
