package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/commandline"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

type fullCmd struct {
	Times int           `default:"5" help:"How often the disk fills up."`
	For   time.Duration `default:"2s" help:"For how long it is full."`
	users
}

// Help is shown by "ledger full --help".
func (*fullCmd) Help() string {
	return "The data is on a file system in memory, and a file fills it until nothing more fits. While it is full, submissions must be refused with 503, and none " +
		"of these tasks be there later. Once the file is gone, tasks must be taken again without a restart. The last time, the server is killed before there is room again. " +
		"In the end the same must hold as with \"ledger kill\"."
}

// Run fills the disk and prints the account.
func (f *fullCmd) Run(ctx context.Context, term *terminal.IO, g *globals) (err error) {
	if err := f.check(f.Times); err != nil {
		return err
	}
	if f.For < time.Second {
		return commandline.Misuse(errors.New("--for must be at least 1s"))
	}
	dir, err := os.MkdirTemp("", "prismrt-full-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	folder := filepath.Join(dir, "mounted")
	unmount, err := mount(ctx, folder, "-t", "tmpfs", "-o", "size=192m", "none")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unmount()) }()
	return g.try(term, filepath.Join(folder, "data"), fmt.Sprintf("the disk was full %d times", f.Times), func(t *trial) (account, error) {
		return f.life(ctx, term, t, filepath.Join(folder, "filler"))
	})
}

// life has the disk be full again and again, the last time until the server is killed.
func (f *fullCmd) life(ctx context.Context, term *terminal.IO, t *trial, filler string) (account, error) {
	tick, end := term.Progress(f.Times, "filling")
	defer end()
	argv := t.argv(t.globals.Server)
	c, err := t.start(ctx, argv)
	if err != nil {
		return account{}, err
	}
	if err := t.upload(ctx); err != nil {
		return account{}, err
	}
	for n := range f.Times {
		last := n == f.Times-1
		if err := t.use(ctx, c, f.crowd(), time.Second, func() error {
			if err := t.fill(ctx, c, filler, f.For); err != nil {
				return err
			}
			if last {
				t.kill()
			}
			if err := os.Remove(filler); err != nil {
				return err
			}
			t.book.note("there is room", nil)
			if last {
				return nil
			}
			return t.recovers(ctx, c)
		}); err != nil {
			return account{}, err
		}
		tick()
	}
	end()
	if c, err = t.start(ctx, argv); err != nil {
		return account{}, err
	}
	return t.close(ctx, c, true)
}

// fill fills the disk, and looks what becomes of tasks meanwhile.
func (t *trial) fill(ctx context.Context, c *callers, filler string, d time.Duration) error {
	before := c.book.unavailable()
	file, err := os.Create(filler)
	if err != nil {
		return err
	}
	defer file.Close()
	t.book.note("the disk is filled", nil)
	piece := make([]byte, 1<<20)
	var full time.Time // since when
	for (full.IsZero() || time.Since(full) < d) && ctx.Err() == nil {
		switch _, err := file.Write(piece); {
		case errors.Is(err, syscall.ENOSPC) && len(piece) > 1:
			piece = piece[:len(piece)/2]
		case errors.Is(err, syscall.ENOSPC):
			if full.IsZero() {
				full = time.Now()
			}
			rest(ctx)
			piece = piece[:4096] // the server may have made room
		case err != nil:
			return err
		}
	}
	if c.book.unavailable() == before {
		t.book.wrongf("the disk was full for %v, and no submission was refused with 503", d)
	}
	return ctx.Err()
}

// recoverTime is how soon a server must take tasks again.
const recoverTime = 15 * time.Second

// recovers waits until tasks are taken again.
func (t *trial) recovers(ctx context.Context, c *callers) error {
	before := len(t.book.all())
	for begun := time.Now(); len(t.book.all()) == before; rest(ctx) {
		if time.Since(begun) > recoverTime {
			t.book.wrongf("there was room for %v, and no task was taken", recoverTime)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	for begun := time.Now(); c.ready(ctx) != http.StatusOK && ctx.Err() == nil; rest(ctx) {
		if time.Since(begun) > recoverTime {
			t.book.wrongf("tasks are taken, and the server is not ready")
			return nil
		}
	}
	return ctx.Err()
}

// ready is the status of /readyz, 0 where it is not answered.
func (c *callers) ready(ctx context.Context) int {
	resp, err := c.send(ctx, http.MethodGet, "/readyz", nil)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
