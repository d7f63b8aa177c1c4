package tracing

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/marketprism/prismrt/runtime/task"
)

// Take takes up the trace that a request is a part of, by its headers traceparent and
// tracestate, or begins one. What the caller decided on recording holds; for a call without
// a traceparent that can be read, Sample decides. One that is not recorded has a Trace, too,
// so that those it calls do not decide anew. A nil Tracer returns nil.
func (t *Tracer) Take(header http.Header) *task.Trace {
	if t == nil {
		return nil
	}
	if text := header["Traceparent"]; len(text) == 1 { // several are as good as none
		if parent := parentOf(text[0], header["Tracestate"]); parent.IsValid() {
			taken := &task.Trace{
				ID: parent.TraceID(), Span: parent.SpanID(), Flags: byte(parent.TraceFlags()), State: parent.TraceState().String(),
			}
			if parent.IsSampled() {
				taken.Recorded, taken.Parent, taken.Span = true, taken.Span, newSpanID()
			}
			return taken
		}
	}
	begun := &task.Trace{ID: newTraceID(), Span: newSpanID()}
	if t.roots.ShouldSample(sdk.SamplingParameters{ParentContext: nowhere, TraceID: begun.ID}).Decision == sdk.RecordAndSample {
		begun.Flags, begun.Recorded = byte(trace.FlagsSampled), true
	}
	return begun
}

// nowhere is the context of what has no parent.
var nowhere = context.Background()

// parentOf reads the headers. A tracestate may come in several, which are one list.
func parentOf(traceparent string, tracestate []string) trace.SpanContext {
	ctx := propagation.TraceContext{}.Extract(nowhere, headers{traceparent, strings.Join(tracestate, ",")})
	return trace.SpanContextFromContext(ctx)
}

// headers are those that a propagator reads.
type headers struct{ traceparent, tracestate string }

var _ propagation.TextMapCarrier = headers{}

func (h headers) Get(key string) string {
	switch key {
	case "traceparent":
		return h.traceparent
	case "tracestate":
		return h.tracestate
	}
	return ""
}

func (headers) Set(string, string) { panic("tracing: headers are read, and not written") }
func (headers) Keys() []string     { return []string{"traceparent", "tracestate"} }

func newTraceID() (id trace.TraceID) {
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	}
	return id
}

func newSpanID() (id trace.SpanID) {
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:], rand.Uint64())
	}
	return id
}

// ids gives spans the ids that were chosen for them before they were made, and others to
// their children.
type ids struct{}

// own is the key under which a context has the Trace whose span is to be made.
type own struct{}

func (ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if of, ok := ctx.Value(own{}).(*task.Trace); ok {
		return of.ID, of.Span
	}
	return newTraceID(), newSpanID()
}

func (ids) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	if of, ok := ctx.Value(own{}).(*task.Trace); ok {
		return of.Span
	}
	return newSpanID()
}
