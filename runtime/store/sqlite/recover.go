package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"github.com/marketprism/prismrt/runtime/task"
)

// recover brings into memory what is kept there, reading no bodies, and takes back all
// leases. A million waiting tasks take about a quarter of a second.
func (db *DB) recover() error {
	for _, step := range []func(*conn) error{db.recoverNames, db.recoverLeases, db.recoverCounts, db.recoverLast, db.sweep} {
		if err := step(db.writer.conn); err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) recoverNames(c *conn) error {
	if err := c.query(`SELECT plugin, namespace, name FROM names`, func(row []driver.Value) error {
		db.plugins.add(name{row[1].(string), row[2].(string)}, row[0].(int64))
		return nil
	}); err != nil {
		return err
	}
	return c.query(`SELECT n, digest FROM digests`, func(row []driver.Value) error {
		n, d := row[0].(int64), task.Digest(row[1].(string))
		db.digests.number[d], db.digests.digest[n] = n, d
		return nil
	})
}

// recoverLeases counts the attempts that the end of the process cut off. The tasks are in
// their lanes already, where they were.
func (db *DB) recoverLeases(c *conn) error {
	var held [][2]int64
	if err := c.query(`SELECT tasks FROM leases`, func(row []driver.Value) error {
		var tasks [][2]int64
		if err := json.Unmarshal([]byte(row[0].(string)), &tasks); err != nil {
			return fmt.Errorf("read leases: %w", err)
		}
		held = append(held, tasks...)
		return nil
	}); err != nil || len(held) == 0 {
		return err
	}
	x := &db.writer.tx
	x.begin(db.writer, false)
	_, err := c.exec("BEGIN IMMEDIATE")
	for i := 0; err == nil && i < len(held); i++ {
		err = x.cut(held[i][0], held[i][1])
	}
	if err == nil {
		_, err = c.exec(`DELETE FROM leases`)
	}
	if err == nil {
		_, err = c.exec("COMMIT")
	}
	if err != nil {
		_, _ = c.exec("ROLLBACK")
		return fmt.Errorf("take back leases: %w", err)
	}
	return nil
}

// cut notes that an attempt was cut off, unless it is known already what it came to.
func (x *tx) cut(seq, attempt int64) error {
	w, there, err := x.locate(seq)
	if err != nil || !there || w.state != queued || w.attempts >= attempt {
		return err
	}
	if err := x.note(seq, cutOff(attempt)); err != nil {
		return err
	}
	_, err = x.exec(updateReady, w.lane.plugin.number, int64(w.lane.Priority), w.ord, attempt+1)
	return err
}

// recoverCounts counts what is in each state. A task is either in ready, or waits for a
// time, or has ended; those that succeeded are what is left of all, so that their rows need
// not be read.
func (db *DB) recoverCounts(c *conn) error {
	if err := c.query(`SELECT plugin, priority, count(*), max(ord) FROM ready GROUP BY plugin, priority`, func(row []driver.Value) error {
		l := db.lane(row[0].(int64), int(row[1].(int64)))
		l.reset()
		l.waiting, l.last = row[2].(int64), row[3].(int64)
		l.plugin.counts[queued] += l.waiting
		noteOrd(l.last)
		return nil
	}); err != nil {
		return err
	}
	for _, text := range []string{
		`SELECT plugin, iif(failed, 3, 0), count(*) FROM waits WHERE ord IS NULL GROUP BY plugin, failed`,
		`SELECT plugin, state, count(*) FROM ends WHERE state <> 4 GROUP BY state, plugin`,
		`SELECT plugin, 4, count(*) FROM tasks GROUP BY plugin`,
	} {
		if err := c.query(text, func(row []driver.Value) error {
			counts := &db.plugins.number[row[0].(int64)].counts
			others := int64(0)
			if s := state(row[1].(int64)); s == succeeded {
				for _, n := range counts {
					others += n
				}
			}
			counts[row[1].(int64)] = row[2].(int64) - others
			return nil
		}); err != nil {
			return err
		}
	}
	for _, p := range db.plugins.number {
		db.counts.add(&p.counts)
	}
	return nil
}

func (db *DB) recoverLast(c *conn) error {
	return c.query(`SELECT max(id) FROM (SELECT id FROM last UNION ALL SELECT * FROM (SELECT id FROM tasks ORDER BY seq DESC LIMIT 1))`, func(row []driver.Value) error {
		id, _ := row[0].(string)
		db.last = task.ID(id)
		return nil
	})
}

// sweep removes the files that no row names.
func (db *DB) sweep(c *conn) error {
	named := make(map[int64]bool)
	if err := c.query(`SELECT file FROM files`, func(row []driver.Value) error {
		named[row[0].(int64)] = true
		return nil
	}); err != nil {
		return err
	}
	return db.bodies.sweep(named)
}

// sweep removes the files that no row names. Nothing may be put meanwhile, and what is put
// later has greater numbers than all that are there.
func (b *bodies) sweep(named map[int64]bool) error {
	entries, err := os.ReadDir(b.path)
	if err != nil {
		return fmt.Errorf("sweep large inputs and outputs: %w", err)
	}
	for _, e := range entries {
		n, err := strconv.ParseInt(e.Name(), 16, 64)
		if err != nil || len(e.Name()) != 16 {
			continue // not one of ours
		}
		noteOrd(n)
		if named[n] {
			continue
		}
		if err := os.Remove(b.file(n)); err != nil {
			return fmt.Errorf("sweep large inputs and outputs: %w", err)
		}
	}
	return nil
}
