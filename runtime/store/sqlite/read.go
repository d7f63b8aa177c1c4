package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// selects are the statements that read and are prepared once.
var selects = []string{
	selectRecords, selectLeased, selectCallbacks,
	pageAll, pagePlugin, pageSchedule, pageSucceeded, pageSuccess, pageEnded, pageWaiting, pageMoved, pageReady,
}

// list is numbers as JSON, for json_each.
func list(seqs []int64) string {
	text := []byte{'['}
	for i, seq := range seqs {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, seq, 10)
	}
	return string(append(text, ']'))
}

// selectLeased reads what a worker needs, in the order of the list. CROSS JOIN keeps SQLite
// from another one.
const selectLeased = `
	SELECT t.seq, t.id, t.version, t.digest, t.created_us, t.due_us, t.terms, t.input, i.file, r.attempts
	FROM json_each(?1) j CROSS JOIN tasks t ON t.seq = j.value
	LEFT JOIN tries r ON ?2 AND r.seq = t.seq
	LEFT JOIN files i ON t.input IS NULL AND i.seq = t.seq AND i.part = 0`

// leased returns the leases that were taken, but for those that are lost already.
func (db *DB) leased(taken []*held) ([]store.Lease, error) {
	var unread []*held
	for _, h := range taken {
		if h.fresh == nil {
			unread = append(unread, h)
		}
	}
	read, err := db.readLeased(unread)
	if err != nil {
		return nil, err
	}
	all := make([]store.Lease, 0, len(taken))
	for _, h := range taken {
		switch t := h.fresh; {
		case !db.hands(h):
		case t != nil:
			all = append(all, store.Lease{Task: *t, Attempt: int(h.attempt)})
			h.fresh = nil // it is the holder's
		case read[h.seq] == nil:
			return nil, wrong("a task that was leased is not there, numbered %d", h.seq)
		default:
			all = append(all, *read[h.seq])
		}
	}
	return all, nil
}

// readLeased reads those that are still held, by their seq.
func (db *DB) readLeased(taken []*held) (map[int64]*store.Lease, error) {
	if len(taken) == 0 {
		return nil, nil
	}
	seqs := make([]int64, len(taken))
	again := false
	for i, h := range taken {
		seqs[i] = h.seq
		again = again || h.attempt > 1
	}
	rows, err := db.selects[selectLeased].QueryContext(context.Background(), list(seqs), again)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := make(map[int64]*store.Lease, len(taken))
	for i := 0; rows.Next(); i++ {
		var row leasedRow
		if err := row.scan(rows); err != nil {
			return nil, err
		}
		for taken[i].seq != row.seq { // that is forgotten by now
			i++
		}
		l, err := row.lease(db, taken[i])
		if err != nil && db.hands(taken[i]) {
			return nil, err
		}
		all[row.seq] = &l
	}
	return all, rows.Err()
}

// leasedRow is a row of selectLeased.
type leasedRow struct {
	seq, version, created int64
	id, terms             string
	digest, due, file     sql.NullInt64
	input                 []byte
	attempts              sql.NullString
}

func (w *leasedRow) scan(rows *sql.Rows) error {
	return rows.Scan(&w.seq, &w.id, &w.version, &w.digest, &w.created, &w.due, &w.terms, &w.input, &w.file, &w.attempts)
}

func (w *leasedRow) lease(db *DB, h *held) (l store.Lease, err error) {
	l = store.Lease{
		Task: store.Task{
			ID: task.ID(w.id), Namespace: h.lane.Namespace, Plugin: h.lane.Plugin, Priority: h.lane.Priority,
			Version: int(w.version), Created: moment(w.created),
		},
		Attempt: int(h.attempt),
	}
	db.fill(&l.Task, w.digest, w.due)
	if l.Terms, err = termsOf(w.terms); err != nil {
		return l, err
	}
	if l.Past, err = attemptsOf(w.attempts.String); err != nil {
		return l, err
	}
	l.Input, err = db.bodies.read(w.input, w.file)
	return l, err
}

