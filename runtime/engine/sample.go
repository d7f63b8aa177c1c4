package engine

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// Sampler is told where the guests of a program burn their fuel and wait. It is safe
// for concurrent use, and quick: guests wait for it.
type Sampler interface {
	Sample(s *task.Sample)
}

// sampleEvery is how much fuel there is from one sample of an instance to the next, on
// average. A sample takes a guest away from its work for 1 to 3 us, most of which
// is that caches and predictors forget; half a millisecond's work and more lies between two
// (BenchmarkSampling). It is between half as much and one and a half times as much,
// each as likely as the other: a guest whose work repeats would otherwise be met at the
// same point again and again.
const sampleEvery = 3_000_000

// mostCalls is where wazero ends a stack: the host function and 28 calls
// (internal/wasmdebug, MaxFrames, less the entry).
const mostCalls = 29

// sampling is an instance's part in its program's profile. It goes on from call to
// call, and at its end to the program's next instance, so that short calls and
// short lives are as likely to be met as long ones.
type sampling struct {
	until   int64 // fuel from now to the next sample; below zero: it is late
	since   int64 // fuel burnt since the last
	calls   field // of wazero's iterator over the stack, once looked up
	sample  task.Sample
	frames  []task.Frame
	current experimental.StackIterator // of the guest that is sampled
	ended   api.FunctionDefinition     // what was called, where the guest has ended
}

// beginSampling takes over what the program's instances before left.
func (i *Instance) beginSampling() {
	i.sampling.sample.Frames = i.frames
	if i.program.sampler == nil {
		i.sampling.until = math.MaxInt64
		return
	}
	i.sampling.since = i.program.unsampled.Swap(0)
	i.sampling.until = sampleDistance() - i.sampling.since
}

// endSampling leaves what was not sampled to those that come.
func (i *Instance) endSampling() {
	i.program.unsampled.Add(i.sampling.since)
	i.sampling.since = 0
}

func sampleDistance() int64 { return sampleEvery/2 + rand.Int64N(sampleEvery) }

// burnt counts fuel on the way to the next sample.
func (s *sampling) burnt(fuel int64) {
	s.since += fuel
	s.until -= fuel
}

// sampleFuel takes a sample, if it is time and the guest is in a function of the host
// that tells its stack. If it is not, it is time at the guest's next check.
func (c *call) sampleFuel() {
	s := &c.instance.sampling
	if s.until > 0 || c.stack == nil || c.instance.program.sampler == nil {
		return
	}
	c.take(s.since, 0)
	s.since, s.until = 0, sampleDistance()
}

// sampleEnd takes a sample that is late when the guest has ended: what it ran after its last
// check was a part of the function that was called, and not of what is called next.
func (c *call) sampleEnd(f api.Function) {
	s := &c.instance.sampling
	if s.until > 0 || c.instance.program.sampler == nil {
		return
	}
	s.ended = f.Definition()
	c.take(s.since, 0)
	s.ended = nil
	s.since, s.until = 0, sampleDistance()
}

// sampleWait tells of a wait in a function of the host.
func (c *call) sampleWait(waited time.Duration) {
	if c.instance.program.sampler != nil {
		c.take(0, waited)
	}
}

func (c *call) take(fuel int64, waited time.Duration) {
	s := &c.instance.sampling
	s.current = c.stack
	one := &s.sample
	one.Calls, one.Fuel, one.Waited, one.Starts = one.Calls[:0], fuel, waited, c.starts
	s.frames = s.frames[:0]
	switch {
	case s.current != nil:
		s.addresses()
	case s.ended != nil:
		one.Calls = append(one.Calls, ^uintptr(s.ended.Index())) // no code is there
	}
	one.Cut = len(one.Calls) == mostCalls
	c.instance.program.sampler.Sample(one)
	s.current = nil
}

// addresses finds the addresses that the guest's calls return to. Wazero has them
// together; that it does is not told. Where it does not, all frames are looked up.
func (s *sampling) addresses() {
	if s.calls.owner == nil {
		s.calls, _ = fieldOf[[]uintptr](s.current, "retAddrs")
	}
	if s.calls.owner != nil {
		s.sample.Calls = append(s.sample.Calls, *of[[]uintptr](s.calls, s.current)...)
		return
	}
	for s.current.Next() {
		s.sample.Calls = append(s.sample.Calls, uintptr(s.current.ProgramCounter()))
		s.frame()
	}
}

// frames is task.Sample's Frames.
func (i *Instance) frames() []task.Frame {
	s := &i.sampling
	switch {
	case s.ended != nil:
		s.frames = append(s.frames[:0], i.program.entry(s.ended))
	case s.current != nil:
		for s.current.Next() { // unless it was gone through
			s.frame()
		}
	}
	s.frames = slices.DeleteFunc(s.frames, func(f task.Frame) bool {
		return f.Host && f.Name == meterName || !f.Host && f.Function >= i.program.rewritten.Appended
	})
	return s.frames
}

// entry is the author's function that an exported one begins with.
func (p *Program) entry(d api.FunctionDefinition) task.Frame {
	if d.Index() >= p.rewritten.Appended {
		if start := p.compiled.ExportedFunctions()["_start"]; start != nil { // the meter's run calls it
			d = start
		}
	}
	return task.Frame{Function: d.Index(), Name: d.Name()}
}

const meterName = wasm.MeterModule + "." + wasm.RefuelFunction

func (s *sampling) frame() {
	f := s.current.Function()
	d := f.Definition()
	frame := task.Frame{Function: d.Index(), Name: d.Name(), Host: d.GoFunction() != nil}
	if frame.Host {
		frame.Name = d.ModuleName() + "." + frame.Name
	} else {
		frame.Offset = f.SourceOffsetForPC(s.current.ProgramCounter())
	}
	s.frames = append(s.frames, frame)
}

// telling are functions of the host that tell a call the guest's stack: the meter's and
// those in which guests wait. A listener on a function of the host costs that function alone,
// with wazero v1.12.0 some 0.1 us a call, and guests are compiled as they are without.
type telling map[string]bool

// tells makes functions of a host module tell guests' stacks.
func tells(ctx context.Context, functions []string) context.Context {
	t := make(telling)
	for _, name := range functions {
		t[name] = true
	}
	return experimental.WithFunctionListenerFactory(ctx, t)
}

// NewFunctionListener implements experimental.FunctionListenerFactory.
func (t telling) NewFunctionListener(d api.FunctionDefinition) experimental.FunctionListener {
	if !t[d.Name()] {
		return nil
	}
	return t
}

// Before notes the stack for as long as the guest is in the function.
func (telling) Before(ctx context.Context, _ api.Module, _ api.FunctionDefinition, _ []uint64, stack experimental.StackIterator) {
	if c, ok := ctx.Value(task.CallKey{}).(*call); ok {
		c.stack = stack
	}
}

// After lets go of it.
func (telling) After(ctx context.Context, _ api.Module, _ api.FunctionDefinition, _ []uint64) {
	if c, ok := ctx.Value(task.CallKey{}).(*call); ok {
		c.stack = nil
	}
}

// Abort implements experimental.FunctionListener. The call has ended.
func (telling) Abort(context.Context, api.Module, api.FunctionDefinition, error) {}
