package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Schedules implements store.Schedules.
func (db *DB) Schedules(ctx context.Context) ([]store.Schedule, error) {
	rows, err := db.read.QueryContext(ctx, `SELECT namespace, name, spec, created_us, updated_us, fired_us, last FROM schedules ORDER BY namespace, name`)
	if err != nil {
		return nil, fmt.Errorf("read schedules: %w", err)
	}
	defer rows.Close()
	var all []store.Schedule
	for rows.Next() {
		var s store.Schedule
		var created, updated int64
		var fired sql.NullInt64
		var last sql.NullString
		if err := rows.Scan(&s.Namespace, &s.Name, &s.Spec, &created, &updated, &fired, &last); err != nil {
			return nil, fmt.Errorf("read schedules: %w", err)
		}
		s.Created, s.Updated, s.Last = moment(created), moment(updated), task.ID(last.String)
		if fired.Valid {
			s.Fired = moment(fired.Int64)
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// PutSchedule implements store.Schedules.
func (db *DB) PutSchedule(ctx context.Context, s store.Schedule) error {
	return db.schedule(ctx, `
		INSERT INTO schedules (namespace, name, spec, created_us, updated_us) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET spec = excluded.spec, created_us = excluded.created_us, updated_us = excluded.updated_us`,
		s.Namespace, s.Name, string(s.Spec), s.Created.UnixMicro(), s.Updated.UnixMicro())
}

// Fire implements store.Schedules.
func (db *DB) Fire(ctx context.Context, namespace, schedule string, at time.Time, id task.ID) error {
	return db.schedule(ctx, `UPDATE schedules SET fired_us = ?3, last = ?4 WHERE namespace = ?1 AND name = ?2`, namespace, schedule, at.UnixMicro(), string(id))
}

// DeleteSchedule implements store.Schedules.
func (db *DB) DeleteSchedule(ctx context.Context, namespace, schedule string) error {
	return db.schedule(ctx, `DELETE FROM schedules WHERE namespace = ? AND name = ?`, namespace, schedule)
}

// schedule runs a statement that must hit a row.
func (db *DB) schedule(ctx context.Context, statement string, args ...any) error {
	err := db.transact(ctx, func(tx *sql.Tx) error { return hit(ctx, tx, statement, args...) })
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("change schedule: %w", err)
	}
	return err
}
