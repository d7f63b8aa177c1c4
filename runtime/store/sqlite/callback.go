package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

const selectCallbacks = `SELECT id, tried, due_us, message FROM callbacks ORDER BY due_us, seq LIMIT ?`

// Callbacks implements store.Callbacks.
func (db *DB) Callbacks(ctx context.Context, now time.Time, most int) (due []store.Callback, next time.Time, err error) {
	rows, err := db.selects[selectCallbacks].QueryContext(ctx, int64(most)+1)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read callbacks: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var c store.Callback
		var us int64
		if err := rows.Scan(&c.ID, &c.Tried, &us, &c.Message); err != nil {
			return nil, time.Time{}, fmt.Errorf("read callbacks: %w", err)
		}
		c.Due = moment(us)
		if len(due) == most || us > now.UnixMicro() {
			next = c.Due
			break
		}
		due = append(due, c)
	}
	if err := rows.Err(); err != nil {
		return nil, time.Time{}, fmt.Errorf("read callbacks: %w", err)
	}
	return due, next, nil
}

const updateCallback = `UPDATE callbacks SET due_us = ?2, tried = ?3, message = ?4 WHERE seq = ?1`

// RetryCallbacks implements store.Callbacks.
func (db *DB) RetryCallbacks(ctx context.Context, callbacks []store.Callback) error {
	err := db.change(ctx, others, len(callbacks), func(x *tx) error {
		for _, c := range callbacks {
			seq, _ := seqOf(c.ID)
			if _, err := x.exec(updateCallback, seq, c.Due.UnixMicro(), int64(c.Tried), c.Message); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note callbacks: %w", err)
	}
	return nil
}

// DropCallbacks implements store.Callbacks.
func (db *DB) DropCallbacks(ctx context.Context, ids []task.ID) error {
	err := db.change(ctx, others, len(ids), func(x *tx) error {
		for _, id := range ids {
			seq, _ := seqOf(id)
			if _, err := x.exec(deleteCallback, seq); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("drop callbacks: %w", err)
	}
	return nil
}
