package wasm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/marketprism/prismrt/runtime/wasm"
)

// script is one file of the specification's tests.
type script struct {
	Commands []struct {
		Type, Filename, Name, As string
		Line                     int
		Action                   struct {
			Type, Module, Field string
			Args                []value
		}
	}
}

// value is an argument as the scripts write it.
type value struct {
	Type     string          `json:"type"`
	LaneType string          `json:"lane_type"`
	Value    json.RawMessage `json:"value"`
}

// bits are what the engine is called with.
func (v value) bits(t *testing.T) []uint64 {
	t.Helper()
	var lanes []string
	if err := json.Unmarshal(v.Value, &lanes); err != nil {
		var one string
		if err := json.Unmarshal(v.Value, &one); err != nil {
			t.Fatalf("argument %s: %v", v.Value, err)
		}
		lanes = []string{one}
	}
	width := map[string]int{"i8": 8, "i16": 16, "i32": 32, "f32": 32, "i64": 64, "f64": 64}[v.LaneType]
	out := make([]uint64, max(1, len(lanes)*width/64))
	for i, lane := range lanes {
		var n uint64
		switch {
		case lane == "null":
		case strings.HasPrefix(lane, "nan") && (v.Type == "f32" || v.LaneType == "f32"):
			n = uint64(math.Float32bits(float32(math.NaN())))
		case strings.HasPrefix(lane, "nan"):
			n = math.Float64bits(math.NaN())
		default:
			u, err := strconv.ParseUint(lane, 10, 64)
			if err != nil {
				s, err := strconv.ParseInt(lane, 10, 64)
				if err != nil {
					t.Fatalf("argument %s: %v", v.Value, err)
				}
				u = uint64(s)
			}
			n = u
		}
		if v.Type == "i32" || v.Type == "f32" {
			n &= math.MaxUint32
		}
		if width > 0 && width < 64 {
			out[i*width/64] |= n & (1<<width - 1) << (i * width % 64)
			continue
		}
		out[i] = n
	}
	return out
}

// world is an engine in which a script runs.
type world struct {
	runtime wazero.Runtime
	last    api.Module
	named   map[string]api.Module
	all     []api.Module
	rewrite func(t *testing.T, ctx context.Context, w *world, module []byte, config wazero.ModuleConfig) (api.Module, error)
	refuels int
	begins  int
}

// The ways to rewrite a module.
var rewritings = map[string]func(t *testing.T, ctx context.Context, w *world, module []byte, config wazero.ModuleConfig) (api.Module, error){
	"metered": func(_ *testing.T, ctx context.Context, w *world, module []byte, config wazero.ModuleConfig) (api.Module, error) {
		metered, err := wasm.Meter(module)
		if err != nil {
			return nil, err
		}
		return w.runtime.InstantiateWithConfig(ctx, metered, config)
	},
	"rewritten": func(t *testing.T, ctx context.Context, w *world, module []byte, config wazero.ModuleConfig) (api.Module, error) {
		r, err := wasm.Rewrite(module)
		if err != nil {
			return nil, err
		}
		return setUp(ctx, t, w.runtime, r, config)
	},
}

// memory is one that grows as far as its module says.
type memory struct {
	bytes []byte
	most  uint64
}

func (m *memory) Reallocate(size uint64) []byte {
	if size > m.most {
		return nil
	}
	m.bytes = append(m.bytes, make([]byte, size-uint64(len(m.bytes)))...)
	return m.bytes
}

func (m *memory) Free() {}

