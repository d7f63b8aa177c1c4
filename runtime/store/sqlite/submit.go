package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

var _ store.Tasks = (*DB)(nil)

// submission is a task on its way into the database.
type submission struct {
	*store.Task
	seq      int64
	terms    string
	schedule any
	input    content
	copy     *store.Task // for those that are leased soon; nil: it is read then
}

var intoTasks = &bulk{"tasks (seq, id, plugin, priority, version, digest, created_us, due_us, schedule, terms, input)", 11}

const (
	readKey    = `SELECT fingerprint, id FROM keys WHERE namespace = ? AND key = ?`
	insertKey  = `INSERT INTO keys (namespace, key, fingerprint, id, until_us) VALUES (?, ?, ?, ?, ?)`
	insertWait = `INSERT INTO waits (seq, plugin, priority, attempt, callback, failed, due_us, ord) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (seq) DO UPDATE SET attempt = excluded.attempt, callback = excluded.callback, failed = excluded.failed, due_us = excluded.due_us, ord = excluded.ord`
)

// Submit implements store.Tasks.
func (db *DB) Submit(ctx context.Context, tasks []store.Task) ([]store.Receipt, error) {
	if len(tasks) == 0 {
		return nil, ended(ctx)
	}
	files := db.bodies.writing()
	all := make([]submission, len(tasks))
	c := change{rank: submits, rows: 2 * len(tasks)}
	for i := range tasks {
		t := &tasks[i]
		seq, ok := seqOf(t.ID)
		if !ok {
			panic("sqlite: a task was submitted with what is no id: " + string(t.ID))
		}
		input, err := files.put(t.Input)
		if err != nil {
			files.drop()
			return nil, db.failed(err)
		}
		terms, schedule := termsText(t.Terms)
		all[i] = submission{Task: t, seq: seq, terms: terms, schedule: schedule, input: input}
		if t.Due.IsZero() {
			all[i].copy = copyOf(t)
		}
		c.bytes += len(t.Input) + len(terms) + len(t.Key)
	}
	c.least = all[0].seq

	receipts := make([]store.Receipt, len(tasks))
	c.apply = func(x *tx) (err error) {
		files.kept = files.kept[:0]
		for i := range all {
			if receipts[i], err = x.submit(&all[i]); err != nil {
				return err
			}
			if r := receipts[i]; !r.Seen && r.Err == nil {
				files.keep(all[i].input)
			}
		}
		return nil
	}
	err := files.sync()
	if err == nil {
		err = db.writer.do(ctx, &c)
	}
	files.end(err)
	if err != nil {
		return nil, fmt.Errorf("submit: %w", db.failed(err))
	}
	return receipts, nil
}

func (x *tx) submit(s *submission) (store.Receipt, error) {
	if s.Key != "" {
		taken, err := x.keyed(s)
		if taken != nil || err != nil {
			return *taken, err
		}
	}
	p, err := x.plugin(name{s.Namespace, s.Plugin})
	if err != nil {
		return store.Receipt{}, err
	}
	digest, err := x.digest(s.Digest)
	if err != nil {
		return store.Receipt{}, err
	}
	if err := x.insert(intoTasks, s.seq, string(s.ID), p.number, int64(s.Priority), int64(s.Version), digest,
		s.Created.UnixMicro(), orNull(s.Due), s.schedule, s.terms, s.input.inline()); err != nil {
		return store.Receipt{}, err
	}
	if err := x.file(s.seq, inputPart, s.input); err != nil {
		return store.Receipt{}, err
	}
	x.last = max(x.last, s.ID)
	return store.Receipt{ID: s.ID}, x.begun(s, p)
}

// begun puts a task that was submitted where it waits.
func (x *tx) begun(s *submission, p *plugin) error {
	callback := s.Terms.Callback != ""
	l := x.db.lane(p.number, s.Priority)
	ord := any(nil)
	if s.Due.IsZero() {
		x.move(p, s.seq, nothing, queued)
		if s.copy != nil {
			x.fresh = append(x.fresh, s)
		}
		at := l.ordFor(s.seq)
		if err := x.enter(l, s.seq, at, 1, callback); err != nil || at == s.seq {
			return err
		}
		ord = at
	} else {
		x.move(p, s.seq, nothing, scheduled)
	}
	_, err := x.exec(insertWait, s.seq, p.number, int64(s.Priority), int64(1), number(callback), int64(0), orNull(s.Due), ord)
	return err
}

// keyed takes the key of a task, or answers whose it is.
func (x *tx) keyed(s *submission) (taken *store.Receipt, err error) {
	err = x.query(readKey, func(row []driver.Value) error {
		taken = &store.Receipt{ID: task.ID(row[1].(string)), Seen: true}
		if row[0].(string) != s.Fingerprint {
			taken.Seen, taken.Err = false, store.ErrConflict
		}
		return nil
	}, s.Namespace, s.Key)
	if err == nil && taken == nil {
		_, err = x.exec(insertKey, s.Namespace, s.Key, s.Fingerprint, string(s.ID), s.KeyUntil.UnixMicro())
	}
	if err != nil {
		return &store.Receipt{}, err
	}
	return taken, nil
}

// termsText has terms as columns have them: empty for none, and the schedule by itself.
func termsText(t task.Terms) (terms string, schedule any) {
	if t == (task.Terms{}) {
		return "", nil
	}
	text, err := json.Marshal(t)
	if err != nil {
		panic("sqlite: " + err.Error()) // it has nothing that could not be
	}
	if t.Schedule != "" {
		schedule = t.Schedule
	}
	return string(text), schedule
}

// ended is why a call is not begun: its caller does not wait for it.
func ended(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
