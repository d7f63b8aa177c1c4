package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/schollz/progressbar/v3"

	"github.com/marketprism/prismrt/runtime/store/blob"
	"github.com/marketprism/prismrt/runtime/store/sqlite"
)

type backupCmd struct {
	To   string `arg:"" type:"path" help:"The folder to make, with a copy in it that a server can be started on."`
	Data string `default:"prismrt-data" type:"path" placeholder:"DIR" env:"PRISM_DATA" help:"The server's data folder."`
}

// Help is shown below the flags.
func (backupCmd) Help() string {
	return "The copy is of one moment: plugins, tasks and results, schedules, and the secrets that callbacks are signed with. The server may go on meanwhile. " +
		"Compiled code is not in it, and is made anew. To go back, start a server on the copy: prismrt serve --data COPY."
}

// Run copies.
func (b *backupCmd) Run(ctx context.Context, t *terminal, g *globals) (err error) {
	database := filepath.Join(b.Data, databaseFile)
	if _, err := os.Stat(database); err != nil {
		return misuse{fmt.Errorf("there is no database in %s; name the data folder with --data: %w", b.Data, err)}
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	if err := os.Mkdir(b.To, 0o700); err != nil {
		return misuse{fmt.Errorf("the copy needs a folder of its own that is not there yet: %w", err)}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(b.To))
		}
	}()
	// Twice: a module goes after its row and comes before it, so that one that the copied rows
	// name was there at either time, unless its plugin was deleted meanwhile.
	modules := func() error {
		return blob.Copy(filepath.Join(b.Data, modulesFolder), filepath.Join(b.To, modulesFolder))
	}
	if err := modules(); err != nil {
		return err
	}
	progress := func(int64, int64) {}
	if t.watched && !g.JSON {
		bar := newBar(t.err, "copying", progressbar.OptionShowBytes(true), progressbar.OptionUseIECUnits(true))
		defer bar.stop()
		progress = bar.progress
	}
	if err := errors.Join(sqlite.Backup(ctx, database, filepath.Join(b.To, databaseFile), progress), modules(), b.secrets()); err != nil {
		return err
	}
	if g.JSON {
		return t.json(map[string]string{"data": b.Data, "copy": b.To})
	}
	return t.printf("%s is a copy of %s; start a server on it with: prismrt serve --data %s\n", b.To, b.Data, b.To)
}

// secrets copies what callbacks are signed with, if that is in the data folder.
func (b *backupCmd) secrets() error {
	text, err := os.ReadFile(filepath.Join(b.Data, secretFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(b.To, secretFile), text, 0o600)
	}
	return err
}
