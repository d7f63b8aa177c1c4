package extism

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/marketprism/prismrt/runtime/outbound"
	"github.com/marketprism/prismrt/runtime/reuse"
	"github.com/marketprism/prismrt/runtime/task"
)

// Options are what a Host works with. A zero field takes the default in brackets.
type Options struct {
	// Sessions is how many there are at once, and SessionMemory what their vars may take in
	// all, in bytes; beyond either, the one that was used longest ago ends. One also ends when
	// it was not used for SessionIdle [10,000, 64 MiB, 15m].
	Sessions      int
	SessionMemory int64
	SessionIdle   time.Duration

	// AllowPrivate lets requests go to addresses that are not public [false].
	AllowPrivate bool
}

// Host is the host of all plug-ins. It is safe for concurrent use.
type Host struct {
	sessions  *sessions
	transport http.RoundTripper
	reach     outbound.Reach
	states    *reuse.Pool[*state]
}

// mostKept is how much memory, in bytes, a call leaves to another.
const mostKept = 256 << 10

// New makes a Host. It reports all that is wrong with the Options.
func New(o Options) (*Host, error) {
	o.Sessions = cmp.Or(o.Sessions, 10_000)
	o.SessionMemory = cmp.Or(o.SessionMemory, 64<<20)
	o.SessionIdle = cmp.Or(o.SessionIdle, 15*time.Minute)
	var errs []error
	if o.Sessions < 1 {
		errs = append(errs, fmt.Errorf("the field Sessions is %d; it must be over 0", o.Sessions))
	}
	if o.SessionMemory < int64(task.MostVars) {
		errs = append(errs, fmt.Errorf("the field SessionMemory is %d; it must be %d at least, which one session may take", o.SessionMemory, task.MostVars))
	}
	if o.SessionIdle < 0 {
		errs = append(errs, fmt.Errorf("the field SessionIdle is %v; it must be over 0", o.SessionIdle))
	}
	h := &Host{sessions: newSessions(o), transport: newTransport()}
	if o.AllowPrivate {
		h.reach = outbound.Anywhere
	}
	h.states = reuse.New("extism calls", mostKept, func() *state { return new(state) })
	return h, errors.Join(errs...)
}

// Buffers tells what came of keeping memory from one call for another.
func (h *Host) Buffers() reuse.Stats { return h.states.Stats() }

// state is what there is of a call.
type state struct {
	memory
	host *Host
	item *reuse.Item[*state]

	input, output span
	err           uint64 // offset of the block with the message; 0: there is no error

	vars vars // of a call without a session

	status  int // of the last answer; 0: there was none
	headers http.Header
}

// state is the call's, with its input as the first block.
func (h *Host) state(c Call) *state {
	if s, ok := c.Held().(*state); ok {
		return s
	}
	item := h.states.Get()
	s := item.Value
	s.host, s.item = h, item
	c.Hold(s)
	input := c.Invocation().Input
	s.input = span{put(s, c, input), uint64(len(input))}
	return s
}

// Returned is what the guest has answered, and why it failed nevertheless.
func (s *state) Returned() (output []byte, failure *string) {
	if s.err != 0 {
		message := strings.ToValidUTF8(string(s.block(s.err)), "\uFFFD")
		if message == "" {
			message = "the plug-in reported an error without a message"
		}
		return nil, &message
	}
	if s.output.length == 0 {
		return nil, nil
	}
	return s.bytes[s.output.offset:][:s.output.length], nil
}

// End ends the memory with the call.
func (s *state) End() {
	s.wipe()
	s.input, s.output, s.err, s.vars, s.status, s.headers = span{}, span{}, 0, vars{}, 0, nil
	s.host.states.Put(s.item, cap(s.bytes)+blockCost*cap(s.blocks))
}

var _ task.Held = (*state)(nil)
