package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

type syncCmd struct {
	Times int `default:"3" help:"How often the disk fails."`
	users
}

// Help is shown by "ledger sync --help".
func (*syncCmd) Help() string {
	return "From a moment on each fsync and fdatasync of the server fails with EIO, as strace has it. Then nothing is known of what the disk has: the server must " +
		"take no task any more and say so at /readyz, also when the disk is well again, until it is started anew. " +
		"In the end the same must hold as with \"ledger kill\"."
}

// Run has the disk fail and prints the account.
func (s *syncCmd) Run(ctx context.Context, term *terminal.IO, g *globals) error {
	if err := s.check(s.Times); err != nil {
		return err
	}
	if _, err := exec.LookPath("strace"); err != nil {
		return fmt.Errorf("%w: there is no strace; \"make testtools\" installs it", errUnable)
	}
	return g.try(term, "", fmt.Sprintf("the disk failed to sync %d times", s.Times), func(t *trial) (account, error) {
		t.book.open503 = true
		return lives{
			times: s.Times, doing: "failing",
			start: func(int) (*callers, error) { return t.start(ctx, t.argv(g.Server)) },
			end: func(c *callers) error {
				return t.use(ctx, c, s.crowd(), time.Second, func() error {
					defer t.kill()
					return t.failSync(ctx, c)
				})
			},
		}.all(ctx, term, t)
	})
}

// failSync has the disk fail for a while, and looks whether the server stays away from it.
func (t *trial) failSync(ctx context.Context, c *callers) error {
	cmd := exec.CommandContext(ctx, "strace", "-f", "-qq", "-o", "/dev/null", "-p", strconv.Itoa(t.server.PID),
		"-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO")
	if err := cmd.Start(); err != nil {
		return err
	}
	t.book.note("the disk fails to sync", nil)
	defer func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	}()
	for begun := time.Now(); c.ready(ctx) != http.StatusServiceUnavailable; rest(ctx) {
		if time.Since(begun) > recoverTime {
			t.book.wrongf("syncs failed for %v, and the server says that it is ready", recoverTime)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	known, refused := time.Now(), t.book.unavailable()
	time.Sleep(500 * time.Millisecond)
	_ = cmd.Process.Signal(os.Interrupt) // strace lets go of the server
	_ = cmd.Wait()
	t.book.note("the disk is well", nil)
	time.Sleep(500 * time.Millisecond)
	if n := t.book.takenSince(known); n > 0 {
		t.book.wrongf("%d tasks were taken after the disk had failed to sync", n)
	}
	if t.book.unavailable() == refused {
		t.book.wrongf("no submission was refused with 503 after the disk had failed to sync")
	}
	if status := c.ready(ctx); status != http.StatusServiceUnavailable {
		t.book.wrongf("the disk had failed to sync, and /readyz answers %d", status)
	}
	return nil
}
