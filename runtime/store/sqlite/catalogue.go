package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
)

var _ store.Catalogue = (*DB)(nil)

// Plugins implements store.Catalogue.
func (db *DB) Plugins(ctx context.Context) ([]store.Plugin, error) {
	rows, err := db.read.QueryContext(ctx, `
		SELECT p.namespace, p.name, p.live, p.release, p.created_us, p.updated_us, v.number, v.digest, v.bytes, v.abi, v.manifest, v.facts, v.created_us
		FROM plugins p JOIN versions v USING (namespace, name)
		ORDER BY p.namespace, p.name, v.number`)
	if err != nil {
		return nil, fmt.Errorf("read plugins: %w", err)
	}
	defer rows.Close()
	var plugins []store.Plugin
	for rows.Next() {
		var p store.Plugin
		var v store.Version
		var release []byte
		var created, updated, uploaded int64
		if err := rows.Scan(&p.Namespace, &p.Name, &p.Live, &release, &created, &updated,
			&v.Ref.Version, &v.Digest, &v.Bytes, &v.ABI, &v.Manifest, &v.Facts, &uploaded); err != nil {
			return nil, fmt.Errorf("read plugins: %w", err)
		}
		if err := json.Unmarshal(release, &p.Release); err != nil {
			return nil, fmt.Errorf("read plugins: the release of %s: %w", p.Name, err)
		}
		v.Ref.Namespace, v.Ref.Plugin = p.Namespace, p.Name
		p.CreatedAt, p.UpdatedAt, v.CreatedAt = moment(created), moment(updated), moment(uploaded)
		if n := len(plugins); n == 0 || plugins[n-1].Namespace != p.Namespace || plugins[n-1].Name != p.Name {
			plugins = append(plugins, p)
		}
		last := &plugins[len(plugins)-1]
		last.Versions = append(last.Versions, v)
	}
	return plugins, rows.Err()
}

// Add implements store.Catalogue.
func (db *DB) Add(ctx context.Context, v store.Version, r *store.Release) error {
	at := v.CreatedAt.UnixMicro()
	err := db.transact(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO plugins (namespace, name, live, created_us, updated_us) VALUES (?, ?, 0, ?, ?)
			ON CONFLICT DO UPDATE SET updated_us = excluded.updated_us`,
			v.Ref.Namespace, v.Ref.Plugin, at, at); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO versions (namespace, name, number, digest, bytes, abi, manifest, facts, created_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			v.Ref.Namespace, v.Ref.Plugin, v.Ref.Version, v.Digest, v.Bytes, v.ABI, string(v.Manifest), string(v.Facts), at); err != nil {
			return err
		}
		if r == nil {
			return nil
		}
		return setRelease(ctx, tx, v.Ref.Namespace, v.Ref.Plugin, *r, v.CreatedAt)
	})
	if err != nil {
		return fmt.Errorf("store version: %w", err)
	}
	return nil
}

// SetRelease implements store.Catalogue.
func (db *DB) SetRelease(ctx context.Context, namespace, name string, r store.Release, at time.Time) error {
	return changed(db.transact(ctx, func(tx *sql.Tx) error { return setRelease(ctx, tx, namespace, name, r, at) }))
}

func setRelease(ctx context.Context, tx *sql.Tx, namespace, name string, r store.Release, at time.Time) error {
	canary := r.Live
	if r.Canary != nil {
		canary = r.Canary.Version
	}
	release, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return hit(ctx, tx, `
		UPDATE plugins SET live = ?3, release = ?5, updated_us = ?6 WHERE namespace = ?1 AND name = ?2
		AND EXISTS (SELECT 1 FROM versions WHERE namespace = ?1 AND name = ?2 AND number = ?3)
		AND EXISTS (SELECT 1 FROM versions WHERE namespace = ?1 AND name = ?2 AND number = ?4)`,
		namespace, name, r.Live, canary, string(release), at.UnixMicro())
}

// Delete implements store.Catalogue.
func (db *DB) Delete(ctx context.Context, namespace, name string) error {
	return changed(db.transact(ctx, func(tx *sql.Tx) error {
		return hit(ctx, tx, `DELETE FROM plugins WHERE namespace = ?1 AND name = ?2`, namespace, name)
	}))
}

// hit runs a statement that must hit a row.
func hit(ctx context.Context, tx *sql.Tx, statement string, args ...any) error {
	res, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = store.ErrNotFound
	}
	return err
}

// changed is an error of a change of a plugin.
func changed(err error) error {
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("change plugin: %w", err)
	}
	return err
}
