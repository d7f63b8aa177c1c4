package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// trouble is what the store refused last, since when it has done nothing.
type trouble struct {
	fault *task.Fault
	ends  bool      // it may be over by itself
	seen  time.Time // last
}

// troubleAge is for how long trouble counts that nobody has met since.
const troubleAge = 10 * time.Second

// storeFault notes that the store refused something, and why for the caller.
func (q *Queue) storeFault(err error) *task.Fault {
	f := task.Faultf(task.KindUnavailable, "the store of tasks does not answer as it should; what was asked may or may not have been done: ask again, with the same idempotency key")
	switch {
	case errors.Is(err, store.ErrFull):
		f = task.Faultf(task.KindUnavailable, "the disk is full, and no task is taken until there is room; try again later")
		f.RetryAfter = 10 * time.Second
	case errors.Is(err, store.ErrBroken):
		f = task.Faultf(task.KindUnavailable, "the disk failed, and no task is taken until the server is started again")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return task.FaultOf(err)
	}
	f = f.CausedBy(fmt.Errorf("store: %w", err))
	now := &trouble{fault: f, ends: !errors.Is(err, store.ErrBroken), seen: time.Now()}
	if before := q.trouble.Swap(now); before == nil || before.fault.Message != f.Message {
		q.options.Log.Error("the store of tasks fails", slog.Any("error", err))
		q.options.Publish(event.Event{Type: event.StoreFailed, Kind: f.Kind, Message: f.Message})
	}
	return f
}

// troubled is storeFault where there is no caller.
func (q *Queue) troubled(err error) { _ = q.storeFault(err) }

// storeWell notes that the store has stored something.
func (q *Queue) storeWell() {
	if q.trouble.Load() != nil && q.trouble.Swap(nil) != nil {
		q.options.Log.Info("the store of tasks works again")
		q.options.Publish(event.Event{Type: event.StoreRecovered})
	}
}

// Unready says why tasks are not taken now, nil when they are. Where nobody asks for
// anything to be stored, it is not known that a full disk has room again: then it is left
// out after some seconds.
func (q *Queue) Unready() (reasons []string) {
	if t := q.trouble.Load(); t != nil && (!t.ends || time.Since(t.seen) < troubleAge) {
		reasons = append(reasons, t.fault.Message)
	}
	return reasons
}
