package sqlite

import (
	"cmp"
	"database/sql/driver"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// tx is a transaction: of what is in memory, too, where a change is made when all is
// written, or undone when it is not.
type tx struct {
	*conn
	db      *DB
	careful bool // it has one change, and another try with it came to nothing

	counts  map[*plugin]*counts // what is added to those of the plugins
	lanes   map[*lane]int64     // that were touched, and what is added to their waiting
	changed []int64           // tasks that came into another state
	arrived bool
	last    task.ID // the greatest that was submitted

	taken    []*held     // that are leased
	left     []*held     // that no longer are
	done     []*held     // of those, they leave ready, too
	emptied  []*leaseRow // of which no task is held any more
	rewrite  []*leaseRow // of which some were given back
	named    []*plugin
	digested []task.Digest
}

// state is how a State is numbered in the database: never otherwise.
type state int

const (
	nothing state = iota - 1
	scheduled
	queued
	running
	failed
	succeeded
	dead
	canceled
	stateCount
)

// counts are how many tasks there are in each state.
type counts [stateCount]int64

func (c *counts) add(other *counts) {
	for s, n := range other {
		c[s] += n
	}
}

var states = [stateCount]task.State{task.Scheduled, task.Queued, task.Running, task.Failed, task.Succeeded, task.Dead, task.Canceled}

// held is a task that a worker has. The lease, and what is read only, aside, it is guarded
// by DB.mu.
type held struct {
	entry
	lane  *lane
	lease *leaseRow
	phase phase
	again bool // another worker had it until the same transaction
	until time.Time
}

// phase is how far a lease is.
type phase int

const (
	leasing phase = iota // not yet committed
	holding
	leaving // is given up by a transaction
)

// leaseRow is a row of leases.
type leaseRow struct {
	n    int64
	held []*held
	left int // of those, how many hold
}

func (x *tx) begin(w *writer, careful bool) {
	clear(x.lanes)
	clear(x.counts)
	*x = tx{
		conn: w.conn, db: w.db, careful: careful,
		lanes: x.lanes, counts: x.counts, changed: x.changed[:0], taken: x.taken[:0], left: x.left[:0], done: x.done[:0],
		emptied: x.emptied[:0], rewrite: x.rewrite[:0], named: x.named[:0], digested: x.digested[:0],
	}
	if x.lanes == nil {
		x.lanes, x.counts = make(map[*lane]int64), make(map[*plugin]*counts)
	}
}

// move notes that a task comes from one state to another.
func (x *tx) move(p *plugin, seq int64, from, to state) {
	x.count(p, from, -1)
	x.count(p, to, 1)
	x.changed = append(x.changed, seq)
}

func (x *tx) count(p *plugin, s state, by int64) {
	if s == nothing {
		return
	}
	c := x.counts[p]
	if c == nil {
		c = new(counts)
		x.counts[p] = c
	}
	c[s] += by
}

var intoReady = &bulk{"ready (plugin, priority, ord, seq, attempt, callback)", 6}

// enter puts a task at the end of its lane. moved tells that its place is not its seq: then
// that has to be in waits.
func (x *tx) enter(l *lane, seq, ord, attempt int64, callback bool) error {
	l.add(entry{ord: ord, seq: seq, attempt: attempt, callback: callback})
	x.lanes[l]++
	x.arrived = true
	return x.insert(intoReady, l.plugin.number, int64(l.Priority), ord, seq, attempt, number(callback))
}

// back puts a task that was held where it was in its lane.
func (x *tx) back(h *held, attempt int64) {
	e := h.entry
	e.attempt = attempt
	h.lane.add(e)
	x.lanes[h.lane]++
	x.arrived = true
	x.release(h)
	x.move(h.lane.plugin, h.seq, running, queued)
}

// leave takes a task that was held out of its lane.
func (x *tx) leave(h *held) {
	x.done = append(x.done, h)
	x.release(h)
}

// release ends a lease.
func (x *tx) release(h *held) {
	x.db.mu.Lock()
	h.phase = leaving
	x.db.mu.Unlock()
	x.left = append(x.left, h)
	if h.lease.left--; h.lease.left == 0 {
		x.emptied = append(x.emptied, h.lease)
	}
}

// hold begins a lease.
func (x *tx) hold(l *lane, e entry, until time.Time) *held {
	h := &held{entry: e, lane: l, until: until}
	x.db.mu.Lock()
	_, h.again = x.db.held[e.seq]
	x.db.held[e.seq] = h
	x.db.mu.Unlock()
	x.lanes[l]--
	x.taken = append(x.taken, h)
	x.move(l.plugin, e.seq, queued, running)
	return h
}

// leasedTogether is how many tasks a row of leases has at most.
const leasedTogether = 256

const (
	insertLease  = `INSERT INTO leases (n, tasks) VALUES (?, ?)`
	updateLease  = `UPDATE leases SET tasks = ?2 WHERE n = ?1`
	deleteLease  = `DELETE FROM leases WHERE n = ?`
	deleteReady  = `DELETE FROM ready WHERE plugin = ? AND priority = ? AND ord = ?`
	deleteReadys = `DELETE FROM ready WHERE plugin = ? AND priority = ? AND ord BETWEEN ? AND ?`
	deleteWait   = `DELETE FROM waits WHERE seq = ?`
)

// settle writes what was gathered of tasks, so that it can be read.
func (x *tx) settle() error {
	if err := x.flush(); err != nil {
		return err
	}
	return x.clearReady()
}

// end writes all that was gathered.
func (x *tx) end() error {
	if err := x.settle(); err != nil {
		return err
	}
	for _, r := range x.emptied {
		if _, err := x.exec(deleteLease, r.n); err != nil {
			return err
		}
	}
	for _, r := range x.rewrite {
		if r.left == 0 {
			continue
		}
		if _, err := x.exec(updateLease, r.n, r.text()); err != nil {
			return err
		}
	}
	for together := range slices.Chunk(x.taken, leasedTogether) {
		x.db.leaseRows++
		r := &leaseRow{n: x.db.leaseRows, held: slices.Clone(together), left: len(together)}
		for _, h := range together {
			h.lease = r
		}
		if _, err := x.exec(insertLease, r.n, r.text()); err != nil {
			return err
		}
	}
	return nil
}

// text has what is held of the row, as JSON.
func (r *leaseRow) text() string {
	text := []byte{'['}
	for _, h := range r.held {
		if h.phase == leaving { // which only the writer changes
			continue
		}
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(append(text, '['), h.seq, 10)
		text = append(strconv.AppendInt(append(text, ','), h.attempt, 10), ']')
	}
	return string(append(text, ']'))
}

// clearReady deletes what leaves it, neighbours at once.
func (x *tx) clearReady() error {
	slices.SortFunc(x.done, func(a, b *held) int {
		return cmp.Or(cmp.Compare(a.lane.plugin.number, b.lane.plugin.number), cmp.Compare(a.lane.Priority, b.lane.Priority), cmp.Compare(a.ord, b.ord))
	})
	for i := 0; i < len(x.done); {
		first, n := x.done[i], 1
		for i+n < len(x.done) && !x.careful && x.done[i+n].lane == first.lane && x.done[i+n].place == first.place+int64(n) {
			n++
		}
		changed, err := int64(0), error(nil)
		if n == 1 {
			changed, err = x.exec(deleteReady, first.lane.plugin.number, int64(first.lane.Priority), first.ord)
		} else {
			changed, err = x.exec(deleteReadys, first.lane.plugin.number, int64(first.lane.Priority), first.ord, x.done[i+n-1].ord)
		}
		if err != nil {
			return err
		}
		if changed != int64(n) {
			return wrong("%d tasks that ended were %d in ready", n, changed)
		}
		i += n
	}
	x.done = x.done[:0]
	return nil
}

// undo puts back what is in memory.
func (x *tx) undo() {
	for l := range x.lanes {
		l.reset()
	}
	x.db.mu.Lock()
	defer x.db.mu.Unlock()
	for _, h := range x.taken {
		delete(x.db.held, h.seq)
	}
	for _, h := range x.left {
		h.phase = holding
		h.lease.left++
		x.db.held[h.seq] = h
	}
	for _, p := range x.named {
		maps.DeleteFunc(x.db.lanes, func(at laneKey, _ *lane) bool { return at.plugin == p.number })
		delete(x.db.plugins.number, p.number)
		delete(x.db.plugins.name, p.name)
	}
	for _, d := range x.digested {
		delete(x.db.digests.digest, x.db.digests.number[d])
		delete(x.db.digests.number, d)
	}
}

// publish shows what was written to all others.
func (x *tx) publish() {
	db := x.db
	db.mu.Lock()
	defer db.mu.Unlock()
	for p, n := range x.counts {
		p.counts.add(n)
		db.counts.add(n)
	}
	for l, n := range x.lanes {
		l.waiting += n
	}
	for _, h := range x.left {
		if db.held[h.seq] == h {
			delete(db.held, h.seq)
		}
	}
	for _, h := range x.taken {
		h.phase = holding
	}
	db.last = max(db.last, x.last)
	if len(db.watched) > 0 {
		for _, seq := range x.changed {
			if w := db.watched[seq]; w != nil {
				close(w.changed)
				delete(db.watched, seq)
			}
		}
	}
	if x.arrived {
		close(db.arrived)
		db.arrived = make(chan struct{})
	}
}

// holds tells whether somebody has a task, or is to get it.
func (db *DB) holds(seq int64) bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	h := db.held[seq]
	return h != nil && h.phase != leaving
}

