package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/marketprism/prismrt/runtime/config"
	"github.com/marketprism/prismrt/runtime/tracing"
)

// The variables below are those of the OpenTelemetry specification ("OpenTelemetry Protocol
// Exporter", "General SDK Configuration") that are looked at here; the exporter itself looks
// at the timeout, compression and certificates.

// environTrace sets what the environment says of tracing.
func environTrace(c *config.Trace) error {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		c.Endpoint = ""
		return nil
	}
	if base := os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"); base != "" {
		c.Endpoint = base
		if joined, err := url.JoinPath(base, "v1/traces"); err == nil {
			c.Endpoint = joined
		}
	}
	if whole := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); whole != "" {
		c.Endpoint = whole
		if u, err := url.Parse(whole); err == nil && u.Path == "" {
			c.Endpoint += "/"
		}
	}
	if name := os.Getenv("OTEL_SERVICE_NAME"); name != "" {
		c.Service = name
	}
	if c.Endpoint == "" {
		return nil
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		protocol := os.Getenv(name)
		if protocol == "" {
			continue
		}
		if protocol != "http/protobuf" && protocol != "http/json" {
			return fmt.Errorf("%s is %.40q and spans are sent over HTTP; set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL to http/protobuf, and the endpoint to where the collector takes that, usually port 4318",
				name, protocol)
		}
		break // the first goes before the other
	}
	_, err := traceHeaders()
	return err
}

// traceHeaders returns the names of the headers that are sent with spans.
func traceHeaders() (names []string, err error) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"} {
		list := os.Getenv(name)
		if list == "" {
			continue
		}
		for n, pair := range strings.Split(list, ",") {
			key, value, ok := strings.Cut(pair, "=")
			key = strings.TrimSpace(key)
			if _, err := url.PathUnescape(value); !ok || key == "" || err != nil {
				// Not the pair itself, which is a secret.
				return nil, fmt.Errorf("entry %d of %s cannot be read; write name=value,name=value, with %%2C for a comma in a value", n+1, name)
			}
			names = append(names, key)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// newTracer makes the tracer that the configuration asks for: nil where it asks for none.
func newTracer(ctx context.Context, c config.Trace, log *slog.Logger) (*tracing.Tracer, error) {
	if c.Endpoint == "" {
		return nil, nil //nolint:nilnil // a nil Tracer is one that traces nothing
	}
	log.Info("calls are traced", slog.String("endpoint", c.Endpoint), slog.Float64("sample", c.Sample), slog.String("service", c.Service))
	return tracing.New(ctx, tracing.Options{Endpoint: c.Endpoint, Sample: c.Sample, Service: c.Service, Version: ownBuild().Version, Log: log})
}
