package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/commandline"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

type powerCmd struct {
	Failures int           `default:"10" help:"How often the power fails."`
	Life     time.Duration `default:"1.5s" help:"How long the server lives at most before that, from when it is ready."`
	Caller   int           `name:"callers" default:"16" help:"How many submit singly. Two more submit in batches."`
}

// Help is shown by "ledger power --help".
func (*powerCmd) Help() string {
	return "The data is on a file system of its own, ext4 on a file. The power fails by that file being copied while the server is stopped: what " +
		"was written and not synced is in the memory of the file system and not in the file, but for what the system has written by itself. " +
		"The server's next life begins on the copy. Then the same must hold as with \"ledger kill\".\n\n" +
		"What the file has is taken to be on the disk, whether the disk was told to flush or not: a disk that loses what it has acknowledged is not tried."
}

// diskSize is that of the file, most of which is not there.
const diskSize = 512 << 20

// Run takes the power away and prints the account.
func (p *powerCmd) Run(ctx context.Context, term *terminal.IO, g *globals) error {
	if p.Failures < 1 || p.Life < 100*time.Millisecond || p.Caller < 1 {
		return commandline.Misuse(errors.New("--failures and --callers must be at least 1, and --life 100ms"))
	}
	dir, err := os.MkdirTemp("", "prismrt-power-")
	if err != nil {
		return err
	}
	d := &disk{file: filepath.Join(dir, "disk"), folder: filepath.Join(dir, "mounted")}
	t, end, err := newTrial(g, filepath.Join(d.folder, "data"))
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	a, err := p.lives(ctx, term, t, d)
	if err := errors.Join(err, end(), d.unplug(), os.RemoveAll(dir)); err != nil {
		return err
	}
	if err := a.report(term, g, fmt.Sprintf("the power failed %d times", p.Failures)); err != nil {
		return err
	}
	return a.atLeast(100)
}

func (p *powerCmd) lives(ctx context.Context, term *terminal.IO, t *trial, d *disk) (account, error) {
	tick, end := term.Progress(p.Failures, "power failures")
	defer end()
	if err := d.format(ctx); err != nil {
		return account{}, err
	}
	argv := t.argv(t.globals.Server)
	for n := range p.Failures {
		c, err := t.start(ctx, argv)
		if err != nil {
			return account{}, err
		}
		if n == 0 {
			if err := t.upload(ctx); err != nil {
				return account{}, err
			}
		}
		if err := t.use(ctx, c, users(p.Caller), 50*time.Millisecond+time.Duration(t.random.Int64N(int64(p.Life))), func() error {
			if err := freeze(ctx, t.server.PID); err != nil {
				return err
			}
			t.book.note("the power failed", t.server.PID)
			err := d.snapshot(ctx)
			t.kill()
			return err
		}); err != nil {
			return account{}, err
		}
		if err := d.restore(ctx); err != nil {
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

// disk is a file system in a file.
type disk struct {
	file, folder string
	unmount      func() error // nil: it is not mounted
}

func (d *disk) format(ctx context.Context) error {
	f, err := os.Create(d.file)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(diskSize), f.Close()); err != nil {
		return err
	}
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		return fmt.Errorf("%w: there is no mkfs.ext4", errUnable)
	}
	if err := command(ctx, "mkfs.ext4", "-q", d.file); err != nil {
		return err
	}
	return d.plug(ctx)
}

func (d *disk) plug(ctx context.Context) (err error) {
	d.unmount, err = mount(ctx, d.folder, "-o", "loop", d.file)
	return err
}

func (d *disk) unplug() error {
	if d.unmount == nil {
		return nil
	}
	unmount := d.unmount
	d.unmount = nil
	return unmount()
}

func (d *disk) copied() string { return d.file + ".copy" }

// snapshot copies what the file has at one moment: the system may write to it meanwhile, and
// then the copy is made again.
func (d *disk) snapshot(ctx context.Context) error {
	for range 50 {
		before, err := os.Stat(d.file)
		if err != nil {
			return err
		}
		if err := command(ctx, "cp", "--sparse=always", d.file, d.copied()); err != nil {
			return err
		}
		if after, err := os.Stat(d.file); err != nil || after.ModTime().Equal(before.ModTime()) {
			return err
		}
	}
	return errors.New("the file of the disk is written to all the time")
}

// restore goes on with what the copy has.
func (d *disk) restore(ctx context.Context) error {
	if err := d.unplug(); err != nil {
		return err
	}
	if err := os.Rename(d.copied(), d.file); err != nil {
		return err
	}
	return d.plug(ctx)
}
