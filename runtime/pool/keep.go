package pool

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Run looks after the instances until ctx ends or the pool closes, and returns nil when
// all it started has ended. Each beat it builds up to Min, closes what is idle, replaces
// what is old, one at a time, adjusts the size, trims and probes. It is called once.
// Without it the pool lends, but nothing of this happens.
func (p *Pool[T]) Run(ctx context.Context) error {
	var probes sync.WaitGroup
	defer probes.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.life, cancel)()

	p.mu.Lock()
	p.nextProbe = time.Now().Add(jittered(p.options.ProbeEvery))
	p.growLocked()
	p.mu.Unlock()
	done := ctx.Done()
	beat := time.NewTicker(p.options.Beat)
	defer beat.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-beat.C:
			p.beat()
			p.trim()
			p.probe(ctx, &probes)
		}
	}
}

func (p *Pool[T]) beat() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.now = time.Now()
	p.sizer.beat(p.now)
	if p.line.length > 0 && p.work.Calls == p.callsAtBeat {
		// Nobody came back. Loans that wait on the host for long would tell of it only
		// when they end, so one more is tried.
		p.sizer.ask(len(p.items) + 1)
	}
	p.callsAtBeat = p.work.Calls
	p.surplus = len(p.ready) == 0 && p.stayingLocked() > p.sizer.size

	gone := p.idleLocked()
	if it := p.renewLocked(); it != nil {
		gone = append(gone, it)
	}
	p.growLocked()
	size := p.sizer.size
	p.mu.Unlock()
	if p.options.OnSize != nil {
		p.options.OnSize(size)
	}
	for _, it := range gone {
		p.bury(it)
	}
}

// stayingLocked is how many are alive and known to stay.
func (p *Pool[T]) stayingLocked() int {
	n := 0
	for _, it := range p.items {
		if it.Cause == "" && !it.heir {
			n++
		}
	}
	return n
}

// idleLocked retires what has sat unused for too long, but for Min.
func (p *Pool[T]) idleLocked() (gone []*item[T]) {
	spare := p.stayingLocked() - p.options.Min
	p.ready = slices.DeleteFunc(p.ready, func(it *item[T]) bool {
		if len(gone) >= spare || p.now.Sub(it.Used) < it.idle {
			return false
		}
		p.retireLocked(it, Idle)
		gone = append(gone, it)
		return true
	})
	return gone
}

// renewLocked sees to one item that has become old. It is built anew before the old
// one goes; where there is no room for both, the old one goes first, and is returned
// if it can go now.
func (p *Pool[T]) renewLocked() (gone *item[T]) {
	if p.renewing || p.pausedLocked() {
		return nil
	}
	i := slices.IndexFunc(p.items, func(it *item[T]) bool {
		return !it.old.IsZero() && !p.now.Before(it.old) && !it.heir && it.Cause == "" && it.State != Building
	})
	switch {
	case i < 0:
		return nil
	case len(p.items) < p.options.Max:
		p.beginLocked(Renewal, p.items[i])
		return nil
	}
	it := p.items[i]
	if it.State != Ready {
		it.Cause = Age // when it comes back
		return nil
	}
	p.takeLocked(it)
	p.retireLocked(it, Age)
	return it
}

// takeLocked takes an item out of the ready ones.
func (p *Pool[T]) takeLocked(it *item[T]) {
	i := slices.Index(p.ready, it)
	p.ready = slices.Delete(p.ready, i, i+1)
}

// putBackLocked ends what was done with an idle item, which stays as idle as it was,
// and reports whether it is to be buried.
func (p *Pool[T]) putBackLocked(it *item[T], cause Cause) (gone bool) {
	switch {
	case p.closed:
		cause = Closed
	case cause != "":
	case it.Cause != "":
		cause = it.Cause
	case p.line.length > 0:
		p.offerLocked(it)
		return false
	default:
		it.State = Ready
		i := slices.IndexFunc(p.ready, func(other *item[T]) bool { return other.place > it.place })
		if i < 0 {
			i = len(p.ready)
		}
		p.ready = slices.Insert(p.ready, i, it)
		return false
	}
	p.retireLocked(it, cause)
	return true
}
