package wasi_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"github.com/marketprism/prismrt/host/wasi"
	"github.com/marketprism/prismrt/runtime/task"
)

// race says that the race detector is on, under which compiling is slow.
var race bool

const pageSize = 64 << 10

// maxPiece is what the package promises to do at most between two Spends.
const maxPiece = 64 << 10

var errEnded = errors.New("ended by the test")

// guest is a Guest that keeps what it is given and the books on its fuel.
type guest struct {
	context.Context
	args, environ []string
	in, out, log  []byte
	refuse        error // what Write answers
	asleep        func(time.Duration)
	slept         []time.Duration
	descriptors   wasi.Descriptors

	realtime, monotonic uint64 // what the clocks say; without, the time

	await         func(again func(context.Context) uint64) // nil: it is not awaiting
	environAwaits bool                                     // it is also for its environment

	limit int64 // fuel after which it is ended; 0 is without end
	spent int64
	moved int // bytes that went through the streams, and random ones
	since int // those since the last Spend
	most  int // of since
}

// began is when monotonic time was 0.
var began = time.Now()

// Value makes the guest its own context, as the engine's calls are.
func (g *guest) Value(key any) any {
	if key == (task.CallKey{}) {
		return g
	}
	return g.Context.Value(key)
}

func (g *guest) Args() []string                 { return g.args }
func (g *guest) Environ() []string              { return g.environ }
func (g *guest) Descriptors() *wasi.Descriptors { return &g.descriptors }

// Exit unwinds the guest.
func (g *guest) Exit(code uint32) { panic(sys.NewExitError(code)) }

func (g *guest) Read(p []byte) int {
	n := copy(p, g.in)
	g.in = g.in[n:]
	g.move(n)
	return n
}

func (g *guest) Write(p []byte) (int, error) {
	g.move(len(p))
	if g.refuse != nil {
		return 0, g.refuse
	}
	g.out = append(g.out, p...)
	return len(p), nil
}

func (g *guest) WriteLog(p []byte) {
	g.move(len(p))
	g.log = append(g.log, p...)
}

func (g *guest) WriteFailure([]byte) bool { return false }

func (g *guest) Now() (realtime, monotonic uint64) {
	if g.realtime != 0 {
		return g.realtime, g.monotonic
	}
	t := time.Now()
	return uint64(t.UnixNano()), uint64(t.Sub(began))
}

func (g *guest) Random(p []byte) {
	g.move(len(p))
	_, _ = rand.Read(p)
}

func (g *guest) Awaiting() bool                           { return g.await != nil }
func (g *guest) EnvironAwaiting() bool                    { return g.await != nil && g.environAwaits }
func (g *guest) Await(again func(context.Context) uint64) { g.await(again) }

func (g *guest) Sleep(d time.Duration) {
	g.slept = append(g.slept, d)
	if g.asleep != nil {
		g.asleep(d)
	}
}

func (g *guest) Spend(fuel int64) {
	g.since = 0
	if g.spent += fuel; g.limit > 0 && g.spent > g.limit {
		panic(errEnded)
	}
}

func (g *guest) move(n int) {
	g.moved += n
	g.since += n
	g.most = max(g.most, g.since)
}

