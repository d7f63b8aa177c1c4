package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

type killCmd struct {
	Kills int `default:"30" help:"How often the server is killed while it is used."`
	shortLives
	users
}

// Help is shown by "ledger kill --help".
func (*killCmd) Help() string {
	return "The server is killed with SIGKILL at random: while it is being used, and now and then while it starts. Then it is started anew on what it left. " +
		"In the end, every task that was acknowledged must be there and have ended as its input says; every result must be what was announced; a task may have " +
		"run twice only where an attempt was cut off; a task with a key is there once; and in the server's last life the guest has run as often as attempts are known: " +
		"nothing that was done has run again.\n\n" +
		"SIGKILL loses nothing that the server had handed to the system. What only a power failure takes is the business of \"ledger power\"."
}

// Run kills the server and prints the account.
func (k *killCmd) Run(ctx context.Context, term *terminal.IO, g *globals) error {
	if err := errors.Join(k.users.check(k.Kills), k.shortLives.check()); err != nil {
		return err
	}
	return g.try(term, "", fmt.Sprintf("killed %d times while it was used", k.Kills), func(t *trial) (account, error) {
		argv := t.argv(g.Server)
		return lives{
			times: k.Kills, doing: "killing",
			start: func(life int) (*callers, error) {
				if life > 0 && t.random.IntN(5) == 0 {
					if err := t.killAtStart(ctx, argv); err != nil {
						return nil, err
					}
				}
				return t.start(ctx, argv)
			},
			end: func(c *callers) error { return t.live(ctx, c, k.crowd(), k.one(t)) },
		}.all(ctx, term, t)
	})
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
