package project

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"
)

// Source is what the author of a project wrote, as it was at a moment: all its files but
// those that are Made.
type Source struct {
	taken time.Time
	files map[string]file // by path, relative to the project's folder
}

type file struct {
	size    int64
	changed time.Time
	digest  [sha256.Size]byte // zero: it cannot be read
}

// coarse is more than the steps in which any file system tells when a file was changed: one
// that was changed since may have been changed again without its time telling.
const coarse = 2 * time.Second

// Source reads what there is now. What has not been changed since before, which may be nil,
// is not read again.
func (p *Project) Source(before *Source) (*Source, error) {
	s := &Source{taken: time.Now(), files: make(map[string]file)}
	err := filepath.WalkDir(p.Dir, func(path string, e fs.DirEntry, err error) error {
		below, wrong := filepath.Rel(p.Dir, path)
		switch {
		case wrong != nil:
			return wrong
		case below == "." && err == nil:
			return nil
		case p.Made(below) && e.IsDir():
			return filepath.SkipDir
		case err != nil && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)):
			return nil // it is gone again, or of no use to a build
		case err != nil:
			return err
		case p.Made(below):
			return nil
		}
		info, err := os.Stat(path) // what a link leads to is read by a build, too
		if err != nil || !info.Mode().IsRegular() {
			return nil //nolint:nilerr // it is gone again
		}
		s.files[below] = stampOf(path, info, before, below)
		return nil
	})
	return s, err
}

func stampOf(path string, info fs.FileInfo, before *Source, below string) file {
	now := file{size: info.Size(), changed: info.ModTime()}
	if before != nil {
		then, known := before.files[below]
		if known && then.size == now.size && then.changed.Equal(now.changed) && now.changed.Add(coarse).Before(before.taken) {
			return then
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return now
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err == nil {
		now.digest = [sha256.Size]byte(h.Sum(nil))
	}
	return now
}

// Equal tells whether all files hold the same as in another, so that they would build the same.
func (s *Source) Equal(other *Source) bool {
	return maps.EqualFunc(s.files, other.files, func(a, b file) bool { return a.size == b.size && a.digest == b.digest })
}

// Untouched tells whether besides no file was written again, with what was in it.
func (s *Source) Untouched(other *Source) bool {
	return s.Equal(other) && maps.EqualFunc(s.files, other.files, func(a, b file) bool { return a.changed.Equal(b.changed) })
}
