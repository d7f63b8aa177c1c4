package main

import (
	"context"
	"errors"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/commandline"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

// users are who uses the server meanwhile.
type users struct {
	Callers int `default:"16" help:"How many submit singly. Two more submit in batches."`
}

func (u users) crowd() crowd { return crowd{singles: u.Callers, batches: 2, readers: 4, meddlers: 1} }

func (u users) check(times int) error {
	if times < 1 || u.Callers < 1 {
		return commandline.Misuse(errors.New("how often, and --callers, must be at least 1"))
	}
	return nil
}

// shortLives are those of a server that is ended at random.
type shortLives struct {
	Life time.Duration `default:"1.5s" help:"How long the server lives at most before that, from when it is ready."`
}

func (s shortLives) check() error {
	if s.Life < 100*time.Millisecond {
		return commandline.Misuse(errors.New("--life must be at least 100ms"))
	}
	return nil
}

// one is how long a life is.
func (s shortLives) one(t *trial) time.Duration {
	return 50*time.Millisecond + time.Duration(t.random.Int64N(int64(s.Life)))
}

// try makes a trial with its data in a folder, "": in one of its own, and prints the account.
func (g *globals) try(term *terminal.IO, data, what string, lived func(*trial) (account, error)) error {
	t, end, err := newTrial(g, data)
	if err != nil {
		return err
	}
	a, err := lived(t)
	if err := errors.Join(err, end()); err != nil {
		return err
	}
	if err := a.report(term, g, what); err != nil {
		return err
	}
	return a.enough()
}

// lives are those of a server on one data folder, one after the other.
type lives struct {
	times int
	doing string // to it, for the bar of progress

	start func(life int) (*callers, error) // also of the life after them, in which the account is taken
	end   func(c *callers) error           // uses the server, and ends it

	uncounted bool // the runs in the last life cannot be told from others
}

// all has them lived, and takes the account.
func (l lives) all(ctx context.Context, term *terminal.IO, t *trial) (account, error) {
	tick, done := term.Progress(l.times, l.doing)
	defer done()
	for life := range l.times {
		c, err := l.start(life)
		if err == nil && life == 0 {
			err = t.upload(ctx)
		}
		if err == nil {
			err = l.end(c)
		}
		if err != nil {
			return account{}, err
		}
		tick()
	}
	done()
	c, err := l.start(l.times)
	if err != nil {
		return account{}, err
	}
	return t.close(ctx, c, !l.uncounted)
}
