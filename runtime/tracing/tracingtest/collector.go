// Package tracingtest has a collector of spans for tests.
package tracingtest

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Collector takes spans by OTLP over HTTP. It is safe for concurrent use.
type Collector struct {
	URL string

	mu       sync.Mutex
	spans    []Span
	resource map[string]any
	header   http.Header
	refusing int
	requests int
}

// Span is what was sent of one.
type Span struct {
	*tracepb.Span
	Attributes map[string]any // strings, int64s and bools
}

// Took is how long the span says it took.
func (s *Span) Took() time.Duration { return time.Duration(s.EndTimeUnixNano - s.StartTimeUnixNano) }

// New starts a collector on a loopback address, until the test ends.
func New(t testing.TB) *Collector {
	c := new(Collector)
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

// ServeHTTP takes spans at /v1/traces.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent collectorpb.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &sent)
	}
	if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "this is not a request of OTLP", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	if c.refusing != 0 {
		w.WriteHeader(c.refusing)
		return
	}
	c.header = r.Header.Clone()
	for _, of := range sent.ResourceSpans {
		c.resource = valuesOf(of.GetResource().GetAttributes())
		for _, scope := range of.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, Span{s, valuesOf(s.Attributes)})
			}
		}
	}
}

// Refuse has requests answered with a status that is an error; 0: they are taken again.
func (c *Collector) Refuse(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusing = status
}

// Spans returns those that have come.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Named returns those of a name that have come.
func (c *Collector) Named(name string) []Span {
	return slices.DeleteFunc(c.Spans(), func(s Span) bool { return s.Name != name })
}

// Requests is how many have come, refused ones among them.
func (c *Collector) Requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests
}

// Last returns the headers of the last request, and what it said its spans were of.
func (c *Collector) Last() (header http.Header, resource map[string]any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.header.Clone(), maps.Clone(c.resource)
}

func valuesOf(attributes []*commonpb.KeyValue) map[string]any {
	all := make(map[string]any, len(attributes))
	for _, a := range attributes {
		switch v := a.GetValue().GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			all[a.Key] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			all[a.Key] = v.IntValue
		case *commonpb.AnyValue_BoolValue:
			all[a.Key] = v.BoolValue
		}
	}
	return all
}
