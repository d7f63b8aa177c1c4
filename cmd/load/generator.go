package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	patience   = 10 * time.Second      // for the last answers of a generator
	afterError = 10 * time.Millisecond // a connection rests, lest errors be all that is made
)

// exchanger carries one request at a time.
type exchanger interface {
	exchange(ctx context.Context) (answer, error)
	giveUp() // fails the exchange under way and all to come
}

// generator makes requests from when it is made until stop.
type generator struct {
	tally *tally
	quit  chan struct{}
	done  sync.WaitGroup
	all   []exchanger
}

// stop makes no more requests and waits for the answers, though not for ever.
func (g *generator) stop() {
	close(g.quit)
	late := time.AfterFunc(patience, func() {
		for _, e := range g.all {
			e.giveUp()
		}
	})
	defer late.Stop()
	g.done.Wait()
}

func (g *generator) stopped() bool {
	select {
	case <-g.quit:
		return true
	default:
		return false
	}
}

// one makes a request that was due then.
func (g *generator) one(ctx context.Context, e exchanger, due time.Time, lag time.Duration) {
	a, err := e.exchange(ctx)
	g.tally.answered(due, lag, a, err)
	if err != nil {
		select {
		case <-time.After(afterError):
		case <-g.quit:
		}
	}
}

// closedLoop has each of the crowd make a request, wait for the answer, and make the
// next. A slow server gets fewer.
func closedLoop[E exchanger](ctx context.Context, crowd []E, t *tally) *generator {
	g := &generator{tally: t, quit: make(chan struct{}), all: exchangers(crowd)}
	for _, e := range crowd {
		g.done.Go(func() {
			for !g.stopped() && ctx.Err() == nil {
				t.due(true)
				g.one(ctx, e, time.Now(), 0)
			}
		})
	}
	return g
}

// openLoop makes so many requests a second, at random times that have nothing to do
// with the answers, as many callers do who know nothing of each other. One whose time
// comes while all of the crowd wait for answers is not made, and counted.
func openLoop[E exchanger](ctx context.Context, crowd []E, perSecond float64, random *rand.Rand, t *tally) *generator {
	g := &generator{tally: t, quit: make(chan struct{}), all: exchangers(crowd)}
	line := newWaiting(len(crowd))
	g.done.Go(func() {
		defer line.close()
		schedule(ctx, g.quit, perSecond, random, func(due time.Time) { t.due(line.send(due)) })
	})
	for _, e := range crowd {
		g.done.Go(func() {
			for due := range line.receive() {
				g.one(ctx, e, due, time.Since(due))
			}
		})
	}
	return g
}

// schedule calls due, with the time it is meant for, so many times a second on
// average until quit or ctx end: a Poisson process. When it wakes late it makes up
// for what it missed, so that the rate holds.
func schedule(ctx context.Context, quit <-chan struct{}, perSecond float64, random *rand.Rand, due func(time.Time)) {
	next := time.Now()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		next = next.Add(time.Duration(random.ExpFloat64() / perSecond * float64(time.Second)))
		alarm.Reset(time.Until(next))
		select {
		case <-alarm.C:
			due(next)
		case <-quit:
			return
		case <-ctx.Done():
			return
		}
	}
}

func exchangers[E exchanger](crowd []E) []exchanger {
	all := make([]exchanger, len(crowd))
	for i, e := range crowd {
		all[i] = e
	}
	return all
}
