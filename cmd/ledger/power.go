package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

type powerCmd struct {
	Failures int `default:"10" help:"How often the power fails."`
	shortLives
	users
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
	if err := errors.Join(p.users.check(p.Failures), p.shortLives.check()); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "prismrt-power-")
	if err != nil {
		return err
	}
	d := &disk{file: filepath.Join(dir, "disk"), folder: filepath.Join(dir, "mounted")}
	err = g.try(term, filepath.Join(d.folder, "data"), fmt.Sprintf("the power failed %d times", p.Failures), func(t *trial) (account, error) {
		if err := d.format(ctx); err != nil {
			return account{}, err
		}
		return lives{
			times: p.Failures, doing: "power failures",
			start: func(int) (*callers, error) { return t.start(ctx, t.argv(g.Server)) },
			end: func(c *callers) error {
				return errors.Join(t.use(ctx, c, p.crowd(), p.one(t), func() error { return t.failPower(ctx, d) }), d.restore(ctx))
			},
		}.all(ctx, term, t)
	})
	return errors.Join(err, d.unplug(), os.RemoveAll(dir))
}

// failPower keeps what the disk has at a moment, and ends the server.
func (t *trial) failPower(ctx context.Context, d *disk) error {
	defer t.kill()
	if err := freeze(ctx, t.server.PID); err != nil {
		return err
	}
	t.book.note("the power failed", t.server.PID)
	return d.snapshot(ctx)
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
