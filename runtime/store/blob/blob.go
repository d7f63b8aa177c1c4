// Package blob keeps immutable content in a folder, each piece in a file named
// by its digest.
package blob

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// tempPrefix marks files that were being written.
const tempPrefix = ".writing-"

// Dir is a folder of content. It is safe for concurrent use, except that the
// caller must not Remove what it Puts at the same time.
type Dir struct {
	path string

	// OnSync is told how long the disk took for each piece of content that was Put, from
	// its first byte until a power failure could not take it. Nil: nobody is. It is set
	// before the folder is used.
	OnSync func(time.Duration)
}

// Open makes the folder if it is not there.
func Open(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("folder for modules: %w", err)
	}
	return &Dir{path: path}, nil
}

// Put stores content and returns once a power failure cannot take it. Content
// that is there already is not written again.
func (d *Dir) Put(digest task.Digest, content []byte) error {
	if info, err := os.Stat(d.file(digest)); err == nil && info.Size() == int64(len(content)) {
		return SyncDir(d.path) // its writer may have died before it came to that
	}
	if d.OnSync != nil {
		defer func(begun time.Time) { d.OnSync(time.Since(begun)) }(time.Now())
	}
	f, err := os.CreateTemp(d.path, tempPrefix)
	if err != nil {
		return fmt.Errorf("store module: %w", err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), d.file(digest))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("store module: %w", err), os.Remove(f.Name()))
	}
	return SyncDir(d.path)
}

// Get returns content, checked against its digest. Content that is not there is
// fs.ErrNotExist.
func (d *Dir) Get(digest task.Digest) ([]byte, error) {
	content, err := os.ReadFile(d.file(digest))
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	if got := task.DigestOf(content); got != digest {
		return nil, fmt.Errorf("module %s is damaged on disk: its content is %s", digest, got)
	}
	return content, nil
}

// Remove deletes content. That it is not there is no error.
func (d *Dir) Remove(digest task.Digest) error {
	if err := os.Remove(d.file(digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove module: %w", err)
	}
	return nil
}

// Sweep deletes what a crash left: half-written files, and content keep does
// not know. Nothing may be Put meanwhile.
func (d *Dir) Sweep(keep func(task.Digest) bool) error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("sweep modules: %w", err)
	}
	var errs []error
	for _, e := range entries {
		digest := task.Digest("sha256:" + strings.TrimSuffix(e.Name(), suffix))
		if strings.HasPrefix(e.Name(), tempPrefix) || digest.Valid() && !keep(digest) {
			errs = append(errs, os.Remove(filepath.Join(d.path, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// Copy has another folder have all content of one, beside what that has already: as links
// where that can be, since content never changes, and as copies where not. The folder may be
// in use; what comes or goes meanwhile may be in the copy or not.
func Copy(from, to string) error {
	target, err := Open(to)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("copy modules: %w", err)
	}
	for _, e := range entries {
		digest := task.Digest("sha256:" + strings.TrimSuffix(e.Name(), suffix))
		if !digest.Valid() {
			continue
		}
		file := filepath.Join(from, e.Name())
		err := os.Link(file, target.file(digest))
		if err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		content, err := os.ReadFile(file)
		if err == nil {
			err = target.Put(digest, content)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("copy modules: %w", err)
		}
	}
	return SyncDir(to)
}

const suffix = ".wasm"

func (d *Dir) file(digest task.Digest) string {
	if !digest.Valid() {
		panic("blob: not a digest: " + string(digest)) // it becomes a path
	}
	return filepath.Join(d.path, digest.Hex()+suffix)
}

// SyncDir makes the names in a folder as durable as the files behind them.
func SyncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
