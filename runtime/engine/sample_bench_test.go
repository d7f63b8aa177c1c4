package engine_test

import (
	"testing"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
)

// counting is a sampler that only counts.
type counting struct{ samples, fuel int64 }

func (c *counting) Sample(s *task.Sample) {
	c.samples++
	c.fuel += s.Fuel
}

// One call after another of a guest that works for long, and of one that does for two
// microseconds, sampled and not.
func BenchmarkSampling(b *testing.B) {
	for _, guest := range []struct {
		name  string
		turns int
	}{{"long", 1_000_000}, {"short", 200}} {
		module := program(countdownFrom(guest.turns))
		for _, sampled := range []bool{false, true} {
			name := "guest=" + guest.name + "/sampled=no"
			if sampled {
				name = "guest=" + guest.name + "/sampled=yes"
			}
			b.Run(name, func(b *testing.B) {
				var o engine.Options
				c := &counting{}
				if sampled {
					o.Sampler = func(task.Version) engine.Sampler { return c }
				}
				p := compile(b, newEngine(b, o), task.ABICommand, module)
				i, err := p.Instantiate(b.Context(), nil)
				if err != nil {
					b.Fatal(err)
				}
				defer i.Close(b.Context())
				fuel := int64(0)
				b.ReportAllocs()
				for b.Loop() {
					_, burnt, err := i.Run(b.Context(), task.Invocation{}, nil)
					if err != nil {
						b.Fatal(err)
					}
					fuel += burnt
					if _, err := i.Rewind(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(fuel)/float64(b.N), "fuel/op")
				b.ReportMetric(float64(c.samples)/float64(b.N), "samples/op")
			})
		}
	}
}

// countdownFrom is code that counts memory[0] down from n.
func countdownFrom(n int) []byte {
	code := append([]byte{0x41, 0}, 0x41)
	for v := n; ; v >>= 7 { // signed LEB128
		b := byte(v & 0x7f)
		if v < 64 {
			code = append(code, b)
			break
		}
		code = append(code, b|0x80)
	}
	return append(code, 0x36, 2, 0,
		0x03, 0x40, // loop
		0x41, 0, 0x41, 0, 0x28, 2, 0, 0x41, 1, 0x6b, 0x36, 2, 0, // memory[0]--
		0x41, 0, 0x28, 2, 0, 0x0d, 0, // br_if 0 (memory[0])
		0x0b)
}
