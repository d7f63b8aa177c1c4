package callback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/outbound"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Records are ended tasks, as a store.Tasks reads them.
type Records interface {
	Read(ctx context.Context, ids []task.ID, parts store.Parts) ([]store.Record, error)
}

// Options are what a Sender works with. A zero field takes the default in brackets; Store,
// Records and Signer have none.
type Options struct {
	Store   store.Callbacks
	Records Records
	Signer  *Signer
	Hosts   outbound.Hosts // that may be called [none]

	Timeout time.Duration // of one call [10s]

	// Backoff is how long to wait before the second try; it is doubled for each further one,
	// up to MostBackoff, and a part of up to a half of it left to chance [5s, 2h]. Within is
	// for how long after the end of a task it is tried at all [24h].
	Backoff, MostBackoff, Within time.Duration

	// AtOnce bounds calls at the same time, and PerReceiver those to one host and port [128, 8].
	AtOnce, PerReceiver int

	// Output is how large an output may be that is told, in bytes [64 KiB].
	Output int64

	// Poll is how often it is looked for tasks that have ended [1s].
	Poll time.Duration

	Publish func(event.Event) // [nobody is told]; it must not wait
	Log     *slog.Logger      // [nowhere]
}

// fill sets defaults and reports all that is wrong.
func (o *Options) fill() error {
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	o.Backoff = cmp.Or(o.Backoff, 5*time.Second)
	o.MostBackoff = cmp.Or(o.MostBackoff, 2*time.Hour)
	o.Within = cmp.Or(o.Within, 24*time.Hour)
	o.AtOnce = cmp.Or(o.AtOnce, 128)
	o.PerReceiver = cmp.Or(o.PerReceiver, 8)
	o.Output = cmp.Or(o.Output, 64<<10)
	o.Poll = cmp.Or(o.Poll, time.Second)
	if o.Publish == nil {
		o.Publish = func(event.Event) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var errs []error
	for field, missing := range map[string]bool{"Store": o.Store == nil, "Records": o.Records == nil, "Signer": o.Signer == nil} {
		if missing {
			errs = append(errs, fmt.Errorf("%s is missing", field))
		}
	}
	for _, bound := range []struct {
		field string
		value int64
	}{
		{"Timeout", int64(o.Timeout)},
		{"Backoff", int64(o.Backoff)},
		{"MostBackoff", int64(o.MostBackoff)},
		{"Within", int64(o.Within)},
		{"Poll", int64(o.Poll)},
		{"AtOnce", int64(o.AtOnce)},
		{"PerReceiver", int64(o.PerReceiver)},
		{"Output", o.Output},
	} {
		if bound.value < 0 {
			errs = append(errs, fmt.Errorf("%s is %d; it must be over 0", bound.field, bound.value))
		}
	}
	return errors.Join(errs...)
}
