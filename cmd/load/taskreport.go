package main

import (
	"errors"
	"fmt"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

// report prints the rounds.
func (c *tasksCmd) report(t *terminal.IO, g *globals, rounds []taskRound, half taskTurn) error {
	if g.JSON {
		return t.JSON(map[string]any{
			"body_bytes": bodySize, "batches": c.Batches, "submitters": c.Submitters, "rounds": rounds, "half": half,
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
	times := half.Counts.GoodTimes
	_, printed := fmt.Fprintf(t.Out, "\nat %s tasks/s, from submission to result: p50 %s ms, p99 %s ms, the longest %s ms, of %d; not sent, since all connections waited: %d\n"+
		"µs: processor time for a task; others: cores that all other processes kept busy, and the hypervisor\n",
		perSecond(half.Counts.per(half.Counts.Due)), terminal.MS(times.P50MS), terminal.MS(times.P99MS), terminal.MS(times.MaxMS), times.Count, half.Counts.Unsent)
	return errors.Join(err, printed)
}