// setUp does what a host does to begin an instance of a rewritten module.
func setUp(ctx context.Context, t *testing.T, r wazero.Runtime, rewritten *wasm.Rewritten, config wazero.ModuleConfig) (api.Module, error) {
	t.Helper()
	if rewritten.Memory != nil {
		ctx = experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(func(_, _ uint64) experimental.LinearMemory {
			return &memory{most: uint64(rewritten.Memory.Max) * wasm.PageSize}
		}))
	}
	m, err := r.InstantiateWithConfig(ctx, rewritten.Module, config)
	if err != nil {
		return nil, err
	}
	for _, d := range rewritten.Data {
		if !m.Memory().Write(d.Offset, d.Bytes) {
			return nil, errors.Join(errors.New("out of bounds memory access"), m.Close(ctx))
		}
	}
	for _, name := range rewritten.Globals {
		if m.ExportedGlobal(name) == nil {
			t.Errorf("%s is not exported", name)
		}
	}
	if rewritten.Start {
		if _, err := m.ExportedFunction(wasm.StartFunction).Call(ctx); err != nil {
			return nil, errors.Join(err, m.Close(ctx))
		}
	}
	return m, nil
}

func newWorld(t *testing.T, spectest []byte, rewriting string) *world {
	ctx := t.Context()
	w := &world{runtime: wazero.NewRuntime(ctx), named: map[string]api.Module{}, rewrite: rewritings[rewriting]}
	t.Cleanup(func() { w.runtime.Close(context.Background()) })
	_, err := w.runtime.NewHostModuleBuilder(wasm.MeterModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, m api.Module, _ []uint64) {
			w.refuels++
			m.ExportedGlobal(wasm.FuelGlobal).(api.MutableGlobal).Set(500)
			m.ExportedGlobal(wasm.StackGlobal).(api.MutableGlobal).Set(1 << 40)
		}), nil, nil).Export(wasm.RefuelFunction).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(context.Context, api.Module, []uint64) { w.begins++ }), nil, nil).
		Export(wasm.BeginFunction).Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.runtime.InstantiateWithConfig(ctx, spectest, wazero.NewModuleConfig().WithName("spectest")); err != nil {
		t.Fatal(err)
	}
	return w
}

// instantiate returns the error without what tells the two worlds apart.
func (w *world) instantiate(t *testing.T, module []byte, name, as string) string {
	ctx := t.Context()
	config := wazero.NewModuleConfig().WithName(as).WithStartFunctions()
	var m api.Module
	var err error
	if w.rewrite != nil {
		m, err = w.rewrite(t, ctx, w, module, config)
	} else {
		m, err = w.runtime.InstantiateWithConfig(ctx, module, config)
	}
	if err != nil {
		return message(err)
	}
	w.last = m
	w.all = append(w.all, m)
	if name != "" {
		w.named[name] = m
	}
	return ""
}

// invoke returns results and error as text.
func (w *world) invoke(ctx context.Context, module, field string, args []uint64) string {
	m := w.last
	if module != "" {
		m = w.named[module]
	}
	if m == nil {
		return "no module"
	}
	f := m.ExportedFunction(field)
	if f == nil {
		return "no function"
	}
	results, err := f.Call(ctx, args...)
	if err != nil {
		return message(err)
	}
	// References are addresses; the upper half of an i32 may hold anything.
	for i, t := range f.Definition().ResultTypes() {
		switch t {
		case api.ValueTypeI32, api.ValueTypeF32:
			results[i] &= math.MaxUint32
		case 0x70, api.ValueTypeExternref:
			results[i] = min(results[i], 1)
		}
	}
	return fmt.Sprint(results)
}

var startFunction = regexp.MustCompile(`start function\[\d+\]`)

// message is an error without its stack, which has a test of its own, and
// without the number of the start function.
func message(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\nwasm stack trace:")
	text, _, _ = strings.Cut(text, "(recovered by wazero)")
	return startFunction.ReplaceAllString(text, "start function")
}

func TestRewrittenModulesDoWhatTheSpecificationsTestsAsk(t *testing.T) {
	for way := range rewritings {
		t.Run(way, func(t *testing.T) { specificationHolds(t, way) })
	}
}

