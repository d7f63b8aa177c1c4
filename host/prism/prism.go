// Package prism offers guests the prism ABI: functions of the import module
// "prism" by which a handler pulls its input and pushes its output.
//
// Pointers and lengths are bytes in the guest's memory, which the functions
// read and write only while they run: no pointer outlives a call, and nothing
// has to be exported for allocation.
package prism

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/marketprism/prismrt/runtime/task"
)

// Module is the name guests import the functions from.
const Module = "prism"

// Version is that of the contract, which sdk/abi has: it and the tests there say what a
// change is. Guests do not ask for it: what they need they import.
const Version = "1.0"

// Call is the invocation a guest acts in. The context that reaches the functions
// must have one under task.CallKey.
type Call interface {
	Input() []byte

	// ReadAt copies of the input, from an offset within it on, and says how many bytes.
	ReadAt(p []byte, from int) int

	Write(p []byte) (int, error)
	Fail(message string)
	Log(level slog.Level, message string)

	// Progress tells how far the guest is: done and total are not negative, and a total of 0
	// is not known.
	Progress(done, total int64, message string)

	Config(key string) (value string, set bool)

	// About returns what is known of the call itself: see callGet.
	About(key string) (value string, set bool)

	// Awaiting reports whether Await is wanted, and Await is called when the guest is
	// about to look at its input, or at the call (host/wasi, Guest): a command may do
	// so by these functions, too.
	Awaiting() bool
	Await(again func(context.Context) uint64)

	// Spend pays for work done for the guest. Where its time or fuel is over, the
	// guest ends there.
	Spend(fuel int64)
}

// What a call costs, in instructions that take about as long; what it copies
// costs one for eight bytes.
const (
	callPrice = 100
	textPrice = 1_000 // of a message, besides
)

// levels are those of log, as guests number them; a higher number is an error.
var levels = [...]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}

// maxKey bounds keys of config_get and call_get, in bytes: no manifest has longer
// ones.
const maxKey = 64 << 10

// maxText bounds one message of fail, log and progress, in bytes; the rest is dropped.
const maxText = 4096

// refused is the answer of a function that will not do what was asked. The
// reason goes to the log.
const refused = math.MaxUint32 // -1 as an i32

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

