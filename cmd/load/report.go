package main

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/marketprism/prismrt/cmd/internal/terminal"
	"github.com/marketprism/prismrt/cmd/internal/timings"
)

// report prints the phases.
func (f *fairnessCmd) report(t *terminal.IO, g *globals, b *burning, phases []phase) error {
	if g.JSON {
		return t.JSON(map[string]any{
			"work_ms": float64(b.took.Microseconds()) / 1000, "deadline_ms": float64(b.deadline.Microseconds()) / 1000,
			"capacity_per_second": b.capacity.goodPerSecond(), "capacity_usage": b.used, "times": f.Times, "backlog": f.Backlog, "phases": phases,
		})
	}
	var lines []table.Row
	var failed string
	for _, p := range phases {
		row := func(of string, c counts, share float64, x, cores string) {
			lines = append(lines, table.Row{
				p.Name, of, perSecond(c.per(c.Due)), perSecond(c.goodPerSecond()), in(c.AllTimes, c.AllTimes.P50MS), in(c.AllTimes, c.AllTimes.P99MS), x,
				perSecond(c.per(c.Fuel) / 1e6), fmt.Sprintf("%.1f%%", 100*share),
				perSecond(c.per(c.Late + c.Expired)), perSecond(c.per(c.Refused)), in(c.RefusedTimes, c.RefusedTimes.P50MS), in(c.RefusedTimes, c.RefusedTimes.P99MS),
				perSecond(c.per(c.Unsent)), in(c.Lag, c.Lag.P99MS), c.Errors, cores,
			})
			failed = cmp.Or(failed, c.FirstError)
		}
		cores := p.Usage.String()
		if p.A != nil {
			row("A", *p.A, 1-p.Share, "", "")
		}
		row("B", p.B, p.Share, fmt.Sprintf("%.1f, %.1f", p.P50Ratio, p.P99Ratio), cores)
	}
	_, err := fmt.Fprintf(t.Out, "%s; A is sent %v times as much\n\n", b.described(), f.Times)
	header := table.Row{
		"", "", "due/s", "good/s", "p50 ms", "p99 ms", "x alone", "Mfuel/s", "share", "late/s",
		"refused/s", "p50 ms", "p99 ms", "unsent/s", "lag ms", "errors", "cores",
	}
	if err = errors.Join(err, t.Table(header, lines, 3)); err != nil {
		return err
	}
	_, err = fmt.Fprint(t.Out, "\np50, p99: of all answers that are no refusals, late ones included, and then of the refusals; late: after the deadline, or told that it passed\n"+
		"lag: how late calls were sent, p99; cores: kept busy by the server, this program, all others\n")
	return errors.Join(err, complaint(failed))
}

// report prints the steps.
func (o *overloadCmd) report(t *terminal.IO, g *globals, b *burning, peak float64, steps []step) error {
	if g.JSON {
		return t.JSON(map[string]any{
			"work_ms": float64(b.took.Microseconds()) / 1000, "deadline_ms": float64(b.deadline.Microseconds()) / 1000,
			"capacity_per_second": b.capacity.goodPerSecond(), "capacity_usage": b.used, "peak_per_second": peak, "loads": steps,
		})
	}
	var lines []table.Row
	var failed string
	for _, s := range steps {
		c := s.Counts
		lines = append(lines, table.Row{
			fmt.Sprintf("%vx", s.Times), perSecond(c.per(c.Due)), perSecond(c.goodPerSecond()), fmt.Sprintf("%.2f", s.ToPeak),
			in(c.GoodTimes, c.GoodTimes.P50MS), in(c.GoodTimes, c.GoodTimes.P99MS), perSecond(c.per(c.Late + c.Expired)),
			perSecond(c.per(c.Refused)), in(c.RefusedTimes, c.RefusedTimes.P50MS), in(c.RefusedTimes, c.RefusedTimes.P99MS),
			perSecond(c.per(c.Unsent)), in(c.Lag, c.Lag.P99MS), c.Errors,
			fmt.Sprintf("%s, %s, %s", mebibytes(s.Memory.Base), mebibytes(s.Memory.Peak), mebibytes(s.After)),
			s.Usage.String(),
		})
		failed = cmp.Or(failed, c.FirstError)
	}
	_, err := fmt.Fprintf(t.Out, "%s; the peak is %s\n\n", b.described(), perSecond(peak))
	header := table.Row{
		"load", "due/s", "good/s", "of peak", "p50 ms", "p99 ms", "late/s", "refused/s", "p50 ms", "p99 ms", "unsent/s", "lag ms", "errors", "MiB", "cores",
	}
	if err = errors.Join(err, t.Table(header, lines, 2)); err != nil {
		return err
	}
	_, err = fmt.Fprint(t.Out, "\ngood: before the deadline; p50, p99: of good answers, and then of refusals; late: after the deadline, or told that it passed\n"+
		"lag: how late calls were sent, p99; MiB: resident in the server before, at most, after; cores: kept busy by the server, this program, all others\n")
	return errors.Join(err, complaint(failed))
}

// complaint is the error that there was a wrong answer.
func complaint(failed string) error {
	if failed == "" {
		return nil
	}
	return fmt.Errorf("a call failed as none should: %s", failed)
}

// in shows milliseconds of a spread that may be empty.
func in(s timings.Spread, ms float64) string {
	if s.Count == 0 {
		return "-"
	}
	return terminal.MS(ms)
}

// perSecond shows a rate to three digits or so.
func perSecond(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 10:
		return fmt.Sprintf("%.1f", v)
	}
	return humanize.Comma(int64(v + 0.5))
}

func mebibytes(b uint64) string {
	if b == 0 {
		return "?"
	}
	return fmt.Sprintf("%.0f", float64(b)/(1<<20))
}
