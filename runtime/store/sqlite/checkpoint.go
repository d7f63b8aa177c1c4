package sqlite

import (
	"context"
	"database/sql"
	"sync"
)

// The log (WAL) is brought into the database while commits go on, on a connection of its
// own. That does not bring in what is written meanwhile, and as long as a frame is left, the
// log goes on at its end. So where the log is long, it is repeated, which leaves less each
// time, until so little is left that the writer does the rest between two transactions: then
// the log begins anew, unless a reader still looks at it, in which case the next time does.
const (
	checkpointPages = 1000 // of 4 KiB, written since the last checkpoint: time for one
	longLog         = 4000 // pages: time to begin anew
	remainderPages  = 200  // that the writer may bring in itself
	mostRepeated    = 8
)

// checkpoints are those in the background, at most one at a time.
type checkpoints struct {
	mu     sync.Mutex
	going  chan struct{} // closed when the one that goes on has ended; nil: none does
	closed bool
}

// checkpoint begins one after so many pages.
func (w *writer) checkpoint() {
	w.pages += w.conn.written()
	if w.pages >= checkpointPages && w.db.checkpoints.begin(w.db) {
		w.pages = 0
	}
}

// begin begins one, unless one goes on.
func (c *checkpoints) begin(db *DB) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.going != nil || c.closed || db.Broken() != nil {
		return false
	}
	c.going = make(chan struct{})
	go func() {
		db.bringIn()
		c.mu.Lock()
		defer c.mu.Unlock()
		close(c.going)
		c.going = nil
	}()
	return true
}

// wait waits for the one that goes on, and has none follow.
func (c *checkpoints) wait() {
	c.mu.Lock()
	c.closed = true
	going := c.going
	c.mu.Unlock()
	if going != nil {
		<-going
	}
}

// bringIn brings the log into the database. That it fails is seen where it matters: the log
// grows, or the disk fails.
func (db *DB) bringIn() {
	ctx, before := context.Background(), 0
	for n := range mostRepeated {
		frames, err := db.checkpointed(db.copy.QueryRowContext(ctx, passive))
		if err != nil || frames < longLog {
			return
		}
		if n > 0 && frames-before <= remainderPages {
			break
		}
		before = frames
	}
	_ = db.writer.do(ctx, &change{between: func(w *writer) error {
		_, err := db.checkpointed(w.sql.QueryRowContext(ctx, passive))
		return err
	}})
}

// passive brings in what can be without waiting for anybody.
const passive = `PRAGMA wal_checkpoint(PASSIVE)`

// checkpointed reads what a checkpoint came to: how many frames the log had.
func (db *DB) checkpointed(row *sql.Row) (frames int, err error) {
	var busy, done int
	err = row.Scan(&busy, &frames, &done)
	return frames, db.failed(err)
}
