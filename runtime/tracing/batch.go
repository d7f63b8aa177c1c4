package tracing

import (
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/marketprism/prismrt/runtime/task"
)

// mostItems is how many invocations of a batch have spans: its first ones.
const mostItems = 100

// Batch is a request with many invocations in it, whose spans are below its own. It is safe
// for concurrent use.
type Batch struct {
	tracer *Tracer
	trace  *task.Trace
	rest   task.Trace // of invocations that have no spans
	begun  time.Time
	given  atomic.Int64
}

// Batch begins a batch of which a Trace was taken up. It returns nil where that is not
// recorded.
func (t *Tracer) Batch(of *task.Trace, begun time.Time) *Batch {
	if t == nil || !of.IsRecorded() {
		return nil
	}
	return &Batch{
		tracer: t, trace: of, begun: begun,
		rest: task.Trace{ID: of.ID, Span: of.Span, Flags: of.Flags, State: of.State},
	}
}

// Item returns the Trace of the next invocation: one that is recorded for the first hundred,
// and then one that is not.
func (b *Batch) Item() *task.Trace {
	if b.given.Load() >= mostItems || b.given.Add(1) > mostItems {
		return &b.rest
	}
	return &task.Trace{
		ID: b.trace.ID, Span: newSpanID(), Flags: b.trace.Flags, State: b.trace.State,
		Recorded: true, Parent: b.trace.Span, Within: true,
	}
}

// Answered is what a batch came to.
type Answered struct {
	ID               task.ID
	Plugin, Function string
	Items, Faults    int64 // answers, and how many of them were faults
	Fuel             int64 // of all invocations
	Whole            bool  // all of the body was answered
}

// End makes the batch's span.
func (b *Batch) End(a Answered, ended time.Time) {
	if b == nil || !b.tracer.sender.room(1) {
		return
	}
	attributes := []attribute.KeyValue{
		attribute.String("prismrt.request_id", string(a.ID)),
		attribute.String("prismrt.plugin", a.Plugin),
		attribute.Int64("prismrt.batch.items", a.Items),
		attribute.Int64("prismrt.batch.faults", a.Faults),
		attribute.Int64("prismrt.fuel", a.Fuel),
	}
	if a.Function != "" {
		attributes = append(attributes, attribute.String("prismrt.function", a.Function))
	}
	_, span := b.tracer.start(b.trace, "batch "+a.Plugin, since(b.begun, ended), trace.WithAttributes(attributes...))
	if !a.Whole {
		span.SetStatus(codes.Error, "the batch ended before all of its body was answered")
	}
	span.End(trace.WithTimestamp(ended))
}
