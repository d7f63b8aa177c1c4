package pool

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"
)

// How long no build begins after one that failed: it doubles from the first to the last.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 30 * time.Second
)

var errExited = errors.New("the constructor ended its goroutine")

// growLocked begins the builds that are wanted: for those in line up to the size, and
// up to Min for those to come.
func (p *Pool[T]) growLocked() {
	for !p.closed && len(p.items) < p.options.Max && p.wantingLocked() {
		why := WarmUp
		if p.line.length > p.building {
			why = Demand
		}
		p.beginLocked(why, nil)
	}
}

func (p *Pool[T]) wantingLocked() bool {
	short := p.line.length > p.building
	if short {
		p.sizer.ask(p.sizer.target())
	}
	alive := len(p.items)
	switch {
	case short && alive == p.ending: // nobody else could serve them
		return true
	case p.pausedLocked():
		return false
	default:
		return alive < p.options.Min || short && alive < p.sizer.size
	}
}

// pausedLocked tells whether a build failed a short while ago.
func (p *Pool[T]) pausedLocked() bool { return p.pause > 0 && time.Now().Before(p.resume) }

// spareLocked begins a build that nobody waits for yet, if there is room for it.
func (p *Pool[T]) spareLocked() {
	if !p.closed && p.building+len(p.ready) == 0 && len(p.items) < p.sizer.size && !p.pausedLocked() {
		p.beginLocked(Spare, nil)
	}
}

// beginLocked begins a build, to take the place of an item that has become old, or of
// nobody.
func (p *Pool[T]) beginLocked(why Why, ancient *item[T]) {
	p.ids++
	it := &item[T]{
		Life: Life{ID: p.ids, State: Building, Why: why, Born: time.Now()}, pool: p, ancient: ancient,
		idle: jittered(p.options.Idle),
	}
	if age := p.options.Age; age > 0 {
		it.old = it.Born.Add(jittered(age))
	}
	if ancient != nil {
		ancient.heir = true
		p.renewing = true
	}
	p.items = append(p.items, it)
	p.building++
	go p.build(it)
}

// build does not lose its place when the constructor panics or ends the goroutine.
func (p *Pool[T]) build(it *item[T]) {
	err := errExited
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the constructor panicked: %v\n%s", v, debug.Stack())
		}
		p.built(it, err)
	}()
	it.instance, err = p.construct(p.life)
}

func (p *Pool[T]) built(it *item[T], err error) {
	p.mu.Lock()
	p.now = time.Now()
	took := p.now.Sub(it.Born)
	p.building--
	p.births.Time += took
	var gone *item[T]
	if err == nil {
		it.Birth, it.Used = took, p.now
		gone = p.bornLocked(it)
	} else {
		p.stillbornLocked(it, err)
	}
	p.mu.Unlock()
	if gone != nil {
		p.bury(gone)
	}
}

// bornLocked takes an item in, and returns one that is to be buried for it.
func (p *Pool[T]) bornLocked(it *item[T]) (gone *item[T]) {
	p.births.Built++
	p.births.By[it.Why]++
	p.births.Err = nil
	p.pause = 0
	ancient := it.ancient
	it.ancient = nil
	if ancient != nil {
		p.renewing = false
	}
	if p.closed {
		p.retireLocked(it, Closed)
		return it
	}
	p.offerLocked(it)
	if ancient == nil {
		return nil
	}
	if i := slices.Index(p.ready, ancient); i >= 0 {
		p.ready = slices.Delete(p.ready, i, i+1)
		p.retireLocked(ancient, Age)
		return ancient
	}
	if ancient.Cause == "" {
		ancient.Cause = Age // when it comes back
	}
	return nil
}

// stillbornLocked answers for a build that failed.
func (p *Pool[T]) stillbornLocked(it *item[T], err error) {
	p.births.Failed++
	p.births.Err = err
	p.pause = min(max(2*p.pause, firstPause), lastPause)
	p.resume = p.now.Add(jittered(p.pause))
	p.removeLocked(it)
	if it.ancient != nil {
		p.renewing = false
		it.ancient.heir = false // it stays for now
	}
	if p.line.length > 0 && len(p.items)-p.building-p.ending == 0 {
		p.line.serve(Loan[T]{}, err)
	}
	p.growLocked()
	p.settleLocked()
}

// retireLocked takes an item that is nowhere else out of use. It is to be buried next,
// without the lock.
func (p *Pool[T]) retireLocked(it *item[T], cause Cause) {
	it.State, it.Cause = Ending, cause
	p.ending++
}

// bury destroys what was taken out of use. Its place is free only then, also when
// destroy panics.
func (p *Pool[T]) bury(it *item[T]) {
	defer func() {
		life := p.buried(it)
		if p.options.OnEnd != nil {
			p.options.OnEnd(life)
		}
	}()
	p.destroy(it.instance)
}

func (p *Pool[T]) buried(it *item[T]) Life {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = time.Now()
	p.ending--
	p.removeLocked(it)

	it.State, it.Died = Ended, p.now
	p.deaths.By[it.Cause]++
	p.deaths.Calls += it.Calls
	p.deaths.Lived += it.lived(p.now)
	if len(p.past) == keptLives {
		p.past = slices.Delete(p.past, 0, 1)
	}
	p.past = append(p.past, it.Life)
	var nothing T
	it.instance = nothing // old Loans and ready's spare room may still point to the item

	before := p.building
	p.growLocked()
	if p.building == before && it.Cause.replaced() && !it.heir && len(p.items) < p.sizer.size && !p.closed && !p.pausedLocked() {
		p.beginLocked(Replacement, nil)
	}
	p.settleLocked()
	return it.Life
}

func (p *Pool[T]) removeLocked(it *item[T]) {
	i := slices.Index(p.items, it)
	last := len(p.items) - 1
	p.items[i], p.items[last] = p.items[last], nil
	p.items = p.items[:last]
}
