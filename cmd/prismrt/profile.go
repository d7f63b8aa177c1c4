package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/marketprism/prismrt/sdk/client"
)

// profileRows is how many functions a table shows.
const profileRows = 30

type profileCmd struct {
	Name    string        `arg:"" help:"The plugin."`
	Window  time.Duration `placeholder:"5m" help:"The time up to now, 5s to 15m. Default: 5m."`
	Version int           `placeholder:"N" help:"The version. Default: the live one."`
	Diff    string        `placeholder:"WITH" help:"Compare with another version (version:1), or with a window that ended so long ago (5m)."`
	Format  string        `enum:"table,json,pprof,folded,svg" default:"table" help:"A table, or a file for other tools: ${enum}."`
	Output  string        `short:"o" placeholder:"FILE" help:"Write to a file."`
}

// Help is shown by "prismrt profile --help".
func (*profileCmd) Help() string {
	return `FLAT is what a function burnt itself, CUM with all that it called. A function without a
loop has no check of its own and is seen through its caller.

Examples:

  prismrt profile normalise
  prismrt profile normalise --window 1m --diff version:1
  prismrt profile normalise --format svg -o flame.svg
  prismrt profile normalise --format pprof -o normalise.pb.gz && go tool pprof -http : normalise.pb.gz`
}

// Run shows a profile.
func (p *profileCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	if p.Output == "" {
		return p.show(ctx, t, g)
	}
	var file bytes.Buffer // nothing is written where there is no profile
	if err := p.show(ctx, &terminal{in: t.in, out: &file, err: t.err}, g); err != nil {
		return err
	}
	if err := os.WriteFile(p.Output, file.Bytes(), 0o644); err != nil {
		return misuse{fmt.Errorf("cannot write the profile: %w", err)}
	}
	return nil
}

func (p *profileCmd) show(ctx context.Context, t *terminal, g *globals) error {
	server, err := g.client()
	if err != nil {
		return err
	}
	options := client.ProfileOptions{Window: p.Window, Version: p.Version, Diff: p.Diff}
	if p.Format != "table" {
		profile, err := server.ProfileAs(ctx, p.Name, p.Format, options)
		if err != nil {
			return err
		}
		_, err = t.out.Write(profile)
		return err
	}
	profile, err := server.Profile(ctx, p.Name, options)
	switch {
	case err != nil:
		return err
	case g.JSON:
		return t.json(profile)
	case profile.Diff != nil:
		return printProfileDiff(t, profile)
	}
	return printProfile(t, profile)
}

func printProfile(t *terminal, p *client.Profile) error {
	if err := t.printf("%s\n", spanOf(p.ProfileSpan)); err != nil {
		return err
	}
	var rows []table.Row
	for _, f := range p.Functions[:min(len(p.Functions), profileRows)] {
		rows = append(rows, table.Row{
			percent2(f.FlatShare), humanize.Comma(f.FlatFuel), percent2(f.CumShare), humanize.Comma(f.CumFuel), hostTime(f.HostMS), f.Function,
		})
	}
	if rows != nil {
		if err := t.table(table.Row{"flat", "flat fuel", "cum", "cum fuel", "host", "function"}, rows, "flat", "flat fuel", "cum", "cum fuel", "host"); err != nil {
			return err
		}
	}
	return printNotes(t, p, len(p.Functions))
}

func printProfileDiff(t *terminal, p *client.Profile) error {
	if err := t.printf("%s\nbeside\n%s\n", spanOf(p.ProfileSpan), spanOf(p.Diff.Base)); err != nil {
		return err
	}
	var rows []table.Row
	for _, f := range p.Diff.Functions[:min(len(p.Diff.Functions), profileRows)] {
		rows = append(rows, table.Row{
			fmt.Sprintf("%+.2f", f.FlatPoints), percent2(f.BaseFlatShare), percent2(f.FlatShare), fmt.Sprintf("%+.2f", f.CumPoints), hostTime(f.BaseHostMS), hostTime(f.HostMS), f.Function,
		})
	}
	if rows != nil {
		right := []string{"points", "flat before", "flat", "points cum", "host before", "host"}
		if err := t.table(table.Row{"points", "flat before", "flat", "points cum", "host before", "host", "function"}, rows, right...); err != nil {
			return err
		}
	}
	return printNotes(t, p, len(p.Diff.Functions))
}

// printNotes says what is not in a table.
func printNotes(t *terminal, p *client.Profile, functions int) error {
	notes := slices.Clone(p.Notes)
	if functions > profileRows {
		notes = append(notes, fmt.Sprintf("%d more functions; --json shows up to 500", functions-profileRows))
	}
	for _, note := range notes {
		if err := t.printf("%s\n", note); err != nil {
			return err
		}
	}
	return nil
}

func spanOf(s client.ProfileSpan) string {
	return fmt.Sprintf("%s version %d, %s to %s: %s instructions in %s samples, %s on the host", s.Plugin, s.Version,
		s.From.Format(time.DateTime), s.To.Format(time.TimeOnly), humanize.Comma(s.Fuel), humanize.Comma(s.Samples), time.Duration(s.HostMS*float64(time.Millisecond)).Round(time.Millisecond))
}

// percent2 writes a share to the hundredth.
func percent2(share float64) string { return fmt.Sprintf("%.2f%%", 100*share) }

func hostTime(ms float64) any {
	return orDash(time.Duration(ms * float64(time.Millisecond)).Round(time.Microsecond))
}
