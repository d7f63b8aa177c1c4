package extism

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/marketprism/prismrt/runtime/task"
)

func TestBlocksAreWhatTheABISays(t *testing.T) {
	h, c := newHost(t, Options{}), newCall(t, "hello")
	if got := must(t, h, c, "alloc", 0); got != 0 {
		t.Errorf("a block of no bytes is at %d", got)
	}
	a, b := must(t, h, c, "alloc", 5), must(t, h, c, "alloc", 13)
	if a == 0 || a%8 != 0 || b != a+8 {
		t.Errorf("blocks of 5 and 13 bytes are at %d and %d", a, b)
	}
	for offset, want := range map[uint64]uint64{a: 5, b: 13, a + 1: 0, b + 8: 0, 0: 0, 1 << 63: 0} {
		if got := must(t, h, c, "length", offset); got != want {
			t.Errorf("the length at %d is %d, want %d", offset, got, want)
		}
	}
	must(t, h, c, "free", a)
	must(t, h, c, "free", a)
	must(t, h, c, "free", b+1)
	if again := must(t, h, c, "alloc", 5); again <= b {
		t.Errorf("what was freed is given out again, at %d", again)
	}
	if got := must(t, h, c, "length", a); got != 0 {
		t.Errorf("a freed block has the length %d", got)
	}
	if in := must(t, h, c, "input_offset"); must(t, h, c, "length", in) != 5 || must(t, h, c, "input_length") != 5 {
		t.Error("the input is no block of its length")
	}
	if got := must(t, h, c, "input_load_u64", 0); got != 'h'|'e'<<8|'l'<<16|'l'<<24|'o'<<32 {
		t.Errorf("a short input reads as %x", got)
	}
	if got := must(t, h, c, "input_load_u64", 4); got != 'o' {
		t.Errorf("the end of the input reads as %x", got)
	}
	for _, at := range []uint64{5, 1 << 40, 1<<64 - 1} {
		if must(t, h, c, "input_load_u64", at) != 0 || must(t, h, c, "input_load_u8", at) != 0 {
			t.Errorf("there is input at %d", at)
		}
	}
}

func TestNothingSurvivesACall(t *testing.T) {
	h := newHost(t, Options{})
	for range 100 { // a pool may or may not give the same again
		c := newCall(t, "a secret of this call")
		for n := range uint64(200) {
			made(t, h, c, strings.Repeat("s", int(n)))
		}
		must(t, h, c, "error_set", made(t, h, c, "failed"))
		must(t, h, c, "var_set", made(t, h, c, "name"), made(t, h, c, "value"))
		c.held.End()

		c = newCall(t, "")
		all := must(t, h, c, "alloc", 20_000)
		s := h.state(c)
		if n := len(s.bytes) - bytes.Count(s.bytes[:cap(s.bytes)], []byte{0}) + cap(s.bytes) - len(s.bytes); n != 0 {
			t.Fatalf("%d bytes of another call are left", n)
		}
		if must(t, h, c, "error_get") != 0 || must(t, h, c, "input_length") != 0 || must(t, h, c, "var_get", made(t, h, c, "name")) != 0 || must(t, h, c, "length", all) != 20_000 {
			t.Fatal("another call's state is left")
		}
		c.held.End()
	}
}

func TestAPluginThatAllocatesForEverIsEnded(t *testing.T) {
	for _, size := range []uint64{1, 1000, 1 << 19, 1 << 40, 1<<64 - 1} {
		h, c := newHost(t, Options{}), newCall(t, "x")
		for n := 0; ; n++ {
			if _, fault := do(h, c, "alloc", size); fault != nil {
				if fault.Kind != task.KindMemory || !strings.Contains(fault.Message, "limits.memory") {
					t.Errorf("%d bytes: %v", size, fault)
				}
				break
			}
			if n > 1<<20 {
				t.Fatalf("%d blocks of %d bytes fit into %v", n, size, c.version.Limits.Memory)
			}
		}
		s := h.state(c)
		if held := cap(s.bytes) + blockCost*cap(s.blocks); held > 3<<20 {
			t.Errorf("blocks of %d bytes: %d bytes are held under a limit of %v", size, held, c.version.Limits.Memory)
		}
		c.held.End()
	}
}

