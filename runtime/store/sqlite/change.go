package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

const (
	readDue    = `SELECT seq, plugin, priority, attempt, callback, failed FROM waits WHERE ord IS NULL AND due_us <= ? ORDER BY due_us, seq LIMIT ?`
	readNext   = `SELECT due_us FROM waits WHERE ord IS NULL ORDER BY due_us LIMIT 1`
	updateWait = `UPDATE waits SET ord = ?2 WHERE seq = ?1`
)

// Promote implements store.Tasks.
func (db *DB) Promote(ctx context.Context, now time.Time, most int) (moved int, next time.Time, err error) {
	db.mu.Lock()
	waiting := db.counts[scheduled] + db.counts[failed]
	db.mu.Unlock()
	if waiting == 0 {
		return 0, time.Time{}, ended(ctx)
	}
	err = db.change(ctx, others, int(min(waiting, int64(most))), func(x *tx) error {
		if err := x.settle(); err != nil {
			return err
		}
		if moved, err = x.promote(now, most); err != nil {
			return err
		}
		next = time.Time{}
		return x.query(readNext, func(row []driver.Value) error {
			next = moment(row[0].(int64))
			return nil
		})
	})
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("promote: %w", err)
	}
	return moved, next, nil
}

func (x *tx) promote(now time.Time, most int) (moved int, err error) {
	type due struct {
		seq, attempt int64
		lane         *lane
		callback     bool
		from         state
	}
	var all []due
	if err := x.query(readDue, func(row []driver.Value) error {
		d := due{seq: row[0].(int64), attempt: row[3].(int64), callback: row[4].(int64) != 0, from: scheduled}
		d.lane = x.db.lane(row[1].(int64), int(row[2].(int64)))
		if row[5].(int64) != 0 {
			d.from = failed
		}
		all = append(all, d)
		return nil
	}, now.UnixMicro(), int64(most)); err != nil {
		return 0, err
	}
	for _, d := range all {
		ord := d.lane.end()
		if _, err := x.exec(updateWait, d.seq, ord); err != nil {
			return 0, err
		}
		if err := x.enter(d.lane, d.seq, ord, d.attempt, d.callback); err != nil {
			return 0, err
		}
		x.move(d.lane.plugin, d.seq, d.from, queued)
	}
	return len(all), nil
}