// newRuntime makes a runtime with ours or wazero's own WASI.
func newRuntime(t testing.TB, config wazero.RuntimeConfig, ours bool) wazero.Runtime {
	r := wazero.NewRuntimeWithConfig(t.Context(), config)
	t.Cleanup(func() { r.Close(context.Background()) })
	var err error
	if ours {
		err = wasi.Instantiate(t.Context(), r)
	} else {
		_, err = wasi_snapshot_preview1.Instantiate(t.Context(), r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// definitions returns the functions of r's WASI in a fixed order.
func definitions(r wazero.Runtime) []api.FunctionDefinition {
	var all []api.FunctionDefinition
	defs := r.Module(wasi.Module).ExportedFunctionDefinitions()
	for _, name := range slices.Sorted(mapKeys(defs)) {
		all = append(all, defs[name])
	}
	return all
}

func mapKeys(m map[string]api.FunctionDefinition) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range m {
			if !yield(name) {
				return
			}
		}
	}
}

// forwarder compiles a module with a function for each of WASI's, under its
// name, that passes its parameters on: host functions act on who calls them.
func forwarder(t testing.TB, r wazero.Runtime, pages uint64) wazero.CompiledModule {
	var types, imports, funcs, exports, bodies []byte
	defs := definitions(r)
	n := uint64(len(defs))
	for i, def := range defs {
		i := uint64(i)
		types = append(types, 0x60)
		types = vector(types, def.ParamTypes())
		types = vector(types, def.ResultTypes())

		imports = vector(imports, []byte(wasi.Module))
		imports = vector(imports, []byte(def.Name()))
		imports = binary.AppendUvarint(append(imports, 0), i) // a function of type i

		funcs = binary.AppendUvarint(funcs, i)

		exports = vector(exports, []byte(def.Name()))
		exports = binary.AppendUvarint(append(exports, 0), n+i)

		body := []byte{0} // no locals
		for p := range def.ParamTypes() {
			body = append(body, 0x20, byte(p)) // local.get
		}
		body = append(binary.AppendUvarint(append(body, 0x10), i), 0x0b) // call, end
		bodies = vector(bodies, body)
	}
	module := []byte("\x00asm\x01\x00\x00\x00")
	section := func(id byte, count uint64, content []byte) {
		module = vector(append(module, id), append(binary.AppendUvarint(nil, count), content...))
	}
	section(1, n, types)
	section(2, n, imports)
	section(3, n, funcs)
	if pages > 0 {
		section(5, 1, binary.AppendUvarint([]byte{0}, pages))
		exports = append(vector(exports, []byte("memory")), 2, 0)
		n++
	}
	section(7, n, exports)
	section(10, uint64(len(defs)), bodies)
	compiled, err := r.CompileModule(t.Context(), module)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// vector appends a length and what is that long.
func vector(to, content []byte) []byte {
	return append(binary.AppendUvarint(to, uint64(len(content))), content...)
}

// instantiate makes an anonymous instance of a compiled module.
func instantiate(t testing.TB, r wazero.Runtime, compiled wazero.CompiledModule, config wazero.ModuleConfig) api.Module {
	m, err := r.InstantiateModule(t.Context(), compiled, config.WithName("").WithStartFunctions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(context.Background()) })
	return m
}

// ours makes an instance of the forwarder on our WASI.
func ours(t testing.TB, pages uint64) api.Module {
	r := newRuntime(t, wazero.NewRuntimeConfig(), true)
	return instantiate(t, r, forwarder(t, r, pages), wazero.NewModuleConfig())
}

// errno calls a function of an instance that is to return one.
func errno(ctx context.Context, t testing.TB, m api.Module, name string, args ...uint64) uint64 {
	t.Helper()
	results, err := m.ExportedFunction(name).Call(ctx, args...)
	if err != nil {
		t.Fatalf("%s%v: %v", name, args, err)
	}
	return uint64(uint32(results[0]))
}

// flat is what any call costs, whatever it does.
func flat(t testing.TB, m api.Module) int64 {
	g := &guest{Context: t.Context()}
	errno(g, t, m, "sched_yield")
	return g.spent
}

// image is what the guest's memory begins with: a pattern, with data at places.
func image(places map[int][]byte) []byte {
	mem := make([]byte, pageSize)
	for i := range mem {
		mem[i] = 0xa5
	}
	for at, data := range places {
		copy(mem[at:], data)
	}
	return mem
}

// load fills an instance's memory and returns a view of it.
func load(t testing.TB, m api.Module, content []byte) []byte {
	mem, ok := m.Memory().Read(0, pageSize)
	if !ok {
		t.Fatal("the guest has no page of memory")
	}
	copy(mem, content)
	return mem
}

// iovecs encodes pairs of pointer and length.
func iovecs(pairs ...uint32) []byte {
	var b []byte
	for _, v := range pairs {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// clock encodes a subscription to a clock, stream one to a descriptor.
func clock(userdata uint64, id uint32, timeout uint64, flags uint16) []byte {
	b := make([]byte, 48)
	binary.LittleEndian.PutUint64(b, userdata)
	binary.LittleEndian.PutUint32(b[16:], id)
	binary.LittleEndian.PutUint64(b[24:], timeout)
	binary.LittleEndian.PutUint16(b[40:], flags)
	return b
}

func stream(userdata uint64, kind byte, fd uint32) []byte {
	b := make([]byte, 48)
	binary.LittleEndian.PutUint64(b, userdata)
	b[8] = kind
	binary.LittleEndian.PutUint32(b[16:], fd)
	return b
}

// Errors, as preview 1 numbers them.
const (
	success = 0
	badf    = 8
	fault   = 21
	inval   = 28
	eio     = 29
	nosys   = 52
	notdir  = 54
	notsock = 57
	spipe   = 70
)
