package tracing

import (
	"context"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/marketprism/prismrt/runtime/task"
)

// Call is an invocation that has ended.
type Call struct {
	Trace    *task.Trace
	ID       task.ID
	Plugin   string
	Function string // "": it has none, or none was found
	In       int    // bytes of its input
	Result   task.Result
	Err      error // nil, or what is or leads to a *task.Fault

	Begun, Ended time.Time
}

// Ended makes spans of an invocation and of each of its phases that took time. Without a
// Trace that is recorded it does nothing.
func (t *Tracer) Ended(c *Call) {
	if t == nil || !c.Trace.IsRecorded() {
		return
	}
	parts := phasesOf(&c.Result.Timing, c.Ended)
	waits := waitsOf(c.Result.Waits, &parts[run])
	spans := 1 + len(waits)
	for p := range parts {
		if parts[p].took > 0 {
			spans++
		}
	}
	if !t.sender.room(spans) {
		return
	}
	ctx, span := t.start(c.Trace, "invoke "+c.Plugin, since(c.Begun, c.Ended), trace.WithAttributes(attributesOf(c)...))
	for p := range parts {
		if parts[p].took == 0 {
			continue
		}
		within := t.part(ctx, &parts[p])
		if p != run {
			continue
		}
		for n := range waits {
			w := &c.Result.Waits[n]
			t.part(within, &waits[n], attribute.String("prismrt.host.capability", w.Capability),
				attribute.String("prismrt.host.destination", w.Destination),
				attribute.Int64("prismrt.host.calls", w.Calls), attribute.Int64("prismrt.host.failed", w.Failed))
		}
	}
	fail(span, task.FaultOf(c.Err))
	span.End(trace.WithTimestamp(c.Ended))
}

// Rewound makes a span of what was done after an invocation had been answered: its instance
// was made clean. It is a child of the invocation's, and begins where that has ended.
func (t *Tracer) Rewound(of *task.Trace, begun, ended time.Time) {
	if t == nil || !of.IsRecorded() || !t.sender.room(1) {
		return
	}
	t.part(trace.ContextWithSpanContext(context.Background(), contextOf(of, of.Span)),
		&phase{name: phaseNames[rewind], from: begun, took: ended.Sub(begun)}, attribute.Bool("prismrt.answered", true))
}

// since is when something began by the clock that tells when it ended, which the system may
// have set meanwhile: what a span takes is then as long as it was.
func since(begun, ended time.Time) time.Time { return ended.Add(-ended.Sub(begun)) }

// start begins the span that a Trace has an id for.
func (t *Tracer) start(of *task.Trace, name string, begun time.Time, o ...trace.SpanStartOption) (context.Context, trace.Span) {
	ctx := context.Background()
	if parent := contextOf(of, of.Parent); parent.IsValid() {
		ctx = trace.ContextWithSpanContext(ctx, parent.WithRemote(!of.Within))
	}
	kind := trace.SpanKindServer
	if of.Within {
		kind = trace.SpanKindInternal
	}
	_, span := t.spans.Start(context.WithValue(ctx, own{}, of), name, append(o, trace.WithTimestamp(begun), trace.WithSpanKind(kind))...)
	return trace.ContextWithSpan(ctx, span), span
}

// part makes a span of a phase, below that of ctx, and returns a context to make others
// below it.
func (t *Tracer) part(ctx context.Context, p *phase, attributes ...attribute.KeyValue) context.Context {
	ctx, span := t.spans.Start(ctx, p.name, trace.WithTimestamp(p.from), trace.WithAttributes(attributes...))
	span.End(trace.WithTimestamp(p.until()))
	return ctx
}

// contextOf is that of one of a Trace's spans. Without a span it is not valid.
func contextOf(of *task.Trace, span trace.SpanID) trace.SpanContext {
	state, _ := trace.ParseTraceState(of.State) // which it was once made of
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: of.ID, SpanID: span, TraceFlags: trace.TraceFlags(of.Flags), TraceState: state,
	})
}

func attributesOf(c *Call) []attribute.KeyValue {
	r := &c.Result
	all := make([]attribute.KeyValue, 0, 10)
	all = append(all,
		attribute.String("prismrt.request_id", string(c.ID)),
		attribute.String("prismrt.plugin", c.Plugin),
		attribute.Int("prismrt.version", r.Ref.Version),
		attribute.String("prismrt.digest", string(r.Digest)),
		attribute.Int("prismrt.input_bytes", c.In),
		attribute.Int("prismrt.output_bytes", len(r.Output)),
		attribute.Int64("prismrt.fuel", r.Fuel),
	)
	if r.Ref.Namespace != "" {
		all = append(all, attribute.String("prismrt.namespace", r.Ref.Namespace))
	}
	if c.Function != "" {
		all = append(all, attribute.String("prismrt.function", c.Function))
	}
	return all
}

// mostMessage is how many bytes of a fault's message, which may be the guest's, a span has.
const mostMessage = 1 << 10

// fail marks a span by its fault, if there is one. Those of the guest and of ours are
// errors; that a caller asked for what cannot be is none of the server's span (OpenTelemetry
// semantic conventions, "HTTP spans", status).
func fail(span trace.Span, f *task.Fault) {
	if f == nil {
		return
	}
	span.SetAttributes(attribute.String("error.type", string(f.Kind)))
	switch f.Kind {
	case task.KindInvalid, task.KindUnauthorised, task.KindForbidden, task.KindNotFound, task.KindConflict, task.KindTooLarge, task.KindCanceled:
	default:
		span.SetStatus(codes.Error, strings.ToValidUTF8(f.Message[:min(len(f.Message), mostMessage)], ""))
	}
}
