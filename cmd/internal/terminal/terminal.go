// Package terminal shows people what commands measure: a bar while they wait, and a
// table or JSON at the end.
package terminal

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

// IO is where a command writes: its results, and what goes on.
type IO struct{ Out, Err io.Writer }

// Progress returns what to call for every step, and at the end: on a terminal it
// moves a bar.
func (t *IO) Progress(total int, what string) (tick, end func()) {
	f, ok := t.Err.(*os.File)
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

// JSON writes a value to standard output.
func (t *IO) JSON(value any) error {
	enc := json.NewEncoder(t.Out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(value)
}

// Table writes rows under a header. From column right on they hold numbers, but
// for the last.
func (t *IO) Table(header table.Row, rows []table.Row, right int) error {
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
	_, err := fmt.Fprintln(t.Out, w.Render())
	return err
}

// MS shows milliseconds to three digits or so.
func MS(v float64) string {
	switch {
	case v >= 100 || v <= -100:
		return humanize.CommafWithDigits(float64(int64(v)), 0)
	case v >= 10 || v <= -10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