// FuzzABI calls any function with anything. What a guest gives for an offset must not reach
// outside the blocks.
func FuzzABI(f *testing.F) {
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"))
	h, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		c := newCall(t, string(script[:min(len(script), 21)]))
		c.version.LogLevel, c.version.Config = task.LevelTrace, map[string]string{"": "empty", "x": "y"}
		s := h.state(c)
		number := func() (n uint64) {
			if len(script) < 2 {
				return 0
			}
			how := script[0]
			n = uint64(script[1])
			script = script[2:]
			switch how % 8 {
			case 0: // within, or just outside
				n = uint64(len(s.bytes)) - 128 + n
			case 1:
				n = uint64(len(s.bytes)) + n
			case 2:
				n = -n
			case 3:
				n <<= how / 8
			case 4, 5: // a block
				if len(s.blocks) > 0 {
					n = s.blocks[int(n)%len(s.blocks)].offset
				}
			}
			return n
		}
		for len(script) > 2 {
			function := functions[int(script[0])%len(functions)]
			script = script[1:]
			stack := []uint64{number(), number()}
			func() {
				defer func() {
					if r := recover(); r != nil {
						_ = r.(*task.Fault) // else it panics again
					}
				}()
				function.call(s, c, stack)
			}()
			if n := bytes.Count(s.bytes[len(s.bytes):cap(s.bytes)], []byte{0}); n != cap(s.bytes)-len(s.bytes) {
				t.Fatalf("%s wrote behind the memory", function.name)
			}
			if len(s.bytes) > first && !bytes.Equal(s.bytes[:first], make([]byte, first)) {
				t.Fatalf("%s wrote before the memory", function.name)
			}
			if s.taken() > uint64(c.version.Limits.Memory) {
				t.Fatalf("%s: %d bytes are taken", function.name, s.taken())
			}
		}
		output, failure := s.Returned()
		if failure == nil && len(output) > len(s.bytes) {
			t.Fatal("there is more output than memory")
		}
		s.End()
	})
}

