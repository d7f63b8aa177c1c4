package schedule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/store"
)

// Submitter takes tasks, as a queue.Queue does: those with a key once.
type Submitter interface {
	Submit(ctx context.Context, of []queue.Submission) ([]queue.Submitted, error)
}

// Options are what a Keeper works with. A zero field takes the default in brackets; Store
// and Queue have none.
type Options struct {
	Store store.Schedules
	Queue Submitter

	// Check says what is wrong with a task before its schedule is stored, in a fault
	// [nothing is].
	Check func(ctx context.Context, s queue.Submission) error

	Most int // schedules of all namespaces together [10,000]

	// Look is how often the clock is looked at, at least, since it may be set [30s].
	Look time.Duration

	Now     func() time.Time  // [time.Now]
	Publish func(event.Event) // [nobody is told]; it must not wait
	Log     *slog.Logger      // [nowhere]
}

// fill sets defaults and reports all that is wrong.
func (o *Options) fill() error {
	o.Most = cmp.Or(o.Most, 10_000)
	o.Look = cmp.Or(o.Look, 30*time.Second)
	if o.Check == nil {
		o.Check = func(context.Context, queue.Submission) error { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Publish == nil {
		o.Publish = func(event.Event) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var errs []error
	for field, wrong := range map[string]bool{"Store": o.Store == nil, "Queue": o.Queue == nil} {
		if wrong {
			errs = append(errs, fmt.Errorf("%s is missing", field))
		}
	}
	if o.Most < 1 {
		errs = append(errs, fmt.Errorf("there can be %d schedules; Most must be at least 1", o.Most))
	}
	if o.Look < 0 {
		errs = append(errs, fmt.Errorf("the clock is looked at every %v; Look must be over 0", o.Look))
	}
	return errors.Join(errs...)
}