// fill gives a task what columns have as numbers.
func (db *DB) fill(t *store.Task, digest, due sql.NullInt64) {
	if digest.Valid {
		t.Digest = db.digestOf(digest.Int64)
	}
	if due.Valid {
		t.Due = moment(due.Int64)
	}
}

func (db *DB) digestOf(n int64) task.Digest {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.digests.digest[n]
}

func (db *DB) pluginOf(number int64) *plugin {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.plugins.number[number]
}

func termsOf(text string) (t task.Terms, err error) {
	if text == "" {
		return t, nil
	}
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return t, fmt.Errorf("read terms: %w", err)
	}
	return t, nil
}

// selectRecords reads all that is known of tasks but whether they run, in the order of the
// list. The second and the third parameter say whether inputs and outputs are wanted.
const selectRecords = `
	SELECT t.seq, t.id, t.plugin, t.priority, t.version, t.digest, t.created_us, t.due_us, t.terms,
		iif(?2, t.input, NULL), coalesce(length(t.input), i.bytes), i.file,
		r.attempts,
		w.failed, w.due_us, w.seq IS NOT NULL AND w.ord IS NULL,
		e.state, e.ended_us, e.expires_us, e.attempt, e.begun_us, e.version, e.digest, e.fuel, e.queue_ns, e.run_ns,
		iif(?3, e.output, NULL), coalesce(length(e.output), o.bytes, 0), o.file
	FROM json_each(?1) j CROSS JOIN tasks t ON t.seq = j.value
	LEFT JOIN tries r ON r.seq = t.seq
	LEFT JOIN waits w ON w.seq = t.seq
	LEFT JOIN ends e ON e.seq = t.seq
	LEFT JOIN files i ON t.input IS NULL AND i.seq = t.seq AND i.part = 0
	LEFT JOIN files o ON e.output IS NULL AND e.state = 4 AND o.seq = t.seq AND o.part = 1`

