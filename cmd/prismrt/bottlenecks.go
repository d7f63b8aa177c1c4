package main

import (
	"context"
	"time"
)

type bottlenecksCmd struct {
	Window time.Duration `placeholder:"TIME" help:"How far back to look, from 1s to 15m; without it ten seconds: what is slow now."`
}

// Help is shown by "prismrt bottlenecks --help".
func (*bottlenecksCmd) Help() string {
	return `What costs most time comes first: which plugin, in which phase of its calls, the figures it rests
on, what to do, and what that can be expected to gain. Nothing found is good news.

Examples:

  prismrt bottlenecks
  prismrt bottlenecks --window 5m
  watch -n 2 prismrt bottlenecks`
}

// Run prints what is slow.
func (b *bottlenecksCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	server, err := g.client()
	if err != nil {
		return err
	}
	if g.JSON {
		found, err := server.Bottlenecks(ctx, b.Window)
		if err != nil {
			return err
		}
		return t.json(found)
	}
	text, err := server.BottlenecksText(ctx, b.Window)
	if err != nil {
		return err
	}
	return t.printf("%s", text)
}
