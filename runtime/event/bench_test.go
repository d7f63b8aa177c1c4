package event_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/task"
)

var sample = event.Event{
	Type: event.CallFailed, Ref: task.Ref{Namespace: "default", Plugin: "normalise", Version: 3},
	Kind: task.KindTrap, RequestID: "01KAXV8Q2M5Z0R3T7Y9W4N6C1E", Message: "the guest trapped: unreachable",
}

// What it costs who publishes, with a full log.
func BenchmarkPublish(b *testing.B) {
	for _, readers := range []int{0, 1, 100} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			l := event.New(event.Options{})
			for range 5000 {
				l.Publish(sample)
			}
			ctx, cancel := context.WithCancel(b.Context())
			var following sync.WaitGroup
			for range readers {
				r := l.Follow(l.Last(), event.Filter{})
				following.Go(func() {
					for {
						if _, err := r.Next(ctx); err != nil {
							return
						}
					}
				})
			}
			b.ReportAllocs()
			for b.Loop() {
				l.Publish(sample)
			}
			cancel()
			following.Wait()
		})
	}
}

// What it costs a publisher to wake readers who wait, which is not to depend on how many
// there are.
func BenchmarkPublishToWaiting(b *testing.B) {
	for _, readers := range []int{1, 100} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			l := event.New(event.Options{})
			ctx, cancel := context.WithCancel(b.Context())
			var following, seen sync.WaitGroup
			for range readers {
				r := l.Follow(l.Last(), event.Filter{})
				following.Go(func() {
					for {
						if _, err := r.Next(ctx); err != nil {
							return
						}
						seen.Done()
					}
				})
			}
			var took time.Duration
			for b.Loop() {
				seen.Add(readers)
				begun := time.Now()
				l.Publish(sample)
				took += time.Since(begun)
				seen.Wait()
			}
			b.ReportMetric(float64(took)/float64(b.N), "ns-publish/op")
			cancel()
			following.Wait()
		})
	}
}

// A fault that is like many others, as every failing call has it.
func BenchmarkBurst(b *testing.B) {
	l := event.New(event.Options{})
	burst := event.NewBurst(l.Publish)
	b.Run("callers=1", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			burst.Add(func() event.Event { return sample })
		}
	})
	b.Run("callers=8", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(4)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				burst.Add(func() event.Event { return sample })
			}
		})
	})
}
