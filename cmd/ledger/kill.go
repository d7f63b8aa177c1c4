package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/commandline"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

type killCmd struct {
	Kills  int           `default:"30" help:"How often the server is killed."`
	Life   time.Duration `default:"1.5s" help:"How long it lives at most before that, from when it is ready."`
	Caller int           `name:"callers" default:"16" help:"How many submit singly. Two more submit in batches."`
}

// Help is shown by "ledger kill --help".
func (*killCmd) Help() string {
	return "The server is killed with SIGKILL at random: while it is being used, and now and then while it starts. Then it is started anew on what it left. " +
		"In the end, every task that was acknowledged must be there and have ended as its input says; every result must be what was announced; a task may have " +
		"run twice only where an attempt was cut off; a task with a key is there once; and in the server's last life the guest has run as often as attempts are known: " +
		"nothing that was done has run again.\n\n" +
		"SIGKILL loses nothing that the server had handed to the system. What only a power failure takes is the business of \"ledger power\"."
}

// users are who uses the server meanwhile.
func users(singles int) crowd { return crowd{singles: singles, batches: 2, readers: 4, meddlers: 1} }

// Run kills the server and prints the account.
func (k *killCmd) Run(ctx context.Context, term *terminal.IO, g *globals) error {
	if k.Kills < 1 || k.Life < 100*time.Millisecond || k.Caller < 1 {
		return commandline.Misuse(errors.New("--kills and --callers must be at least 1, and --life 100ms"))
	}
	t, end, err := newTrial(g, "")
	if err != nil {
		return err
	}
	a, err := k.lives(ctx, term, t)
	if err := errors.Join(err, end()); err != nil {
		return err
	}
	if err := a.report(term, g, fmt.Sprintf("killed %d times", k.Kills)); err != nil {
		return err
	}
	return a.atLeast(100)
}

func (k *killCmd) lives(ctx context.Context, term *terminal.IO, t *trial) (account, error) {
	tick, end := term.Progress(k.Kills, "killing")
	defer end()
	argv := t.argv(t.globals.Server)
	for n := range k.Kills {
		if n > 0 && t.random.IntN(5) == 0 {
			if err := t.killAtStart(ctx, argv); err != nil {
				return account{}, err
			}
			tick()
			continue
		}
		c, err := t.start(ctx, argv)
		if err != nil {
			return account{}, err
		}
		if n == 0 {
			if err := t.upload(ctx); err != nil {
				return account{}, err
			}
		}
		if err := t.live(ctx, c, users(k.Caller), 50*time.Millisecond+time.Duration(t.random.Int64N(int64(k.Life)))); err != nil {
			return account{}, err
		}
		tick()
	}
	end()
	c, err := t.start(ctx, argv)
	if err != nil {
		return account{}, err
	}
	return t.close(ctx, c, true)
}

// live has a server used for a while and then killed.
func (t *trial) live(ctx context.Context, c *callers, of crowd, d time.Duration) error {
	return t.use(ctx, c, of, d, func() error { t.kill(); return nil })
}

// killAtStart kills a server that has only begun to start.
func (t *trial) killAtStart(ctx context.Context, argv []string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	if err := cmd.Start(); err != nil {
		return err
	}
	time.Sleep(time.Duration(t.random.Int64N(int64(150 * time.Millisecond)))) // when it hits is the point
	t.book.note("killed while it started", cmd.Process.Pid)
	if err := cmd.Process.Kill(); err != nil {
		return fmt.Errorf("the server did not start: %w", err)
	}
	_ = cmd.Wait() // it was killed
	return nil
}
