package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/commandline"
	"github.com/marketprism/prismrt/cmd/internal/served"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
	"github.com/marketprism/prismrt/cmd/internal/timings"
	"github.com/marketprism/prismrt/runtime/task"
)

// slack is what the server itself may take beside its guests' memories, in bytes.
const slack = 16 << 20

type limitsCmd struct {
	Rounds   int           `default:"50" help:"Rounds a guest: in each it is called four times at once, and then once well."`
	Deadline time.Duration `default:"200ms" help:"The deadline of a hostile call."`
	Patience time.Duration `default:"10s" help:"How long after the deadline an answer is waited for. A guest that takes longer is not called again."`
	Memory   task.Bytes    `default:"64MiB" help:"limits.memory in the manifest of each guest."`
	Guest    []string      `placeholder:"NAME" help:"Only these guests, by commas."`
}

// Help is shown by "holds limits --help".
func (*limitsCmd) Help() string {
	var b strings.Builder
	b.WriteString("Every guest gets a server of its own. A guest breaks something when a call is not answered, or by another " +
		"kind than it should be; when the server's resident memory rises by more than four times limits.memory and 16 MiB; when its " +
		"instances are not given back; when the well-behaved call after the hostile ones fails; or when the server ends. " +
		"How late an answer is, is shown and not judged.\n\nThe guests:\n")
	for _, g := range hostile {
		fmt.Fprintf(&b, "\n  %-10s %s", g.name, g.does)
	}
	return b.String()
}

// Run calls every guest and prints what it did.
func (l *limitsCmd) Run(ctx context.Context, t *terminal.IO, g *globals) error {
	guests, err := selected(l.Guest)
	if err != nil {
		return commandline.Misuse(err)
	}
	if l.Rounds < 1 || l.Deadline < time.Millisecond || l.Patience <= 0 {
		return commandline.Misuse(errors.New("--rounds and --patience must be over 0, and --deadline at least 1ms"))
	}
	modules := make(map[string][]byte)
	for _, name := range append(names(guests), "echo") {
		if modules[name], err = g.module(name); err != nil {
			return err
		}
	}
	tick, end := t.Progress(len(guests)*l.Rounds, "calling")
	defer end()
	var rows []series
	for _, guest := range guests {
		row, err := l.try(ctx, g, guest, modules, tick)
		if err != nil {
			return fmt.Errorf("%s: %w", guest.name, err)
		}
		rows = append(rows, row)
	}
	end()
	if err := l.report(t, g, rows); err != nil {
		return err
	}
	return verdict(rows)
}

// verdict returns an error that names the guests that broke something.
func verdict(rows []series) error {
	var broke []string
	for _, r := range rows {
		if len(r.Broke) > 0 {
			broke = append(broke, r.Guest)
		}
	}
	if len(broke) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d guests broke something: %s", len(broke), len(rows), strings.Join(broke, ", "))
}

// series is what became of the calls of one guest.
type series struct {
	Guest    string         `json:"guest"`
	Does     string         `json:"does"`
	Kinds    map[string]int `json:"kinds"`    // of the answers, those of kindOf
	Answered timings.Spread `json:"answered"` // after the call was sent
	Over     timings.Spread `json:"over"`     // beyond the deadline; negative: before it
	Memory   memory         `json:"memory"`
	Next     timings.Spread `json:"next"` // the well-behaved calls
	Said     string         `json:"said"` // what the first hostile call was told
	Broke    []string       `json:"broke"`
}

// memory is what the calls took of the server.
type memory struct {
	served.Memory
	Bound uint64 `json:"bound_bytes"` // what it may rise by
}

// try calls one guest on a server of its own. The error is what kept it from
// being tried.
func (l *limitsCmd) try(ctx context.Context, g *globals, guest guest, modules map[string][]byte, tick func()) (series, error) {
	// Hostile guests are to be called, not to be fenced.
	settings := "[server]\ngrace = \"1s\"\n[health]\nmin_calls = 1_000_000\n"
	if guest.start {
		settings += fmt.Sprintf("[upload]\nstart_timeout = %q\n", l.Deadline)
	}
	server, stop, err := served.Prismrt(ctx, g.Server, settings)
	if err != nil {
		return series{}, err
	}
	r := &trial{
		limitsCmd: l, guest: guest, server: server, module: modules[guest.name], answered: timings.New(), next: timings.New(),
		row: series{Guest: guest.name, Does: guest.does, Kinds: map[string]int{}, Broke: []string{}},
	}
	if err := r.prepare(ctx, modules); err != nil {
		return series{}, errors.Join(err, stop())
	}
	w := server.WatchMemory()
	goOn := true
	for round := 0; round < l.Rounds && goOn; round++ {
		goOn = r.round(ctx)
		tick()
	}
	r.row.Memory.Memory = w.End()
	r.judge()
	if !goOn {
		server.Kill() // it may be unable to stop, which is no news
	}
	if err := stop(); err != nil {
		r.row.broke("%v", err)
	}
	return r.row, ctx.Err()
}

// judge fills in what follows from the calls.
func (r *trial) judge() {
	row := &r.row
	row.Answered, row.Over, row.Next = r.answered.Spread(), r.answered.Over(r.Deadline), r.next.Spread()
	row.Memory.Bound = r.bound()
	for _, kind := range byCount(row.Kinds) {
		if !r.guest.mayEnd(kind) {
			row.broke("calls were answered as %s: %d", kind, row.Kinds[kind])
		}
	}
	if row.Memory.Rise > row.Memory.Bound {
		row.broke("memory rose over its bound")
	}
}

// bound is how far the server's memory may rise.
func (l *limitsCmd) bound() uint64 { return uint64(crowd*int64(l.Memory) + slack) }

func (s *series) broke(format string, args ...any) {
	s.Broke = append(s.Broke, fmt.Sprintf(format, args...))
}
