// Package sqlite keeps what must survive in one SQLite database, readable with
// the ordinary sqlite3 program.
package sqlite

import (
	"context"
	"database/sql"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/blob"
)

//go:embed schema.sql
var schema string

//go:embed releases.sql
var releases string

// migrations bring a database from version i to i+1 (PRAGMA user_version). One
// that was released is never changed.
var migrations = []string{schema, releases}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	sql *sql.DB

	// OnCommit is told how long each change took to be written and synced, from when its
	// statements were done; of a change of a single statement, that one included. Nil:
	// nobody is. It is set before the database is used.
	OnCommit func(time.Duration)
}

var _ store.Catalogue = (*DB)(nil)

// Open opens the file at path, making and migrating it as needed. Every commit
// is synced: WAL with synchronous=FULL (sqlite.org/pragma.html).
func Open(ctx context.Context, path string) (*DB, error) {
	pragmas := url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)"},
		"_txlock": {"immediate"},
	}
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: pragmas.Encode()}
	handle, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db := &DB{sql: handle}
	if err := db.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", path, err), handle.Close())
	}
	// SQLite syncs its files; that they are in the folder is ours to sync.
	if err := blob.SyncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, handle.Close())
	}
	return db, nil
}

// Stats tells of the connections to the database, and of the waits for one.
func (db *DB) Stats() sql.DBStats { return db.sql.Stats() }

// Close closes the database.
func (db *DB) Close() error { return db.sql.Close() }

func (db *DB) migrate(ctx context.Context) error {
	return db.transact(ctx, func(tx *sql.Tx) error {
		var version int
		if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
			return err
		}
		if version > len(migrations) {
			return fmt.Errorf("it has schema version %d and this prismrt knows up to %d: it was used by a newer one", version, len(migrations))
		}
		for ; version < len(migrations); version++ {
			if _, err := tx.ExecContext(ctx, migrations[version]); err != nil {
				return fmt.Errorf("migrate to schema version %d: %w", version+1, err)
			}
			if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version+1)); err != nil {
				return err
			}
		}
		return nil
	})
}

// transact runs f in one transaction that holds the write lock from the start.
func (db *DB) transact(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := db.sql.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	defer db.committing()()
	return tx.Commit()
}

// committing tells OnCommit how long it took until the returned function was called.
func (db *DB) committing() (done func()) {
	if db.OnCommit == nil {
		return func() {}
	}
	begun := time.Now()
	return func() { db.OnCommit(time.Since(begun)) }
}

// Plugins implements store.Catalogue.
func (db *DB) Plugins(ctx context.Context) ([]store.Plugin, error) {
	rows, err := db.sql.QueryContext(ctx, `
		SELECT p.namespace, p.name, p.live, p.release, p.created_us, p.updated_us, v.number, v.digest, v.bytes, v.abi, v.manifest, v.facts, v.created_us
		FROM plugins p JOIN versions v USING (namespace, name)
		ORDER BY p.namespace, p.name, v.number`)
	if err != nil {
		return nil, fmt.Errorf("read plugins: %w", err)
	}
	defer rows.Close()
	var plugins []store.Plugin
	for rows.Next() {
		var p store.Plugin
		var v store.Version
		var release []byte
		var created, updated, uploaded int64
		if err := rows.Scan(&p.Namespace, &p.Name, &p.Live, &release, &created, &updated,
			&v.Ref.Version, &v.Digest, &v.Bytes, &v.ABI, &v.Manifest, &v.Facts, &uploaded); err != nil {
			return nil, fmt.Errorf("read plugins: %w", err)
		}
		if err := json.Unmarshal(release, &p.Release); err != nil {
			return nil, fmt.Errorf("read plugins: the release of %s: %w", p.Name, err)
		}
		v.Ref.Namespace, v.Ref.Plugin = p.Namespace, p.Name
		p.CreatedAt, p.UpdatedAt, v.CreatedAt = moment(created), moment(updated), moment(uploaded)
		if n := len(plugins); n == 0 || plugins[n-1].Namespace != p.Namespace || plugins[n-1].Name != p.Name {
			plugins = append(plugins, p)
		}
		last := &plugins[len(plugins)-1]
		last.Versions = append(last.Versions, v)
	}
	return plugins, rows.Err()
}

// Add implements store.Catalogue.
func (db *DB) Add(ctx context.Context, v store.Version, r *store.Release) error {
	at := v.CreatedAt.UnixMicro()
	err := db.transact(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO plugins (namespace, name, live, created_us, updated_us) VALUES (?, ?, 0, ?, ?)
			ON CONFLICT DO UPDATE SET updated_us = excluded.updated_us`,
			v.Ref.Namespace, v.Ref.Plugin, at, at); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO versions (namespace, name, number, digest, bytes, abi, manifest, facts, created_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			v.Ref.Namespace, v.Ref.Plugin, v.Ref.Version, v.Digest, v.Bytes, v.ABI, string(v.Manifest), string(v.Facts), at); err != nil {
			return err
		}
		if r == nil {
			return nil
		}
		return setRelease(ctx, tx, v.Ref.Namespace, v.Ref.Plugin, *r, v.CreatedAt)
	})
	if err != nil {
		return fmt.Errorf("store version: %w", err)
	}
	return nil
}

// SetRelease implements store.Catalogue.
func (db *DB) SetRelease(ctx context.Context, namespace, name string, r store.Release, at time.Time) error {
	defer db.committing()()
	return setRelease(ctx, db.sql, namespace, name, r, at)
}

func setRelease(ctx context.Context, db execer, namespace, name string, r store.Release, at time.Time) error {
	canary := r.Live
	if r.Canary != nil {
		canary = r.Canary.Version
	}
	release, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("change plugin: %w", err)
	}
	return change(ctx, db, `
		UPDATE plugins SET live = ?3, release = ?5, updated_us = ?6 WHERE namespace = ?1 AND name = ?2
		AND EXISTS (SELECT 1 FROM versions WHERE namespace = ?1 AND name = ?2 AND number = ?3)
		AND EXISTS (SELECT 1 FROM versions WHERE namespace = ?1 AND name = ?2 AND number = ?4)`,
		namespace, name, r.Live, canary, string(release), at.UnixMicro())
}

// Delete implements store.Catalogue.
func (db *DB) Delete(ctx context.Context, namespace, name string) error {
	defer db.committing()()
	return change(ctx, db.sql, `DELETE FROM plugins WHERE namespace = ?1 AND name = ?2`, namespace, name)
}

// execer is a database or a transaction in it.
type execer interface {
	ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error)
}

// change runs a statement that must hit a row.
func change(ctx context.Context, db execer, statement string, args ...any) error {
	res, err := db.ExecContext(ctx, statement, args...)
	if err != nil {
		return fmt.Errorf("change plugin: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(store.ErrNotFound, err)
	}
	return nil
}

func moment(us int64) time.Time { return time.UnixMicro(us).UTC() }
