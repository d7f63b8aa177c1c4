package engine

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"

	"github.com/marketprism/prismrt/runtime/task"
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
	if i.beginning == nil || c.starts {
		c.snapshotter = experimental.GetSnapshotter(ctx)
	}
	if p := i.checkpoint; p != nil {
		i.stack.Set(i.image.stack)
		c.output = append(c.output, p.output...) // what is answered is the caller's
		c.log, c.failure = p.log.clone(), p.failure
		p.resume(ctx)
	}
	if i.beginning == nil {
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

// toCheckpoint runs a command until it looks at its input. A program that ends before,
// in whatever way, has no checkpoint then.
func (i *Instance) toCheckpoint(c *call) {
	c.await = c.checkpoint
	err := c.run(nil, i.function(wasm.RunFunction).Function)
	if !errors.Is(err, errCheckpoint) {
		i.checkpoint = nil
	}
	i.hasty = errors.Is(err, errEnded)
	i.rests()
}

// checkpoint keeps where the guest is and ends its run; it does nothing where that cannot
// be.
func (c *call) checkpoint(again func(context.Context) uint64) {
	i := c.instance
	if p := newCheckpoint(c, again); p != nil {
		i.checkpoint = p
		panic(errCheckpoint)
	}
}

// rests notes how large the native stack is that lies at the checkpoint.
func (i *Instance) rests() {
	if stack := i.function(wasm.RunFunction).stack; stack != nil {
		i.atRest = len(*stack)
	}
}

// readScript has an interpreter go on from its look for a script, which is the call's
// input, until it looks at its input again after the script's end. A script that does
// not come to that is refused: it would not come to serve calls.
func (i *Instance) readScript(c *call) error {
	c.atEnd = c.checkpoint
	err := c.run(nil, i.function(wasm.RunFunction).Function)
	i.rests()
	switch {
	case errors.Is(err, errCheckpoint):
		return nil
	case c.outcome(err) == nil:
		return c.fault(task.KindInvalid, "the script came to its end without a look at its input; have it define handle(input), or read standard input")
	}
	return c.started(err)
}
