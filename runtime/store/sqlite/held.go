package sqlite

import (
	"strconv"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
)

// held is a task that a worker has. The lease, and what is read only, aside, it is guarded
// by DB.mu.
type held struct {
	entry
	lane  *lane
	lease *leaseRow
	fresh *store.Task // as it was submitted; nil: it has to be read
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
	h.fresh = x.db.fresh.tasks[e.seq]
	x.db.held[e.seq] = h
	x.db.mu.Unlock()
	x.lanes[l]--
	x.taken = append(x.taken, h)
	x.move(l.plugin, e.seq, queued, running)
	return h
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
