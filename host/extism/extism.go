// Package extism offers guests the host ABI of Extism, so that existing plug-ins run
// unmodified: the functions of the import module "extism:host/env".
//
// Plug-ins exchange bytes with their host in blocks of a memory that is not their own. A block
// is known by its offset, and 0 is none. Here that memory is a slice of the host's, which
// begins empty with each call and ends with it (memory); offsets are places in it, and nothing
// that a guest gives for one reaches outside. Other hosts have a WebAssembly module for it, and
// what the functions do was compared with that (docs/extism.md says where they differ).
package extism

import (
	"context"
	"log/slog"
	"math"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/marketprism/prismrt/runtime/task"
)

// Module is the name guests import the functions from.
const Module = "extism:host/env"

// Waits are the functions in which a guest may wait.
var Waits = []string{"http_request"}

// Call is the call that a guest acts in. The context that reaches the functions must have one
// under task.CallKey.
type Call interface {
	context.Context // ends with the call

	Version() *task.Version
	Invocation() *task.Invocation

	Config(key string) (value string, set bool)
	Log(level slog.Level, message string)

	// Held is what Hold was given in this call, nil before. It ends with the call.
	Held() task.Held
	Hold(h task.Held)

	// Spend pays for work done for the guest. Where its time or fuel is over, the
	// guest ends there.
	Spend(fuel int64)

	// Stop ends the guest with a fault. It does not return.
	Stop(f *task.Fault)

	// Wait has f wait for a capability, without keeping others from running. It ends the guest
	// when its time is over.
	Wait(capability, destination string, f func() error) error
}

// What a call costs, in instructions that take about as long; what it copies or clears costs
// one for eight bytes.
const (
	callPrice = 50
	textPrice = 1_000 // of a log message, besides
	httpPrice = 20_000
)

// maxText bounds one log message, in bytes; the rest is dropped.
const maxText = 4096

type params = []api.ValueType

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

// function acts for a guest, with its parameters and result in stack.
type function func(s *state, c Call, stack []uint64)

// functions are those of the ABI.
var functions = []struct {
	name    string
	call    function
	params  params
	results params
}{
	{"alloc", alloc, params{i64}, params{i64}},
	{"free", free, params{i64}, nil},
	{"length", length, params{i64}, params{i64}},
	{"length_unsafe", length, params{i64}, params{i64}},
	{"load_u8", loadU8, params{i64}, params{i32}},
	{"load_u64", loadU64, params{i64}, params{i64}},
	{"store_u8", storeU8, params{i64, i32}, nil},
	{"store_u64", storeU64, params{i64, i64}, nil},
	{"memory_bytes", memoryBytes, nil, params{i64}},
	{"reset", reset, nil, nil},

	{"input_set", inputSet, params{i64, i64}, nil},
	{"input_length", inputLength, nil, params{i64}},
	{"input_offset", inputOffset, nil, params{i64}},
	{"input_load_u8", inputLoadU8, params{i64}, params{i32}},
	{"input_load_u64", inputLoadU64, params{i64}, params{i64}},

	{"output_set", outputSet, params{i64, i64}, nil},
	{"output_length", outputLength, nil, params{i64}},
	{"output_offset", outputOffset, nil, params{i64}},
	{"error_set", errorSet, params{i64}, nil},
	{"error_get", errorGet, nil, params{i64}},

	{"config_get", configGet, params{i64}, params{i64}},
	{"var_get", varGet, params{i64}, params{i64}},
	{"var_set", varSet, params{i64, i64}, nil},

	{"http_request", httpRequest, params{i64, i64}, params{i64}},
	{"http_status_code", httpStatusCode, nil, params{i32}},
	{"http_headers", httpHeaders, nil, params{i64}},

	{"get_log_level", getLogLevel, nil, params{i32}},
	{"log_trace", logs(task.LevelTrace), params{i64}, nil},
	{"log_debug", logs(slog.LevelDebug), params{i64}, nil},
	{"log_info", logs(slog.LevelInfo), params{i64}, nil},
	{"log_warn", logs(slog.LevelWarn), params{i64}, nil},
	{"log_error", logs(slog.LevelError), params{i64}, nil},
}

