package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"

	"modernc.org/sqlite"
)

// conn is the connection that writes, without database/sql between, which has something to
// do for every row. Statements are prepared when they are first used, and kept. One goroutine
// uses it at a time.
type conn struct {
	driver   driver.Conn
	prepared map[string]*statement
	bulks    map[*bulk]*batch
}

func newConn(c driver.Conn) *conn {
	return &conn{driver: c, prepared: make(map[string]*statement), bulks: make(map[*bulk]*batch)}
}

// close frees the statements. The connection itself belongs to database/sql.
func (c *conn) close() error {
	var errs []error
	for _, s := range c.prepared {
		errs = append(errs, s.Close())
	}
	clear(c.prepared)
	return errors.Join(errs...)
}

// statement is a driver's, with room for what it is given.
type statement struct {
	driver.Stmt
	args []driver.NamedValue
}

func (c *conn) prepare(text string) (*statement, error) {
	if s := c.prepared[text]; s != nil {
		return s, nil
	}
	s, err := c.driver.Prepare(text)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", text, err)
	}
	kept := &statement{Stmt: s}
	c.prepared[text] = kept
	return kept, nil
}

// bind puts values where the statement takes them from.
func (s *statement) bind(values []any) []driver.NamedValue {
	for i, v := range values {
		if i == len(s.args) {
			s.args = append(s.args, driver.NamedValue{Ordinal: i + 1})
		}
		s.args[i].Value = v
	}
	return s.args[:len(values)]
}

// exec runs a statement and returns how many rows it changed. Values are int64, string,
// []byte or nil, as the driver takes them.
func (c *conn) exec(text string, values ...any) (changed int64, err error) {
	s, err := c.prepare(text)
	if err != nil {
		return 0, err
	}
	return s.exec(s.bind(values))
}

func (s *statement) exec(args []driver.NamedValue) (changed int64, err error) {
	r, err := s.Stmt.(driver.StmtExecContext).ExecContext(context.Background(), args)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// query runs a statement and gives each of its rows, which is no longer good afterwards.
func (c *conn) query(text string, row func([]driver.Value) error, values ...any) error {
	s, err := c.prepare(text)
	if err != nil {
		return err
	}
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(context.Background(), s.bind(values))
	if err != nil {
		return err
	}
	columns := make([]driver.Value, len(rows.Columns()))
	for {
		if err = rows.Next(columns); err == nil {
			err = row(columns)
		}
		if err != nil {
			break
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, rows.Close())
}

// bulk is a table that takes many rows at a time.
type bulk struct {
	into    string // the table and, in parentheses, its columns
	columns int
}

// together is how many rows a statement inserts. More than eight saved nothing
// (BENCHMARKS.md, "Durable tasks: the database alone").
const together = 8

// batch has the rows that wait to be inserted into a bulk.
type batch struct {
	one, many string
	args      []driver.NamedValue // of up to so many rows
}

// insert adds a row to those that flush writes at the latest.
func (c *conn) insert(b *bulk, values ...any) error {
	rows := c.bulks[b]
	if rows == nil {
		row := "(" + strings.Repeat("?, ", b.columns-1) + "?)"
		rows = &batch{one: "INSERT INTO " + b.into + " VALUES " + row}
		rows.many = rows.one + strings.Repeat(", "+row, together-1)
		rows.args = make([]driver.NamedValue, 0, together*b.columns)
		c.bulks[b] = rows
	}
	if len(values) != b.columns {
		panic("sqlite: a row has other columns than its table")
	}
	for _, v := range values {
		rows.args = append(rows.args, driver.NamedValue{Ordinal: len(rows.args) + 1, Value: v})
	}
	if len(rows.args) < cap(rows.args) {
		return nil
	}
	s, err := c.prepare(rows.many)
	if err == nil {
		_, err = s.exec(rows.args)
	}
	rows.drop()
	return err
}

// flush writes what was inserted, so that it can be read.
func (c *conn) flush() error {
	for b, rows := range c.bulks {
		if len(rows.args) == 0 {
			continue
		}
		s, err := c.prepare(rows.one)
		for i := 0; err == nil && i < len(rows.args); i += b.columns {
			row := rows.args[i : i+b.columns]
			for k := range row {
				row[k].Ordinal = k + 1
			}
			_, err = s.exec(row)
		}
		rows.drop()
		if err != nil {
			return err
		}
	}
	return nil
}

// forget drops what was not written.
func (c *conn) forget() {
	for _, rows := range c.bulks {
		rows.drop()
	}
}

func (b *batch) drop() {
	clear(b.args)
	b.args = b.args[:0]
}

// written is how many pages the connection has written since it was last asked.
func (c *conn) written() int {
	n, _, err := c.driver.(sqlite.DBStatus).Status(sqlite.DBStatusCacheWrite, true)
	if err != nil {
		panic("sqlite: " + err.Error()) // the operation is not one that SQLite knows
	}
	return n
}
