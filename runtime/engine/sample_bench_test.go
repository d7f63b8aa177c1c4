package engine_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/profile"
	"github.com/marketprism/prismrt/runtime/task"
)

// What sampling costs: calls of a guest that works for long, and of one that does for a
// microsecond or two, on two instances in turns of some milliseconds, of which one is sampled. So
// what else the machine does hits both; the medians are compared.
func BenchmarkSampling(b *testing.B) {
	for _, guest := range []struct {
		name         string
		turns, calls int // of a loop of nine instructions; and calls that are timed together
	}{{"long", 1_000_000, 1}, {"short", 200, 1000}} {
		b.Run("guest="+guest.name, func(b *testing.B) {
			module := program(countdownFrom(guest.turns))
			p := profile.New(profile.Options{})
			var instances [2]*engine.Instance
			for n, o := range []engine.Options{{}, {Sampler: func(v task.Version) engine.Sampler { return p.Recorder(v) }}} {
				program := compile(b, newEngine(b, o), task.ABICommand, module)
				i, err := program.Instantiate(b.Context(), nil)
				if err != nil {
					b.Fatal(err)
				}
				defer i.Close(context.Background())
				instances[n] = i
			}
			var took [2][]time.Duration
			for n := 0; b.Loop(); n++ {
				for k := range instances {
					which := (n + k) % 2
					i, begun := instances[which], time.Now()
					for range guest.calls {
						_, _, err := i.Run(b.Context(), task.Invocation{}, nil)
						if err == nil {
							_, err = i.Rewind()
						}
						if err != nil {
							b.Fatal(err)
						}
					}
					took[which] = append(took[which], time.Since(begun))
				}
			}
			at := func(which, hundredth int) float64 {
				slices.Sort(took[which])
				return float64(took[which][len(took[which])*hundredth/100]) / float64(guest.calls)
			}
			b.ReportMetric(at(0, 50), "plain-ns/call")
			b.ReportMetric(at(1, 50), "sampled-ns/call")
			b.ReportMetric(100*(at(1, 50)/at(0, 50)-1), "median-%")
			b.ReportMetric(100*(at(1, 10)/at(0, 10)-1), "p10-%")
		})
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
