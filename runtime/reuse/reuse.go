// Package reuse keeps values for another use, as sync.Pool does, and counts what
// comes of it: how many were taken, how many had to be made, and how much memory they
// hold, in use or kept.
package reuse

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Pool keeps values of T. It is safe for concurrent use. Like those of a sync.Pool,
// values that nobody uses are dropped by the garbage collector.
type Pool[T any] struct {
	name      string
	construct func() T
	most      int

	pool                         sync.Pool
	gets, misses, dropped, alive atomic.Int64
	bytes                        atomic.Int64
}

// Item is a value that is in use.
type Item[T any] struct {
	Value T

	uses int // since the last that were added to gets
	size int // as it is counted in Pool.bytes

	held *atomic.Int64 // the same, for when the item is gone
}

// New makes a pool. construct makes a value; one that holds more than most bytes is not kept.
func New[T any](name string, most int, construct func() T) *Pool[T] {
	return &Pool[T]{name: name, construct: construct, most: most}
}

// together is how many uses of an item are counted at once: an addition that all cores
// contend for would cost as much as the rest of a Get.
const together = 64

// Get takes a value that was kept, or makes one.
func (p *Pool[T]) Get() *Item[T] {
	it, _ := p.pool.Get().(*Item[T])
	if it == nil {
		it = p.fresh()
	}
	if it.uses++; it.uses == together {
		p.gets.Add(together)
		it.uses = 0
	}
	return it
}

// fresh makes an item, and sees to it that it is counted no more when it is collected.
func (p *Pool[T]) fresh() *Item[T] {
	it := &Item[T]{Value: p.construct(), held: new(atomic.Int64)}
	p.misses.Add(1)
	p.alive.Add(1)
	runtime.AddCleanup(it, func(held *atomic.Int64) {
		p.alive.Add(-1)
		p.bytes.Add(-held.Load())
	}, it.held)
	return it
}

// Put ends the use of an item, whose value now holds that many bytes of memory.
func (p *Pool[T]) Put(it *Item[T], size int) {
	if size != it.size {
		p.bytes.Add(int64(size - it.size))
		it.held.Store(int64(size))
		it.size = size
	}
	if size > p.most {
		p.dropped.Add(1)
		p.gets.Add(int64(it.uses))
		return
	}
	p.pool.Put(it)
}

// Stats is a pool at a moment, and what it did since it was made.
type Stats struct {
	Name string

	// Gets is how many values were taken. It is behind by up to 63 for each that is alive,
	// and loses as many with one that is collected.
	Gets    int64
	Misses  int64 // of these, that had to be made
	Dropped int64 // too large to be kept

	Alive int64 // in use or kept, or dropped and not collected yet
	Bytes int64 // that these hold, as of the end of their last use
}

// Stats counts.
func (p *Pool[T]) Stats() Stats {
	misses := p.misses.Load()
	return Stats{
		Name: p.name, Gets: max(p.gets.Load(), misses), Misses: misses, Dropped: p.dropped.Load(),
		Alive: p.alive.Load(), Bytes: p.bytes.Load(),
	}
}
