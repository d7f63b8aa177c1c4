package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"

	"github.com/marketprism/prismrt/runtime/task"
)

// call is one run of guest code, and the context that run is given. Host functions
// find it there by task.CallKey: wazero wraps contexts that have a snapshotter.
type call struct {
	context.Context
	instance *Instance
	in       task.Invocation
	turn     Turn
	starts   bool // the instance is being made: each of its runs takes the turn
	meter

	birth *birth                                   // the guest's world; nil: the real one
	await func(again func(context.Context) uint64) // called at the next look at the input; nil: the guest goes on

	// Of a command's run:
	begins      bool                                     // it is not the program's turn yet
	runs        bool                                     // it is under way
	exit        *sys.ExitError                           // how it ended, where it did by Exit
	snapshotter experimental.Snapshotter                 // while it runs to its checkpoint
	atEnd       func(again func(context.Context) uint64) // becomes await where the input has ended

	read    int // bytes of the input standard input has given out
	output  []byte
	log     guestLog
	errors  lineCutter  // of standard error, where somebody listens
	failure *string     // what the guest said with fail
	held    task.Held   // what a host module keeps of the call; nil: nothing
	stopped *task.Fault // why the guest is to be ended
}

// Value is the call itself for its key. For a command it tells wazero, too, that
// snapshots are wanted.
func (c *call) Value(key any) any {
	if _, ok := key.(task.CallKey); ok {
		return c
	}
	if c.begins {
		if v := snapshotting.Value(key); v != nil {
			return v
		}
	}
	return c.Context.Value(key)
}

// Input returns what the guest was called with.
func (c *call) Input() []byte { return c.in.Input }

// ReadAt copies of the input, from an offset within it on.
func (c *call) ReadAt(p []byte, from int) int {
	return c.copied(&c.instance.spent.Bind, p, c.in.Input[from:])
}

// timedCopy is from how many bytes on a copy is timed: to look at the clock twice takes a
// twentieth of its time.
const timedCopy = 16 << 10

// copied copies, and adds to a phase how long that took.
func (c *call) copied(phase *time.Duration, to, from []byte) int {
	if min(len(to), len(from)) < timedCopy {
		return copy(to, from)
	}
	begun := time.Now()
	defer func() { *phase += time.Since(begun) }()
	return copy(to, from)
}

// Write appends to the output. Past the output limit it ends the invocation. An Extism plug-in
// answers by output_set: what it prints is logged.
func (c *call) Write(p []byte) (int, error) {
	if c.instance.program.version.ABI == task.ABIExtism {
		c.WriteLog(p)
		return len(p), nil
	}
	return c.answer(p)
}

// answer appends to the output.
func (c *call) answer(p []byte) (int, error) {
	limit := c.instance.program.version.Limits.Output
	if int64(len(c.output))+int64(len(p)) > int64(limit) {
		// The guest is ended where it next asks for fuel.
		c.stopped = task.Faultf(task.KindTooLarge, "the output passed its limit of %v; raise limits.output in the manifest, or answer less", limit)
		return 0, c.stopped
	}
	at := len(c.output)
	c.output = slices.Grow(c.output, len(p))[:at+len(p)]
	return c.copied(&c.instance.spent.Collect, c.output[at:], p), nil
}

// Read gives of the input as standard input, which an Extism plug-in has not; 0 is its end.
func (c *call) Read(p []byte) int {
	if c.instance.program.version.ABI == task.ABIExtism {
		return 0
	}
	n := c.ReadAt(p, c.read)
	c.read += n
	if n == 0 && len(p) > 0 && c.atEnd != nil {
		c.await, c.atEnd = c.atEnd, nil
	}
	return n
}

// WriteLog takes standard error.
func (c *call) WriteLog(p []byte) {
	c.log.Write(p)
	if c.in.Listener != nil {
		c.errors.write(p, c.tellError)
	}
}

