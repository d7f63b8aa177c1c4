package wasm_test

import (
	"bytes"
	"context"
	"encoding/json"
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
	meter   bool
	refuels int
}

func newWorld(t *testing.T, spectest []byte, meter bool) *world {
	ctx := t.Context()
	w := &world{runtime: wazero.NewRuntime(ctx), named: map[string]api.Module{}, meter: meter}
	t.Cleanup(func() { w.runtime.Close(context.Background()) })
	_, err := w.runtime.NewHostModuleBuilder(wasm.MeterModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, m api.Module, _ []uint64) {
			w.refuels++
			m.ExportedGlobal(wasm.FuelGlobal).(api.MutableGlobal).Set(500)
			m.ExportedGlobal(wasm.StackGlobal).(api.MutableGlobal).Set(1 << 40)
		}), nil, nil).Export(wasm.RefuelFunction).Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.runtime.InstantiateWithConfig(ctx, spectest, wazero.NewModuleConfig().WithName("spectest")); err != nil {
		t.Fatal(err)
	}
	return w
}

// instantiate returns the error without what tells the two worlds apart.
func (w *world) instantiate(ctx context.Context, module []byte, name, as string) string {
	if w.meter {
		metered, err := wasm.Meter(module)
		if err != nil {
			return "refused: " + err.Error()
		}
		module = metered
	}
	m, err := w.runtime.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithName(as).WithStartFunctions())
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

func TestMeteredModulesDoWhatTheSpecificationsTestsAsk(t *testing.T) {
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
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var s script
			if err := json.Unmarshal(text, &s); err != nil {
				t.Fatal(err)
			}
			plain, metered := newWorld(t, spectest, false), newWorld(t, spectest, true)
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
					a = plain.instantiate(t.Context(), module, c.Name, as)
					b = metered.instantiate(t.Context(), module, c.Name, as)
					if c.Type == "assert_unlinkable" && a != "" && b != "" {
						b = a // they may say so in other words: metered tables have a maximum
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
					t.Errorf("%s, %s: as it is %.200s, metered %.200s", where, c.Action.Field, a, b)
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
	w := newWorld(t, []byte("\x00asm\x01\x00\x00\x00"), true)
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
	w := newWorld(t, []byte("\x00asm\x01\x00\x00\x00"), true)
	if why := w.instantiate(t.Context(), grow, "", ""); why != "" {
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
