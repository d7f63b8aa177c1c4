package engine

import (
	"context"
	"errors"
	"math"
	goruntime "runtime"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/marketprism/prismrt/runtime/memory"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// A guest gets its fuel in slices of about sliceTime, between which it can be
// ended and lets others have the core: compiled code is not preemptible by Go,
// and holds up the garbage collector while it runs.
const (
	sliceTime  = 200 * time.Microsecond
	firstSlice = 100_000
	minSlice   = 1_000
	maxSlice   = 10_000_000

	// lookAfter is for how much work of host functions nobody looks at the clock,
	// which takes as long as a cheap one: some microseconds.
	lookAfter = 2_000
)

// errEnded unwinds a guest whose time is over.
var errEnded = errors.New("ended")

// meter is the fuel and the stack of one run.
type meter struct {
	used     int64                      // of what was given
	given    int64                      // and is being used
	slice    int64                      // what is left of the slice, of which what was given is a part
	unlooked int64                      // spent by host functions since the clock was looked at
	reported int64                      // of what was used, to the turn
	slices   int                        // that were used up
	timed    int                        // of these, all but the first
	sliced   time.Duration              // that these took
	longest  time.Duration              // of these
	entered  bool                       // the turn is held
	watched  bool                       // it has been on one thread, with an eye on the pages it writes
	stack    experimental.StackIterator // while the guest is in a function that tells it
	since    time.Time                  // when the slice was given; zero for the first, which most calls do not use up
}

// run calls functions of a guest, until one fails, and settles their fuel. The
// result of the last, if it has one, comes back in stack.
func (c *call) run(stack []uint64, functions ...api.Function) (err error) {
	i := c.instance
	if i.slice == 0 {
		i.slice = firstSlice
	}
	if c.starts {
		if !c.enter() {
			return errEnded
		}
		defer c.leave()
	}
	c.watch()
	defer c.unwatch(unwatched)
	c.slice = min(i.slice, c.left())
	c.give()
	for _, f := range functions {
		c.begins = i.program.version.ABI.IsProgram() && i.program.rewritten.Command && i.function(wasm.RunFunction).Function == f
		c.runs = c.begins
		i.stack.Set(uint64(i.program.version.Limits.Stack))
		if err = f.CallWithStack(c, stack); c.exit != nil {
			i.ended.Set(0)
			err = c.exit
		}
		if err != nil {
			break
		}
	}
	c.settle()
	c.sampleEnd(functions[len(functions)-1])
	c.unwatch((*memory.Memory).Watched)
	return err
}

// watchedSlices is how many slices a call may take to be watched: keeping a thread
// gets expensive when Go would have another goroutine run on it.
const watchedSlices = 8

// watch keeps the call on its thread, where that spares a scan of its memory
// afterwards.
func (c *call) watch() {
	m := c.instance.memory
	if m == nil {
		return
	}
	goruntime.LockOSThread()
	if c.watched = m.Watch(); !c.watched {
		goruntime.UnlockOSThread()
	}
}

// unwatched is what becomes of a watch when the thread may be left.
var unwatched = (*memory.Memory).Unwatch

// unwatch lets the call change threads again. How says whether it never has.
func (c *call) unwatch(how func(*memory.Memory)) {
	if c.watched {
		how(c.instance.memory)
		c.watched = false
		goruntime.UnlockOSThread()
	}
}

// left is the fuel that the invocation may still use.
func (c *call) left() int64 {
	return max(0, c.instance.program.version.Limits.Fuel-c.used)
}

// report tells the turn what was used, and lets others run.
func (c *call) report() error {
	fuel := c.used - c.reported
	c.reported = c.used
	err := c.turn.Slice(fuel)
	if err != nil {
		c.entered = false
		c.refused(err)
	}
	return err
}

// give gives what is left of the slice, or as much as there is to the next sample.
func (c *call) give() {
	c.given = max(0, min(c.slice, c.instance.sampling.until))
	c.instance.fuel.Set(uint64(c.given))
}

// settle counts what was used of what was given.
func (c *call) settle() {
	i := c.instance
	burnt := c.given - int64(i.fuel.Get())
	c.used += burnt
	c.slice -= burnt
	c.given = 0
	i.fuel.Set(0)
	i.sampling.burnt(burnt)
}

// refuel is called by a guest that has used up what it was given, or its stack.
func (c *call) refuel() {
	c.settle()
	c.sampleFuel()
	if c.slice > 0 && c.stopped == nil && int64(c.instance.stack.Get()) >= 0 {
		c.give()
		return
	}
	c.next()
}

// next gives a settled guest its next slice. It ends the guest by panicking, which unwinds
// it and leaves the instance whole.
func (c *call) next() {
	i := c.instance
	if c.stopped == nil && int64(i.stack.Get()) < 0 {
		c.stopped = task.Faultf(task.KindTrap, "the guest trapped: its calls are nested deeper than %v of stack hold; "+
			"look for a recursion without an end, or raise limits.stack in the manifest", i.program.version.Limits.Stack)
	}
	if c.stopped == nil && c.left() == 0 {
		limit := c.instance.program.version.Limits.Fuel
		c.stopped = task.Faultf(task.KindFuel, "the guest used up its fuel of %d instructions; raise limits.fuel in the manifest", limit)
	}
	if c.stopped != nil || c.Err() != nil {
		panic(errEnded)
	}
	if !c.since.IsZero() {
		// Half way to what would have taken a sliceTime, so that one slow slice does not
		// make the next too short.
		took := max(time.Since(c.since), time.Microsecond)
		c.timed++
		c.sliced += took
		c.longest = max(c.longest, took)
		wanted := float64(i.slice) * float64(sliceTime) / float64(took)
		i.slice = int64(min(max(math.Sqrt(float64(i.slice)*wanted), minSlice), maxSlice))
	}
	if c.slices++; c.slices == watchedSlices || c.turn.Contended() {
		c.unwatch(unwatched)
	}
	yield()
	if c.report() != nil {
		panic(errEnded)
	}
	c.slice, c.since = min(i.slice, c.left()), time.Now()
	c.give()
}

// Spend takes fuel for what a host function does for the guest, before it does
// it. Where the slice is used up, by its fuel or by what host functions took of its
// time, it ends the guest or lets others run, as the guest's own checks do.
func (c *call) Spend(fuel int64) {
	global := c.instance.fuel
	left := int64(global.Get()) - fuel
	global.Set(uint64(left))
	c.unlooked += fuel
	if left < 0 {
		c.refuel()
	} else if c.unlooked >= lookAfter && c.looksLong() {
		c.settle()
		c.next()
	}
	if c.unlooked >= lookAfter {
		c.unlooked = 0
	}
}

// looksLong tells whether the slice has taken too long by the clock, which in the first
// slice begins with the first look.
func (c *call) looksLong() bool {
	if c.since.IsZero() {
		c.since = time.Now()
		return false
	}
	return time.Since(c.since) > 2*sliceTime
}

// instantiateMeter offers the functions that metered modules call.
func instantiateMeter(ctx context.Context, r wazero.Runtime) error {
	b := r.NewHostModuleBuilder(wasm.MeterModule)
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, _ api.Module, _ []uint64) {
		c := ctx.Value(task.CallKey{}).(*call)
		c.refuel()
	}), nil, nil).Export(wasm.RefuelFunction)
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, _ api.Module, _ []uint64) {
		c := ctx.Value(task.CallKey{}).(*call)
		c.begun(ctx)
	}), nil, nil).Export(wasm.BeginFunction)
	_, err := b.Instantiate(ctx)
	return err
}
