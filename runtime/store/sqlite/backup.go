package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"modernc.org/sqlite"

	"github.com/marketprism/prismrt/runtime/store/blob"
)

// Backup copies the database at a path to another one, where nothing must be yet, with its
// large inputs and outputs: as it was at one moment, while it may be in use, also by another
// process. The copy is synced, and can be opened as any database.
//
// It reads beside the writer, which goes on; but until it is done the log cannot begin anew,
// and grows by what is written meanwhile. Files that never change are linked where that can
// be, and copied where not. progress is told of bytes now and then, and may be nil.
func Backup(ctx context.Context, from, to string, progress func(done, total int64)) error {
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("back up to %s: there is something already; choose another name", to)
	}
	if _, err := os.Stat(from); err != nil { // or SQLite would make it
		return fmt.Errorf("back up: %w", err)
	}
	if err := os.Mkdir(folder(to), 0o700); err != nil {
		return fmt.Errorf("back up %s: %w", from, err)
	}
	part := to + ".part"
	if err := backUp(ctx, from, to, part, progress); err != nil {
		return errors.Join(fmt.Errorf("back up %s: %w", from, err), os.RemoveAll(part), os.RemoveAll(folder(to)))
	}
	return nil
}

func backUp(ctx context.Context, from, to, part string, progress func(done, total int64)) (err error) {
	source, err := sql.Open("sqlite", dsn(from, "busy_timeout(5000)", "query_only(ON)"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	conn, err := source.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()

	if err := snapshot(ctx, conn, from, to); err != nil {
		return err
	}
	if err := copyPages(ctx, conn, part, progress); err != nil {
		return err
	}
	if err := errors.Join(blob.SyncDir(folder(to)), os.Rename(part, to)); err != nil {
		return err
	}
	return blob.SyncDir(filepath.Dir(to))
}

// folder is that of the large inputs and outputs of a database.
func folder(path string) string { return path + "-bodies" }

// snapshot has the connection look at one moment from now on, of which all files are in the
// folder of the copy. One that was removed since that moment, since its task was forgotten,
// takes another moment; those that are there already stay.
func snapshot(ctx context.Context, conn *sql.Conn, from, to string) error {
	const tries = 100
	for try := 1; ; try++ {
		if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
			return err
		}
		files, err := namedFiles(ctx, conn)
		if err == nil {
			err = copyFiles(ctx, files, folder(from), folder(to))
		}
		if err == nil {
			return dropOthers(folder(to), files)
		}
		if !errors.Is(err, fs.ErrNotExist) || try == tries {
			return err
		}
		if _, err := conn.ExecContext(ctx, "ROLLBACK"); err != nil {
			return err
		}
	}
}

// namedFiles are the files that rows name.
func namedFiles(ctx context.Context, conn *sql.Conn) (map[string]bool, error) {
	files := make(map[string]bool)
	var known bool
	if err := conn.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE name = 'files'`).Scan(&known); err != nil || !known {
		return files, err // it was made before there were tasks
	}
	rows, err := conn.QueryContext(ctx, `SELECT file FROM files`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		files[fileName(n)] = true
	}
	return files, rows.Err()
}

func copyFiles(ctx context.Context, files map[string]bool, from, to string) error {
	for name := range files {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		target := filepath.Join(to, name)
		if _, err := os.Lstat(target); err == nil {
			continue
		}
		err := os.Link(filepath.Join(from, name), target)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			err = copyFile(filepath.Join(from, name), target)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = io.Copy(target, source); err == nil {
		err = target.Sync()
	}
	return errors.Join(err, target.Close())
}

// dropOthers removes what was copied for an earlier moment.
func dropOthers(folder string, files map[string]bool) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !files[e.Name()] {
			if err := os.Remove(filepath.Join(folder, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// pagesAtOnce is how many pages are copied before ctx and progress are looked at.
const pagesAtOnce = 256

// copyPages copies the database that a connection looks at.
func copyPages(ctx context.Context, conn *sql.Conn, to string, progress func(done, total int64)) error {
	var page int64
	if err := conn.QueryRowContext(ctx, `PRAGMA page_size`).Scan(&page); err != nil {
		return err
	}
	return conn.Raw(func(c any) error {
		backup, err := c.(interface {
			NewBackup(string) (*sqlite.Backup, error)
		}).NewBackup(dsn(to))
		if err != nil {
			return err
		}
		for more := true; more && err == nil; {
			if err = context.Cause(ctx); err != nil {
				break
			}
			more, err = backup.Step(pagesAtOnce)
			if total := int64(backup.PageCount()); progress != nil && err == nil {
				progress((total-int64(backup.Remaining()))*page, total*page)
			}
		}
		return errors.Join(err, backup.Finish())
	})
}
