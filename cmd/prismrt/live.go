package main

import "context"

type liveCmd struct {
	Name    string `arg:"" help:"The plugin."`
	Version int    `arg:"" help:"The number of the version that calls go to from now on."`
}

// Run makes a version live.
func (l *liveCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	server, err := g.client()
	if err != nil {
		return err
	}
	plugin, err := server.SetLive(ctx, l.Name, l.Version)
	if err != nil {
		return err
	}
	if g.JSON {
		return t.json(plugin)
	}
	return t.printf("%s version %d is live\n", plugin.Name, plugin.Live)
}
