package tracing_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/tracing"
	"github.com/marketprism/prismrt/runtime/tracing/tracingtest"
)

// journal is a log that is read while it is written.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.b.String(), text)
}

func newTracer(t testing.TB, endpoint string, sample float64) (*tracing.Tracer, *journal) {
	t.Helper()
	log := new(journal)
	tracer, err := tracing.New(t.Context(), tracing.Options{Endpoint: endpoint, Sample: sample, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return tracer, log
}

func shut(t testing.TB, tracer *tracing.Tracer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := tracer.Close(ctx); err != nil {
		t.Error(err)
	}
}

// counted reads prismrt_trace_spans_total.
func counted(t testing.TB, tracer *tracing.Tracer) map[string]int {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(tracer)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]int)
	for _, m := range families[0].Metric {
		counts[m.Label[0].GetValue()] = int(m.Counter.GetValue())
	}
	return counts
}

func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// call is one that took some time in four of its phases.
func call(of *task.Trace) *tracing.Call {
	ended := time.Now()
	return &tracing.Call{
		Trace: of, ID: "id", Plugin: "p", Begun: ended.Add(-10 * time.Millisecond), Ended: ended,
		Result: task.Result{Timing: task.Timing{Queue: 1e6, Pool: 2e6, Run: 6e6, Rewind: 1e6}},
	}
}

const (
	caller  = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
	sampled = "00-" + caller + "-01"
)

func TestTheCallersDecisionOnRecordingHolds(t *testing.T) {
	for _, sample := range []float64{0, 1} {
		tracer, _ := newTracer(t, "http://127.0.0.1:1", sample)
		defer shut(t, tracer)
		for header, recorded := range map[string]bool{sampled: true, "00-" + caller + "-00": false, "00-" + caller + "-03": true, "01-" + caller + "-01-more": true} {
			of := tracer.Take(http.Header{"Traceparent": {header}, "Tracestate": {"a=1", "b=2"}})
			if of.Recorded != recorded || hex.EncodeToString(of.ID[:]) != caller[:32] || of.State != "a=1,b=2" || of.Flags&1 != header[54]&1 {
				t.Errorf("sample %v, %s: taken up as %+v", sample, header, of)
			}
			own, above := hex.EncodeToString(of.Span[:]), hex.EncodeToString(of.Parent[:])
			if recorded && (above != caller[33:] || own == above) || !recorded && own != caller[33:] {
				t.Errorf("sample %v, %s: span %s of parent %s", sample, header, own, above)
			}
		}
	}
}

func TestWithoutATraceparentThatCanBeReadOnesOwnDecisionHolds(t *testing.T) {
	for _, headers := range []http.Header{
		{},
		{"Traceparent": {""}},
		{"Traceparent": {sampled, sampled}},
		{"Traceparent": {"00-" + strings.ToUpper(caller) + "-01"}},
		{"Traceparent": {"00-00000000000000000000000000000000-00f067aa0ba902b7-01"}},
		{"Traceparent": {"ff-" + caller + "-01"}},
		{"Traceparent": {sampled + "-more"}},
	} {
		for sample, recorded := range map[float64]bool{0: false, 1: true} {
			tracer, _ := newTracer(t, "http://127.0.0.1:1", sample)
			of := tracer.Take(headers)
			if of.Recorded != recorded || of.Flags&1 == 1 != recorded || hex.EncodeToString(of.ID[:]) == caller[:32] ||
				of.ID == [16]byte{} || of.Span == [8]byte{} || of.Parent != [8]byte{} {
				t.Errorf("sample %v, %q: %+v", sample, headers, of)
			}
			shut(t, tracer)
		}
	}
	var off *tracing.Tracer
	if of := off.Take(http.Header{"Traceparent": {sampled}}); of != nil {
		t.Errorf("without a tracer a trace is taken up: %+v", of)
	}
}

func TestAboutTheAskedPartIsRecorded(t *testing.T) {
	tracer, _ := newTracer(t, "http://127.0.0.1:1", 0.1)
	defer shut(t, tracer)
	const calls = 20_000
	recorded := 0
	for range calls {
		if tracer.Take(nil).Recorded {
			recorded++
		}
	}
	if recorded < calls/10*8/10 || recorded > calls/10*12/10 { // nine standard deviations
		t.Errorf("of %d calls %d are recorded, want about a tenth", calls, recorded)
	}
}

