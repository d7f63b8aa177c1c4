package monitor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/task"
)

func BenchmarkWindow(b *testing.B) {
	for _, versions := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(versions), func(b *testing.B) {
			var pools []monitor.Pool
			for n := range versions {
				pools = append(pools, monitor.Pool{Ref: task.Ref{Namespace: "default", Plugin: fmt.Sprint("p", n), Version: 1}})
			}
			m := monitor.New(monitor.Sources{
				Pools: func() []monitor.Pool { return pools }, Guests: func() monitor.Guests { return monitor.Guests{} },
				Scheduler: func() monitor.Scheduler { return monitor.Scheduler{} },
			})
			for range 100 {
				for _, p := range pools {
					m.Row(p.Ref).Observe(monitor.Observation{Total: time.Millisecond, Timing: task.Timing{Run: time.Millisecond, Rewind: time.Microsecond}})
				}
				m.Look()
			}
			b.ReportAllocs()
			b.Run("look", func(b *testing.B) {
				for b.Loop() {
					for _, p := range pools {
						m.Row(p.Ref).Observe(monitor.Observation{Total: time.Millisecond, Timing: task.Timing{Run: time.Millisecond, Rewind: time.Microsecond}})
					}
					m.Look()
				}
			})
			b.Run("window", func(b *testing.B) {
				for b.Loop() {
					m.Window(10 * time.Second)
				}
			})
		})
	}
}