// Instantiate offers the functions to the guests of r.
func (h *Host) Instantiate(ctx context.Context, r wazero.Runtime) error {
	b := r.NewHostModuleBuilder(Module)
	for _, f := range functions {
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, _ api.Module, stack []uint64) {
			c := ctx.Value(task.CallKey{}).(Call)
			c.Spend(callPrice)
			f.call(h.state(c), c, stack)
		}), f.params, f.results).Export(f.name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

// alloc(length) -> offset, 0 for a length of 0
func alloc(s *state, c Call, stack []uint64) { stack[0] = s.alloc(c, stack[0]) }

// free(offset) ends a block. What is no block, or none any more, is left alone.
func free(s *state, _ Call, stack []uint64) { s.free(stack[0]) }

// length(offset) -> bytes of the block that begins there, 0 where none does
func length(s *state, _ Call, stack []uint64) { stack[0] = s.length(stack[0]) }

// load_u8(offset) -> the byte there, 0 outside
func loadU8(s *state, _ Call, stack []uint64) { stack[0] = uint64(s.loadU8(stack[0])) }

// load_u64(offset) -> eight bytes from there on, 0 where any is outside
func loadU64(s *state, _ Call, stack []uint64) { stack[0] = s.loadU64(stack[0]) }

// store_u8(offset, byte) does nothing outside.
func storeU8(s *state, _ Call, stack []uint64) { s.storeU8(stack[0], byte(stack[1])) }

// store_u64(offset, value) does nothing where any of the eight bytes is outside.
func storeU64(s *state, _ Call, stack []uint64) { s.storeU64(stack[0], stack[1]) }

// memory_bytes() -> size of the memory
func memoryBytes(s *state, _ Call, stack []uint64) { stack[0] = uint64(len(s.bytes)) }

// reset() ends all blocks, and with them input, output and error.
func reset(s *state, _ Call, _ []uint64) {
	s.wipe()
	s.input, s.output, s.err = span{}, span{}, 0
}

// input_set(offset, length) makes bytes of the memory what the input functions read.
func inputSet(s *state, _ Call, stack []uint64) {
	if s.within(stack[0], stack[1]) {
		s.input = span{stack[0], stack[1]}
	}
}

// input_length() -> bytes
func inputLength(s *state, _ Call, stack []uint64) { stack[0] = s.input.length }

// input_offset() -> where the input lies, 0 where it is empty
func inputOffset(s *state, _ Call, stack []uint64) { stack[0] = s.input.offset }

// input_load_u8(at) -> the byte of the input there, 0 after its end
func inputLoadU8(s *state, _ Call, stack []uint64) {
	at := stack[0]
	if stack[0] = 0; at < s.input.length {
		stack[0] = uint64(s.loadU8(s.input.offset + at))
	}
}

// input_load_u64(at) -> eight bytes of the input from there on, zeros after its end
func inputLoadU64(s *state, _ Call, stack []uint64) {
	at := stack[0]
	if stack[0] = 0; at >= s.input.length {
		return
	}
	offset, left := s.input.offset+at, s.input.length-at
	if left >= 8 {
		stack[0] = s.loadU64(offset)
		return
	}
	for n := range left {
		stack[0] |= uint64(s.loadU8(offset+n)) << (8 * n)
	}
}

// output_set(offset, length) makes bytes of the memory the answer, as they are when the call
// ends. The last one counts; one that names bytes outside does not.
func outputSet(s *state, _ Call, stack []uint64) {
	if s.within(stack[0], stack[1]) {
		s.output = span{stack[0], stack[1]}
	}
}

// output_length() -> bytes
func outputLength(s *state, _ Call, stack []uint64) { stack[0] = s.output.length }

// output_offset() -> where the output lies
func outputOffset(s *state, _ Call, stack []uint64) { stack[0] = s.output.offset }

// error_set(offset) makes the call fail with the message in a block, whatever the handler
// returns; 0 takes that back.
func errorSet(s *state, _ Call, stack []uint64) {
	if stack[0] == 0 || s.within(stack[0], 1) {
		s.err = stack[0]
	}
}

// error_get() -> what error_set was given
func errorGet(s *state, _ Call, stack []uint64) { stack[0] = s.err }

// config_get(key) -> a new block with the value, 0 where it is not set
func configGet(s *state, c Call, stack []uint64) {
	key := s.text(c, stack[0])
	if stack[0] = 0; len(key) > maxKey {
		return
	}
	if value, set := c.Config(key); set {
		stack[0] = put(s, c, value)
	}
}

// levels are what get_log_level answers.
var levels = map[slog.Level]uint64{task.LevelTrace: 0, slog.LevelDebug: 1, slog.LevelInfo: 2, slog.LevelWarn: 3, slog.LevelError: 4}

// get_log_level() -> the least level that is logged: 0 is trace, 4 error; more than that,
// nothing is
func getLogLevel(_ *state, c Call, stack []uint64) {
	n, ok := levels[c.Version().LogLevel]
	if !ok {
		n = math.MaxInt32
	}
	stack[0] = n
}

// logs makes the function that logs the message in a block, and frees it.
func logs(level slog.Level) function {
	return func(s *state, c Call, stack []uint64) {
		defer s.free(stack[0])
		if level < c.Version().LogLevel {
			return
		}
		c.Spend(textPrice)
		message := s.block(stack[0])
		c.Log(level, strings.ToValidUTF8(string(message[:min(len(message), maxText)]), "\uFFFD"))
	}
}
