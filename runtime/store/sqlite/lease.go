package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Lease implements store.Tasks. What was leased is a row for all of it, which is there for
// one reason: that attempts are counted which a crash cuts off.
func (db *DB) Lease(ctx context.Context, wants []store.Want, until time.Time) ([]store.Lease, error) {
	var from []*lane
	rows := 0
	db.mu.Lock()
	for _, w := range wants {
		var l *lane
		if p := db.plugins.name[name{w.Namespace, w.Plugin}]; p != nil {
			l = db.lanes[laneKey{p.number, w.Priority}]
		}
		if l != nil {
			rows += int(min(l.waiting, int64(w.Most)))
		}
		from = append(from, l)
	}
	db.mu.Unlock()
	if rows == 0 {
		return nil, ended(ctx)
	}
	var taken []*held
	err := db.change(ctx, leases, rows, func(x *tx) error {
		taken = taken[:0]
		for i, l := range from {
			if l == nil {
				continue
			}
			entries, err := l.take(x, wants[i].Most)
			if err != nil {
				return err
			}
			x.lanes[l] += 0 // which is undone
			for _, e := range entries {
				taken = append(taken, x.hold(l, e, until))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("lease: %w", err)
	}
	leased, err := db.leased(taken)
	if err != nil {
		// Nobody knows of them: they go back, or their leases run out.
		_ = db.change(context.WithoutCancel(ctx), finishes, len(taken), func(x *tx) error {
			for _, h := range taken {
				if x.holder(h.seq) == h {
					x.giveBack(h)
				}
			}
			return nil
		})
		return nil, fmt.Errorf("lease: %w", err)
	}
	return leased, nil
}

// giveBack ends a lease as if it had never been.
func (x *tx) giveBack(h *held) {
	x.rewrite = append(x.rewrite, h.lease)
	x.back(h, h.attempt)
}

// Extend implements store.Tasks. It writes nothing: no lease outlives the process.
func (db *DB) Extend(ctx context.Context, leases []store.Held, until time.Time) (lost []task.ID, err error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, l := range leases {
		seq, _ := seqOf(l.ID)
		if h := db.held[seq]; h != nil && h.phase == holding && h.attempt == int64(l.Attempt) {
			h.until = until
		} else {
			lost = append(lost, l.ID)
		}
	}
	return lost, nil
}

const updateReady = `UPDATE ready SET attempt = ?4 WHERE plugin = ?1 AND priority = ?2 AND ord = ?3`

// Expire implements store.Tasks.
func (db *DB) Expire(ctx context.Context, now time.Time) (int, error) {
	ranOut := func(h *held) bool { return h.phase == holding && !h.until.After(now) }
	n := 0
	db.mu.Lock()
	for _, h := range db.held {
		if ranOut(h) {
			n++
		}
	}
	db.mu.Unlock()
	if n == 0 {
		return 0, ended(ctx)
	}
	err := db.change(ctx, others, 2*n, func(x *tx) error {
		n = 0
		var out []*held
		db.mu.Lock()
		for _, h := range db.held {
			if ranOut(h) {
				h.phase = leaving // from here on it cannot be extended
				out = append(out, h)
			}
		}
		db.mu.Unlock()
		for _, h := range out {
			x.back(h, h.attempt+1)
		}
		for _, h := range out {
			n++
			if err := x.note(h.seq, cutOff(h.attempt)); err != nil {
				return err
			}
			if _, err := x.exec(updateReady, h.lane.plugin.number, int64(h.lane.Priority), h.ord, h.attempt+1); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("expire leases: %w", err)
	}
	return n, nil
}
