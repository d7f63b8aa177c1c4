package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
)

// What owes a callback has ended: CROSS has the index on callbacks give the order.
const selectCallbacks = `SELECT c.id, e.ended_us, c.tried, c.due_us, c.message
FROM callbacks AS c CROSS JOIN ends AS e ON e.seq = c.seq ORDER BY c.due_us, c.seq LIMIT ?`

// Callbacks implements store.Callbacks.
func (db *DB) Callbacks(ctx context.Context, now time.Time, most int) (due []store.Callback, next time.Time, err error) {
	rows, err := db.selects[selectCallbacks].QueryContext(ctx, int64(most)+1)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read callbacks: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var c store.Callback
		var ended, us int64
		if err := rows.Scan(&c.ID, &ended, &c.Tried, &us, &c.Message); err != nil {
			return nil, time.Time{}, fmt.Errorf("read callbacks: %w", err)
		}
		c.Ended, c.Due = moment(ended), moment(us)
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

const (
	ofThatEnd      = ` WHERE seq = ?1 AND EXISTS (SELECT 1 FROM ends WHERE seq = ?1 AND ended_us = ?2)`
	updateCallback = `UPDATE callbacks SET due_us = ?3, tried = ?4, message = ?5` + ofThatEnd
	dropCallback   = `DELETE FROM callbacks` + ofThatEnd
)

// RetryCallbacks implements store.Callbacks.
func (db *DB) RetryCallbacks(ctx context.Context, callbacks []store.Callback) error {
	err := db.change(ctx, others, len(callbacks), func(x *tx) error {
		for _, c := range callbacks {
			seq, _ := seqOf(c.ID)
			if _, err := x.exec(updateCallback, seq, c.Ended.UnixMicro(), c.Due.UnixMicro(), int64(c.Tried), c.Message); err != nil {
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
func (db *DB) DropCallbacks(ctx context.Context, callbacks []store.Callback) error {
	err := db.change(ctx, others, len(callbacks), func(x *tx) error {
		for _, c := range callbacks {
			seq, _ := seqOf(c.ID)
			if _, err := x.exec(dropCallback, seq, c.Ended.UnixMicro()); err != nil {
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
