package sqlite

import (
	"cmp"
	"maps"
	"slices"

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
	changed []int64             // tasks that came into another state
	arrived bool
	last    task.ID // the greatest that was submitted

	fresh    []*submission // that can be leased
	taken    []*held       // that are leased
	left     []*held       // that no longer are
	done     []*held       // of those, they leave ready, too
	emptied  []*leaseRow   // of which no task is held any more
	rewrite  []*leaseRow   // of which some were given back
	named    []*plugin
	digested []task.Digest
}

func (x *tx) begin(w *writer, careful bool) {
	x.conn, x.db, x.careful, x.arrived, x.last = w.conn, w.db, careful, false, ""
	if x.lanes == nil {
		x.lanes, x.counts = make(map[*lane]int64), make(map[*plugin]*counts)
	}
	clear(x.lanes)
	clear(x.counts)
	x.changed = x.changed[:0]
	x.fresh, x.taken, x.left, x.done = empty(x.fresh), empty(x.taken), empty(x.left), empty(x.done)
	x.emptied, x.rewrite, x.named, x.digested = empty(x.emptied), empty(x.rewrite), empty(x.named), empty(x.digested)
}

// empty keeps the room of a slice, and nothing that it has.
func empty[T any](s []T) []T {
	clear(s)
	return s[:0]
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

// enter puts a task into its lane. A place that is not its seq has to be in waits, too.
func (x *tx) enter(l *lane, seq, ord, attempt int64, callback bool) error {
	l.add(entry{ord: ord, seq: seq, attempt: attempt, callback: callback})
	x.lanes[l]++
	x.arrived = true
	return x.insert(intoReady, l.plugin.number, int64(l.Priority), ord, seq, attempt, number(callback))
}

// leasedTogether is how many tasks a row of leases has at most.
const leasedTogether = 256

const (
	insertLease = `INSERT INTO leases (n, tasks) VALUES (?, ?)`
	updateLease = `UPDATE leases SET tasks = ?2 WHERE n = ?1`
	deleteLease = `DELETE FROM leases WHERE n = ?`
	deleteReady = `DELETE FROM ready WHERE plugin = ? AND priority = ? AND ord BETWEEN ? AND ?`
	deleteWait  = `DELETE FROM waits WHERE seq = ?`
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
		last := x.done[i+n-1]
		changed, err := x.exec(deleteReady, first.lane.plugin.number, int64(first.lane.Priority), first.ord, last.ord)
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
	if len(db.fresh.tasks) > 0 {
		for _, seq := range x.changed {
			db.fresh.forget(seq)
		}
	}
	for _, s := range x.fresh {
		if db.held[s.seq] == nil { // by the same transaction
			db.fresh.add(s.seq, s.copy)
		}
	}
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

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
