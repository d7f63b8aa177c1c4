package main

import "context"

type rmCmd struct {
	Name  string `arg:"" help:"The plugin."`
	Force bool   `help:"Cancel the tasks that wait for it; without this, it is not removed while there are some."`
}

// Run removes the plugin.
func (r *rmCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	server, err := g.client()
	if err != nil {
		return err
	}
	remove := server.Delete
	if r.Force {
		remove = server.ForceDelete
	}
	if err := remove(ctx, r.Name); err != nil {
		return err
	}
	if g.JSON {
		return t.json(map[string]any{"name": r.Name, "removed": true})
	}
	return t.printf("%s is removed\n", r.Name)
}