// Cancel implements store.Tasks.
func (db *DB) Cancel(ctx context.Context, ids []task.ID, at, expires time.Time) ([]error, error) {
	if len(ids) == 0 {
		return nil, ended(ctx)
	}
	answers := make([]error, len(ids))
	err := db.change(ctx, others, 3*len(ids), func(x *tx) (err error) {
		for i, id := range ids {
			if answers[i], err = x.cancel(id, at, expires); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cancel: %w", err)
	}
	return answers, nil
}

func (x *tx) cancel(id task.ID, at, expires time.Time) (answer, err error) {
	seq, w, there, err := x.find(id)
	switch {
	case err != nil:
		return nil, err
	case !there:
		return store.ErrNotFound, nil
	case w.end != nothing:
		return store.ErrEnded, nil
	}
	if h := x.holder(seq); h != nil {
		x.leave(h)
		x.move(w.lane.plugin, seq, running, canceled)
		if err := x.note(seq, cutOff(h.attempt)); err != nil {
			return nil, err
		}
		err = x.unwait(seq, h.ord)
	} else {
		x.move(w.lane.plugin, seq, w.state, canceled)
		err = x.withdraw(seq, &w)
	}
	if err != nil {
		return nil, err
	}
	if err := x.ended(seq, w.lane.plugin.number, canceled, at, expires, nil); err != nil {
		return nil, err
	}
	return nil, x.owe(seq, id, w.callback, at)
}

// withdraw takes a task that nobody has from where it waits.
func (x *tx) withdraw(seq int64, w *where) error {
	if w.state != queued {
		_, err := x.exec(deleteWait, seq)
		return err
	}
	x.lanes[w.lane]--
	w.lane.remove(w.ord)
	n, err := x.exec(deleteReady, w.lane.plugin.number, int64(w.lane.Priority), w.ord, w.ord)
	if err != nil {
		return err
	}
	if n != 1 {
		return wrong("a task that waits is not in its lane")
	}
	return x.unwait(seq, w.ord)
}

const (
	deleteEnd      = `DELETE FROM ends WHERE seq = ?`
	deleteCallback = `DELETE FROM callbacks WHERE seq = ?`
	updateInput    = `UPDATE tasks SET input = ?2 WHERE seq = ?1`
	updateTerms    = `UPDATE tasks SET terms = ?2, schedule = ?3 WHERE seq = ?1`
	deleteFile     = `DELETE FROM files WHERE seq = ? AND part = ? RETURNING file`
)

// Revive implements store.Tasks.
func (db *DB) Revive(ctx context.Context, revivals []store.Revival) ([]error, error) {
	if len(revivals) == 0 {
		return nil, ended(ctx)
	}
	files := db.bodies.writing()
	inputs := make([]content, len(revivals))
	c := change{rank: others, rows: 4 * len(revivals)}
	for i, r := range revivals {
		if r.Input == nil {
			continue
		}
		var err error
		if inputs[i], err = files.put(*r.Input); err != nil {
			files.drop()
			return nil, fmt.Errorf("revive: %w", db.failed(err))
		}
		c.bytes += len(*r.Input)
	}
	answers := make([]error, len(revivals))
	var gone []int64
	c.apply = func(x *tx) (err error) {
		gone, files.kept = gone[:0], files.kept[:0]
		for i := range revivals {
			if answers[i], err = x.revive(&revivals[i], inputs[i], &gone); err != nil {
				return err
			}
			if answers[i] == nil {
				files.keep(inputs[i])
			}
		}
		return nil
	}
	err := files.sync()
	if err == nil {
		err = db.writer.do(ctx, &c)
	}
	err = db.failed(err)
	files.end(err)
	if err != nil {
		return nil, fmt.Errorf("revive: %w", err)
	}
	db.bodies.remove(gone)
	return answers, nil
}

// revive brings a task back, and adds to gone the file of the input that it had before.
func (x *tx) revive(r *store.Revival, input content, gone *[]int64) (answer, err error) {
	seq, w, there, err := x.find(r.ID)
	switch {
	case err != nil:
		return nil, err
	case !there:
		return store.ErrNotFound, nil
	case w.end != dead && w.end != canceled:
		return store.ErrNotEnded, nil
	}
	for _, text := range []string{deleteEnd, deleteCallback} {
		if _, err := x.exec(text, seq); err != nil {
			return nil, err
		}
	}
	if r.Input != nil {
		if err := x.query(deleteFile, func(row []driver.Value) error {
			*gone = append(*gone, row[0].(int64))
			return nil
		}, seq, int64(inputPart)); err != nil {
			return nil, err
		}
		if _, err := x.exec(updateInput, seq, input.inline()); err != nil {
			return nil, err
		}
		if err := x.file(seq, inputPart, input); err != nil {
			return nil, err
		}
	}
	if r.Terms != nil {
		terms, schedule := termsText(*r.Terms)
		if _, err := x.exec(updateTerms, seq, terms, schedule); err != nil {
			return nil, err
		}
		w.callback = r.Terms.Callback != ""
	}
	x.move(w.lane.plugin, seq, w.end, queued)
	ord := w.lane.end()
	if err := x.enter(w.lane, seq, ord, w.attempts+1, w.callback); err != nil {
		return nil, err
	}
	_, err = x.exec(insertWait, seq, w.lane.plugin.number, int64(w.lane.Priority), w.attempts+1, number(w.callback), int64(0), nil, ord)
	return nil, err
}
