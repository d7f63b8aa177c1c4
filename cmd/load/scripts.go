package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/marketprism/prismrt/cmd/internal/commandline"
	"github.com/marketprism/prismrt/cmd/internal/served"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
	"github.com/marketprism/prismrt/runtime/script"
	"github.com/marketprism/prismrt/sdk/client"
)

type scriptsCmd struct {
	Languages    []string `default:"python,javascript,ruby" help:"Which."`
	Interpreters string   `default:"bench/build" help:"The folder of their interpreters; \"make -C bench python javascript ruby\" gets them."`
	Scripts      string   `default:"bench/guests" help:"The folder of their scripts, part.py and the like."`
	Uploads      int      `default:"6" help:"Scripts that are uploaded one after the other."`
	Rounds       int      `default:"5" help:"Rounds: in each, every plugin has its turn."`
	Seconds      float64  `default:"2" help:"How long a turn is measured."`
}

// Help is shown by "load scripts --help".
func (*scriptsCmd) Help() string {
	return "A script parses an order of 256 bytes and answers a part of it as JSON. It is uploaded several times, each a little other than before, and called " +
		"at once: how long is it from the upload to the first answer? Then one connection calls the scripts and, beside them, the least guest there is, in C, which answers in capitals."
}

// pause is between two uploads: a server has an instance of the interpreter ready by then.
const pause = time.Second

// scripted is what became of the scripts of one language, or of the guest beside them.
type scripted struct {
	Of      string `json:"of"`
	Upload  median `json:"upload_to_answer_ms"` // zero of the guest
	P50MS   median `json:"p50_ms"`
	P99MS   median `json:"p99_ms"`
	P50Over median `json:"p50_ms_over_c"`
	CPU     median `json:"cpu_us"` // the server's processor time for a call
	Others  median `json:"others_cores"`

	plugin string
	turns  []turn
}

// Run measures and prints.
func (c *scriptsCmd) Run(ctx context.Context, t *terminal.IO, g *globals) (err error) {
	if c.Rounds < 1 || c.Seconds <= 0 || c.Uploads < 1 {
		return commandline.Misuse(errors.New("--rounds, --seconds and --uploads must be over 0"))
	}
	module, err := g.module("upper")
	if err != nil {
		return err
	}
	p, stop, err := served.Prismrt(ctx, g.Server, "[server]\ngrace = \"1s\"\n[upload]\ncompile_timeout = \"5m\"\nstart_timeout = \"1m\"\n")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	server, err := client.New(p.Address, client.Options{})
	if err != nil {
		return err
	}
	if _, _, err := server.Push(ctx, "upper", module, client.PushOptions{}); err != nil {
		return err
	}
	tick, end := t.Progress(len(c.Languages)*(1+c.Uploads)+c.Rounds*(1+len(c.Languages)), "measuring")
	defer end()
	rows := []*scripted{{Of: "c", plugin: "upper"}}
	for _, name := range c.Languages {
		row, err := c.upload(ctx, server, name, tick)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		rows = append(rows, row)
	}
	for range c.Rounds {
		for _, row := range rows {
			turn, err := c.turn(ctx, p, row.plugin)
			if err != nil {
				return err
			}
			row.turns = append(row.turns, turn)
			tick()
		}
	}
	end()
	for _, row := range rows {
		if err := row.sum(rows[0]); err != nil {
			return err
		}
	}
	return c.report(t, g, rows)
}

// order is what the scripts parse, of bodySize bytes.
var order = []byte(`{"symbol": "btc-usdt", "side": "sell", "fills": [[97123.5, 0.0125], [97120.25, 7.5], [97118, 0.25], [97110.75, 1.125]], ` +
	`"tags": {"desk": "delta one", "venue": "binance", "note": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}`)

