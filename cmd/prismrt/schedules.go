package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/marketprism/prismrt/sdk/client"
)

// schedulesCmd is the commands about schedules.
type schedulesCmd struct {
	List   schedulesListCmd   `cmd:"" default:"withargs" help:"List schedules. It is what is done without another command."`
	Show   schedulesShowCmd   `cmd:"" help:"Show a schedule, and when it is due next."`
	Put    schedulesPutCmd    `cmd:"" help:"Make a schedule, or change it."`
	Pause  schedulesPauseCmd  `cmd:"" help:"Submit nothing until it is resumed."`
	Resume schedulesResumeCmd `cmd:"" help:"Go on with what was paused. Moments that went by are not made up for."`
	Rm     schedulesRmCmd     `cmd:"" help:"Forget a schedule. Tasks that it has submitted go on."`
}

type schedulesListCmd struct {
	Plugin string `placeholder:"NAME" help:"Only those of this plugin."`
}

// Run lists schedules.
func (l *schedulesListCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	server, err := g.client()
	if err != nil {
		return err
	}
	list, err := server.Schedules(ctx, l.Plugin)
	if err != nil {
		return err
	}
	if g.JSON {
		return t.json(map[string]any{"schedules": append([]client.Schedule{}, list...)}) // [] rather than null
	}
	if len(list) == 0 {
		return t.printf("no schedules; make one with: prismrt schedules put NAME PLUGIN --cron \"0 3 * * *\"\n")
	}
	var rows []table.Row
	for i := range list {
		s := &list[i]
		rows = append(rows, table.Row{s.Name, scheduled(s), whenDue(&s.Spec), lastFired(s.FiredAt), nextDue(s), oneLine(s.Failure)})
	}
	return t.table(table.Row{"schedule", "plugin", "due", "last", "next", ""}, rows)
}

// scheduled is the plugin, and the function if there is one.
func scheduled(s *client.Schedule) string {
	if s.Spec.Function == "" {
		return s.Spec.Plugin
	}
	return s.Spec.Plugin + "/" + s.Spec.Function
}

// whenDue is the cron line or the interval.
func whenDue(s *client.ScheduleSpec) string {
	switch {
	case s.EveryMS != 0:
		return "every " + (time.Duration(s.EveryMS) * time.Millisecond).String()
	case s.Zone != "":
		return s.Cron + " " + s.Zone
	}
	return s.Cron
}

func lastFired(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return humanize.Time(at)
}

func nextDue(s *client.Schedule) string {
	switch {
	case s.Spec.Paused:
		return "paused"
	case s.NextAt.IsZero():
		return "never"
	}
	return humanize.Time(s.NextAt)
}

// oneLine is a sentence that fits into a table.
func oneLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	if runes := []rune(line); len(runes) > mostShown {
		return string(runes[:mostShown]) + "..."
	}
	return line
}

type schedulesShowCmd struct {
	Name string `arg:"" name:"schedule" help:"The schedule."`
	Next int    `placeholder:"N" default:"5" help:"How many of its next moments, up to 100."`
}

// Run shows a schedule.
func (c *schedulesShowCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	if c.Next < 0 || c.Next > 100 {
		return misuse{errors.New("--next must be from 0 to 100")}
	}
	server, err := g.client()
	if err != nil {
		return err
	}
	s, err := server.Schedule(ctx, c.Name, c.Next)
	if err != nil {
		return err
	}
	if g.JSON {
		return t.json(s)
	}
	return printSchedule(t, s)
}

