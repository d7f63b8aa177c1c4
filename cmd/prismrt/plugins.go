package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/marketprism/prismrt/sdk/client"
)

type pluginsCmd struct {
	Name string `arg:"" optional:"" help:"The plugin whose versions to list."`
}

// Run lists all plugins, or one with its versions.
func (p *pluginsCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	server, err := g.client()
	if err != nil {
		return err
	}
	if p.Name != "" {
		plugin, err := server.Plugin(ctx, p.Name)
		if err != nil {
			return err
		}
		return printPlugin(t, g, plugin)
	}
	list, err := server.Plugins(ctx)
	if err != nil {
		return err
	}
	return printPlugins(t, g, list)
}

func printPlugins(t *terminal, g *globals, list []client.Summary) error {
	if g.JSON {
		return t.json(map[string]any{"plugins": append([]client.Summary{}, list...)}) // [] rather than null
	}
	if len(list) == 0 {
		return t.printf("no plugins yet; upload one with: prismrt push FILE.wasm\n")
	}
	var rows []table.Row
	for _, p := range list {
		live := orDash(p.Live)
		if p.Canary != nil {
			live = fmt.Sprintf("%v, %d for %s", live, p.Canary.Version, percent(p.Canary.Share))
		}
		rows = append(rows, table.Row{p.Name, live, p.Versions, orDash(p.ABI), size(p.Bytes), humanize.Time(p.UpdatedAt)})
	}
	return t.table(table.Row{"name", "live", "versions", "contract", "size", "updated"}, rows, "live", "versions", "size")
}

func printPlugin(t *terminal, g *globals, p *client.Plugin) error {
	if g.JSON {
		return t.json(p)
	}
	if err := t.printf("%s: %s\n", p.Name, condition(p.Health)); err != nil {
		return err
	}
	if p.Pool != nil {
		if err := t.printf("instances of version %d: %d ready, %d lent, %d building, at most %d; calls waiting: %d\n",
			p.Pool.Version, p.Pool.Ready, p.Pool.Lent, p.Pool.Building, p.Pool.Max, p.Pool.Waiting); err != nil {
			return err
		}
	}
	if err := printRelease(t, p); err != nil {
		return err
	}
	var rows []table.Row
	for _, v := range p.Versions {
		live := ""
		if v.Live {
			live = "live"
		} else if p.Canary != nil && p.Canary.Version == v.Number {
			live = "canary, " + percent(p.Canary.Share)
		}
		rows = append(rows, table.Row{
			v.Number, live, v.ABI, size(v.Bytes), shortDigest(v.Digest),
			orDash(strings.Join(v.Functions, ", ")), humanize.Time(v.CreatedAt),
		})
	}
	return t.table(table.Row{"version", "", "contract", "size", "digest", "functions", "created"}, rows, "version", "size")
}

// printRelease says what went by itself, and how a canary fares.
func printRelease(t *terminal, p *client.Plugin) error {
	var lines []string
	if o := p.Takeover; o != nil {
		lines = append(lines, fmt.Sprintf("version %d took over from version %d %s: %s", o.To, o.From, humanize.Time(o.At), o.Reason))
	}
	if o := p.LastCanary; o != nil {
		became := "was rolled back"
		if o.Live {
			became = "became live"
		}
		lines = append(lines, fmt.Sprintf("the canary version %d %s %s: %s", o.Version, became, humanize.Time(o.At), o.Reason))
	}
	if c := p.Canary; c != nil && c.Own != nil && c.Live != nil {
		lines = append(lines, fmt.Sprintf("calls since: %d of the canary with %d faults, %d of the live version with %d faults",
			c.Own.Calls, c.Own.Faults, c.Live.Calls, c.Live.Faults))
	}
	for _, line := range lines {
		if err := t.printf("%s\n", line); err != nil {
			return err
		}
	}
	return nil
}

// condition says whether a plugin can be called, and if not, why.
func condition(h client.Health) string {
	if h.Reason == "" {
		return h.State
	}
	return h.State + ", " + h.Reason
}

func size(n int64) string { return humanize.IBytes(uint64(max(0, n))) }

// shortDigest returns the first twelve digits, as Prism-Version shows them.
func shortDigest(digest string) string {
	digits := strings.TrimPrefix(digest, "sha256:")
	return digits[:min(12, len(digits))]
}
