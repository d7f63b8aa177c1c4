package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/pool"
)

// A loan of a ready instance that is given back to nobody in line, beside the least
// that could be done: an instance out of a buffered channel and in again.
func BenchmarkAcquireRelease(b *testing.B) {
	const most = 64
	p := pool.New(pool.Options[*int]{Max: most, Waiting: most},
		func(context.Context) (*int, error) { return new(int), nil }, func(*int) {})
	defer p.Close(context.Background())
	warm := make([]pool.Loan[*int], most)
	for i := range warm {
		loan, err := p.Acquire(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		warm[i] = loan
	}
	for _, l := range warm {
		l.Release(pool.Report{Calls: 1})
	}
	report := pool.Report{Calls: 1, Run: time.Microsecond, Rewind: time.Microsecond}
	borrow := func(b *testing.B) {
		loan, err := p.Acquire(b.Context())
		if err != nil {
			b.Error(err)
			return
		}
		loan.Release(report)
	}
	ch := make(chan *int, most)
	for range most {
		ch <- new(int)
	}
	for _, way := range []struct {
		name string
		once func(*testing.B)
	}{
		{"pool", borrow},
		{"channel", func(*testing.B) { ch <- <-ch }},
	} {
		b.Run("of="+way.name+"/callers=1", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				way.once(b)
			}
		})
		b.Run("of="+way.name+"/callers=GOMAXPROCS", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					way.once(b)
				}
			})
		})
	}
}
