package tracing

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// sender sends spans and keeps count of them: of those that wait, for which there is a
// bound, and of what became of the others.
type sender struct {
	to       sdk.SpanExporter
	endpoint string
	log      *slog.Logger

	pending               atomic.Int64
	sent, failed, dropped atomic.Int64

	mu     sync.Mutex
	broken bool      // the last request failed, and the log says so
	lost   int64     // failed since then
	told   time.Time // when the log last told of dropped spans
	before int64     // that had been dropped by then
}

// room reserves room for spans, all of them or none, and counts those that get none.
func (s *sender) room(spans int) bool {
	n := int64(spans)
	if s.pending.Add(n) <= mostPending {
		return true
	}
	s.pending.Add(-n)
	s.dropped.Add(n)
	return false
}

// ExportSpans sends a batch of spans. It returns no errors, since they would be logged one
// by one.
func (s *sender) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	n := int64(len(spans))
	err := s.to.ExportSpans(ctx, spans)
	s.pending.Add(-n)
	if err != nil {
		s.failed.Add(n)
	} else {
		s.sent.Add(n)
	}
	s.tell(n, err)
	return nil
}

// tell has the log say what became of n spans: that they are lost once, until some were
// sent again; and that some found no room at most once a minute.
func (s *sender) tell(n int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil && !s.broken:
		s.broken, s.lost = true, n
		s.log.Warn("spans are not sent and lost; look at the collector, at trace.endpoint and at OTEL_EXPORTER_OTLP_HEADERS; this is said once, until some are sent again",
			slog.String("endpoint", s.endpoint), slog.Any("error", err))
	case err != nil:
		s.lost += n
	case s.broken:
		s.broken = false
		s.log.Info("spans are sent again", slog.String("endpoint", s.endpoint), slog.Int64("lost", s.lost))
	}
	if dropped := s.dropped.Load(); dropped > s.before && time.Since(s.told) >= time.Minute {
		s.log.Warn("spans were dropped: more wait to be sent than there is room for; lower trace.sample, or have callers record less",
			slog.Int64("dropped", dropped-s.before), slog.Int("room", mostPending))
		s.told, s.before = time.Now(), dropped
	}
}

// Shutdown ends the exporter.
func (s *sender) Shutdown(ctx context.Context) error { return s.to.Shutdown(ctx) }

var spansDesc = prometheus.NewDesc("prismrt_trace_spans_total",
	"Spans that were recorded, by what became of them: sent, failed (the collector did not take them) or dropped (too many waited to be sent).",
	[]string{"outcome"}, nil)

// Describe implements prometheus.Collector.
func (t *Tracer) Describe(ch chan<- *prometheus.Desc) { ch <- spansDesc }

// Collect implements prometheus.Collector.
func (t *Tracer) Collect(ch chan<- prometheus.Metric) {
	for outcome, n := range map[string]*atomic.Int64{"sent": &t.sender.sent, "failed": &t.sender.failed, "dropped": &t.sender.dropped} {
		ch <- prometheus.MustNewConstMetric(spansDesc, prometheus.CounterValue, float64(n.Load()), outcome)
	}
}