// Read implements store.Tasks.
func (db *DB) Read(ctx context.Context, ids []task.ID, parts store.Parts) ([]store.Record, error) {
	records := make([]store.Record, len(ids))
	at := make(map[int64][]int, len(ids))
	var seqs []int64
	for i, id := range ids {
		if seq, ok := seqOf(id); ok {
			if at[seq] == nil {
				seqs = append(seqs, seq)
			}
			at[seq] = append(at[seq], i)
		}
	}
	err := db.records(ctx, seqs, parts, func(seq int64, r store.Record) {
		for _, i := range at[seq] {
			if ids[i] == r.ID {
				records[i] = r
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read tasks: %w", err)
	}
	return records, nil
}

// records reads tasks, and gives each that is there.
func (db *DB) records(ctx context.Context, seqs []int64, parts store.Parts, each func(int64, store.Record)) error {
	const tries = 3
	for try := 1; len(seqs) > 0; try++ {
		moved, err := db.recordsOnce(ctx, seqs, parts, each)
		if err == nil && len(moved) > 0 && try == tries {
			err = wrong("the file of an input or output is not there, of the task numbered %d", moved[0])
		}
		if err != nil {
			return err
		}
		seqs = moved
	}
	return ended(ctx)
}

// recordsOnce does that but for those of which a file was removed after its row was read:
// the row says something else by now.
//
// Whether a task runs is only known in memory. That is looked at first, and what the
// database says of an end or of a wait came later, so that nobody sees a state go back:
// what was leased and has not ended was running when it was looked at.
func (db *DB) recordsOnce(ctx context.Context, seqs []int64, parts store.Parts, each func(int64, store.Record)) (moved []int64, err error) {
	run := db.running(seqs)
	rows, err := db.selects[selectRecords].QueryContext(ctx, list(seqs), parts&store.WithInput != 0, parts&store.WithOutput != 0)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var row recordRow
		if err := row.scan(rows); err != nil {
			return nil, err
		}
		r, err := row.record(db, run[row.seq], parts)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			moved = append(moved, row.seq)
		case err != nil:
			return nil, fmt.Errorf("task %s: %w", row.id, err)
		default:
			each(row.seq, r)
		}
	}
	return moved, rows.Err()
}

// recordRow is a row of selectRecords.
type recordRow struct {
	seq, plugin, priority, version, created             int64
	id, terms                                           string
	digest, due, inputFile                              sql.NullInt64
	input, output                                       []byte
	inputBytes, outputBytes                             int64
	attempts                                            sql.NullString
	failed, wake                                        sql.NullInt64
	waits                                               bool
	state, ended, expires, attempt, begun               sql.NullInt64
	ranVersion, ranDigest, fuel, queue, run, outputFile sql.NullInt64
}

func (w *recordRow) scan(rows *sql.Rows) error {
	return rows.Scan(
		&w.seq, &w.id, &w.plugin, &w.priority, &w.version, &w.digest, &w.created, &w.due, &w.terms,
		&w.input, &w.inputBytes, &w.inputFile,
		&w.attempts,
		&w.failed, &w.wake, &w.waits,
		&w.state, &w.ended, &w.expires, &w.attempt, &w.begun, &w.ranVersion, &w.ranDigest, &w.fuel, &w.queue, &w.run,
		&w.output, &w.outputBytes, &w.outputFile,
	)
}

// record is the Record of a row.
func (w *recordRow) record(db *DB, runs bool, parts store.Parts) (r store.Record, err error) {
	n := db.pluginOf(w.plugin).name
	r = store.Record{
		Task: store.Task{
			ID: task.ID(w.id), Namespace: n.namespace, Plugin: n.plugin, Priority: int(w.priority), Version: int(w.version), Created: moment(w.created),
		},
		InputBytes: w.inputBytes, OutputBytes: w.outputBytes,
	}
	db.fill(&r.Task, w.digest, w.due)
	if r.Terms, err = termsOf(w.terms); err != nil {
		return r, err
	}
	if r.Attempts, err = attemptsOf(w.attempts.String); err != nil {
		return r, err
	}
	switch {
	case w.state.Valid:
		r.State = states[w.state.Int64]
		r.Ended, r.Expires = moment(w.ended.Int64), moment(w.expires.Int64)
		if w.attempt.Valid {
			r.Attempts = remember(r.Attempts, w.last(db))
		}
	case runs:
		r.State = task.Running
	case w.waits && w.failed.Int64 != 0:
		r.State, r.Due = task.Failed, moment(w.wake.Int64)
	case w.waits:
		r.State = task.Scheduled
	default:
		r.State = task.Queued
	}
	if parts&store.WithInput != 0 {
		if r.Input, err = db.bodies.read(w.input, w.inputFile); err != nil {
			return r, err
		}
	}
	if parts&store.WithOutput != 0 && r.State == task.Succeeded {
		r.Output, err = db.bodies.read(w.output, w.outputFile)
	}
	return r, err
}

// last is the attempt that succeeded.
func (w *recordRow) last(db *DB) store.Attempt {
	a := store.Attempt{
		Number: int(w.attempt.Int64), Begun: moment(w.begun.Int64), Ended: moment(w.ended.Int64), Version: int(w.ranVersion.Int64),
		Fuel: w.fuel.Int64, Queue: time.Duration(w.queue.Int64), Run: time.Duration(w.run.Int64),
	}
	if w.ranDigest.Valid {
		a.Digest = db.digestOf(w.ranDigest.Int64)
	}
	return a
}

// running tells which of the tasks are in the hands of workers.
func (db *DB) running(seqs []int64) map[int64]bool {
	run := make(map[int64]bool)
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, seq := range seqs {
		if h := db.held[seq]; h != nil && (h.phase != leasing || h.again) {
			run[seq] = true
		}
	}
	return run
}
