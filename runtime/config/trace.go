package config

import (
	"fmt"
	"net/url"
)

// Trace says which calls are traced and where their spans go. OTEL_EXPORTER_OTLP_ENDPOINT,
// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT and OTEL_SERVICE_NAME in the environment go before it;
// headers, which are secrets, are only there.
type Trace struct {
	// Endpoint is the URL of an OpenTelemetry collector that takes OTLP over HTTP; without
	// a path it is /v1/traces [""; nothing is traced].
	Endpoint string `toml:"endpoint"`

	// Sample is the part of the calls that are traced, 0 to 1, of those that come without a
	// traceparent; of others their callers have decided [0.01].
	Sample float64 `toml:"sample"`

	Service string `toml:"service"` // what the spans are said to be of ["prismrt"]
}

// check returns what cannot work.
func (t *Trace) check() (wrong []error) {
	if t.Endpoint != "" {
		if why := t.unusable(); why != "" {
			// Not the URL itself, which may have a password in it.
			wrong = append(wrong, fmt.Errorf("trace.endpoint (or OTEL_EXPORTER_OTLP_ENDPOINT) %s; write a URL such as \"http://127.0.0.1:4318\"", why))
		}
	}
	if !(t.Sample >= 0 && t.Sample <= 1) { // not a number is neither
		wrong = append(wrong, fmt.Errorf("trace.sample is %v; it must be from 0 to 1", t.Sample))
	}
	if t.Service == "" {
		wrong = append(wrong, fmt.Errorf("trace.service is empty; name what the spans are of, such as \"prismrt\""))
	}
	return wrong
}

// unusable says why nothing can be sent to the endpoint.
func (t *Trace) unusable() string {
	u, err := url.Parse(t.Endpoint)
	switch {
	case err != nil:
		return "is not a URL"
	case u.Scheme != "http" && u.Scheme != "https":
		return "does not begin with http:// or https://"
	case u.Hostname() == "":
		return "names no host"
	case u.User != nil:
		return "has a user in it, and secrets belong into OTEL_EXPORTER_OTLP_HEADERS"
	case u.RawQuery != "" || u.Fragment != "":
		return "has more than a path"
	}
	return ""
}
