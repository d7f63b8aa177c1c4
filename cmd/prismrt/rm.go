package main

import "context"

type rmCmd struct {
	Name string `arg:"" help:"The plugin."`
}

// Run removes the plugin.
func (r *rmCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	server, err := g.client()
	if err != nil {
		return err
	}
	if err := server.Delete(ctx, r.Name); err != nil {
		return err
	}
	if g.JSON {
		return t.json(map[string]any{"name": r.Name, "removed": true})
	}
	return t.printf("%s is removed\n", r.Name)
}
