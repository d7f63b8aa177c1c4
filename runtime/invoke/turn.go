package invoke

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/sched"
	"github.com/marketprism/prismrt/runtime/task"
)

// turn is a call's turn as the engine wants it: it tells faults from ends of contexts,
// and remembers how much fuel the scheduler knows of.
type turn struct {
	sched.Turn
	plugin string
	told   int64
}

var _ engine.Turn = (*turn)(nil)

func (t *turn) Slice(fuel int64) error {
	t.told += fuel
	return t.explain(t.Turn.Slice(fuel))
}

func (t *turn) explain(err error) error {
	if r, ok := errors.AsType[*sched.Refusal](err); ok {
		return refusal(r, t.plugin)
	}
	return err
}

// refusal gives words to why the scheduler does not let a call run.
func refusal(r *sched.Refusal, plugin string) *task.Fault {
	var f *task.Fault
	if r.Reason == sched.Late {
		f = task.Faultf(task.KindBusy, "there are too many calls to answer this one within its deadline: it would wait %v; send less, or try again later",
			r.Wait.Round(time.Millisecond))
	} else {
		f = task.Faultf(task.KindBusy, "too many calls wait for %s (%v); send less, or try again later", plugin, r.Reason)
	}
	f.RetryAfter = r.RetryAfter
	return f.CausedBy(r)
}

// birth is the turn in which an instance is made, begun when the guest first runs: until
// then it may wait for another one to be made.
type birth struct {
	sched.Turn
	ctx   context.Context
	flow  *sched.Flow
	begun bool
}

var _ engine.Turn = (*birth)(nil)

func (b *birth) Enter() error {
	if b.begun {
		return b.Turn.Enter()
	}
	if err := b.flow.Begin(b.ctx, &b.Turn, sched.Call{Aside: true}); err != nil {
		return fmt.Errorf("take a turn to make an instance: %w", err)
	}
	b.begun = true
	return nil
}

func (b *birth) end() {
	if b.begun {
		b.End(0)
	}
}
