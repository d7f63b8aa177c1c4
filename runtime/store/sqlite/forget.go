package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"time"
)

// forgotten is how many tasks a transaction forgets at most, so that nobody waits long for
// it: some milliseconds.
const forgotten = 256

const (
	readExpired = `SELECT seq, state, plugin FROM ends WHERE expires_us <= ? ORDER BY expires_us, seq LIMIT ?`
	readOldest  = `SELECT seq, state, plugin FROM ends ORDER BY seq LIMIT ?`
	deleteFiles = `DELETE FROM files WHERE seq IN (SELECT value FROM json_each(?)) RETURNING file`
	deleteKeys  = `DELETE FROM keys WHERE (namespace, key) IN (SELECT namespace, key FROM keys WHERE until_us <= ? ORDER BY until_us LIMIT ?)`
)

// Forget implements store.Tasks, in transactions of which none is long. The pages that
// become free are used again; the file does not shrink.
func (db *DB) Forget(ctx context.Context, now time.Time, keep int64, most int) (int, error) {
	all, keys := 0, 0
	for {
		tasks, ranOut := 0, 0
		var files []int64
		mostTasks, mostKeys := min(forgotten, most-all), min(forgotten, most-keys)
		err := db.change(ctx, others, 4*forgotten, func(x *tx) (err error) {
			files = files[:0]
			if err = x.settle(); err != nil {
				return err
			}
			if tasks, err = x.forgetTasks(now, keep, mostTasks, &files); err != nil {
				return err
			}
			n, err := x.exec(deleteKeys, now.UnixMicro(), int64(mostKeys))
			ranOut = int(n)
			return err
		})
		if err != nil {
			return all, fmt.Errorf("forget: %w", err)
		}
		db.bodies.remove(files)
		all, keys = all+tasks, keys+ranOut
		if tasks < forgotten && ranOut < forgotten {
			return all, nil
		}
	}
}

// forgetTasks removes some tasks, and adds to files those that they had.
func (x *tx) forgetTasks(now time.Time, keep int64, most int, files *[]int64) (int, error) {
	var seqs []int64
	gone := func(row []driver.Value) error {
		seqs = append(seqs, row[0].(int64))
		x.count(x.db.pluginOf(row[2].(int64)), state(row[1].(int64)), -1)
		return nil
	}
	if err := x.query(readExpired, gone, now.UnixMicro(), int64(most)); err != nil {
		return 0, err
	}
	expired := len(seqs)
	if err := x.remove(seqs, files); err != nil {
		return 0, err
	}
	if keep <= 0 || expired == most {
		return expired, nil
	}
	excess := x.ends() - keep
	seqs = nil
	if n := min(excess, int64(most-expired)); n > 0 {
		if err := x.query(readOldest, gone, n); err != nil {
			return 0, err
		}
	}
	return expired + len(seqs), x.remove(seqs, files)
}

// ends is how many tasks have ended.
func (x *tx) ends() (n int64) {
	x.db.mu.Lock()
	all := x.db.counts
	x.db.mu.Unlock()
	for _, c := range x.counts {
		all.add(c)
	}
	return all[succeeded] + all[dead] + all[canceled]
}

// remove deletes all that is known of tasks.
func (x *tx) remove(seqs []int64, files *[]int64) error {
	if len(seqs) == 0 {
		return nil
	}
	if err := x.noteLast(seqs); err != nil {
		return err
	}
	which := list(seqs)
	for _, table := range []string{"tasks", "ends", "tries", "callbacks"} {
		if _, err := x.exec("DELETE FROM "+table+" WHERE seq IN (SELECT value FROM json_each(?))", which); err != nil {
			return err
		}
	}
	return x.query(deleteFiles, func(row []driver.Value) error {
		*files = append(*files, row[0].(int64))
		return nil
	}, which)
}

// noteLast keeps the greatest id, if its task is to be removed.
func (x *tx) noteLast(seqs []int64) error {
	x.db.mu.Lock()
	last := max(x.db.last, x.last)
	x.db.mu.Unlock()
	if seq, _ := seqOf(last); !slices.Contains(seqs, seq) {
		return nil
	}
	if _, err := x.exec(`DELETE FROM last`); err != nil {
		return err
	}
	_, err := x.exec(`INSERT INTO last (id) VALUES (?)`, string(last))
	return err
}
