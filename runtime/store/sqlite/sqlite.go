// Package sqlite keeps what must survive in one SQLite database, readable with
// the ordinary sqlite3 program, and large inputs and outputs as files beside it.
package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite" // the driver "sqlite", too

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/blob"
	"github.com/marketprism/prismrt/runtime/task"
)

//go:embed schema.sql
var schema string

//go:embed releases.sql
var releases string

//go:embed tasks.sql
var tasks string

// migrations bring a database from version i to i+1 (PRAGMA user_version). One
// that was released is never changed.
var migrations = []string{schema, releases, tasks}

// Options say how a database is kept. A zero field takes the default in brackets.
type Options struct {
	// SyncEvery is how often what was committed is synced to the disk [with each commit,
	// before it is answered].
	//
	// With an interval, commits do not wait for the disk. When the process dies, nothing is
	// lost all the same; when the power fails or the system crashes, what was answered within
	// the last interval may be: tasks that were accepted are not there, and tasks that had
	// ended are run again. What is there is whole, and in the order of the commits. Changes of
	// plugins and schedules are synced at once in any case.
	SyncEvery time.Duration

	// Readers is how many reads there are at the same time [4], with up to 8 MiB of cache each.
	Readers int
}

func (o Options) filled() (Options, error) {
	if o.Readers == 0 {
		o.Readers = 4
	}
	var errs []error
	if o.SyncEvery < 0 {
		errs = append(errs, fmt.Errorf("sync every %v, which must not be negative", o.SyncEvery))
	}
	if o.Readers < 1 {
		errs = append(errs, fmt.Errorf("readers are %d, which must be 1 at least", o.Readers))
	}
	return o, errors.Join(errs...)
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	options Options
	path    string

	write, read, copy *sql.DB              // the writer's connection, those that read, and the checkpointer's
	selects           map[string]*sql.Stmt // by their text; the same from Open on
	writer            *writer
	bodies            *bodies
	syncer            syncer
	checkpoints       checkpoints
	broken            atomic.Pointer[error] // why nothing is written any more

	// OnCommit is told how long each change took to be written and synced, from when its
	// statements were done. Changes that were made together are one. Nil: nobody is. It is set
	// before the database is used.
	OnCommit func(time.Duration)

	mu      sync.Mutex
	plugins plugins
	digests digests
	lanes   map[laneKey]*lane
	held    map[int64]*held
	fresh   fresh
	counts  counts // of all plugins
	last    task.ID
	arrived chan struct{} // closed at the next arrival in a lane
	watched map[int64]*watch

	leaseRows int64 // the number of the last one; the writer's
}

// Open opens the file at path, making and migrating it as needed, and the folder of large
// inputs and outputs, which has the same name and "-bodies". What was leased goes back to
// its lanes: whoever had it is gone. Nothing else may have the file open to write.
//
// Every commit is synced, as Options say: WAL with synchronous=FULL
// (sqlite.org/pragma.html).
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	// fdatasync leaves out the time of the last change alone. SQLite itself uses it where it
	// is there (RATIONALE.md, "Why does SQLite sync with fdatasync here?").
	if _, err := sqlite.Fdatasync(true); err != nil && !errors.Is(err, sqlite.ErrFdatasyncUnavailable) {
		return nil, err
	}
	db := &DB{
		options: o, path: path,
		plugins: plugins{map[name]*plugin{}, map[int64]*plugin{}},
		digests: digests{map[task.Digest]int64{}, map[int64]task.Digest{}},
		lanes:   map[laneKey]*lane{}, held: map[int64]*held{}, fresh: fresh{tasks: map[int64]*store.Task{}}, arrived: make(chan struct{}), watched: map[int64]*watch{},
	}
	db.writer = &writer{db: db}
	if err := db.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", path, err), db.Close())
	}
	return db, nil
}

func (db *DB) open(ctx context.Context) (err error) {
	sync := "synchronous(FULL)"
	if db.options.SyncEvery > 0 {
		sync = "synchronous(NORMAL)"
	}
	if db.write, err = db.handle(1, sync, "journal_mode(WAL)", "foreign_keys(ON)", "wal_autocheckpoint(0)", "cache_size(-8192)"); err != nil {
		return err
	}
	if db.writer.sql, err = db.write.Conn(ctx); err != nil {
		return err
	}
	if err := db.migrate(ctx); err != nil {
		return err
	}
	// SQLite syncs its files; that they are in the folder is ours to sync.
	if err := blob.SyncDir(filepath.Dir(db.path)); err != nil {
		return err
	}
	if db.bodies, err = openBodies(folder(db.path)); err != nil {
		return err
	}
	if err := db.writer.sql.Raw(func(c any) error {
		db.writer.conn = newConn(c.(driver.Conn))
		return db.recover()
	}); err != nil {
		return err
	}
	if db.read, err = db.handle(db.options.Readers, "query_only(ON)", "cache_size(-8192)"); err != nil {
		return err
	}
	if db.copy, err = db.handle(1, sync, "wal_autocheckpoint(0)"); err != nil {
		return err
	}
	db.selects = make(map[string]*sql.Stmt)
	for _, text := range selects {
		if db.selects[text], err = db.read.PrepareContext(ctx, text); err != nil { //nolint:sqlclosecheck // that of the handle closes it
			return err
		}
	}
	return db.openSyncer()
}

// handle opens the database for so many connections.
func (db *DB) handle(connections int, pragmas ...string) (*sql.DB, error) {
	handle, err := sql.Open("sqlite", dsn(db.path, append([]string{"busy_timeout(5000)"}, pragmas...)...))
	if err != nil {
		return nil, err
	}
	handle.SetMaxOpenConns(connections)
	handle.SetMaxIdleConns(connections)
	return handle, nil
}

// dsn is what the driver opens a file by.
func dsn(path string, pragmas ...string) string {
	values := url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: values.Encode()}
	return u.String()
}

// Stats tells of the connections that read, and of the waits for one.
func (db *DB) Stats() sql.DBStats { return db.read.Stats() }

// Close waits for what is being written and closes the database. Later calls fail.
//
// A broken database keeps the writer's connection until the process ends: when the last one
// is closed, SQLite brings in the log, and of that nobody knows what the disk has. The next
// process reads it as far as its checksums go.
func (db *DB) Close() error {
	db.writer.close()
	db.checkpoints.wait()
	errs := []error{db.closeSyncer()}
	for _, handle := range []*sql.DB{db.read, db.copy} {
		if handle != nil {
			errs = append(errs, handle.Close())
		}
	}
	if db.Broken() != nil {
		return errors.Join(errs...)
	}
	if c := db.writer.conn; c != nil {
		errs = append(errs, db.writer.sql.Raw(func(any) error { return c.close() }))
	}
	if db.writer.sql != nil {
		errs = append(errs, db.writer.sql.Close())
	}
	if db.write != nil {
		errs = append(errs, db.write.Close())
	}
	return errors.Join(errs...)
}

func (db *DB) migrate(ctx context.Context) error {
	return db.writer.alone(func(tx *sql.Tx) error {
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

var (
	_ store.Schedules = (*DB)(nil)
	_ store.Callbacks = (*DB)(nil)
)
