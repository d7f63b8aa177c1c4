//go:build unix

package bench_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// BenchmarkCall measures a call of each guest. The engines do the same work in one
// run, in random order.
func BenchmarkCall(b *testing.B) {
	for _, g := range guests {
		b.Run("guest="+g.name, func(b *testing.B) {
			ctx := newContext(b).Context
			i, plain := instance(b, g.program(b)), g.plain(b)
			answered := func(output []byte, err error) error {
				if err == nil && !g.answered(output) {
					err = fmt.Errorf("it answered %q", output)
				}
				return err
			}
			rewound := &contender{name: "rewound", once: func() error {
				output, _, err := i.Run(ctx, task.Invocation{Input: order}, nil)
				if err := answered(output, err); err != nil {
					return err
				}
				_, err = i.Rewind()
				return err
			}}
			fresh := &contender{name: "fresh", once: func() error { return answered(plain.fresh(ctx)) }}
			all := []*contender{rewound, fresh}
			if g.abi == task.ABIPrism {
				m, err := plain.instantiate(&plainCall{Context: ctx})
				if err != nil {
					b.Fatal(err)
				}
				defer m.Close(ctx)
				f := m.ExportedFunction("handle")
				all = append(all, &contender{name: "live", once: func() error {
					c := &plainCall{Context: ctx, input: order}
					return answered(c.handle(f))
				}})
			}
			contend(b, all)
			compare(b, fresh, rewound)
			b.ReportMetric(testing.AllocsPerRun(20, func() { _ = rewound.once() }), "rewound-allocs")
			if _, _, err := i.Run(ctx, task.Invocation{Input: order}, nil); err != nil {
				b.Fatal(err)
			}
			pages, err := i.Rewind()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(pages), "rewound-pages")
		})
	}
}

// BenchmarkBirth measures making another instance of a guest, up to where it can
// be called. Closing it is not measured. Those of commands run up to their input with prismrt;
// for plain wazero there is no such thing.
func BenchmarkBirth(b *testing.B) {
	for _, g := range guests {
		b.Run("guest="+g.name, func(b *testing.B) {
			ctx := newContext(b).Context
			p, plain := g.program(b), g.plain(b)
			instance(b, p) // the first is what the image is taken of
			var born []closer
			made := func(c closer, err error) error {
				born = append(born, c)
				return err
			}
			closed := func() (err error) {
				for _, c := range born {
					err = errors.Join(err, c.Close(ctx))
				}
				born = nil
				return err
			}
			imaged := &contender{name: "imaged", after: closed, once: func() error { return made(p.Instantiate(ctx, nil)) }}
			all := []*contender{imaged}
			if g.abi == task.ABIPrism {
				all = append(all, &contender{name: "fresh", after: closed, once: func() error { return made(plain.instantiate(&plainCall{Context: ctx})) }})
			}
			contend(b, all)
			if g.abi == task.ABIPrism {
				compare(b, all[1], imaged)
			}
		})
	}
}

type closer interface{ Close(context.Context) error }

// contender is one of several ways to the same end.
type contender struct {
	name  string
	once  func() error
	after func() error // of a batch, not measured; nil: nothing
	batch int          // how often once is called between two looks at the clocks
	took  []spent      // by a batch
}

// A batch takes batchTime, give or take: long beside looking at the clocks, and
// short beside what drifts.
const (
	batchTime = 10 * time.Millisecond
	maxBatch  = 1000
)

// run takes the time of a batch. What others left behind is collected before; what
// this one leaves is collected when Go sees fit, as in a server.
func (c *contender) run(b *testing.B) spent {
	runtime.GC()
	cpu, wall := cpuTime(b), time.Now()
	for range c.batch {
		if err := c.once(); err != nil {
			b.Fatalf("%s: %v", c.name, err)
		}
	}
	took := spent{cpu: cpuTime(b) - cpu, wall: time.Since(wall)}
	if c.after != nil {
		if err := c.after(); err != nil {
			b.Fatalf("%s: %v", c.name, err)
		}
	}
	return took
}

// calibrate finds the batch.
func (c *contender) calibrate(b *testing.B) {
	for c.batch = 1; ; {
		took := c.run(b).cpu
		if c.batch == maxBatch || took > batchTime/2 {
			return
		}
		grown := float64(c.batch) * float64(batchTime) / float64(max(took, 1))
		c.batch = min(int(min(grown, 10*float64(c.batch)))+1, maxBatch)
	}
}

// contend runs a batch of each in every iteration, in random order.
func contend(b *testing.B, all []*contender) {
	for _, c := range all {
		c.calibrate(b)
	}
	turns := slices.Clone(all)
	for b.Loop() {
		rand.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
		for _, c := range turns {
			c.took = append(c.took, c.run(b))
		}
	}
	b.ReportMetric(0, "ns/op") // the sum means nothing
	for _, c := range all {
		cpu, wall := c.each()
		b.ReportMetric(quantile(cpu, 0.5), c.name+"-ns")
		b.ReportMetric(slices.Min(cpu), c.name+"-best-ns")
		b.ReportMetric(quantile(wall, 0.5), c.name+"-wall-ns")
	}
}

// each gives what one time took, batch by batch, in nanoseconds.
func (c *contender) each() (cpu, wall []float64) {
	for _, s := range c.took {
		cpu = append(cpu, float64(s.cpu.Nanoseconds())/float64(c.batch))
		wall = append(wall, float64(s.wall.Nanoseconds())/float64(c.batch))
	}
	return cpu, wall
}

// compare reports how often the quick one goes into the slow one: by the medians, by
// the best, and what eight in ten iterations were between.
func compare(b *testing.B, slow, quick *contender) {
	name := slow.name + "/" + quick.name
	slowCPU, slowWall := slow.each()
	quickCPU, quickWall := quick.each()
	b.ReportMetric(quantile(slowCPU, 0.5)/quantile(quickCPU, 0.5), name)
	b.ReportMetric(slices.Min(slowCPU)/slices.Min(quickCPU), name+"-best")
	b.ReportMetric(quantile(slowWall, 0.5)/quantile(quickWall, 0.5), name+"-wall")
	ratios := make([]float64, len(slowCPU))
	for i := range ratios {
		ratios[i] = slowCPU[i] / quickCPU[i]
	}
	b.ReportMetric(quantile(ratios, 0.1), name+"-p10")
	b.ReportMetric(quantile(ratios, 0.9), name+"-p90")
}
