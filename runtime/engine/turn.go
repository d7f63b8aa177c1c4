package engine

import (
	"errors"

	"github.com/marketprism/prismrt/runtime/task"
)

// Turn is a guest's right to run, which it gives up and gets back as a scheduler
// wants. Its methods are called by the goroutine that the guest is on, and may block.
// A guest without a Turn runs when it likes.
type Turn interface {
	// Slice is called when a slice is used up, with the fuel burnt since the last
	// time. It lets others go before. After an error the guest is ended: with that
	// error where it is a *task.Fault, and otherwise the context has ended.
	Slice(fuel int64) error

	// Contended tells whether Slice is likely to let others go before.
	Contended() bool

	// Leave is called when the guest begins to wait on the host, and Enter when it has
	// something to do again, which fails as Slice does.
	Leave()
	Enter() error
}

// alone is the turn of a guest that nobody schedules.
type alone struct{}

func (alone) Slice(int64) error { return nil }
func (alone) Contended() bool   { return false }
func (alone) Leave()            {}
func (alone) Enter() error      { return nil }

func orAlone(t Turn) Turn {
	if t == nil {
		return alone{}
	}
	return t
}

// enter gets the turn, or notes why not and reports false.
func (c *call) enter() bool {
	err := c.turn.Enter()
	c.entered = err == nil
	c.refused(err)
	return c.entered
}

// refused notes why the scheduler ends the guest, where that is not the context's end.
func (c *call) refused(err error) {
	if f, ok := errors.AsType[*task.Fault](err); ok && c.stopped == nil {
		c.stopped = f
	}
}

// leave gives the turn up. Without it, it does nothing.
func (c *call) leave() {
	c.unwatch(unwatched)
	if c.entered {
		c.entered = false
		c.turn.Leave()
	}
}