// tellError tells the listener of a line of standard error.
func (c *call) tellError(line string) { c.in.Listener.Logged("", line) }

// endLog tells the listener of a last line that has no end.
func (c *call) endLog() {
	if c.in.Listener != nil {
		c.errors.end(c.tellError)
	}
}

// Args are the name the plugin goes by.
func (c *call) Args() []string { return c.instance.program.args }

// Environ is what the operator granted and, of a request, what that is, as "key=value".
func (c *call) Environ() []string {
	granted := c.instance.program.environ
	if len(granted) == 0 {
		return c.in.Environ
	}
	return append(granted[:len(granted):len(granted)], c.in.Environ...)
}

// EnvironAwaiting reports whether a look at the environment is waited for: it is one at
// the input where each call has an environment of its own.
func (c *call) EnvironAwaiting() bool {
	return c.await != nil && c.instance.program.version.ABI == task.ABICGI
}

// Descriptors is what WASI keeps of descriptors 0 to 2 for the instance.
func (c *call) Descriptors() *[3]uint32 { return &c.instance.files }

// Awaiting reports whether a look at the input is waited for.
func (c *call) Awaiting() bool { return c.await != nil }

// Await hands over the system call that is the first look at the input.
func (c *call) Await(again func(context.Context) uint64) {
	await := c.await
	c.await = nil
	await(again)
}

// Now is the guest's time in nanoseconds: since 1970, and on a clock that only
// goes ahead.
func (c *call) Now() (realtime, monotonic uint64) {
	if c.birth != nil {
		c.pass(birthTick)
		return c.birth.now()
	}
	t := time.Now()
	return uint64(t.UnixNano()), uint64(maxBirth + t.Sub(began))
}

// Random fills p, from the system once the guest has been born.
func (c *call) Random(p []byte) {
	if c.birth != nil {
		_, _ = c.birth.random.Read(p) // never fails
		return
	}
	_, _ = rand.Read(p) // never fails: it would crash the process
}

// Sleep waits without the turn. It ends the guest when its time is over. At birth
// nothing is waited for.
func (c *call) Sleep(d time.Duration) {
	if c.birth != nil {
		c.pass(d)
		return
	}
	_ = c.Wait("clock", "", func() error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.Done():
		}
		return nil
	})
}

// Wait has f wait for a capability without the turn, and returns its error. It ends the guest
// when its time is over. At birth, which is the same for all instances, there is nothing to
// wait for, and the guest traps.
func (c *call) Wait(capability, destination string, f func() error) error {
	if c.birth != nil {
		panic(task.Faultf(task.KindTrap, "it uses %s while it starts; do so in a call, or turn the image off in the manifest", capability))
	}
	c.leave()
	begun := time.Now()
	err := f()
	w := task.Wait{Capability: capability, Destination: destination, Calls: 1, Time: time.Since(begun)}
	if err != nil {
		w.Failed = 1
	}
	c.waited(w)
	c.sampleWait(w.Time)
	if !c.enter() || c.Err() != nil {
		panic(errEnded)
	}
	return err
}

// Stop ends the guest with a fault. It does not return.
func (c *call) Stop(f *task.Fault) {
	c.stopped = f
	panic(errEnded)
}

// Version is what runs.
func (c *call) Version() *task.Version { return &c.instance.program.version }

// Invocation is what is run. At birth it is zero.
func (c *call) Invocation() *task.Invocation { return &c.in }

// Held is what a host module keeps of the call, nil where it has not begun to.
func (c *call) Held() task.Held { return c.held }

// Hold keeps h until the call ends.
func (c *call) Hold(h task.Held) { c.held = h }

// collect takes the output of a guest that answers by what a host module holds.
func (c *call) collect(err error) {
	if c.held == nil {
		return
	}
	output, failure := c.held.Returned()
	if failure != nil {
		c.failure = failure
		return
	}
	if exit, exited := errors.AsType[*sys.ExitError](err); err == nil || exited && exit.ExitCode() == 0 {
		_, _ = c.answer(output) // past the limit, the outcome says so
	}
}

