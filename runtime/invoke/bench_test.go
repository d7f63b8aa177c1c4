package invoke_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/invoke"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/tracing"
)

// One call through resolving, borrowing, running and taking down, of a module of
// 160 bytes: what a call costs besides the guest's own work.
func BenchmarkInvoke(b *testing.B) {
	i, _ := newInvoker(b)
	deploy(b, i, 1, 'a')
	b.Run("callers=1", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := call(b.Context(), i, task.Invocation{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("callers=8", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(4) // times GOMAXPROCS
		var waited atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				result, err := call(b.Context(), i, task.Invocation{})
				if err != nil {
					b.Error(err)
					return
				}
				waited.Add(int64(result.Timing.Pool))
			}
		})
		b.ReportMetric(float64(waited.Load())/float64(b.N)/float64(time.Microsecond), "us-pool/op")
	})
}

// That call by one caller, taken up from a request's headers: without a tracer, and with one
// of which the collector is in this process and throws away what it gets.
func BenchmarkTraced(b *testing.B) {
	c := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer c.Close()
	for _, sample := range []float64{-1, 0, 0.01, 1} {
		name := fmt.Sprintf("sample=%v", sample)
		var tracer *tracing.Tracer
		if sample < 0 {
			name = "off"
		} else {
			var err error
			if tracer, err = tracing.New(b.Context(), tracing.Options{Endpoint: c.URL, Sample: sample, Log: slog.New(slog.DiscardHandler)}); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(name, func(b *testing.B) {
			i, _ := newInvokerOf(b, nil, func(o *invoke.Options) { o.Tracer = tracer })
			deploy(b, i, 1, 'a')
			headers := http.Header{"Content-Length": {"0"}, "User-Agent": {"benchmark"}}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := call(b.Context(), i, task.Invocation{Trace: tracer.Take(headers)}); err != nil {
					b.Fatal(err)
				}
			}
		})
		if err := tracer.Close(b.Context()); err != nil {
			b.Error(err)
		}
	}
}

// A series of a hundred of those calls: what is left of that besides the guest.
func BenchmarkSeries(b *testing.B) {
	i, _ := newInvoker(b)
	deploy(b, i, 1, 'a')
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		err := i.Series(b.Context(), task.Invocation{Namespace: "default", Plugin: "count"}, func(in *task.Invocation) bool {
			n++
			return n <= 100
		}, func(_ *task.Result, err error) {
			if err != nil {
				b.Fatal(err)
			}
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/call")
}

// Calls that trap, one after the other, as BenchmarkInvoke makes those that do not: what
// telling of them adds is runtime/event's BenchmarkBurst.
func BenchmarkFaults(b *testing.B) {
	i, _ := newInvoker(b)
	deploy(b, i, 1, 'a')
	b.ReportAllocs()
	for b.Loop() {
		if _, err := call(b.Context(), i, task.Invocation{Function: "trap"}); err == nil {
			b.Fatal("it did not trap")
		}
	}
}