// kernel is the WebAssembly module by which other hosts have the memory.
func kernel(t *testing.T) api.Module {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module kernel\ngo 1.26\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "mod", "download", "-json", "github.com/extism/go-sdk@v1.7.1")
	cmd.Dir = dir
	out, err := cmd.Output()
	at := regexp.MustCompile(`"Dir": "(.*)"`).FindSubmatch(out)
	if err != nil || at == nil {
		t.Skipf("the kernel cannot be had: %v\n%s", err, out)
	}
	module, err := os.ReadFile(filepath.Join(string(at[1]), "extism-runtime.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	r := wazero.NewRuntime(t.Context())
	t.Cleanup(func() { r.Close(t.Context()) })
	m, err := r.Instantiate(t.Context(), module)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestTheMemoryDoesAsTheKernel has both do the same at random. Offsets differ, since the kernel
// keeps what it knows of blocks between them; what is outside of all blocks is not compared,
// except far away.
func TestTheMemoryDoesAsTheKernel(t *testing.T) {
	k := kernel(t)
	exports := make(map[string]api.Function)
	ask := func(name string, params ...uint64) uint64 {
		f := exports[name]
		if f == nil {
			f = k.ExportedFunction(name)
			exports[name] = f
		}
		results, err := f.Call(t.Context(), params...)
		if err != nil {
			t.Fatal(err)
		}
		if len(results) == 0 {
			return 0
		}
		if f.Definition().ResultTypes()[0] == api.ValueTypeI32 {
			return uint64(uint32(results[0]))
		}
		return results[0]
	}
	type pair struct{ ours, theirs, length uint64 }
	random := rand.New(rand.NewPCG(1, 2))
	h := newHost(t, Options{})
	for range 60 {
		c := newCall(t, "")
		ask("reset")
		var live []pair
		var output pair
		compare := func(name string, p pair, rest ...uint64) {
			t.Helper()
			ours := must(t, h, c, name, append([]uint64{p.ours}, rest...)...)
			if theirs := ask(name, append([]uint64{p.theirs}, rest...)...); ours != theirs {
				t.Fatalf("%s%v is %d, the kernel's %d", name, rest, ours, theirs)
			}
		}
		for range 300 {
			n := uint64(random.IntN(40))
			if len(live) == 0 || random.IntN(6) == 0 {
				p := pair{must(t, h, c, "alloc", n), ask("alloc", n), n}
				if (p.ours == 0) != (p.theirs == 0) {
					t.Fatalf("alloc(%d) is %d, the kernel's %d", n, p.ours, p.theirs)
				}
				if n > 0 {
					live = append(live, p)
				}
				continue
			}
			i := random.IntN(len(live))
			p := live[i]
			within := uint64(random.IntN(int(p.length)))
			inside := pair{p.ours + within, p.theirs + within, 0}
			switch random.IntN(12) {
			case 0:
				must(t, h, c, "free", p.ours)
				ask("free", p.theirs)
				compare("length", p)
				compare("length_unsafe", p)
				must(t, h, c, "free", p.ours)
				ask("free", p.theirs)
				live = append(live[:i], live[i+1:]...)
			case 1:
				compare("length", p)
				compare("length_unsafe", p)
			case 2:
				must(t, h, c, "store_u8", inside.ours, n)
				ask("store_u8", inside.theirs, n)
				compare("load_u8", inside)
			case 3, 4:
				if within+8 <= p.length {
					must(t, h, c, "store_u64", inside.ours, n)
					ask("store_u64", inside.theirs, n)
					compare("load_u64", inside)
				}
			case 5:
				compare("load_u8", inside)
			case 6:
				far := pair{1<<40 + n, 1<<40 + n, 0}
				must(t, h, c, "store_u64", far.ours, 1)
				ask("store_u64", far.theirs, 1)
				compare("load_u8", far)
				compare("load_u64", far)
				compare("length", far)
			case 7:
				must(t, h, c, "input_set", inside.ours, p.length-within)
				ask("input_set", inside.theirs, p.length-within)
				for at := range p.length - within + 9 {
					compare("input_load_u8", pair{at, at, 0})
				}
				if must(t, h, c, "input_length") != ask("input_length") {
					t.Fatal("the input's length is not the kernel's")
				}
			case 8:
				output = inside
				output.length = p.length - within
				must(t, h, c, "output_set", output.ours, output.length)
				ask("output_set", output.theirs, output.length)
			case 9:
				must(t, h, c, "output_set", 1<<40, n)
				ask("output_set", 1<<40, n)
			case 10:
				must(t, h, c, "error_set", p.ours)
				ask("error_set", p.theirs)
				if must(t, h, c, "error_get") != p.ours || ask("error_get") != p.theirs {
					t.Fatal("an error that was set is not got")
				}
				must(t, h, c, "error_set", 0)
				ask("error_set", 0)
				if must(t, h, c, "error_get") != ask("error_get") {
					t.Fatal("an error that was taken back is got")
				}
			}
			if ours, theirs := must(t, h, c, "output_length"), ask("output_length"); ours != theirs || ours != output.length {
				t.Fatalf("the output has %d bytes, the kernel's %d", ours, theirs)
			}
			if ours, theirs := must(t, h, c, "output_offset"), ask("output_offset"); ours != output.ours || theirs != output.theirs {
				t.Fatalf("the output is at %d, the kernel's at %d", ours, theirs)
			}
		}
		c.held.End()
	}
}