// hands tells whether a lease is not lost yet.
func (db *DB) hands(h *held) bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.held[h.seq] == h && h.phase == holding
}

// holder returns the lease of a task, nil for none.
func (x *tx) holder(seq int64) *held {
	x.db.mu.Lock()
	defer x.db.mu.Unlock()
	if h := x.db.held[seq]; h != nil && h.phase != leaving {
		return h
	}
	return nil
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

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

// name is what a plugin is known by.
type name struct{ namespace, plugin string }

// plugin is a plugin that tasks were submitted to.
type plugin struct {
	name
	number int64
	counts counts // guarded by DB.mu
}

// plugins are all of them, guarded by DB.mu.
type plugins struct {
	name   map[name]*plugin
	number map[int64]*plugin
}

func (p *plugins) add(n name, number int64) *plugin {
	one := &plugin{name: n, number: number}
	p.name[n], p.number[number] = one, one
	return one
}

// digests are the digests of versions and their numbers, guarded by DB.mu.
type digests struct {
	number map[task.Digest]int64
	digest map[int64]task.Digest
}

// plugin returns a plugin, giving it a number as needed.
func (x *tx) plugin(n name) (*plugin, error) {
	x.db.mu.Lock()
	p := x.db.plugins.name[n]
	next := int64(len(x.db.plugins.name)) + 1
	x.db.mu.Unlock()
	if p != nil {
		return p, nil
	}
	if _, err := x.exec(`INSERT INTO names (plugin, namespace, name) VALUES (?, ?, ?)`, next, n.namespace, n.plugin); err != nil {
		return nil, err
	}
	x.db.mu.Lock()
	defer x.db.mu.Unlock()
	p = x.db.plugins.add(n, next)
	x.named = append(x.named, p)
	return p, nil
}

// digest returns the number of a digest, giving it one as needed, and nil for none.
func (x *tx) digest(d task.Digest) (any, error) {
	if d == "" {
		return nil, nil
	}
	x.db.mu.Lock()
	n, known := x.db.digests.number[d]
	next := int64(len(x.db.digests.number)) + 1
	x.db.mu.Unlock()
	if known {
		return n, nil
	}
	if _, err := x.exec(`INSERT INTO digests (n, digest) VALUES (?, ?)`, next, string(d)); err != nil {
		return nil, err
	}
	x.db.mu.Lock()
	defer x.db.mu.Unlock()
	x.db.digests.number[d], x.db.digests.digest[next] = next, d
	x.digested = append(x.digested, d)
	return next, nil
}

// lane returns the lane of a plugin and a priority.
func (db *DB) lane(plugin int64, priority int) *lane {
	db.mu.Lock()
	defer db.mu.Unlock()
	at := laneKey{plugin, priority}
	l := db.lanes[at]
	if l == nil {
		p := db.plugins.number[plugin]
		l = &lane{Lane: store.Lane{Namespace: p.namespace, Plugin: p.name.plugin, Priority: priority}, plugin: p}
		db.lanes[at] = l
	}
	return l
}

// laneKey is what a lane is known by.
type laneKey struct {
	plugin   int64
	priority int
}
