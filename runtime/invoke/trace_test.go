package invoke_test

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/invoke"
	"github.com/marketprism/prismrt/runtime/sched"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/tracing"
	"github.com/marketprism/prismrt/runtime/tracing/tracingtest"
)

// newTraced is an invoker all of whose invocations are recorded once they have a trace, and
// what ends the recording and returns the spans.
func newTraced(t *testing.T, s *sched.Scheduler, change ...func(*invoke.Options)) (*invoke.Invoker, *tracing.Tracer, func() []tracingtest.Span) {
	c := tracingtest.New(t)
	tracer, err := tracing.New(t.Context(), tracing.Options{Endpoint: c.URL, Sample: 1, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	i, _ := newInvokerOf(t, s, append(change, func(o *invoke.Options) { o.Tracer = tracer })...)
	return i, tracer, func() []tracingtest.Span {
		if err := i.Close(context.Background()); err != nil { // which waits for late rewinds
			t.Error(err)
		}
		if err := tracer.Close(t.Context()); err != nil {
			t.Error(err)
		}
		return c.Spans()
	}
}

// Calls that wait for turns and for instances, that fail, and that are rewound at once or
// later: their phases are all of their time. Those of a series are within it.
func TestPhasesOfCallsUnderLoadAddUpToTheCalls(t *testing.T) {
	i, tracer, end := newTraced(t, sched.New(sched.Options{Cores: 1}))
	module := counting('a')
	v := version(1, module)
	v.Min, v.Max = 0, 2
	if err := i.Load(t.Context(), v, module); err != nil {
		t.Fatal(err)
	}
	i.Route(v.Ref)
	in := func() task.Invocation {
		in := task.Invocation{Trace: tracer.Take(nil)}
		switch rand.IntN(10) {
		case 0:
			in.Function = "trap"
		case 1:
			in.Function, in.Timeout = "spin", 3*time.Millisecond
		}
		return in
	}
	const calls = 40
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range calls {
				_, _ = call(t.Context(), i, in())
			}
		})
	}
	callers.Wait()
	for range 4 {
		callers.Go(func() {
			left := calls
			_ = i.Series(t.Context(), task.Invocation{Namespace: "default", Plugin: "count"}, func(next *task.Invocation) bool {
				one := in()
				one.Trace.Within = true
				next.ID, next.Function, next.Timeout, next.Trace = "series", one.Function, one.Timeout, one.Trace
				left--
				return left >= 0
			}, func(*task.Result, error) {})
		})
	}
	callers.Wait()

	below := make(map[string][]tracingtest.Span)
	var all []tracingtest.Span
	seen := make(map[string]int)
	for _, s := range end() {
		if s.Name == "invoke count" {
			all = append(all, s)
		} else {
			below[string(s.ParentSpanId)] = append(below[string(s.ParentSpanId)], s)
		}
		seen[s.Name]++
	}
	if len(all) != 12*calls {
		t.Fatalf("%d of %d calls have spans", len(all), 12*calls)
	}
	for _, c := range all {
		var sum time.Duration
		at := c.EndTimeUnixNano
		// They come in the order in which they were made.
		for n := len(below[string(c.SpanId)]) - 1; n >= 0; n-- {
			p := below[string(c.SpanId)][n]
			if p.Attributes["prismrt.answered"] == true {
				if p.StartTimeUnixNano < c.EndTimeUnixNano {
					t.Errorf("a rewind after the answer is before it: %v, %v", p, c)
				}
				continue
			}
			if p.EndTimeUnixNano != at {
				t.Errorf("%s ends %v before the next phase begins", p.Name, time.Duration(at-p.EndTimeUnixNano))
			}
			at, sum = p.StartTimeUnixNano, sum+p.Took()
		}
		if series := c.Kind == tracepb.Span_SPAN_KIND_INTERNAL; sum > c.Took() || !series && sum != c.Took() {
			t.Errorf("phases of a call that took %v take %v (of a series: %v)", c.Took(), sum, series)
		}
	}
	t.Log(seen)
	for _, name := range []string{"queue", "run", "rewind"} {
		if seen[name] == 0 {
			t.Errorf("no call has a span %s: %v", name, seen)
		}
	}
}

func TestACallThatIsRefusedHasASpan(t *testing.T) {
	i, tracer, end := newTraced(t, nil, func(o *invoke.Options) { o.Breaker = health.Options{MinCalls: 3} })
	deploy(t, i, 1, 'a')
	for range 3 {
		_, _ = call(t.Context(), i, task.Invocation{Function: "trap"})
	}
	of := tracer.Take(nil)
	if _, err := call(t.Context(), i, task.Invocation{Trace: of}); task.FaultOf(err).Kind != task.KindUnavailable {
		t.Fatalf("a call of a version that fails: %v", err)
	}
	if _, err := call(t.Context(), i, task.Invocation{}); err == nil {
		t.Fatal("the version is well again")
	}
	all := end()
	if len(all) != 1 || all[0].Attributes["error.type"] != "unavailable" || !bytes.Equal(all[0].SpanId, of.Span[:]) {
		t.Errorf("one call had a trace, and the spans are %v", all)
	}
}
