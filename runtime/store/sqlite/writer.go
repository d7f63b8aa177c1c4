package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
)

// The bounds of what is written together, unless a single change is more than that.
const (
	groupRows  = 4096
	groupBytes = 8 << 20
)

// writer writes changes. Those that come while it is busy are written together afterwards,
// in one transaction with one sync of the disk: nothing waits for company, and the longer
// the disk takes, the more share it. How many can wait is bounded by their callers, of
// which each waits for one.
//
// It has a goroutine while something is to be written, and none otherwise.
type writer struct {
	db *DB

	mu      sync.Mutex
	waiting []*change
	busy    bool
	closed  bool
	idle    chan struct{} // closed when it is no longer busy, nil while it is not

	// Of the goroutine alone.
	sql   *sql.Conn
	conn  *conn
	tx    tx
	pages int // that were written since the last checkpoint
}

// change is what one caller has to write.
type change struct {
	// apply does it, within a transaction that may have more of them. It may be called again
	// when that came to nothing.
	apply func(*tx) error

	// alone does it instead in a transaction of its own, which is synced whatever Options say,
	// and between is done without one.
	alone   func(*sql.Tx) error
	between func(*writer) error

	rank  rank
	least int64 // of submissions: the least seq
	rows  int
	bytes int

	taken atomic.Bool // by the writer, or by a caller who gave up
	done  chan struct{}
	err   error
}

// rank is the order of changes in a transaction. They came at the same time, so that every
// order is right, and this one is fast: what is put into many tables one after another
// comes first, what reads them later.
type rank int

const (
	submits rank = iota
	finishes
	others
	leases
)

// errClosed is the answer after Close.
var errClosed = errors.New("the database is closed")

// do has a change written. It returns context.Cause(ctx), and nothing was changed, when ctx
// ends before the writer came to it.
func (w *writer) do(ctx context.Context, c *change) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := w.db.Broken(); err != nil {
		return err
	}
	c.done = make(chan struct{})
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return errClosed
	}
	w.waiting = append(w.waiting, c)
	begin := !w.busy
	if begin {
		w.busy, w.idle = true, make(chan struct{})
	}
	w.mu.Unlock()
	if begin {
		go w.work()
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		if c.taken.CompareAndSwap(false, true) {
			return context.Cause(ctx)
		}
		<-c.done
	}
	return c.err
}

// work writes what waits, until nothing does.
func (w *writer) work() {
	var group []*change
	for {
		if group = w.next(group[:0]); len(group) == 0 {
			return
		}
		switch first := group[0]; {
		case first.alone != nil:
			first.err = w.alone(first.alone)
		case first.between != nil:
			first.err = first.between(w)
		default:
			w.write(group)
		}
		for _, c := range group {
			close(c.done)
		}
		clear(group)
		w.checkpoint()
		// Those that were answered may have more. Where the disk is not waited for, they would
		// otherwise come one by one: ten tasks a commit instead of a hundred.
		runtime.Gosched()
	}
}

// next appends the changes that are to be written together. Without any, the writer is no
// longer busy.
func (w *writer) next(group []*change) []*change {
	w.mu.Lock()
	defer w.mu.Unlock()
	rows, bytes, n := 0, 0, 0
	for _, c := range w.waiting {
		full := len(group) > 0 && (c.apply == nil || rows+c.rows > groupRows || bytes+c.bytes > groupBytes)
		if full {
			break
		}
		n++
		if !c.taken.CompareAndSwap(false, true) {
			continue
		}
		group, rows, bytes = append(group, c), rows+c.rows, bytes+c.bytes
		if c.apply == nil {
			break
		}
	}
	w.waiting = slices.Delete(w.waiting, 0, n)
	if len(group) == 0 {
		w.busy = false
		close(w.idle)
	}
	return group
}

// close has no change be taken any more, and waits for those that were.
func (w *writer) close() {
	w.mu.Lock()
	w.closed = true
	idle := w.idle
	w.mu.Unlock()
	if idle != nil {
		<-idle
	}
}

// write writes changes together. When that fails through one of them, each is tried alone,
// so that it is the only one to fail.
func (w *writer) write(group []*change) {
	slices.SortStableFunc(group, func(a, b *change) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.least, b.least))
	})
	err := w.transact(group, false)
	if err == nil || len(group) == 1 && !errors.Is(err, errWrong) || errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrBroken) {
		for _, c := range group {
			c.err = err
		}
		return
	}
	for i := range group {
		group[i].err = w.transact(group[i:i+1], true)
	}
}

// transact writes changes in one transaction, or nothing.
func (w *writer) transact(group []*change, careful bool) error {
	return w.sql.Raw(func(any) error {
		if err := w.db.Broken(); err != nil {
			return err
		}
		x := &w.tx
		x.begin(w, careful)
		_, err := w.conn.exec("BEGIN IMMEDIATE")
		for i := 0; err == nil && i < len(group); i++ {
			err = group[i].apply(x)
		}
		if err == nil {
			err = x.end()
		}
		if err == nil {
			begun := time.Now()
			if _, err = w.conn.exec("COMMIT"); err == nil && w.db.OnCommit != nil {
				w.db.OnCommit(time.Since(begun))
			}
		}
		if err != nil {
			w.conn.forget()
			_, _ = w.conn.exec("ROLLBACK") // which SQLite may have done itself
			x.undo()
			return w.db.failed(err)
		}
		x.publish()
		w.db.syncLater()
		return nil
	})
}

// alone runs f in a transaction of its own.
func (w *writer) alone(f func(*sql.Tx) error) error {
	if err := w.db.Broken(); err != nil {
		return err
	}
	t, err := w.sql.BeginTx(context.Background(), nil)
	if err != nil {
		return w.db.failed(err)
	}
	if err := f(t); err != nil {
		_ = t.Rollback() // which SQLite may have done itself
		return w.db.failed(err)
	}
	begun := time.Now()
	if err := t.Commit(); err != nil {
		return w.db.failed(err)
	}
	if err := w.db.syncNow(); err != nil {
		return err
	}
	if w.db.OnCommit != nil {
		w.db.OnCommit(time.Since(begun))
	}
	return nil
}

// transact runs f in a transaction of its own.
func (db *DB) transact(ctx context.Context, f func(*sql.Tx) error) error {
	return db.writer.do(ctx, &change{alone: f})
}

// change has a change of so many rows written.
func (db *DB) change(ctx context.Context, r rank, rows int, apply func(*tx) error) error {
	return db.writer.do(ctx, &change{rank: r, rows: rows, apply: apply})
}

// errWrong is an error of ours.
var errWrong = errors.New("the database is not as it must be")

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errWrong}, args...)...)
}
