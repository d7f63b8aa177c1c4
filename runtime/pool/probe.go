package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
)

var errProbeExited = errors.New("the probe ended its goroutine")

// probe begins to probe one idle item when it is time to: the one whose last probe is
// longest ago. It goes on beside what else Run does.
func (p *Pool[T]) probe(ctx context.Context, running *sync.WaitGroup) {
	if p.options.Probe == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.probing || p.now.Before(p.nextProbe) {
		return
	}
	p.nextProbe = p.now.Add(jittered(p.options.ProbeEvery))
	if len(p.ready) == 0 {
		return
	}
	it := slices.MinFunc(p.ready, func(a, b *item[T]) int { return a.probed.Compare(b.probed) })
	p.takeLocked(it)
	it.State, it.probed = Probing, p.now
	p.probing = true
	running.Go(func() { p.probeOne(ctx, it) })
}

func (p *Pool[T]) probeOne(ctx context.Context, it *item[T]) {
	err := errProbeExited
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the probe panicked: %v\n%s", v, debug.Stack())
		}
		p.probed(it, err, err != nil && ctx.Err() != nil)
	}()
	err = p.options.Probe(ctx, it.instance)
}

// probed takes an item back from its probe. One that was cut short says nothing of
// the instance's health, but may have left it in any state.
func (p *Pool[T]) probed(it *item[T], err error, cut bool) {
	p.mu.Lock()
	p.probing = false
	cause := Cause("")
	if err != nil {
		cause = Probe
	}
	if !cut {
		p.probes.Err = err
		if err == nil {
			p.probes.Passed++
			p.probes.InARow = 0
		} else {
			p.probes.Failed++
			p.probes.InARow++
		}
	}
	gone := p.putBackLocked(it, cause)
	p.mu.Unlock()

	if p.options.OnProbe != nil && !cut {
		p.options.OnProbe(err)
	}
	if gone {
		p.bury(it)
	}
}

// trim trims what has sat idle for long enough, one after the other, so that the
// others can be lent meanwhile.
func (p *Pool[T]) trim() {
	if p.options.Trim == nil {
		return
	}
	for p.trimOne() {
	}
}

func (p *Pool[T]) trimOne() bool {
	p.mu.Lock()
	i := slices.IndexFunc(p.ready, func(it *item[T]) bool {
		return !it.trimmed && p.now.Sub(it.Used) >= p.options.TrimAfter
	})
	if i < 0 {
		p.mu.Unlock()
		return false
	}
	it := p.ready[i]
	p.ready = slices.Delete(p.ready, i, i+1)
	it.State, it.trimmed = Probing, true
	p.mu.Unlock()

	p.options.Trim(it.instance)

	p.mu.Lock()
	gone := p.putBackLocked(it, "")
	p.mu.Unlock()
	if gone {
		p.bury(it)
	}
	return true
}
