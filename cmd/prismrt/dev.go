package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/marketprism/prismrt/cmd/internal/project"
	"github.com/marketprism/prismrt/sdk/client"
)

type devCmd struct {
	Dir  string  `arg:"" optional:"" default:"." type:"path" help:"The project's folder."`
	Data *string `placeholder:"INPUT" help:"Call the plugin with it after each upload, and print what it answers."`
}

// Help is shown by "prismrt dev --help".
func (*devCmd) Help() string {
	return `Builds the project and uploads it, and does so again after each change, until it is
interrupted. What does not build leaves the version before it live.

Example:

  prismrt serve &
  cd greet && prismrt dev --data Ada`
}

// settle is how long nothing must have changed before it is built: editors write in several
// steps.
const settle = 100 * time.Millisecond

// Run builds and uploads until it is interrupted.
func (d *devCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	p, err := project.Open(d.Dir)
	if err != nil {
		return misuse{err}
	}
	if err := p.Language.Check(ctx); err != nil {
		return misuse{err}
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", p.Dir, err)
	}
	defer watcher.Close()
	if err := watch(watcher, p, p.Dir); err != nil {
		return fmt.Errorf("watch %s: %w", p.Dir, err)
	}
	for {
		if err := d.round(ctx, t, g); err != nil && ctx.Err() == nil {
			report(t, g, err)
		}
		t.complain("watching %s\n", p.Dir)
		if err := changed(ctx, watcher, p); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// round builds and uploads once, under the name that the manifest has by now.
func (d *devCmd) round(ctx context.Context, t *terminal, g *globals) error {
	p, err := project.Open(d.Dir)
	if err != nil {
		return misuse{err}
	}
	begun := time.Now()
	module, err := buildProject(ctx, t, p)
	if err != nil {
		return err
	}
	built := time.Since(begun)
	server, err := g.client()
	if err != nil {
		return err
	}
	m, err := manifestOf(p)
	if err != nil {
		return err
	}
	push := pushCmd{File: module, Name: p.Name}
	v, created, err := push.upload(ctx, t, server, m)
	if err != nil {
		return err
	}
	if err := t.printf("built in %.1f s, live after %.1f s: %s", built.Seconds(), time.Since(begun).Seconds(), outcome(v, created)); err != nil {
		return err
	}
	if d.Data == nil {
		return nil
	}
	r, err := server.Call(ctx, p.Name, []byte(*d.Data), client.CallOptions{})
	if err != nil {
		return err
	}
	_, err = t.out.Write(r.Output)
	return err
}

// watch watches a folder and those below it, but for what builds make.
func watch(w *fsnotify.Watcher, p *project.Project, dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // it is gone again
			return nil
		case err != nil:
			return err
		case !e.IsDir():
			return nil
		}
		if below, err := filepath.Rel(p.Dir, path); err == nil && below != "." && p.Made(below) {
			return filepath.SkipDir
		}
		return w.Add(path)
	})
}

// changed waits until the source has changed and nothing has for a moment. The error is ctx's
// or the watcher's.
func changed(ctx context.Context, w *fsnotify.Watcher, p *project.Project) error {
	var quiet <-chan time.Time
	for {
		select {
		case e, ok := <-w.Events:
			if !ok {
				return errors.New("the folder is not watched any more")
			}
			below, err := filepath.Rel(p.Dir, e.Name)
			if err != nil || p.Made(below) || e.Op == fsnotify.Chmod {
				continue
			}
			if e.Has(fsnotify.Create) {
				if err := watch(w, p, e.Name); err != nil {
					return err
				}
			}
			quiet = time.After(settle)
		case err := <-w.Errors:
			return err
		case <-quiet:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
