package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/marketprism/prismrt/sdk/client"
)

type liveCmd struct {
	Name    string   `arg:"" help:"The plugin."`
	Version int      `arg:"" help:"The number of the version that calls go to from now on."`
	Share   *float64 `placeholder:"PART" help:"Send only this part of the calls, such as 0.1, to the version; the live one goes on with the others."`
	Judge   bool     `help:"Compare the two versions, and let the weaker go by itself."`
}

// Help is shown by "prismrt live --help".
func (*liveCmd) Help() string {
	return `A release to a part of the calls (a canary) ends when either version is made live without
--share; with --judge it ends by itself.

Examples:

  prismrt live normalise 2
  prismrt live normalise 3 --share 0.1 --judge`
}

// Validate is asked by kong.
func (l *liveCmd) Validate() error {
	if l.Version < 1 {
		return fmt.Errorf("<version> is %d; versions are counted from 1, and \"prismrt plugins %s\" lists them", l.Version, l.Name)
	}
	if l.Judge && l.Share == nil {
		return errors.New("--judge compares versions that share calls; add --share 0.1, say")
	}
	return nil
}

// Run makes a version live, or a canary.
func (l *liveCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	server, err := g.client()
	if err != nil {
		return err
	}
	var plugin *client.Plugin
	if l.Share == nil {
		plugin, err = server.SetLive(ctx, l.Name, l.Version)
	} else {
		plugin, err = server.SetCanary(ctx, l.Name, l.Version, *l.Share, l.Judge)
	}
	if err != nil {
		return err
	}
	if g.JSON {
		return t.json(plugin)
	}
	if c := plugin.Canary; c != nil {
		return t.printf("%s version %d gets %s of the calls, version %d the others%s\n",
			plugin.Name, c.Version, percent(c.Share), plugin.Live, map[bool]string{true: "; the weaker goes by itself"}[c.Judge])
	}
	return t.printf("%s version %d is live\n", plugin.Name, plugin.Live)
}

// percent writes a share for people: 0.1 is 10%.
func percent(share float64) string { return fmt.Sprintf("%.4g%%", 100*share) }
