package main

import (
	"errors"
	"fmt"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

// report prints the rounds.
func (c *tasksCmd) report(t *terminal.IO, g *globals, rounds []taskRound) error {
	if g.JSON {
		return t.JSON(map[string]any{
			"body_bytes": bodySize, "batches": c.Batches, "submitters": c.Submitters, "rounds": rounds,
		})
	}
	var lines []table.Row
	row := func(of string, rate, toBare func(taskRound) float64, turn func(taskRound) *taskTurn) {
		over := func(value func(taskRound) float64) median {
			var values []float64
			for _, r := range rounds {
				values = append(values, value(r))
			}
			return medianOf(values)
		}
		m := over(rate)
		line := table.Row{of, perSecond(m.Median), fmt.Sprintf("%s–%s", perSecond(m.Min), perSecond(m.Max)), over(toBare).ratio(), "", "", ""}
		if turn != nil {
			line[4] = terminal.MS(over(func(r taskRound) float64 { return turn(r).Usage.Server * 1e6 / float64(turn(r).Tasks) }).Median)
			line[5] = terminal.MS(over(func(r taskRound) float64 { return turn(r).Usage.Generator * 1e6 / float64(turn(r).Tasks) }).Median)
			line[6] = terminal.MS(over(func(r taskRound) float64 { return turn(r).Usage.othersCores() }).Median)
		}
		lines = append(lines, line)
	}
	bare := func(r taskRound) float64 { return r.Bare }
	batches := func(r taskRound) float64 { return r.Batches.perSecond() }
	singles := func(r taskRound) float64 { return r.Singles.perSecond() }
	over := func(rate func(taskRound) float64) func(taskRound) float64 {
		return func(r taskRound) float64 { return rate(r) / r.Bare }
	}
	row("the bare database", bare, over(bare), nil)
	row(fmt.Sprintf("%d batches", c.Batches), batches, over(batches), func(r taskRound) *taskTurn { return &r.Batches })
	row(fmt.Sprintf("%d submitters", c.Submitters), singles, over(singles), func(r taskRound) *taskTurn { return &r.Singles })
	_, err := fmt.Fprintf(t.Out, "tasks of %d bytes, submitted, run and their results stored, %d rounds; medians, and the least and the most of the rounds\n\n", bodySize, len(rounds))
	err = errors.Join(err, t.Table(table.Row{"", "tasks/s", "", "x bare", "server µs", "generator µs", "others"}, lines, 2))
	lines = nil
	for _, r := range rounds {
		c := r.Awaited.Counts
		lines = append(lines, table.Row{
			perSecond(c.per(c.Due)), terminal.MS(c.GoodTimes.P50MS), terminal.MS(c.GoodTimes.P99MS), terminal.MS(c.GoodTimes.MaxMS), c.Unsent,
			in(c.Lag, c.Lag.P99MS), terminal.MS(r.Awaited.Usage.Server * 1e6 / float64(r.Awaited.Tasks)), terminal.MS(r.Awaited.Usage.othersCores()),
		})
	}
	_, printed := fmt.Fprint(t.Out, "\nfrom submission to result, a line a round\n\n")
	err = errors.Join(err, printed, t.Table(table.Row{"tasks/s", "p50 ms", "p99 ms", "longest ms", "unsent", "lag ms", "server µs", "others"}, lines, 0))
	_, printed = fmt.Fprint(t.Out, "\nµs: processor time for a task; others: cores that all other processes kept busy, and the hypervisor;\n"+
		"unsent: all connections waited; lag: how late tasks were sent, p99\n")
	return errors.Join(err, printed)
}
