package main_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/marketprism/prismrt/runtime/tracing/tracingtest"
)

const (
	traceID    = "4bf92f3577b34da6a3ce929d0e0e4736"
	callerSpan = "00f067aa0ba902b7"
)

// traceparent is what a caller sends that is in a trace, with the flags as two digits.
func traceparent(flags string) string { return "00-" + traceID + "-" + callerSpan + "-" + flags }

// startTraced runs prismrt with a section [trace].
func startTraced(t *testing.T, section string) *server {
	t.Helper()
	config := filepath.Join(t.TempDir(), "runtime.toml")
	writeFile(t, config, "[trace]\n"+section)
	return start(t, t.TempDir(), "--config", config)
}

// below returns the spans whose parent a span is.
func below(all []tracingtest.Span, parent *tracingtest.Span) (children []tracingtest.Span) {
	for _, s := range all {
		if bytes.Equal(s.ParentSpanId, parent.SpanId) {
			children = append(children, s)
		}
	}
	return children
}

func TestACallIsPartOfItsCallersTrace(t *testing.T) {
	c := tracingtest.New(t)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=tenant%201")
	s := startTraced(t, fmt.Sprintf("endpoint = %q\nsample = 0\nservice = \"prices\"\n", c.URL))
	s.uploadPatient("guest", obedient(t))
	resp, answer, err := s.send("POST", "/v1/plugins/guest/invoke", []byte("sleep 20ms"), "traceparent", traceparent("01"), "tracestate", "vendor=1")
	if err != nil || string(answer) != "slept" {
		t.Fatalf("call: %q, %v", answer, err)
	}
	s.await("the rewind, which comes after the answer", func() bool { return len(c.Named("rewind")) == 1 })
	calls := c.Named("invoke guest")
	if len(calls) != 1 {
		t.Fatalf("a call has %d spans of its own", len(calls))
	}
	call, all := calls[0], c.Spans()
	for _, span := range all {
		if hex.EncodeToString(span.TraceId) != traceID || span.TraceState != "vendor=1" {
			t.Errorf("%s is of trace %x with state %q", span.Name, span.TraceId, span.TraceState)
		}
	}
	if got := hex.EncodeToString(call.ParentSpanId); got != callerSpan || call.Kind != tracepb.Span_SPAN_KIND_SERVER || call.Status.GetCode() != 0 {
		t.Errorf("the call's parent is %s, its kind %v, its status %v", got, call.Kind, call.Status)
	}
	for name, want := range map[string]any{
		"prismrt.request_id": resp.Header.Get("Prism-Request-Id"), "prismrt.plugin": "guest", "prismrt.namespace": "default",
		"prismrt.version": int64(1), "prismrt.digest": s.plugin("guest").Versions[0].Digest,
		"prismrt.input_bytes": int64(10), "prismrt.output_bytes": int64(5), "error.type": nil,
	} {
		if got := call.Attributes[name]; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if got := fmt.Sprint(call.Attributes["prismrt.fuel"]); got != resp.Header.Get("Prism-Fuel") {
		t.Errorf("fuel is %s, and %s by the answer", got, resp.Header.Get("Prism-Fuel"))
	}

	var sum time.Duration
	for _, phase := range below(all, &call) {
		if phase.Name == "rewind" {
			if phase.StartTimeUnixNano < call.EndTimeUnixNano || phase.Attributes["prismrt.answered"] != true {
				t.Errorf("a rewind after the answer is %v in a call that is %v", phase, call)
			}
			continue
		}
		if phase.StartTimeUnixNano < call.StartTimeUnixNano || phase.EndTimeUnixNano > call.EndTimeUnixNano {
			t.Errorf("%s is not within its call: %v, %v", phase.Name, phase, call)
		}
		sum += phase.Took()
		if phase.Name != "run" {
			continue
		}
		waits := below(all, &phase) // for what is left of the 20ms when the guest has said so
		if len(waits) != 1 || waits[0].Name != "host" || waits[0].Attributes["prismrt.host.capability"] != "clock" ||
			waits[0].Attributes["prismrt.host.calls"] != int64(1) || waits[0].Took() <= 0 || waits[0].Took() > phase.Took() || phase.Took() < 20*time.Millisecond {
			t.Errorf("a guest that sleeps for 20ms has, in a run of %v, %v", phase.Took(), waits)
		}
	}
	if sum != call.Took() {
		t.Errorf("the phases take %v and the call %v", sum, call.Took())
	}
	header, resource := c.Last()
	if header.Get("X-Tenant") != "tenant 1" || resource["service.name"] != "prices" {
		t.Errorf("spans are sent with the header %q, and are of %v", header.Get("X-Tenant"), resource)
	}
}

func TestOnlyCallsThatAreToBeRecordedAreSent(t *testing.T) {
	c := tracingtest.New(t)
	s := startTraced(t, fmt.Sprintf("endpoint = %q\nsample = 0\n", c.URL))
	s.upload("four", telling(4))
	for _, headers := range [][]string{nil, {"traceparent", traceparent("00")}, {"traceparent", "nonsense"}} {
		for _, path := range []string{"invoke", "batch"} {
			status, answer := s.do("POST", "/v1/plugins/four/"+path, []byte("1\n2\n"), append(headers, "Content-Type", "application/x-ndjson")...)
			if status != http.StatusOK {
				t.Fatalf("%s with %q: %d %s", path, headers, status, answer)
			}
		}
	}
	_, _ = s.do("POST", "/v1/plugins/four/invoke", nil, "traceparent", traceparent("01"))
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, &s.log)
	}
	for _, span := range c.Spans() {
		if hex.EncodeToString(span.TraceId) != traceID || span.Name == "invoke four" && hex.EncodeToString(span.ParentSpanId) != callerSpan {
			t.Errorf("%v was sent", span)
		}
	}
	if n := len(c.Named("invoke four")); n != 1 {
		t.Errorf("%d calls were sent, want one", n)
	}
}

