package engine

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"

	"github.com/marketprism/prismrt/runtime/wasm"
)

// frames are where a guest was in native code. They are one instance's, since they
// hold addresses. A restored guest runs on the snapshot's own copy of its stack, so
// that this is put back before.
type frames struct {
	snapshot      experimental.Snapshot
	running, kept []byte
}

// keepFrames keeps where the guest is; nil where that cannot be.
func keepFrames(s experimental.Snapshotter) *frames {
	snapshot := s.Snapshot()
	running := framesOf(snapshot)
	if running == nil {
		return nil
	}
	return &frames{snapshot, running, bytes.Clone(running)}
}

// restore goes on from there, with the results of the host function that the guest
// was in, and does not return. It is called in a host function of the same run.
func (f *frames) restore(results ...uint64) {
	copy(f.running, f.kept)
	f.snapshot.Restore(results)
}

// checkpoint is a command about to look at its input, and the system call it is in.
type checkpoint struct {
	*frames
	again func(context.Context) uint64 // does the system call for another call

	// What the program had written by then, which it will not write again.
	output  []byte
	log     guestLog
	failure *string
}

// errCheckpoint unwinds a guest that has come to its checkpoint.
var errCheckpoint = errors.New("checkpoint")

// snapshotting is asked for what makes wazero offer snapshots, whose key is its own.
var snapshotting = experimental.WithSnapshotter(context.Background())

// newCheckpoint keeps where the guest is; nil where that cannot be.
func newCheckpoint(c *call, again func(context.Context) uint64) *checkpoint {
	f := keepFrames(c.snapshotter)
	if f == nil {
		return nil
	}
	return &checkpoint{frames: f, again: again, output: slices.Clip(c.output), log: c.log, failure: c.failure}
}

// resume goes on from the checkpoint and does not return. ctx is that of the host
// function in which the guest's new run is.
func (p *checkpoint) resume(ctx context.Context) { p.restore(p.again(ctx)) }

// begun is called by a command's run before it is the program's turn: to go on
// from the checkpoint where there is one.
func (c *call) begun(ctx context.Context) {
	c.begins = false
	i := c.instance
	if p := i.checkpoint; p != nil {
		i.stack.Set(i.image.stack)
		c.output = append(c.output, p.output...) // what is answered is the caller's
		c.log, c.failure = p.log.clone(), p.failure
		p.resume(ctx)
	}
	if i.beginning == nil {
		c.snapshotter = experimental.GetSnapshotter(ctx)
		i.beginning = keepFrames(c.snapshotter)
	}
}

// Exit ends a program. Of a command's run it leaves by where that began, which spares
// what wazero does for a panic: it looks up the whole stack.
func (c *call) Exit(code uint32) {
	exit := sys.NewExitError(code)
	if i := c.instance; c.runs && i.beginning != nil {
		c.exit = exit
		i.ended.Set(1)
		i.beginning.restore()
	}
	panic(exit)
}

// toCheckpoint runs a command until it looks at its input, or, where there is a
// prelude, until it does so again after it has read that. A program that ends before,
// in whatever way, has no checkpoint then. The error is of the engine alone.
func (i *Instance) toCheckpoint(c *call) error {
	var failed error
	last := func(again func(context.Context) uint64) {
		if i.checkpoint = newCheckpoint(c, again); i.checkpoint != nil {
			panic(errCheckpoint)
		}
	}
	c.await = last
	if prelude := i.program.version.Prelude; prelude != nil {
		c.await = func(func(context.Context) uint64) {
			if failed = i.program.world.takeBase(i); failed != nil {
				panic(errCheckpoint)
			}
			c.in.Input, c.atEnd = prelude, last
			c.birth.reseed(prelude) // what one script draws is not another's to know
		}
	}
	err := c.run(nil, i.function(wasm.RunFunction).Function)
	if !errors.Is(err, errCheckpoint) {
		i.checkpoint = nil
	}
	i.hasty = errors.Is(err, errEnded)
	if stack := i.function(wasm.RunFunction).stack; stack != nil {
		i.atRest = len(*stack)
	}
	if i.program.version.Prelude != nil && i.checkpoint == nil && failed == nil {
		return c.started(err) // a script that does not come to its input, does not come to serve calls
	}
	return failed
}