// mostWaits is how many things that an invocation waits for are told apart.
const mostWaits = 16

// waited notes that the guest waited without its turn.
func (c *call) waited(w task.Wait) {
	i := c.instance
	i.spent.Host += w.Time
	for n := range i.waits {
		if o := &i.waits[n]; o.Capability == w.Capability && o.Destination == w.Destination {
			o.Calls, o.Failed, o.Time = o.Calls+w.Calls, o.Failed+w.Failed, o.Time+w.Time
			return
		}
	}
	if len(i.waits) < mostWaits {
		i.waits = append(i.waits, w)
	}
}

// pass lets time go by at birth. It ends a guest for which it was too much.
func (c *call) pass(d time.Duration) {
	if !c.birth.pass(d) {
		c.stopped = task.Faultf(task.KindDeadline, "the guest slept more than a day before it read its input").CausedBy(context.DeadlineExceeded)
		panic(errEnded)
	}
}

// Fail records that and why the guest failed. The last message counts.
func (c *call) Fail(message string) { c.failure = &message }

// mostFailure bounds, in bytes, what is kept of why a script failed.
const mostFailure = 16 << 10

// WriteFailure takes why a script failed: a line, and under it its traceback, of which
// only the beginning is kept where it is very long. Other guests do not write it.
func (c *call) WriteFailure(p []byte) bool {
	if c.instance.program.interpreter == nil {
		return false
	}
	said := ""
	if c.failure != nil {
		said = *c.failure
	}
	if room := mostFailure - len(said); len(p) > 0 && room > 0 {
		said += string(p[:min(len(p), room)]) // which may end within a character
		c.failure = &said
	}
	return true
}

// Log keeps a line for the fault there may be, and passes it on to the listener and to
// the server's log.
func (c *call) Log(level slog.Level, message string) {
	name := strings.ToLower(level.String())
	if level == task.LevelTrace {
		name = "trace"
	}
	c.log.Write([]byte(name + ": " + message + "\n"))
	if c.in.Listener != nil {
		c.in.Listener.Logged(name, message)
	}
	v := &c.instance.program.version
	c.instance.program.engine.options.Log.LogAttrs(c, slog.LevelDebug, "guest",
		slog.String("namespace", v.Ref.Namespace), slog.String("plugin", v.Ref.Plugin), slog.Int("version", v.Ref.Version),
		slog.String("request_id", string(c.in.ID)), slog.Any("guest_level", level), slog.String("message", message))
}

// Progress tells the listener how far the guest is.
func (c *call) Progress(done, total int64, message string) {
	if c.in.Listener != nil {
		c.in.Listener.Progressed(done, total, message)
	}
}

// Config returns a value the operator granted.
func (c *call) Config(key string) (string, bool) {
	value, ok := c.instance.program.version.Config[key]
	return value, ok
}

// About returns what guests may know of the call (host/prism, callGet). At birth, which
// is the same for all instances, there is none.
func (c *call) About(key string) (string, bool) {
	v := &c.instance.program.version
	value := ""
	switch key {
	case "plugin":
		value = v.Ref.Plugin
	case "version":
		value = strconv.Itoa(v.Ref.Version)
	case "request_id":
		value = string(c.in.ID)
	case "function":
		if c.birth == nil && !v.ABI.IsProgram() {
			value = cmp.Or(c.in.Function, v.Function)
		}
	case "deadline":
		if deadline, ok := c.Deadline(); ok && c.birth == nil {
			value = deadline.UTC().Format(deadlineFormat)
		}
	}
	return value, value != ""
}

// deadlineFormat is RFC 3339 with milliseconds, which cut off what is shorter.
const deadlineFormat = "2006-01-02T15:04:05.000Z07:00"