func specificationHolds(t *testing.T, way string) {
	files := specification(t)
	dirs := []string{filepath.Dir(files[0]), filepath.Dir(files[len(files)-1])}
	spectest, err := os.ReadFile(filepath.Join(dirs[0], "..", "..", "testdata", "spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	calls, modules, refuels := 0, 0, 0
	for _, dir := range dirs {
		scripts, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil || len(scripts) < 50 {
			t.Fatalf("%d scripts in %s, %v", len(scripts), dir, err)
		}
		for _, file := range scripts {
			if way == "rewritten" && filepath.Base(file) == "linking.json" {
				continue // a memory that is its host's says nothing of its maximum to who imports it
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var s script
			if err := json.Unmarshal(text, &s); err != nil {
				t.Fatal(err)
			}
			plain, metered := newWorld(t, spectest, ""), newWorld(t, spectest, way)
			for n, c := range s.Commands {
				where := fmt.Sprintf("%s, line %d", filepath.Base(file), c.Line)
				var a, b string
				switch c.Type {
				case "module", "assert_uninstantiable", "assert_unlinkable":
					if !strings.HasSuffix(c.Filename, ".wasm") {
						continue
					}
					module, err := os.ReadFile(filepath.Join(dir, c.Filename))
					if err != nil {
						t.Fatal(err)
					}
					as := registered(s, n)
					a = plain.instantiate(t, module, c.Name, as)
					b = metered.instantiate(t, module, c.Name, as)
					if c.Type != "module" && a != "" && b != "" {
						b = a // in other words: rewritten tables have a maximum, and it is the host that sets up the memory
					}
					modules++
				case "assert_return", "assert_trap", "action":
					if c.Action.Type != "invoke" {
						continue
					}
					var args []uint64
					for _, v := range c.Action.Args {
						args = append(args, v.bits(t)...)
					}
					a = plain.invoke(t.Context(), c.Action.Module, c.Action.Field, args)
					b = metered.invoke(t.Context(), c.Action.Module, c.Action.Field, args)
					calls++
				default: // what is invalid is not metered; exhaustion has a test of its own
					continue
				}
				if a != b {
					t.Errorf("%s, %s: as it is %.200s, %s %.200s", where, c.Action.Field, a, way, b)
				}
			}
			for i := range min(len(plain.all), len(metered.all)) {
				compareMemory(t, filepath.Base(file), plain.all[i], metered.all[i])
			}
			refuels += metered.refuels
			plain.runtime.Close(t.Context())
			metered.runtime.Close(t.Context())
		}
	}
	t.Logf("%d modules, %d calls, %d refuelled", modules, calls, refuels)
	if modules < 2000 || calls < 50_000 || refuels < 1000 {
		t.Errorf("%d modules, %d calls, %d refuelled: that is not the whole suite", modules, calls, refuels)
	}
}

// registered returns the name by which others import from the module of command n.
func registered(s script, n int) string {
	for _, c := range s.Commands[n+1:] {
		if c.Type == "register" && (c.Name == "" || c.Name == s.Commands[n].Name) {
			return c.As
		}
		if c.Type == "module" && s.Commands[n].Name == "" {
			break
		}
	}
	return ""
}

func compareMemory(t *testing.T, file string, a, b api.Module) {
	t.Helper()
	if len(a.ExportedMemoryDefinitions()) == 0 {
		return
	}
	left, _ := a.Memory().Read(0, a.Memory().Size())
	right, _ := b.Memory().Read(0, b.Memory().Size())
	if !bytes.Equal(left, right) {
		t.Errorf("%s: memories differ", file)
	}
}

func TestNamesAndNumbersStayTheAuthors(t *testing.T) {
	// Imports prism.fail; defines an unnamed function, which traps, and "outer",
	// which calls it.
	m := module(
		[]byte{1, 1, 0x60, 0, 0},
		append([]byte{2, 1, 5}, "prism\x04fail\x00\x00"...),
		[]byte{3, 2, 0, 0},
		append([]byte{7, 1, 6}, "_start\x00\x02"...),
		[]byte{10, 2, 3, 0, 0x00, 0x0b, 4, 0, 0x10, 1, 0x0b},
		append([]byte{0, 4}, "name\x00\x04\x03mod\x01\x08\x01\x02\x05outer\x02\x05\x01\x02\x01\x00\x00"...),
	)
	metered, err := wasm.Meter(m)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, []byte("\x00asm\x01\x00\x00\x00"), "metered")
	if _, err := w.runtime.NewHostModuleBuilder("prism").NewFunctionBuilder().WithFunc(func() {}).Export("fail").Instantiate(t.Context()); err != nil {
		t.Fatal(err)
	}
	i, err := w.runtime.InstantiateWithConfig(t.Context(), metered, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		t.Fatal(err)
	}
	_, err = i.ExportedFunction("_start").Call(t.Context())
	if want := "wasm error: unreachable\nwasm stack trace:\n\tmod.$1()\n\tmod.outer()"; err == nil || err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestTablesStopGrowing(t *testing.T) {
	// grow(n) answers what table.grow does; the table names no maximum.
	grow := module(
		[]byte{1, 1, 0x60, 1, 0x7f, 1, 0x7f}, []byte{3, 1, 0}, []byte{4, 1, 0x70, 0, 1},
		append([]byte{7, 1, 4}, "grow\x00\x00"...),
		[]byte{10, 1, 9, 0, 0xd0, 0x70, 0x20, 0, 0xfc, 15, 0, 0x0b},
	)
	w := newWorld(t, []byte("\x00asm\x01\x00\x00\x00"), "metered")
	if why := w.instantiate(t, grow, "", ""); why != "" {
		t.Fatal(why)
	}
	for _, step := range []struct{ by, want uint64 }{{100_000, math.MaxUint32}, {99_999, 1}, {1, math.MaxUint32}} {
		if got := w.invoke(t.Context(), "", "grow", []uint64{step.by}); got != fmt.Sprint([]uint64{step.want}) {
			t.Errorf("growing by %d answers %s, want %d", step.by, got, step.want)
		}
	}
}

func TestReservedNamesAreRefused(t *testing.T) {
	for _, m := range [][]byte{
		module([]byte{1, 1, 0x60, 0, 0}, append([]byte{2, 1, 7}, "prismrt\x06refuel\x00\x00"...)),
		module([]byte{6, 1, 0x7e, 1, 0x42, 0, 0x0b}, append([]byte{7, 1, 12}, "prismrt.fuel\x03\x00"...)),
	} {
		if _, err := wasm.Meter(m); err == nil || !strings.Contains(err.Error(), "reserved") {
			t.Errorf("got %v", err)
		}
	}
}

func FuzzMeter(f *testing.F) {
	f.Add(coded([]byte{9, 0, 0x03, 0x40, 0x0c, 0, 0x0b, 0x10, 0, 0x0b}))
	r := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigInterpreter())
	f.Fuzz(func(t *testing.T, b []byte) {
		before := slices.Clone(b)
		metered, err := wasm.Meter(b)
		if !bytes.Equal(b, before) {
			t.Error("Meter changed its input")
		}
		if err != nil {
			return
		}
		if c, err := r.CompileModule(t.Context(), b); err == nil { // it is valid
			c.Close(t.Context())
			if c, err = r.CompileModule(t.Context(), metered); err != nil {
				t.Errorf("a valid module became an invalid one: %v", err)
			} else {
				c.Close(t.Context())
			}
		}
	})
}

func TestWhatAModuleBeginsWithIsLeftToTheHost(t *testing.T) {
	// A memory of 1 to 2 pages, globals of all kinds, a start function, a passive
	// segment that code names, and two that the memory begins with.
	m := module(
		[]byte{1, 2, 0x60, 0, 0, 0x60, 3, 0x7f, 0x7f, 0x7f, 0},
		[]byte{3, 3, 0, 1, 0},
		[]byte{4, 1, 0x70, 0, 1},
		[]byte{5, 1, 1, 1, 2},
		[]byte{6, 3, 0x7f, 1, 0x41, 1, 0x0b, 0x7f, 0, 0x41, 2, 0x0b, 0x7c, 1, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b},
		slices.Concat([]byte{7, 3}, []byte("\x04init\x00\x01\x06_start\x00\x02\x03mem\x02\x00")),
		[]byte{8, 0},
		[]byte{12, 3},
		[]byte{
			10, 3,
			7, 0, 0x41, 7, 0x24, 0, 0x01, 0x0b, // the start function sets the first global
			12, 0, 0x20, 0, 0x20, 1, 0x20, 2, 0xfc, 8, 1, 0, 0x0b, // memory.init of the passive segment
			8, 0, 0x41, 0, 0xd0, 0x70, 0x26, 0, 0x0b, // table.set
		},
		slices.Concat([]byte{11, 3}, []byte("\x00\x41\x08\x0b\x02AB"), []byte("\x01\x03xyz"), []byte("\x02\x00\x41\x09\x0b\x01C")),
	)
	r, err := wasm.Rewrite(m)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"prismrt.global.0", "prismrt.global.2"}; !slices.Equal(r.Globals, want) || !r.Start || !r.Command || !r.Spoils || r.Fixed != "" || *r.Memory != (wasm.Memory{Min: 1, Max: 2}) {
		t.Errorf("got %+v", r)
	}
	w := newWorld(t, []byte("\x00asm\x01\x00\x00\x00"), "rewritten")
	i, err := setUp(t.Context(), t, w.runtime, r, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		t.Fatal(err)
	}
	if got := i.ExportedGlobal("prismrt.global.0").Get(); got != 7 {
		t.Errorf("the start function left %d", got)
	}
	if _, err := i.ExportedFunction("init").Call(t.Context(), 0, 0, 3); err != nil {
		t.Error(err)
	}
	if got, _ := i.Memory().Read(0, 11); string(got) != "xyz\x00\x00\x00\x00\x00AC\x00" {
		t.Errorf("memory %q", got)
	}
	spoilt := i.ExportedGlobal(wasm.SpoiltGlobal)
	if spoilt.Get() != 0 {
		t.Error("spoilt before any table was changed")
	}
	before := w.begins
	if _, err := i.ExportedFunction(wasm.RunFunction).Call(t.Context()); err != nil || spoilt.Get() == 0 || w.begins != before+1 {
		t.Errorf("run: %v, spoilt %d, %d begins", err, spoilt.Get(), w.begins-before)
	}
}

func TestWhatCannotBeCarriedIsNamed(t *testing.T) {
	for want, m := range map[string][]byte{
		"it has a mutable global of type v128": module([]byte{6, 1, 0x7b, 1, 0xfd, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b}),
		"it is linked with others":             module(append([]byte{2, 1, 3}, "env\x01m\x02\x00\x01"...)),
	} {
		if r, err := wasm.Rewrite(m); err != nil || r.Fixed != want {
			t.Errorf("got %+v, %v; want %q", r, err, want)
		}
	}
}

func FuzzRewrite(f *testing.F) {
	f.Add(coded([]byte{9, 0, 0x03, 0x40, 0x0c, 0, 0x0b, 0x10, 0, 0x0b}))
	for _, file := range specification(f)[:300] {
		if module, err := os.ReadFile(file); err == nil && len(module) < 4096 {
			f.Add(module)
		}
	}
	r := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigInterpreter())
	f.Fuzz(func(t *testing.T, b []byte) {
		rewritten, err := wasm.Rewrite(b)
		if err != nil {
			return
		}
		if c, err := r.CompileModule(t.Context(), b); err == nil { // it is valid
			c.Close(t.Context())
			if c, err = r.CompileModule(t.Context(), rewritten.Module); err != nil {
				t.Errorf("a valid module became an invalid one: %v", err)
			} else {
				c.Close(t.Context())
			}
		}
	})
}
