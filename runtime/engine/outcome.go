package engine

import (
	"context"
	"errors"
	"strings"

	"github.com/tetratelabs/wazero/sys"

	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// outcome says what a run came to whose Call returned err: nil when the guest
// did what it was asked, a fault otherwise.
func (c *call) outcome(err error) *task.Fault {
	exit, exited := errors.AsType[*sys.ExitError](err)
	ended := errors.Is(err, errEnded) && c.Err() != nil // which looks at the clock
	outOfMemory := c.instance.refused()

	switch {
	case c.stopped != nil:
		return c.described(c.stopped, err)
	case ended && errors.Is(c.Err(), context.DeadlineExceeded):
		return c.described(task.Faultf(task.KindDeadline, "the guest was still running when its deadline passed").CausedBy(context.DeadlineExceeded), err)
	case ended:
		return c.described(task.Faultf(task.KindCanceled, "the call was given up while the guest ran").CausedBy(context.Cause(c)), err)
	case outOfMemory && err != nil && (!exited || exit.ExitCode() != 0):
		f := c.fault(task.KindMemory, "the guest was refused memory past its limit of %v and failed; raise limits.memory in the manifest",
			c.instance.program.version.Limits.Memory)
		return c.described(f.CausedBy(err), err)
	case c.failure != nil && (err == nil || exited):
		return c.failed()
	case err == nil, exited && exit.ExitCode() == 0:
		return nil
	case exited:
		return c.fault(task.KindExit, "the program ended with exit code %d", exit.ExitCode())
	}
	message, _ := splitTrap(err)
	if f, ok := errors.AsType[*task.Fault](err); ok { // a host function refused
		message = f.Message
	}
	if c.failure != nil { // a guest that reports why before it gives up
		message += ": " + *c.failure
	}
	return c.described(task.Faultf(task.KindTrap, "the guest trapped: %s", message).CausedBy(err), err)
}

// started turns the end of a start that should have gone on into a fault.
func (c *call) started(err error) *task.Fault {
	f := c.outcome(err)
	if f == nil {
		f = c.fault(task.KindExit, "the program ended with exit code 0")
	}
	f.Message = "while it started, " + f.Message
	return f
}

// failed makes a fault of what the guest said. That of a script has its traceback, as its
// language writes it.
func (c *call) failed() *task.Fault {
	if c.instance.program.interpreter == nil {
		return c.fault(task.KindGuest, "%s", *c.failure)
	}
	message, traceback, _ := strings.Cut(strings.TrimRight(strings.ToValidUTF8(*c.failure, "\uFFFD"), "\n"), "\n")
	f := c.fault(task.KindGuest, "%s", message)
	if traceback != "" {
		f.Stack = strings.Split(traceback, "\n")
	}
	return f
}

func (c *call) fault(kind task.Kind, format string, args ...any) *task.Fault {
	return c.described(task.Faultf(kind, format, args...), nil)
}

// described adds where the guest was when err ended it, and what it logged.
func (c *call) described(f *task.Fault, err error) *task.Fault {
	if err != nil {
		_, f.Stack = splitTrap(err)
	}
	f.Log = c.log.Lines()
	return f
}

// meterFrame and beginFrame are how a trace shows the meter's host functions: not the guest's.
const (
	meterFrame = wasm.MeterModule + "." + wasm.RefuelFunction + "()"
	beginFrame = wasm.MeterModule + "." + wasm.BeginFunction + "()"
)

// runFrame is how it shows the function that was added to commands, behind the
// module's name.
const runFrame = "." + wasm.RunFunction + "()"

// omittedFrames is where wazero ends a long trace.
const omittedFrames = "... maybe followed by omitted frames"

// splitTrap takes wazero's text for a trap apart (internal/wasmdebug): the
// message, then a line for each function, innermost first, and below it, indented,
// lines of source where the module carries DWARF.
func splitTrap(err error) (message string, stack []string) {
	message, trace, _ := strings.Cut(err.Error(), "\nwasm stack trace:\n\t")
	message = strings.TrimPrefix(message, "wasm error: ")
	message = strings.TrimSuffix(message, " (recovered by wazero)")
	trace, _, _ = strings.Cut(trace, "\n\n") // a Go stack may follow: ours, not the guest's
	for line := range strings.SplitSeq(trace, "\n\t") {
		if source, ok := strings.CutPrefix(line, "\t"); ok {
			stack = append(stack, "  "+withoutOffset(source))
			continue
		}
		if strings.HasSuffix(line, runFrame) {
			continue
		}
		if line != omittedFrames {
			line = strings.TrimPrefix(line, ".") // a module without a name
		}
		if line != "" && line != meterFrame && line != beginFrame {
			stack = append(stack, line)
		}
	}
	return message, stack
}

// withoutOffset takes from a line of source the offset in the code, which is the
// metered module's. Callers of what was inlined come after it, with spaces instead.
func withoutOffset(source string) string {
	if offset, line, found := strings.Cut(source, ": "); found && strings.HasPrefix(offset, "0x") {
		return line
	}
	return strings.TrimLeft(source, " ")
}
