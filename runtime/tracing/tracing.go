// Package tracing takes up the traces that calls belong to (W3C Trace Context), and sends
// spans of invocations and of their phases to a collector (OpenTelemetry, by OTLP over
// HTTP).
//
// Spans are made of what a Result tells, when the invocation has ended; while a guest runs
// there is nothing to do. An invocation that is not recorded costs a look at a pointer.
package tracing

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	// mostPending is how many spans wait to be sent, some 12 MB of them. Those of an
	// invocation that finds no room are dropped, all together.
	mostPending = 8192

	mostSent  = 512              // in one request
	sentEvery = time.Second      // and how long a span waits for others
	sentIn    = 10 * time.Second // with all tries; a span that was not sent then is lost
)

// Options say what is traced and where spans go.
type Options struct {
	// Endpoint is the URL that spans are posted to, at /v1/traces if it has no path. OTEL_EXPORTER_OTLP_HEADERS, _TIMEOUT,
	// _COMPRESSION, _CERTIFICATE and the like in the environment say how.
	Endpoint string

	// Sample is the part of the calls that are recorded, 0 to 1, among those whose caller
	// has not decided.
	Sample float64

	// Service is what the spans are of (service.name), unless OTEL_RESOURCE_ATTRIBUTES or
	// OTEL_SERVICE_NAME say otherwise, and Version its version, "" where that is not known.
	Service, Version string

	// Log is told when spans are lost and why: once, until some are sent again.
	Log *slog.Logger
}

// Tracer makes spans. A nil Tracer makes none and takes up no traces. It is safe for
// concurrent use.
type Tracer struct {
	roots    sdk.Sampler // decides for those whose caller has not
	provider *sdk.TracerProvider
	spans    trace.Tracer
	sender   *sender
}

// New makes a tracer, which sends until Close. Nothing is sent to see whether the endpoint
// is there.
func New(ctx context.Context, o Options) (*Tracer, error) {
	endpoint, err := url.Parse(o.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("send spans: %w", err)
	}
	if endpoint.Path == "" {
		endpoint.Path = "/v1/traces" // OTLP specification, "OTLP/HTTP Request"
	}
	o.Endpoint = endpoint.String()
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(o.Endpoint), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
		Enabled: true, InitialInterval: time.Second, MaxInterval: sentIn / 2, MaxElapsedTime: sentIn,
	}))
	if err != nil {
		return nil, fmt.Errorf("send spans to %s: %w", o.Endpoint, err)
	}
	identity := []attribute.KeyValue{attribute.String("service.name", cmp.Or(o.Service, "prismrt"))}
	if o.Version != "" {
		identity = append(identity, attribute.String("service.version", o.Version))
	}
	of, err := resource.New(ctx, resource.WithHost(), resource.WithTelemetrySDK(), resource.WithAttributes(identity...), resource.WithFromEnv())
	if err != nil { // the rest is known
		o.Log.Warn("it is not quite known what spans are of; look at OTEL_RESOURCE_ATTRIBUTES", slog.Any("error", err))
	}
	t := &Tracer{roots: sdk.TraceIDRatioBased(o.Sample), sender: &sender{to: exporter, endpoint: o.Endpoint, log: o.Log}}
	t.provider = sdk.NewTracerProvider(
		sdk.WithSampler(sdk.AlwaysSample()), // Take has decided
		sdk.WithIDGenerator(ids{}),
		sdk.WithResource(of),
		sdk.WithBatcher(t.sender, sdk.WithMaxQueueSize(mostPending), sdk.WithMaxExportBatchSize(mostSent),
			sdk.WithBatchTimeout(sentEvery), sdk.WithExportTimeout(sentIn)),
	)
	t.spans = t.provider.Tracer("github.com/marketprism/prismrt", trace.WithInstrumentationVersion(o.Version))
	return t, nil
}

// Close sends what waits to be sent, until ctx ends; what is left then is lost. No
// invocation may end after it has begun.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("%d spans were not sent to %s: %w", t.sender.pending.Load(), t.sender.endpoint, err)
	}
	return nil
}