// What was answered before SIGTERM is there after it; that is sooner than spans are sent
// otherwise.
func TestAServerThatStopsSendsItsLastSpans(t *testing.T) {
	c := tracingtest.New(t)
	s := startTraced(t, fmt.Sprintf("endpoint = %q\nsample = 1\n", c.URL))
	s.upload("four", telling(4))
	const calls = 20
	for range calls {
		if status, answer := s.do("POST", "/v1/plugins/four/invoke", nil); status != http.StatusOK {
			t.Fatal(status, string(answer))
		}
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, &s.log)
	}
	traces := make(map[string]bool)
	for _, span := range c.Named("invoke four") {
		if len(span.ParentSpanId) != 0 {
			t.Errorf("a call without a traceparent has the parent %x", span.ParentSpanId)
		}
		traces[string(span.TraceId)] = true
	}
	if len(traces) != calls {
		t.Errorf("%d calls have %d traces", calls, len(traces))
	}
}

func TestAGuestThatFailsIsMarked(t *testing.T) {
	c := tracingtest.New(t)
	s := startTraced(t, fmt.Sprintf("endpoint = %q\nsample = 1\n", c.URL))
	s.uploadPatient("guest", obedient(t))
	p := s.fails(422, "exit", "exit code 3", "POST", "/v1/plugins/guest/invoke", []byte("exit 3"))
	s.await("its span", func() bool { return len(c.Named("invoke guest")) == 1 })
	span := c.Named("invoke guest")[0]
	if span.Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR || !strings.Contains(span.Status.GetMessage(), "exit code 3") ||
		span.Attributes["error.type"] != "exit" || span.Attributes["prismrt.request_id"] != p.RequestID {
		t.Errorf("the span of a guest that failed is %v", span)
	}
}