func TestFaultsOfGuestsAndOfOursAreErrorsAndThoseOfCallersAreNot(t *testing.T) {
	c := tracingtest.New(t)
	tracer, _ := newTracer(t, c.URL, 1)
	callers := map[task.Kind]bool{
		task.KindInvalid: true, task.KindUnauthorised: true, task.KindForbidden: true, task.KindNotFound: true,
		task.KindConflict: true, task.KindTooLarge: true, task.KindCanceled: true,
	}
	for _, kind := range task.Kinds {
		one := call(tracer.Take(nil))
		one.Plugin, one.Err = string(kind), fmt.Errorf("invoke: %w", task.Faultf(kind, "why %s \xff%s", kind, strings.Repeat("x", 5000)))
		tracer.Ended(one)
	}
	one := call(tracer.Take(nil))
	one.Plugin, one.Err = "leak", errors.New("password=1234")
	tracer.Ended(one)
	one = call(tracer.Take(nil))
	one.Plugin = "good"
	tracer.Ended(one)
	shut(t, tracer)
	of := func(plugin string) tracingtest.Span {
		all := c.Named("invoke " + plugin)
		if len(all) != 1 {
			t.Fatalf("%s has %d spans", plugin, len(all))
		}
		return all[0]
	}
	for _, kind := range task.Kinds {
		s := of(string(kind))
		if got := s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR; got == callers[kind] || s.Attributes["error.type"] != string(kind) {
			t.Errorf("%s: status %v, attributes %v", kind, s.GetStatus().GetCode(), s.Attributes)
		}
		if m := s.GetStatus().GetMessage(); !callers[kind] && !strings.HasPrefix(m, "why "+string(kind)) || len(m) > 1024 {
			t.Errorf("%s: message of %d bytes %.20q", kind, len(m), m)
		}
	}
	if s := of("leak"); strings.Contains(s.String(), "1234") {
		t.Errorf("a cause left the process: %v", s)
	}
	if s := of("good"); s.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_UNSET || s.Attributes["error.type"] != nil {
		t.Errorf("a call that went well has status %v and %v", s.GetStatus(), s.Attributes)
	}
}

// A collector that is slow, and then one that takes everything: calls do not wait, what
// finds no room is counted and said once, and what waits is sent.
func TestSpansThatFindNoRoomAreDroppedByInvocation(t *testing.T) {
	c := tracingtest.New(t)
	c.Refuse(http.StatusServiceUnavailable) // is tried again after a while
	tracer, log := newTracer(t, c.URL, 1)
	const calls, spans = 4000, 5
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for range calls / 4 {
				tracer.Ended(call(tracer.Take(nil)))
			}
		})
	}
	callers.Wait()
	counts := counted(t, tracer)
	if counts["dropped"] == 0 || counts["dropped"]%spans != 0 {
		t.Errorf("of spans that come by %d there are %v", spans, counts)
	}
	c.Refuse(0)
	shut(t, tracer)
	counts = counted(t, tracer)
	if n := len(c.Spans()); n != counts["sent"] || counts["failed"] != 0 || counts["sent"]+counts["dropped"] != calls*spans || n > 8192 {
		t.Errorf("%d spans have come, counted are %v of %d", n, counts, calls*spans)
	}
	parts := make(map[string]int)
	for _, s := range c.Spans() {
		parts[string(s.ParentSpanId)]++
	}
	for _, s := range c.Named("invoke p") {
		if n := parts[string(s.SpanId)]; n != spans-1 {
			t.Fatalf("an invocation has %d phases, want %d: it was dropped in part", n, spans-1)
		}
	}
	if n := log.count("dropped: more wait"); n != 1 {
		t.Errorf("that spans were dropped is said %d times:\n%s", n, &log.b)
	}
}

