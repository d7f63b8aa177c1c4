package profile_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// What sampling costs: calls on two instances in turns of a millisecond or so, of which one is
// sampled. So what else the machine does hits both. The lower twentieth of the turns, which
// little has hit, are compared, and the medians. Both have used up a slice before: a small loop is quicker
// until its fuel was given anew for the first time, and an instance without samples may
// never come to that.
func BenchmarkSampling(b *testing.B) {
	library := func(b *testing.B) []byte {
		module, err := os.ReadFile("../../sdk/c/examples/normalise/normalise.wasm")
		if err != nil {
			b.Skipf("make guests builds it: %v", err)
		}
		return module
	}
	program := func(b *testing.B) []byte { return inC(b) }
	trade := `{"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100","b":88,"a":50,"T":1672515782136,"m":true,"M":true}`
	for _, guest := range []struct {
		name        string
		module      func(*testing.B) []byte
		abi         task.ABI
		input, warm string
		calls       int // that are timed together
	}{
		{"command/calls=long", program, task.ABICommand, "pcr100000", "pcr1000000", 1},
		{"command/calls=short", program, task.ABICommand, "pcr20", "pcr1000000", 500},
		{"library/calls=short", library, task.ABIPrism, trade, trade, 200},
	} {
		b.Run("guest="+guest.name, func(b *testing.B) {
			module := guest.module(b)
			instances := [2]*burning{run(b, module, guest.abi, false), run(b, module, guest.abi, true)}
			fuel := int64(0)
			for range 300 {
				instances[0].call(guest.warm)
				instances[1].call(guest.warm)
			}
			var took [2][]time.Duration
			for n := 0; b.Loop(); n++ {
				for k := range instances {
					which := (n + k) % 2
					begun := time.Now()
					for range guest.calls {
						fuel = instances[which].call(guest.input)
					}
					took[which] = append(took[which], time.Since(begun))
				}
			}
			at := func(which, hundredth int) float64 {
				slices.Sort(took[which])
				return float64(took[which][len(took[which])*hundredth/100]) / float64(guest.calls)
			}
			b.ReportMetric(float64(fuel), "fuel/call")
			b.ReportMetric(at(0, 5), "plain-ns/call")
			b.ReportMetric(at(1, 5), "sampled-ns/call")
			b.ReportMetric(100*(at(1, 5)/at(0, 5)-1), "p5-%")
			b.ReportMetric(100*(at(1, 50)/at(0, 50)-1), "median-%")
		})
	}
}