func printSchedule(t *terminal, s *client.Schedule) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-8s %s\n", name, fmt.Sprintf(format, args...))
	}
	state := ""
	if s.Spec.Paused {
		state = ", paused"
	}
	fmt.Fprintf(&b, "schedule %s: %s%s\n", s.Name, whenDue(&s.Spec), state)
	line("plugin", "%s", scheduled(s))
	if n := inputSize(&s.Spec); n > 0 {
		line("input", "%s", size(int64(n)))
	}
	missed := map[string]string{"skip": "skipped", "all": "all made up for", "": "made up for once", "once": "made up for once"}[s.Spec.Missed]
	if s.Spec.LateMS != 0 {
		missed += fmt.Sprintf(", up to %v later", time.Duration(s.Spec.LateMS)*time.Millisecond)
	}
	line("missed", "%s", missed)
	if s.FiredAt.IsZero() {
		line("last", "never")
	} else {
		line("last", "%s (%s), task %s", s.FiredAt.Local().Format(time.DateTime), humanize.Time(s.FiredAt), s.LastTask)
	}
	if s.Failure != "" {
		line("failed", "%s", s.Failure)
	}
	zone := time.Local
	if s.Spec.Zone != "" {
		if z, err := time.LoadLocation(s.Spec.Zone); err == nil {
			zone = z
		}
	}
	for n, at := range s.Next {
		name := ""
		if n == 0 {
			name = "next"
		}
		line(name, "%s (%s)", at.In(zone).Format(time.DateTime+" MST"), humanize.Time(at))
	}
	return t.printf("%s", b.String())
}

// inputSize is that of what the plugin gets.
func inputSize(s *client.ScheduleSpec) int {
	var text string
	if json.Unmarshal(s.Input, &text) == nil {
		return len(text)
	}
	return len(s.Input) + len(s.InputBase64)
}

type schedulesPutCmd struct {
	Name   string `arg:"" name:"schedule" help:"The schedule."`
	Target string `arg:"" optional:"" name:"plugin" help:"The plugin, or plugin/function."`

	Cron   string        `placeholder:"LINE" help:"When: the five fields of crontab(5), or @hourly, @daily, @weekly, @monthly or @yearly."`
	Every  time.Duration `placeholder:"15m" help:"Or how often, from now on."`
	Zone   string        `placeholder:"ZONE" help:"The time zone of --cron, such as Europe/Berlin; without it, UTC."`
	Missed string        `enum:",skip,once,all" default:"" help:"What becomes of moments at which the server was down: skip, once (the latest is made up for, which is the default) or all."`
	Late   time.Duration `placeholder:"24h" help:"What is later than that is not made up for."`
	Paused bool          `help:"Submit nothing until it is resumed."`

	Data     data          `placeholder:"X" help:"The input: the text itself, @FILE, or - for standard input. Default: standard input when it is not a terminal, else nothing."`
	Of       string        `name:"version" placeholder:"N" help:"The version to run it: a number, pinned for the one that is live when it is due, or live."`
	Priority *int          `placeholder:"N" help:"0 to 9; a greater one goes first."`
	Retries  *int          `placeholder:"N" help:"Attempts after the first."`
	Backoff  time.Duration `placeholder:"1s" help:"Before the second attempt; doubled for each further one."`
	Timeout  time.Duration `placeholder:"500ms" help:"Stop an attempt after this time."`
	Keep     time.Duration `placeholder:"24h" help:"How long the ended task and its result are kept."`
	Callback string        `placeholder:"URL" help:"Where to tell that a task has ended."`

	File data `placeholder:"@FILE" help:"The whole schedule as JSON: the text itself, @FILE, or - for standard input. Instead of all other flags."`
}

// Help is shown by "prismrt schedules put --help".
func (*schedulesPutCmd) Help() string {
	return `What the schedule was before is replaced as a whole.

Examples:

  prismrt schedules put nightly report --cron "30 2 * * *" --zone Europe/Berlin
  prismrt schedules put poll prices/fetch --every 15m --data '{"all":true}' --missed skip
  prismrt schedules show nightly --json | jq .spec > nightly.json
  prismrt schedules put nightly --file @nightly.json

On the day on which clocks are set forward over 02:30, the task is submitted when that happens; where
they show 02:30 twice, the first time. A line whose hour begins with a star goes by what clocks show.`
}