func TestACollectorThatRefusesIsToldOfOnceAndWhenItTakesSpansAgain(t *testing.T) {
	c := tracingtest.New(t)
	c.Refuse(http.StatusForbidden) // is not tried again
	tracer, log := newTracer(t, c.URL, 1)
	for n := 1; n <= 2; n++ {
		tracer.Ended(call(tracer.Take(nil)))
		await(t, "a request", func() bool { return c.Requests() >= n && counted(t, tracer)["failed"] == 5*n })
	}
	c.Refuse(0)
	tracer.Ended(call(tracer.Take(nil)))
	shut(t, tracer)
	if n, again := log.count("spans are not sent"), log.count("msg=\"spans are sent again"); n != 1 || again != 1 || log.count("lost=10") != 1 {
		t.Errorf("said %d times that none are sent, and %d times that they are:\n%s", n, again, &log.b)
	}
	if counts := counted(t, tracer); counts["sent"] != 5 || counts["failed"] != 10 {
		t.Errorf("counted are %v", counts)
	}
}

func TestClosingGivesUpInTime(t *testing.T) {
	c := tracingtest.New(t)
	c.Refuse(http.StatusServiceUnavailable)
	tracer, _ := newTracer(t, c.URL, 1)
	tracer.Ended(call(tracer.Take(nil)))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := tracer.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "5 spans") {
		t.Errorf("Close: %v", err)
	}
}

func TestABatchHasSpansOfItsFirstInvocations(t *testing.T) {
	c := tracingtest.New(t)
	tracer, _ := newTracer(t, c.URL, 0)
	if b := tracer.Batch(tracer.Take(nil), time.Now()); b != nil {
		t.Fatal("a batch that is not recorded has a span")
	}
	of := tracer.Take(http.Header{"Traceparent": {sampled}})
	b := tracer.Batch(of, time.Now())
	var items sync.WaitGroup
	for range 4 {
		items.Go(func() {
			for range 100 {
				item := b.Item()
				if item.ID != of.ID || item.Flags&1 != 1 || !item.Recorded && item.Span != of.Span {
					t.Errorf("an item of %+v is %+v", of, item)
				}
				tracer.Ended(call(item))
			}
		})
	}
	items.Wait()
	b.End(tracing.Answered{ID: "id", Plugin: "p", Items: 400, Faults: 3, Fuel: 7}, time.Now())
	shut(t, tracer)
	whole := c.Named("batch p")
	if len(whole) != 1 || hex.EncodeToString(whole[0].ParentSpanId) != caller[33:] || whole[0].Kind != tracepb.Span_SPAN_KIND_SERVER ||
		whole[0].Attributes["prismrt.batch.items"] != int64(400) || whole[0].Attributes["prismrt.batch.faults"] != int64(3) {
		t.Fatalf("the batch is %v", whole)
	}
	each := c.Named("invoke p")
	if len(each) != 100 {
		t.Errorf("%d invocations have spans, want 100", len(each))
	}
	for _, s := range each {
		if !bytes.Equal(s.ParentSpanId, whole[0].SpanId) || s.Kind != tracepb.Span_SPAN_KIND_INTERNAL {
			t.Fatalf("an invocation of the batch is %v", s)
		}
	}
}

// What a call has done for it besides what it did before there were traces.
// The collector is in this process, too, but throws away what it gets.
func BenchmarkCall(b *testing.B) {
	c := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer c.Close()
	for _, bb := range []struct {
		name    string
		off     bool
		sample  float64
		headers http.Header
	}{
		{name: "off", off: true, headers: http.Header{"Traceparent": {sampled}}},
		{name: "sample=0"},
		{name: "sample=0.01", sample: 0.01},
		{name: "sample=1", sample: 1},
		{name: "caller=unsampled", headers: http.Header{"Traceparent": {"00-" + caller + "-00"}}},
		{name: "caller=sampled", headers: http.Header{"Traceparent": {sampled}}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var tracer *tracing.Tracer
			if !bb.off {
				tracer, _ = newTracer(b, c.URL, bb.sample)
				defer shut(b, tracer)
			}
			b.ReportAllocs()
			for b.Loop() {
				if of := tracer.Take(bb.headers); of.IsRecorded() {
					tracer.Ended(call(of))
				}
			}
			if tracer != nil {
				counts := counted(b, tracer)
				b.ReportMetric(float64(counts["dropped"])/float64(b.N), "dropped/op")
			}
		})
	}
}