// upload installs a language and uploads its script, again and again.
func (c *scriptsCmd) upload(ctx context.Context, server *client.Client, name string, tick func()) (*scripted, error) {
	language, err := script.Named(name)
	if err != nil {
		return nil, err
	}
	interpreter, err := os.ReadFile(filepath.Join(c.Interpreters, name+".wasm"))
	if err != nil {
		return nil, err
	}
	file := "part" + language.Suffix
	source, err := os.ReadFile(filepath.Join(c.Scripts, name, file))
	if err != nil {
		return nil, err
	}
	if _, _, err := server.AddRuntime(ctx, name, interpreter); err != nil {
		return nil, err
	}
	tick()
	row := &scripted{Of: name, plugin: name}
	var took []float64
	for n := range c.Uploads {
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
		begun := time.Now()
		other := fmt.Appendf(slices.Clone(source), "\n'%d'\n", n)
		if _, _, err := server.Push(ctx, name, other, client.PushOptions{Runtime: name, File: file}); err != nil {
			return nil, err
		}
		if _, err := server.Call(ctx, name, order, client.CallOptions{}); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begun).Seconds()*1e3)
		tick()
	}
	row.Upload = medianOf(took)
	return row, nil
}

// turn has one connection call a plugin for a while.
func (c *scriptsCmd) turn(ctx context.Context, p *served.Process, plugin string) (turn, error) {
	one := connect(p, 1, plugin, 0, order)
	defer disconnect(one)
	t := &tally{}
	defer closedLoop(ctx, one, t).stop()
	used, all, err := window(ctx, p, warmUp, seconds(c.Seconds), t)
	if err != nil {
		return turn{}, err
	}
	return turn{all[0], used}, nil
}

// sum fills in what the turns come to, beside those of the guest in C. It returns an error
// when an answer was not good.
func (s *scripted) sum(c *scripted) error {
	over := func(value func(turn) float64) median {
		var values []float64
		for _, t := range s.turns {
			values = append(values, value(t))
		}
		return medianOf(values)
	}
	for _, t := range s.turns {
		if t.Errors+t.Refused+t.Expired > 0 || t.Good == 0 {
			return fmt.Errorf("%s: %d answers were good and %d were not: %s", s.Of, t.Good, t.Errors+t.Refused+t.Expired, t.FirstError)
		}
	}
	s.P50MS = over(func(t turn) float64 { return t.AllTimes.P50MS })
	s.P99MS = over(func(t turn) float64 { return t.AllTimes.P99MS })
	s.CPU = over(func(t turn) float64 { return t.used.Server * 1e6 / float64(t.Good) })
	s.Others = over(func(t turn) float64 { return t.used.othersCores() })
	var beside []float64
	for n, t := range s.turns {
		beside = append(beside, t.AllTimes.P50MS-c.turns[n].AllTimes.P50MS)
	}
	s.P50Over = medianOf(beside)
	return nil
}

func (c *scriptsCmd) report(t *terminal.IO, g *globals, rows []*scripted) error {
	if g.JSON {
		return t.JSON(map[string]any{"rounds": c.Rounds, "turn_seconds": c.Seconds, "uploads": c.Uploads, "body_bytes": len(order), "rows": rows})
	}
	var lines []table.Row
	spread := func(m median) string {
		return fmt.Sprintf("%s–%s", terminal.MS(m.Min), terminal.MS(m.Max))
	}
	for _, r := range rows {
		line := table.Row{r.Of, "", "", terminal.MS(r.P50MS.Median), spread(r.P50MS), terminal.MS(r.P50Over.Median), terminal.MS(r.P99MS.Median), terminal.MS(r.CPU.Median), terminal.MS(r.Others.Median)}
		if r != rows[0] {
			line[1], line[2] = terminal.MS(r.Upload.Median), spread(r.Upload)
		}
		lines = append(lines, line)
	}
	_, err := fmt.Fprintf(t.Out, "scripts that parse an order of %d bytes and answer a part of it, %d uploads each; then one connection, %d rounds of %v s a plugin; medians\n\n", len(order), c.Uploads, c.Rounds, c.Seconds)
	err = errors.Join(err, t.Table(table.Row{"in", "first answer ms", "", "p50 ms", "", "over c", "p99 ms", "CPU µs", "others"}, lines, 1))
	_, printed := fmt.Fprint(t.Out, "\nfirst answer: from the upload of a script, its interpreter being installed; over c: what p50 is more than that of the guest in C in the same round;\n"+
		"CPU: the server's processor time for a call; others: cores that all other processes kept busy, and the hypervisor\n")
	return errors.Join(err, printed)
}
