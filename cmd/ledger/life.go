package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/marketprism/prismrt/cmd/internal/served"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
	"github.com/marketprism/prismrt/sdk/client"
)

// trial is a server on one data folder, over all its lives.
type trial struct {
	globals  *globals
	seed     uint64
	random   *rand.Rand
	book     *book
	data     string
	settings string // the file

	orders  sync.Map // by name
	names   atomic.Int64
	slowest time.Duration // until it was ready
	module  []byte
	begun   time.Time // its last life
	server  *served.Process
}

// newTrial makes a trial with its data in a folder; "": in one of its own, which end removes.
func newTrial(g *globals, data string) (t *trial, end func() error, err error) {
	t = &trial{globals: g, seed: g.Seed, data: data}
	if t.seed == 0 {
		t.seed = rand.Uint64()
	}
	t.random = rand.New(rand.NewPCG(t.seed, 0))
	if t.module, err = g.module(); err != nil {
		return nil, nil, err
	}
	if t.book, err = newBook(g.Book); err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "prismrt-ledger-")
	if err != nil {
		return nil, nil, errors.Join(err, t.book.close())
	}
	if data == "" {
		t.data = filepath.Join(dir, "data")
	}
	t.settings = filepath.Join(dir, "runtime.toml")
	end = func() error {
		if t.server != nil {
			t.server.Kill()
		}
		return errors.Join(os.RemoveAll(dir), t.book.close())
	}
	// The guest is to run, however long the machine takes for it.
	if err := os.WriteFile(t.settings, []byte("[default]\ntimeout = \"30s\"\n"), 0o600); err != nil {
		return nil, nil, errors.Join(err, end())
	}
	return t, end, nil
}

// argv starts the server, by a binary.
func (t *trial) argv(binary string) []string {
	return []string{binary, "serve", "--config", t.settings, "--listen", "127.0.0.1:0", "--data", t.data}
}

// start begins a life, and returns those who may use it.
func (t *trial) start(ctx context.Context, argv []string) (*callers, error) {
	t.begun = time.Now()
	var err error
	if t.server, err = served.Start(ctx, argv...); err != nil {
		return nil, err
	}
	t.slowest = max(t.slowest, time.Since(t.begun))
	t.book.note("started", t.server.PID)
	return newCallers(t.book, &t.orders, &t.names, t.server.Address), nil
}

// upload puts the guest where the tasks find it.
func (t *trial) upload(ctx context.Context) error {
	_, _, err := t.server.Push(ctx, plugin, t.module, client.PushOptions{})
	return err
}

// use has a server used for a while, and then something done to it while it still is.
func (t *trial) use(ctx context.Context, c *callers, of crowd, d time.Duration, then func() error) error {
	using, stop := context.WithCancel(ctx)
	defer stop()
	wait := c.all(using, of, t.random.Uint64())
	defer wait()
	defer stop()
	select {
	case <-time.After(d): // when it hits is the point
	case <-t.server.Done():
		return fmt.Errorf("the server ended by itself: %w%s", t.server.Exit(), t.server.Tail())
	case <-ctx.Done():
		return ctx.Err()
	}
	return then()
}

// kill ends a life the hard way.
func (t *trial) kill() {
	t.server.Kill()
	t.book.note("killed", t.server.PID)
}

// atLeast is how many tasks must have been acknowledged for an account to say something.
func (a *account) atLeast(tasks int) error {
	if a.Acknowledged < tasks {
		return fmt.Errorf("only %d tasks were acknowledged, too few to say anything", a.Acknowledged)
	}
	return nil
}

// close takes the account of a server that runs, has it end in good order, and looks whether
// its database is whole.
func (t *trial) close(ctx context.Context, c *callers, counted bool) (account, error) {
	begun := t.begun
	if !counted {
		begun = time.Time{}
	}
	a, err := c.take(ctx, t.server, begun)
	a.SlowestStart, a.Seed = t.slowest.Seconds(), t.seed
	if err != nil {
		return a, fmt.Errorf("%w%s", err, t.server.Tail())
	}
	c.http.CloseIdleConnections()
	return a, errors.Join(t.server.Stop(), t.whole(ctx))
}

// whole checks the database.
func (t *trial) whole(ctx context.Context) error {
	db, err := sql.Open("sqlite", filepath.Join(t.data, "prismrt.db"))
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // it is only read
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		return errors.Join(fmt.Errorf("the database is not whole: %s", verdict), err)
	}
	return nil
}

// report prints an account, and returns an error unless it holds.
func (a *account) report(t *terminal.IO, g *globals, what string) error {
	if g.JSON {
		if err := t.JSON(a); err != nil {
			return err
		}
	} else if _, err := fmt.Fprintf(t.Out, `%s
%9d tasks acknowledged
%9d results announced before the account was taken
%9d tasks canceled
%9d submissions not answered, and %v refused, by status
%9d tasks there of submissions that were not answered
%9d attempts cut off, %d tasks that ran again for that, and %d that were given up
%9d runs in the last life, each of them known
%8.2fs until the server was ready, at most
`, what, a.Acknowledged, a.Announced, a.Canceled, a.Unheard, a.Refused, a.Stray, a.CutOff, a.Repeated, a.GivenUp, a.Runs, a.SlowestStart); err != nil {
		return err
	}
	if a.Wrongs == 0 {
		return nil
	}
	for _, w := range a.Wrong {
		if _, err := fmt.Fprintf(t.Err, "DOES NOT HOLD: %s\n", w); err != nil {
			return err
		}
	}
	return fmt.Errorf("%d entries of the account do not hold (seed %d)", a.Wrongs, a.Seed)
}