// Run puts a schedule.
func (c *schedulesPutCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	spec, err := c.spec(t)
	if err != nil {
		return err
	}
	server, err := g.client()
	if err != nil {
		return err
	}
	s, err := server.PutSchedule(ctx, c.Name, spec)
	if err != nil {
		return err
	}
	return printPut(t, g, s)
}

func printPut(t *terminal, g *globals, s *client.Schedule) error {
	if g.JSON {
		return t.json(s)
	}
	if s.Spec.Paused {
		return t.printf("%s is paused\n", s.Name)
	}
	return t.printf("%s is due %s\n", s.Name, nextDue(s))
}

// spec is what the flags say.
func (c *schedulesPutCmd) spec(t *terminal) (s client.ScheduleSpec, err error) {
	if c.File.given {
		if c.Target != "" || c.Cron != "" || c.Every != 0 || c.Data.given {
			return s, misuse{errors.New("--file has the whole schedule; leave the rest out")}
		}
		text, err := c.File.read(t)
		if err != nil {
			return s, err
		}
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.DisallowUnknownFields()
		if err := d.Decode(&s); err != nil {
			return s, misuse{fmt.Errorf("--file is no schedule: %w", err)}
		}
		return s, nil
	}
	if c.Target == "" || (c.Cron == "") == (c.Every == 0) {
		return s, misuse{errors.New("say which plugin, and --cron or --every; or --file")}
	}
	plugin, function, err := cutTarget(c.Target)
	if err != nil {
		return s, err
	}
	for flag, d := range map[string]time.Duration{
		"--every": c.Every, "--late": c.Late, "--backoff": c.Backoff, "--timeout": c.Timeout, "--keep": c.Keep,
	} {
		if d < 0 || d%time.Millisecond != 0 {
			return s, misuse{fmt.Errorf("%s must be over 0, in whole milliseconds", flag)}
		}
	}
	input, err := c.Data.read(t)
	if err != nil {
		return s, err
	}
	s = client.ScheduleSpec{
		Cron: c.Cron, EveryMS: c.Every.Milliseconds(), Zone: c.Zone, Missed: c.Missed, LateMS: c.Late.Milliseconds(), Paused: c.Paused,
		Plugin: plugin, Function: function, Version: c.Of, Priority: c.Priority, Retries: c.Retries, BackoffMS: c.Backoff.Milliseconds(),
		TimeoutMS: c.Timeout.Milliseconds(), KeepMS: c.Keep.Milliseconds(), Callback: c.Callback,
	}
	switch {
	case len(input) == 0:
	case utf8.Valid(input):
		s.Input, err = json.Marshal(string(input)) // byte for byte, as it is given
	default:
		s.InputBase64 = input
	}
	return s, err
}

type schedulesPauseCmd struct {
	Name string `arg:"" name:"schedule" help:"The schedule."`
}

// Run pauses a schedule.
func (c *schedulesPauseCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	return setPaused(ctx, t, g, c.Name, true)
}

type schedulesResumeCmd struct {
	Name string `arg:"" name:"schedule" help:"The schedule."`
}

// Run resumes a schedule.
func (c *schedulesResumeCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	return setPaused(ctx, t, g, c.Name, false)
}

func setPaused(ctx context.Context, t *terminal, g *globals, name string, paused bool) error {
	server, err := g.client()
	if err != nil {
		return err
	}
	s, err := server.Schedule(ctx, name, 0)
	if err != nil {
		return err
	}
	s.Spec.Paused = paused
	if s, err = server.PutSchedule(ctx, name, s.Spec); err != nil {
		return err
	}
	return printPut(t, g, s)
}

type schedulesRmCmd struct {
	Name string `arg:"" name:"schedule" help:"The schedule."`
}

// Run forgets a schedule.
func (c *schedulesRmCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	server, err := g.client()
	if err != nil {
		return err
	}
	if err := server.DeleteSchedule(ctx, c.Name); err != nil {
		return err
	}
	if g.JSON {
		return t.json(map[string]any{"name": c.Name, "deleted": true})
	}
	return t.printf("%s is forgotten\n", c.Name)
}
