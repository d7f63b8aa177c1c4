package task

import (
	"log/slog"
	"math"
	"time"
)

// DefaultNamespace holds the plugins of everyone while there are no keys.
const DefaultNamespace = "default"

// ABI is the contract a guest speaks (DESIGN.md, "Guest contracts").
type ABI string

// The contracts found by themselves at upload.
const (
	ABICommand ABI = "command" // a WASI program: standard input to standard output
	ABIPrism   ABI = "prism"   // a library whose handlers pull input and push output
	ABIExtism  ABI = "extism"  // an Extism plug-in
)

// ABIScript is that of a version which is a script, uploaded with its interpreter's name.
const ABIScript ABI = "script"

// MostVars is the most that the vars of an Extism plug-in may take, in a session or in a call
// without one: as much as other hosts give it.
const MostVars Bytes = 1 << 20

// Levels that guests log at, besides those of slog.
const (
	LevelTrace = slog.LevelDebug - 4
	LevelOff   = slog.Level(math.MaxInt32) // of nothing
)

// ABICGI is a command's contract, and that of CGI besides (RFC 3875): each call is an
// HTTP request, the answer to which is its output. A manifest asks for it.
const ABICGI ABI = "cgi"

// IsProgram tells whether a guest of the contract has a _start, which each call runs,
// rather than handlers.
func (a ABI) IsProgram() bool { return a == ABICommand || a == ABICGI }

// Ref names one version of a plugin.
type Ref struct {
	Namespace string
	Plugin    string
	Version   int // from 1; a number is never given twice while the plugin exists
}

// Limits bound one invocation. Every field is positive.
type Limits struct {
	Memory  Bytes    // linear memory of the instance
	Timeout Duration // wall clock, from admission to answer
	Fuel    int64    // WebAssembly instructions
	Stack   Bytes    // native frames of calls within calls, as wasm.Meter estimates them
	Input   Bytes
	Output  Bytes
}

// Version is a version of a plugin, as far as running it goes.
type Version struct {
	Ref    Ref
	Digest Digest // of the module
	ABI    ABI

	// Function is the handler of invocations that name none. A command has none.
	Function string

	// Config is what the operator granted: config_get of the prism ABI, the
	// environment of a command.
	Config map[string]string

	Limits Limits

	// HTTP are the hosts that requests may go to, as outbound.ParseHosts reads them.
	HTTP []string

	// Vars is what an Extism plug-in may keep in vars, MostVars at most; 0: it has none.
	Vars Bytes

	// LogLevel is the least that an Extism plug-in logs at; LevelOff: it does not.
	LogLevel slog.Level

	// ImageOff has each call served by an instance that is set up for it alone.
	ImageOff bool

	// Interpreter is the command that runs a script, which is its Prelude: that reads it, up
	// to the end of its input, before it serves calls. What it then has in memory is what
	// each call begins with. Empty: the version is no script.
	Interpreter Digest
	Prelude     []byte

	// Args are what a command is started with, after its name.
	Args []string

	// Min instances are kept ready and Max bounds those alive at once.
	Min, Max int

	Health Health
	Tasks  Policy
}

// Invocation is one run of a plugin on one input.
type Invocation struct {
	ID        ID
	Namespace string
	Plugin    string

	// Function is the handler asked for. Empty: the version's default.
	Function string

	// Version is the one that is to run it. Zero: whichever is live, or the canary.
	Version int

	// Session is what the caller calls the calls that share an Extism plug-in's vars. Empty:
	// this one shares them with none.
	Session string

	// Input is read by the guest during the call and not kept after it.
	Input []byte

	// Environ is what a request to a plugin of ABICGI is, as "name=value" (cgi.Environ).
	// Nil: it is no request, and only plugins of other contracts can be called.
	Environ []string

	// Timeout lowers the version's limit for this call. Zero: the limit holds.
	Timeout time.Duration

	// Buffer is what the output may be written to, as far as it reaches. Nil is good, too.
	Buffer []byte

	// Trace is what the invocation is a part of, and what it is to tell those that it calls.
	// Nil: nothing is known of a trace.
	Trace *Trace

	// Listener is told what the guest logs and how far it is. Nil: nobody is.
	Listener Listener
}

// CallKey is the key under which the context of a host function has the call that
// it acts in. The context need not be that call: an engine may wrap it.
type CallKey struct{}

// Held is what a host module keeps of a call. Its methods are called by the guest's goroutine.
type Held interface {
	// Returned is the output of a guest that has returned, good until End, unless there is a
	// reason for which it failed nevertheless. It is called for one that trapped, too.
	Returned() (output []byte, failure *string)

	// End is called once the call is over, and nothing of it afterwards.
	End()
}

// Result is what an invocation came to. Ref and Digest are set as soon as the
// version is known, also when the invocation then failed.
type Result struct {
	Ref    Ref
	Digest Digest

	// Output belongs to the caller and may lie in the invocation's Buffer. It is nil when
	// the invocation failed.
	Output []byte

	// Fuel is what the guest used: instructions as they are counted by checks
	// (wasm.Meter). The same module and input use the same on every machine.
	Fuel int64

	Timing Timing

	// Waits is what makes up Timing.Host, of an invocation whose Trace is recorded. Nil
	// for all others.
	Waits []Wait
}

// Timing is where the wall-clock time of an invocation went.
type Timing struct {
	Queue   time.Duration // waiting for its turn: to begin, between slices, to come back from the host
	Pool    time.Duration // waiting for an instance
	Birth   time.Duration // of that, while the instance was made; 0: it was there already
	Run     time.Duration // the guest, host calls included
	Bind    time.Duration // of that, copying input into the guest; pieces under 16 KiB count as the guest's
	Host    time.Duration // of that, waiting on the host: sleeping, or fetching something
	Collect time.Duration // of that, copying output out of the guest, as with Bind
	Rewind  time.Duration // making the instance clean for the next call; 0: that is done after the answer
}

// Compute is how long the guest itself ran.
func (t *Timing) Compute() time.Duration { return t.Run - t.Bind - t.Host - t.Collect }

// Wait is what a guest waited on the host for.
type Wait struct {
	// Capability is what it used, such as clock, and Destination where that led: a host's
	// name, or "" where there is only one.
	Capability, Destination string

	Calls  int64
	Failed int64 // of these
	Time   time.Duration
}