// Instantiate offers the functions to the guests of r.
func Instantiate(ctx context.Context, r wazero.Runtime) error {
	b := r.NewHostModuleBuilder(Module)
	for _, f := range []struct {
		name    string
		call    func(c Call, mem memory, stack []uint64)
		params  []api.ValueType
		results []api.ValueType
	}{
		{"input_len", inputLen, nil, []api.ValueType{i32}},
		{"input_read", inputRead, []api.ValueType{i32, i32, i32}, []api.ValueType{i32}},
		{"output_write", outputWrite, []api.ValueType{i32, i32}, nil},
		{"fail", fail, []api.ValueType{i32, i32}, nil},
		{"log", log, []api.ValueType{i32, i32, i32}, nil},
		{"progress", progress, []api.ValueType{i64, i64, i32, i32}, nil},
		{"config_get", configGet, []api.ValueType{i32, i32, i32, i32}, []api.ValueType{i32}},
		{"call_get", callGet, []api.ValueType{i32, i32, i32, i32}, []api.ValueType{i32}},
	} {
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
			c := callOf(ctx)
			c.Spend(callPrice)
			f.call(c, memory{m.Memory(), f.name}, stack)
		}), f.params, f.results).Export(f.name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

// await stops a guest that waits for its input before f looks at it.
func await(c Call, f func(Call, memory, []uint64), mem memory, stack []uint64) {
	if !c.Awaiting() {
		return
	}
	params := slices.Clone(stack) // which wazero uses for other calls, too
	c.Await(func(ctx context.Context) uint64 {
		c := callOf(ctx)
		c.Spend(callPrice)
		stack := slices.Clone(params)
		f(c, mem, stack)
		return stack[0]
	})
}

func callOf(ctx context.Context) Call { return ctx.Value(task.CallKey{}).(Call) }

// input_len() -> length
func inputLen(c Call, mem memory, stack []uint64) {
	await(c, inputLen, mem, stack)
	stack[0] = uint64(len(c.Input()))
}

// input_read(ptr, offset, length) -> bytes copied, 0 at the end
func inputRead(c Call, mem memory, stack []uint64) {
	await(c, inputRead, mem, stack)
	ptr, off, length := uint32(stack[0]), uint64(uint32(stack[1])), uint64(uint32(stack[2]))
	all := uint64(len(c.Input()))
	from := min(off, all)
	length = min(length, all-from)
	c.Spend(int64(length) / 8)
	part, ok := mem.Read(ptr, uint32(length))
	if !ok {
		c.Log(slog.LevelError, mem.outside(ptr, uint32(length)))
		stack[0] = refused
		return
	}
	stack[0] = uint64(c.ReadAt(part, int(from)))
}

// output_write(ptr, length)
func outputWrite(c Call, mem memory, stack []uint64) {
	part := mem.mustRead(uint32(stack[0]), uint32(stack[1]))
	c.Spend(int64(len(part)) / 8)
	// Past the output limit Write ends the invocation by itself.
	_, _ = c.Write(part)
}

// fail(ptr, length)
func fail(c Call, mem memory, stack []uint64) {
	c.Spend(textPrice)
	c.Fail(text(mem.mustRead(uint32(stack[0]), uint32(stack[1]))))
}

// log(level, ptr, length)
func log(c Call, mem memory, stack []uint64) {
	c.Spend(textPrice)
	level := levels[min(uint32(stack[0]), uint32(len(levels)-1))]
	c.Log(level, text(mem.mustRead(uint32(stack[1]), uint32(stack[2]))))
}

// progress(done, total, ptr, length): how far the guest is, in units of its own. A total
// of 0 is not known; the message may be empty. Less than nothing counts as nothing.
func progress(c Call, mem memory, stack []uint64) {
	c.Spend(textPrice)
	done, total := max(0, int64(stack[0])), max(0, int64(stack[1]))
	c.Progress(done, total, text(mem.mustRead(uint32(stack[2]), uint32(stack[3]))))
}

// config_get(key, key length, ptr, capacity) -> length of the value, of which
// as much was copied as there is capacity; -1 when the key is not set
func configGet(c Call, mem memory, stack []uint64) { lookUp(c.Config, c, mem, stack) }

// call_get(key, key length, ptr, capacity) -> as config_get. The keys:
//
//   - request_id, by which caller and operator know the call
//   - function, the handler that runs; not set for a command, which has none
//   - plugin and version, the latter decimal
//   - deadline, when the guest will be ended: RFC 3339, UTC, with milliseconds; not
//     set without one
//
// What differs from call to call is not set where there is no call yet, hence a
// command that asks waits for one, as it does for its input.
func callGet(c Call, mem memory, stack []uint64) {
	await(c, callGet, mem, stack)
	lookUp(c.About, c, mem, stack)
}

// lookUp answers config_get and call_get from what get returns.
func lookUp(get func(key string) (value string, set bool), c Call, mem memory, stack []uint64) {
	key := mem.mustRead(uint32(stack[0]), uint32(stack[1]))
	c.Spend(int64(min(len(key), maxKey)) / 8)
	value, set := "", false
	if len(key) <= maxKey {
		value, set = get(string(key))
	}
	if !set {
		stack[0] = refused
		return
	}
	ptr := uint32(stack[2])
	part := value[:min(uint64(len(value)), uint64(uint32(stack[3])))]
	c.Spend(int64(len(part)) / 8)
	if !mem.WriteString(ptr, part) {
		c.Log(slog.LevelError, mem.outside(ptr, uint32(len(part))))
		stack[0] = refused
		return
	}
	stack[0] = uint64(len(value))
}

// memory is the guest's, with the name of the function that touches it.
type memory struct {
	api.Memory
	function string
}

// mustRead returns a view of the guest's memory, good until the guest runs
// again. Outside of it the guest traps, as its own load would.
func (m memory) mustRead(ptr, length uint32) []byte {
	b, ok := m.Read(ptr, length)
	if !ok {
		panic(task.Faultf(task.KindTrap, "%s", m.outside(ptr, length)))
	}
	return b
}

func (m memory) outside(ptr, length uint32) string {
	return fmt.Sprintf("prism.%s: %d bytes at %d are outside the guest's memory of %d bytes",
		m.function, length, ptr, m.Size())
}

// text copies a message out of the guest's memory, cut and made valid UTF-8.
func text(b []byte) string {
	return strings.ToValidUTF8(string(b[:min(len(b), maxText)]), "\uFFFD")
}
