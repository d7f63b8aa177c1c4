package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

// pace is a row of throughput: what a server did in its turns.
type pace struct {
	Of          string `json:"of"`
	Connections int    `json:"connections"`

	PerSecond     median `json:"per_second"` // good answers
	CPUMicros     median `json:"cpu_us"`     // the server's processor time for one answer
	P50MS         median `json:"p50_ms"`
	P99MS         median `json:"p99_ms"`
	GeneratorCPU  median `json:"generator_cpu_us"` // the generator's for one
	ServerCores   median `json:"server_cores"`     // that it kept busy
	OthersCores   median `json:"others_cores"`     // that all others kept busy
	Errors        int64  `json:"errors"`           // answers that were not good, of all turns
	FirstError    string `json:"first_error,omitempty"`
	ratiosToFloor `json:"to_floor"`
}

// ratiosToFloor are to the floor's turn of the same round.
type ratiosToFloor struct {
	PerSecondRatio median `json:"per_second"`
	CPURatio       median `json:"cpu"`
	P50Ratio       median `json:"p50"`
	P99Ratio       median `json:"p99"`
}

// median is that of the rounds, and the two ends.
type median struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func medianOf(values []float64) median {
	slices.Sort(values)
	n := len(values)
	return median{(values[(n-1)/2] + values[n/2]) / 2, values[0], values[n-1]}
}

// paceOf sums up turns, beside those of the floor in the same rounds.
func paceOf(of string, connections int, turns, floor []turn) pace {
	over := func(value func(turn) float64) median {
		var values []float64
		for _, t := range turns {
			values = append(values, value(t))
		}
		return medianOf(values)
	}
	ratio := func(value func(turn) float64) median {
		var values []float64
		for i, t := range turns {
			// Of a floor of nothing, which is an error elsewhere, nothing is a multiple.
			if below := value(floor[i]); below > 0 {
				values = append(values, value(t)/below)
			}
		}
		if len(values) == 0 {
			return median{}
		}
		return medianOf(values)
	}
	each := func(seconds float64, t turn) float64 { return seconds * 1e6 / float64(max(t.answered(), 1)) }
	perSecond := func(t turn) float64 { return t.goodPerSecond() }
	cpu := func(t turn) float64 { return each(t.used.Server, t) }
	p50 := func(t turn) float64 { return t.GoodTimes.P50MS }
	p99 := func(t turn) float64 { return t.GoodTimes.P99MS }
	p := pace{
		Of: of, Connections: connections,
		PerSecond: over(perSecond), CPUMicros: over(cpu), P50MS: over(p50), P99MS: over(p99),
		GeneratorCPU: over(func(t turn) float64 { return each(t.used.Generator, t) }), ServerCores: over(func(t turn) float64 { return t.used.serverCores() }),
		OthersCores:   over(func(t turn) float64 { return t.used.othersCores() }),
		ratiosToFloor: ratiosToFloor{ratio(perSecond), ratio(cpu), ratio(p50), ratio(p99)},
	}
	for _, t := range turns {
		p.Errors += t.answered() - t.Good
		p.FirstError = cmp.Or(p.FirstError, t.FirstError)
	}
	return p
}

// firstError returns an error when an answer was not good.
func firstError(rows []pace) error {
	for _, p := range rows {
		if p.Errors > 0 {
			return fmt.Errorf("%s: %d answers were not good; the first error: %s", p.Of, p.Errors, cmp.Or(p.FirstError, "a refusal"))
		}
		if p.PerSecond.Min == 0 {
			return fmt.Errorf("%s did not answer", p.Of)
		}
	}
	return nil
}

// report prints the rows.
func (c *throughputCmd) report(t *terminal.IO, g *globals, rows []pace) error {
	if g.JSON {
		return t.JSON(map[string]any{"rounds": c.Rounds, "turn_seconds": c.Seconds, "body_bytes": bodySize, "rows": rows})
	}
	var lines []table.Row
	for _, p := range rows {
		lines = append(lines, table.Row{
			p.Of, p.Connections, perSecond(p.PerSecond.Median), p.PerSecondRatio.ratio(), terminal.MS(p.CPUMicros.Median), p.CPURatio.ratio(),
			terminal.MS(p.P50MS.Median), p.P50Ratio.ratio(), terminal.MS(p.P99MS.Median), p.P99Ratio.ratio(),
			terminal.MS(p.GeneratorCPU.Median), terminal.MS(p.ServerCores.Median), terminal.MS(p.OthersCores.Median), p.Errors,
		})
	}
	_, err := fmt.Fprintf(t.Out, "calls with %d bytes over HTTP, %d rounds of %v s a server; medians\n"+
		"x: to the floor of the same round, and the least and the most of the rounds\n\n", bodySize, c.Rounds, c.Seconds)
	header := table.Row{"on", "conns", "calls/s", "x", "CPU µs", "x", "p50 ms", "x", "p99 ms", "x", "generator µs", "cores", "others", "errors"}
	if err = errors.Join(err, t.Table(header, lines, 2)); err != nil {
		return err
	}
	_, err = fmt.Fprint(t.Out, "\nCPU: the server's processor time for a call, user and system; generator: this program's; cores: that the server kept busy; others: that all other processes did, and the hypervisor\n"+
		"fresh, pool: plain wazero with an instance a call, and with instances that are called again as they are\n")
	return err
}

// ratio shows a ratio and how far the rounds were apart.
func (m median) ratio() string { return fmt.Sprintf("%.2f (%.2f–%.2f)", m.Median, m.Min, m.Max) }
