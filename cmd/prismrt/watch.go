package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/marketprism/prismrt/cmd/internal/project"
)

// settle is how long nothing must have happened before it is looked at: editors write in
// several steps.
const settle = 100 * time.Millisecond

// watch tells when the source of a project has changed. That something happened in its folder
// says little: linkers write beside the module before they rename it, editors try what they may
// write and make copies. So it is a reason to compare the source with what it was.
type watch struct {
	project *project.Project
	events  *fsnotify.Watcher
	source  *project.Source // as it was when it was last looked at
}

// newWatch begins to watch. The caller closes it.
func newWatch(p *project.Project) (*watch, error) {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", p.Dir, err)
	}
	w := &watch{project: p, events: events}
	if err = w.add(p.Dir); err == nil {
		w.source, err = p.Source(nil)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch %s: %w", p.Dir, err), w.close())
	}
	return w, nil
}

func (w *watch) close() error { return w.events.Close() }

// add watches a folder and those below it, but for what builds make.
func (w *watch) add(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission): // it is gone again, or of no use to a build
			return nil
		case err != nil:
			return err
		case !e.IsDir():
			return nil
		case w.made(path):
			return filepath.SkipDir
		}
		if err := w.events.Add(path); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return err
		}
		return nil
	})
}

func (w *watch) made(path string) bool {
	below, err := filepath.Rel(w.project.Dir, path)
	return err != nil || below != "." && w.project.Made(below)
}

// overtaken tells, after a build, whether the source has changed since it began, so that it
// would build something else now. That a build wrote some of it again as it was is no change.
func (w *watch) overtaken(ctx context.Context) (bool, error) {
	if _, err := w.settled(ctx, time.After(settle), nil); err != nil {
		return false, err
	}
	return w.compare((*project.Source).Equal)
}

// changed waits until some of the source was written, be it as it was: true. Or until the
// other channel, which may be nil, is closed: false.
func (w *watch) changed(ctx context.Context, other <-chan struct{}) (bool, error) {
	for {
		settled, err := w.settled(ctx, nil, other)
		if err != nil || !settled {
			return false, err
		}
		if changed, err := w.compare((*project.Source).Untouched); changed || err != nil {
			return changed, err
		}
	}
}

func (w *watch) compare(same func(now, before *project.Source) bool) (changed bool, err error) {
	before := w.source
	if w.source, err = w.project.Source(before); err != nil {
		return false, err
	}
	return !same(w.source, before), nil
}

// settled waits until something has happened, and nothing for a moment after it, or until
// quiet, and returns true; or false, once the other channel is closed. The error is ctx's or
// the watcher's.
func (w *watch) settled(ctx context.Context, quiet <-chan time.Time, other <-chan struct{}) (bool, error) {
	for {
		select {
		case e, ok := <-w.events.Events:
			switch {
			case !ok:
				return false, errors.New("the folder is not watched any more")
			case w.made(e.Name):
				continue
			case e.Has(fsnotify.Create):
				if err := w.add(e.Name); err != nil {
					return false, err
				}
			}
			quiet = time.After(settle)
		case err := <-w.events.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return false, err
			}
			if err := w.add(w.project.Dir); err != nil {
				return false, err
			}
			quiet = time.After(settle)
		case <-quiet:
			return true, nil
		case <-other:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}
