package main

import (
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/marketprism/prismrt/cmd/internal/terminal"
	"github.com/marketprism/prismrt/cmd/internal/timings"
)

// measured is a row of freeze and gc: how long something took, again and again.
type measured struct {
	Of       string `json:"of"`
	Spinning int    `json:"spinning"` // guests
	Wanted   int    `json:"wanted"`
	timings.Spread

	// GaveUpMS is how long the last one, which is not in the spread, had taken
	// when it was given up. Zero: none was.
	GaveUpMS float64 `json:"gave_up_ms,omitempty"`

	Failure string `json:"failure,omitempty"` // what did not work
}

// firstFailure returns an error when something did not work.
func firstFailure(rows []measured) error {
	for _, m := range rows {
		if m.Failure != "" {
			return fmt.Errorf("%s: %s", m.Of, m.Failure)
		}
	}
	return nil
}

// note says what the numbers do not.
func (m measured) note() (note string) {
	if m.Count < int64(m.Wanted) {
		note = fmt.Sprintf("%s of %s when the time was over", humanize.Comma(m.Count), humanize.Comma(int64(m.Wanted)))
	}
	if m.GaveUpMS > 0 {
		note += fmt.Sprintf("; one more was given up after %s ms", terminal.MS(m.GaveUpMS))
	}
	if m.Failure != "" {
		note = m.Failure
	}
	return note
}

// reportMeasured prints the rows under a title.
func reportMeasured(t *terminal.IO, g *globals, title string, rows []measured) error {
	if g.JSON {
		return t.JSON(rows)
	}
	var lines []table.Row
	for _, m := range rows {
		row := table.Row{m.Of, m.Spinning, "-", "-", "-", m.note()}
		if m.Count > 0 {
			row = table.Row{m.Of, m.Spinning, terminal.MS(m.P50MS), terminal.MS(m.P99MS), terminal.MS(m.MaxMS), m.note()}
		}
		lines = append(lines, row)
	}
	_, err := fmt.Fprintf(t.Out, "%s\n\n", title)
	return errors.Join(err, t.Table(table.Row{"on", "spinning", "p50", "p99", "max", ""}, lines, 2))
}
