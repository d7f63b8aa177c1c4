package sqlite

import (
	"database/sql/driver"

	"github.com/marketprism/prismrt/runtime/task"
)

// where is where a task stands, as the database has it.
type where struct {
	id       task.ID
	lane     *lane
	callback bool
	end      state // nothing: it has not ended
	state    state // scheduled, failed, queued, or the end; running ones are queued
	ord      int64 // in its lane, if it is there
	attempts int64 // the number of the last one that is over
}

const readWhere = `
	SELECT t.id, t.plugin, t.priority, iif(t.terms = '', 0, t.terms ->> '$.callback' IS NOT NULL),
		e.state, w.seq, w.ord, w.failed, coalesce(e.attempt, (SELECT attempts ->> '$[#-1].number' FROM tries WHERE seq = t.seq))
	FROM tasks t LEFT JOIN ends e ON e.seq = t.seq LEFT JOIN waits w ON w.seq = t.seq
	WHERE t.seq = ?`

// find returns where a task stands. ok is false for one that is not there.
func (x *tx) find(id task.ID) (seq int64, at where, ok bool, err error) {
	seq, ours := seqOf(id)
	if !ours {
		return 0, at, false, nil
	}
	if err := x.settle(); err != nil {
		return 0, at, false, err
	}
	at, ok, err = x.locate(seq)
	return seq, at, ok && at.id == id, err
}

func (x *tx) locate(seq int64) (at where, ok bool, err error) {
	err = x.query(readWhere, func(row []driver.Value) error {
		ok = true
		at = where{id: task.ID(row[0].(string)), callback: row[3].(int64) != 0, end: nothing, state: queued, ord: seq}
		at.lane = x.db.lane(row[1].(int64), int(row[2].(int64)))
		at.attempts, _ = row[8].(int64)
		if end, ended := row[4].(int64); ended {
			at.end, at.state = state(end), state(end)
			return nil
		}
		if row[5] == nil {
			return nil
		}
		if ord, moved := row[6].(int64); moved {
			at.ord = ord
			return nil
		}
		at.state = scheduled
		if row[7].(int64) != 0 {
			at.state = failed
		}
		return nil
	}, seq)
	return at, ok, err
}
