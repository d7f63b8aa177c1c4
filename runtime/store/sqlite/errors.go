package sqlite

import (
	"errors"
	"fmt"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/marketprism/prismrt/runtime/store"
)

// syncError is that of a sync of ours.
type syncError struct{ error }

func (e *syncError) Unwrap() error { return e.error }

// synced is the error of a sync. That there is no room for what was written is not that the
// disk lost it: some file systems look for room as late as that.
func synced(err error) error {
	if err == nil || noRoom(err) {
		return err
	}
	return &syncError{err}
}

func noRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// failed tells the errors of a disk from others, as store.ErrFull and store.ErrBroken.
//
// After a sync that failed nobody knows what is on the disk: Linux marks the pages as clean
// that it could not write, so that another sync succeeds, and reads show what was lost
// ("Can Applications Recover from fsync Failures?", Rebello et al., USENIX ATC 2020). So
// nothing is written after it until the database is opened anew, which reads what the disk
// has.
func (db *DB) failed(err error) error {
	switch {
	case err == nil || errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrBroken):
		return err
	case unsynced(err):
		err = fmt.Errorf("%w: %w", store.ErrBroken, err)
		db.broken.CompareAndSwap(nil, &err)
		return err
	case full(err):
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}

func unsynced(err error) bool {
	if _, ours := errors.AsType[*syncError](err); ours {
		return true
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code() == sqlite3.SQLITE_IOERR_FSYNC || e.Code() == sqlite3.SQLITE_IOERR_DIR_FSYNC)
}

func full(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() {
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE, sqlite3.SQLITE_IOERR_SHMSIZE:
			return true
		}
		return false
	}
	return noRoom(err) || errors.Is(err, syscall.EFBIG) || errors.Is(err, syscall.EIO)
}

// Broken is why nothing is written any more, nil while it is.
func (db *DB) Broken() error {
	if err := db.broken.Load(); err != nil {
		return *err
	}
	return nil
}