func TestABatchIsOneSpanWithThoseOfItsFirstCallsBelow(t *testing.T) {
	c := tracingtest.New(t)
	s := startTraced(t, fmt.Sprintf("endpoint = %q\nsample = 0\n", c.URL))
	s.upload("four", telling(4))
	const items = 250
	resp, answer, err := s.send("POST", "/v1/plugins/four/batch", bytes.Repeat([]byte("1\n"), items),
		"Content-Type", "application/x-ndjson", "traceparent", traceparent("01"))
	if err != nil || bytes.Count(answer, []byte("\n")) != items {
		t.Fatalf("batch: %d %s, %v", resp.StatusCode, answer, err)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, &s.log)
	}
	batches, calls := c.Named("batch four"), c.Named("invoke four")
	if len(batches) != 1 || len(calls) != 100 {
		t.Fatalf("a batch of %d calls has %d spans and %d below", items, len(batches), len(calls))
	}
	batch := batches[0]
	id := resp.Header.Get("Prism-Request-Id")
	if hex.EncodeToString(batch.ParentSpanId) != callerSpan || batch.Attributes["prismrt.request_id"] != id ||
		batch.Attributes["prismrt.batch.items"] != int64(items) || batch.Attributes["prismrt.batch.faults"] != int64(0) || batch.Status.GetCode() != 0 {
		t.Errorf("the batch is %v", batch)
	}
	for _, call := range calls {
		if !bytes.Equal(call.ParentSpanId, batch.SpanId) || !bytes.Equal(call.TraceId, batch.TraceId) ||
			!strings.HasPrefix(fmt.Sprint(call.Attributes["prismrt.request_id"]), id+"-") ||
			call.StartTimeUnixNano < batch.StartTimeUnixNano || call.EndTimeUnixNano > batch.EndTimeUnixNano {
			t.Fatalf("a call of the batch is %v", call)
		}
	}
}

func TestACollectorThatIsNotThereHarmsNobody(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close() // and nobody listens there
	s := startTraced(t, fmt.Sprintf("endpoint = \"http://%s\"\nsample = 1\n", listener.Addr()))
	s.upload("four", telling(4))
	failed := func() int {
		var n int
		_, metrics := s.do("GET", "/metrics", nil)
		for line := range strings.Lines(string(metrics)) {
			fmt.Sscanf(line, `prismrt_trace_spans_total{outcome="failed"} %d`, &n)
		}
		return n
	}
	for range 3 {
		before := failed()
		for range 50 {
			if status, answer := s.do("POST", "/v1/plugins/four/invoke", nil); status != http.StatusOK {
				t.Fatal(status, string(answer))
			}
		}
		s.await("spans to be given up", func() bool { return failed() > before })
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if n := strings.Count(s.log.String(), "spans are not sent"); n != 1 {
		t.Errorf("the log says %d times that spans are not sent:\n%s", n, &s.log)
	}
}

func TestTracingIsConfiguredByFileAndEnvironment(t *testing.T) {
	config := filepath.Join(t.TempDir(), "runtime.toml")
	writeFile(t, config, "[trace]\nendpoint = \"http://file:1\"\n")
	for name, tt := range map[string]struct {
		env  []string
		want string // of what is printed
		not  string
	}{
		"the file":             {nil, `endpoint = "http://file:1"`, "#"},
		"one variable for all": {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://env:2/base/"}, `endpoint = "http://env:2/base/v1/traces"`, "http://file"},
		"one for traces goes first": {
			[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://env:2", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://traces:3"}, `endpoint = "https://traces:3/"`, "env",
		},
		"the service":        {[]string{"OTEL_SERVICE_NAME=prices"}, `service = "prices"`, `"prismrt"`},
		"headers are secret": {[]string{"OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20s3cret, x-tenant=t1"}, "values not shown: authorization, x-tenant", "s3cret"},
		"the switch":         {[]string{"OTEL_SDK_DISABLED=true"}, `endpoint = ""`, "http://file"},
	} {
		stdout, stderr, code := command(t, tt.env, "serve", "--print-config", "--config", config)
		if code != 0 || !strings.Contains(stdout, tt.want) || strings.Contains(stdout, tt.not) {
			t.Errorf("%s: exit code %d\n%s%s\nwant %q and not %q", name, code, stdout, stderr, tt.want, tt.not)
		}
	}
	for want, env := range map[string][]string{
		"does not begin with http://":            {"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317"},
		"secrets belong into":                    {"OTEL_EXPORTER_OTLP_ENDPOINT=http://me:s3cret@collector:4318"},
		"set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": {"OTEL_EXPORTER_OTLP_PROTOCOL=grpc"},
		"entry 2 of OTEL_EXPORTER_OTLP_HEADERS":  {"OTEL_EXPORTER_OTLP_HEADERS=a=b,s3cret"},
	} {
		_, stderr, code := command(t, env, "serve", "--config", config, "--data", t.TempDir())
		if code != 2 || !strings.Contains(stderr, want) || strings.Contains(stderr, "s3cret") {
			t.Errorf("%q: exit code %d, %s; want 2 and %q", env, code, stderr, want)
		}
	}
}
