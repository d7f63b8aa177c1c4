package wasi_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/marketprism/prismrt/runtime/task"
)

func TestRandomBytesFillWhatWasAsked(t *testing.T) {
	m := ours(t, 4)
	g := &guest{Context: t.Context()}
	const ptr, length = 100, 3*pageSize - 5
	if e := errno(g, t, m, "random_get", ptr, length); e != 0 {
		t.Fatalf("errno = %d", e)
	}
	mem, _ := m.Memory().Read(0, 4*pageSize)
	if !bytes.Equal(mem[:ptr], make([]byte, ptr)) || !bytes.Equal(mem[ptr+length:], make([]byte, len(mem)-ptr-length)) {
		t.Error("bytes were written outside")
	}
	for part := range slices.Chunk(mem[ptr:ptr+length], 64) {
		if bytes.Equal(part, make([]byte, len(part))) && len(part) == 64 {
			t.Fatal("64 bytes in a row are zero")
		}
	}
	if want := flat(t, m) + length; g.spent != want || g.moved != length || g.most > maxPiece {
		t.Errorf("%d bytes, %d at once, for %d fuel, want %d", g.moved, g.most, g.spent, want)
	}
}

func TestSleepUntilTheSoonestClock(t *testing.T) {
	m := ours(t, 1)
	const realtime, monotonic = 1.8e18, uint64(20 * time.Minute)
	for _, c := range []struct {
		title  string
		in     []byte
		sleep  time.Duration // without: none
		events []uint64      // their userdata
	}{
		{"relative", clock(1, 0, 5e6, 0), 5e6, []uint64{1}},
		{"at once", clock(1, 0, 0, 0), 0, []uint64{1}},
		{"the soonest", slices.Concat(clock(1, 0, 9e6, 0), clock(2, 1, 5e6, 0), clock(3, 1, 5e6, 0)), 5e6, []uint64{2, 3}},
		{"one is over", slices.Concat(clock(1, 0, 9e6, 0), clock(2, 1, 0, 1)), 0, []uint64{2}},
		{"absolute", clock(1, 0, realtime+5e6, 1), 5e6, []uint64{1}},
		{"absolute and monotonic", clock(1, 1, monotonic+5e6, 1), 5e6, []uint64{1}},
		{"absolute and over", clock(1, 1, monotonic, 1), 0, []uint64{1}},
		{"never", clock(1, 0, math.MaxUint64, 1), math.MaxInt64, []uint64{1}},
		{"a stream is ready", slices.Concat(clock(1, 0, 9e6, 0), stream(2, 1, 0), clock(3, 0, 0, 0), stream(4, 2, 1)), 0, []uint64{2, 3, 4}},
	} {
		g := &guest{Context: t.Context(), realtime: realtime, monotonic: monotonic}
		mem := load(t, m, image(map[int][]byte{sleeps: c.in}))
		n := len(c.in) / 48
		if e := errno(g, t, m, "poll_oneoff", sleeps, room, uint64(n), result); e != 0 {
			t.Fatalf("%s: errno = %d", c.title, e)
		}
		var want []time.Duration
		if c.sleep > 0 {
			want = []time.Duration{c.sleep}
		}
		if !slices.Equal(g.slept, want) {
			t.Errorf("%s: slept %v, want %v", c.title, g.slept, want)
		}
		var events []uint64
		for i := range binary.LittleEndian.Uint32(mem[result:]) {
			events = append(events, binary.LittleEndian.Uint64(mem[room+32*i:]))
		}
		if !slices.Equal(events, c.events) {
			t.Errorf("%s: events %d, want %d", c.title, events, c.events)
		}
		if g.spent != flat(t, m)+int64(10*n) {
			t.Errorf("%s: spent %d for %d subscriptions", c.title, g.spent, n)
		}
	}
}

func TestWaitingInPlace(t *testing.T) {
	m := ours(t, 1)
	mem := load(t, m, image(map[int][]byte{sleeps: slices.Concat(stream(1, 1, 0), stream(2, 2, 1), stream(3, 2, 0))}))
	if e := errno(&guest{Context: t.Context()}, t, m, "poll_oneoff", sleeps, sleeps, 3, result); e != 0 {
		t.Fatalf("errno = %d", e)
	}
	want := slices.Concat(stream(1, 0, 0)[:32], stream(2, 0, 0)[:32], stream(3, 0, 0)[:32])
	want[10], want[32+10], want[64+10], want[64+8] = 1, 2, 2, badf
	if got := mem[sleeps : sleeps+96]; !bytes.Equal(got, want) {
		t.Errorf("events %x, want %x", got, want)
	}
}

func TestDescriptorsCanBeMovedAndClosed(t *testing.T) {
	m := ours(t, 1)
	load(t, m, image(places))
	g := &guest{Context: t.Context(), in: []byte(standardInput)}
	for i, step := range []struct {
		errno    uint64
		function string
		args     []uint64
	}{
		{success, "fd_renumber", []uint64{1, 2}}, // the log now goes to the output
		{success, "fd_write", []uint64{2, vectors, 1, result}},
		{badf, "fd_write", []uint64{1, vectors, 1, result}},
		{badf, "fd_close", []uint64{1}},
		{success, "fd_renumber", []uint64{0, 1}},
		{success, "fd_read", []uint64{1, vectors, 1, result}},
		{badf, "fd_read", []uint64{0, vectors, 1, result}},
		{badf, "fd_renumber", []uint64{0, 1}},
		{success, "fd_close", []uint64{1}},
		{badf, "fd_seek", []uint64{1, 0, 0, result}},
		{spipe, "fd_seek", []uint64{2, 0, 0, result}},
	} {
		if e := errno(g, t, m, step.function, step.args...); e != step.errno {
			t.Errorf("step %d: %s%v = %d, want %d", i, step.function, step.args, e, step.errno)
		}
	}
	if string(g.out) != "hello" || len(g.log) != 0 || len(g.in) != len(standardInput)-5 {
		t.Errorf("output %q, log %q, input left %q", g.out, g.log, g.in)
	}
}

func TestFlagsAreKept(t *testing.T) {
	m := ours(t, 1)
	mem := load(t, m, image(nil))
	g := &guest{Context: t.Context()}
	errno(g, t, m, "fd_fdstat_set_flags", 1, 0xffe5)
	errno(g, t, m, "fd_fdstat_get", 1, result)
	if got := binary.LittleEndian.Uint16(mem[result+2:]); got != 5 {
		t.Errorf("flags = %#x, want append and nonblock", got)
	}
	errno(g, t, m, "fd_fdstat_get", 0, result)
	if got := binary.LittleEndian.Uint16(mem[result+2:]); got != 0 {
		t.Errorf("flags of another descriptor = %#x", got)
	}
}

func TestRefusedOutputIsAnError(t *testing.T) {
	m := ours(t, 1)
	load(t, m, image(places))
	g := &guest{Context: t.Context(), refuse: errors.New("full")}
	if e := errno(g, t, m, "fd_write", 1, vectors, 1, result); e != eio {
		t.Errorf("errno = %d, want %d", e, eio)
	}
}

func TestMuchIsMovedInPiecesThatArePaid(t *testing.T) {
	m := ours(t, 17)
	g := &guest{Context: t.Context(), in: make([]byte, 1<<20)}
	m.Memory().Write(0, iovecs(1024, 16*pageSize, 1024, 100))
	for _, c := range []struct {
		function string
		fd       uint64
		bytes    int
	}{{"fd_read", 0, 1 << 20}, {"fd_write", 1, 1<<20 + 100}, {"fd_write", 2, 1<<20 + 100}} {
		g.spent, g.moved, g.most = -flat(t, m), 0, 0
		m.Memory().Write(0, iovecs(1024, 16*pageSize, 1024, 100))
		if e := errno(g, t, m, c.function, c.fd, 0, 2, 512); e != 0 {
			t.Fatalf("%s: errno = %d", c.function, e)
		}
		n, _ := m.Memory().ReadUint32Le(512)
		if int(n) != c.bytes || g.moved != c.bytes || g.most > maxPiece || g.spent < int64(c.bytes/8) || g.spent > int64(c.bytes/8+10) {
			t.Errorf("%s: %d bytes told, %d moved, %d at once, for %d fuel", c.function, n, g.moved, g.most, g.spent)
		}
	}
}

// A line costs whoever hears it more than its bytes do.
func TestLinesOfStandardErrorArePaid(t *testing.T) {
	const lines = 1000
	m := ours(t, 2)
	m.Memory().Write(pageSize, bytes.Repeat([]byte{'\n'}, lines))
	for fd, least := range map[uint64]int64{1: 0, 2: lines * 1000} {
		m.Memory().Write(0, iovecs(pageSize, lines))
		g := &guest{Context: t.Context(), spent: -flat(t, m)}
		if e := errno(g, t, m, "fd_write", fd, 0, 1, 512); e != 0 || g.spent < least || g.spent > least+lines {
			t.Errorf("%d lines to %d cost %d, errno %d; want %d and little more", lines, fd, g.spent, e, least)
		}
	}
}

func TestLongArgumentsArePaid(t *testing.T) {
	m := ours(t, 17)
	long := string(bytes.Repeat([]byte("x"), 500_000))
	g := &guest{Context: t.Context(), args: []string{"a", long, ""}}
	if e := errno(g, t, m, "args_get", 0, 16); e != 0 {
		t.Fatalf("errno = %d", e)
	}
	got, _ := m.Memory().Read(0, 16+500_004)
	want := append(iovecs(16, 18, 18+500_001, 0), "a\x00"+long+"\x00\x00"...)
	if !bytes.Equal(got, want) {
		t.Error("the arguments are not laid out as they should be")
	}
	if spent := g.spent - flat(t, m); spent < 500_000/8 || spent > 500_000/8+20 {
		t.Errorf("spent %d", g.spent)
	}
}

// One iovec that names all of the memory, a thousand times.
func TestOneCallMovesTwoGiBAtMost(t *testing.T) {
	if testing.Short() || race {
		t.Skip("counts to two billion")
	}
	m := ours(t, 256)
	for i := range uint32(1024) {
		m.Memory().Write(8*i, iovecs(0, 256*pageSize))
	}
	g := &counting{guest: guest{Context: t.Context()}}
	if e := errno(g, t, m, "fd_write", 1, 0, 1024, 8192); e != 0 {
		t.Fatalf("errno = %d", e)
	}
	if n, _ := m.Memory().ReadUint32Le(8192); n != 1<<31-4096 || g.moved != int(n) {
		t.Errorf("told %d bytes, moved %d", n, g.moved)
	}
}

// counting drops the output.
type counting struct{ guest }

func (c *counting) Value(key any) any {
	if key == (task.CallKey{}) {
		return c
	}
	return c.Context.Value(key)
}

func (c *counting) Write(p []byte) (int, error) {
	c.move(len(p))
	return len(p), nil
}

func TestEndedGuestLeavesItsInstanceUsable(t *testing.T) {
	m := ours(t, 32)
	m.Memory().Write(0, iovecs(pageSize, 31*pageSize))
	for _, c := range []struct {
		function string
		args     []uint64
	}{
		{"random_get", []uint64{pageSize, 31 * pageSize}},
		{"fd_write", []uint64{1, 0, 1, 512}},
		{"fd_write", []uint64{2, 0, 1, 512}},
		{"fd_read", []uint64{0, 0, 1, 512}},
		{"poll_oneoff", []uint64{pageSize, 4 * pageSize, 1024, 512}},
	} {
		g := &guest{Context: t.Context(), limit: 9000, in: make([]byte, 31*pageSize)}
		_, err := m.ExportedFunction(c.function).Call(g, c.args...)
		if !errors.Is(err, errEnded) {
			t.Fatalf("%s: %v, want it ended", c.function, err)
		}
		if g.moved > 9000*8+maxPiece {
			t.Errorf("%s went on for %d bytes", c.function, g.moved)
		}
		next := &guest{Context: t.Context()}
		if e := errno(next, t, m, "random_get", pageSize, 100); e != 0 || next.spent != flat(t, m)+100 {
			t.Errorf("after %s: errno %d, spent %d", c.function, e, next.spent)
		}
		m.Memory().Write(256, iovecs(0, 8))
		if e := errno(next, t, m, "fd_write", 1, 256, 1, 512); e != 0 || len(next.out) != 8 {
			t.Errorf("after %s: errno %d, output %x", c.function, e, next.out)
		}
		m.Memory().Write(0, iovecs(pageSize, 31*pageSize))
	}
}

func TestExitLeavesTheInstanceUsable(t *testing.T) {
	m := ours(t, 1)
	g := &guest{Context: t.Context()}
	for _, code := range []uint64{0, 7, math.MaxUint32} {
		_, err := m.ExportedFunction("proc_exit").Call(g, code)
		exit, ok := errors.AsType[*sys.ExitError](err)
		if !ok || uint64(exit.ExitCode()) != code || m.IsClosed() {
			t.Fatalf("proc_exit(%d): %v, closed: %t", code, err, m.IsClosed())
		}
		if e := errno(g, t, m, "sched_yield"); e != 0 {
			t.Fatalf("errno = %d", e)
		}
	}
}

func TestWithoutMemoryAllOfItIsOutside(t *testing.T) {
	m := ours(t, 0)
	g := &guest{Context: t.Context(), args: standardArgs}
	for _, c := range []struct {
		function string
		args     []uint64
	}{
		{"args_get", []uint64{0, 0}},
		{"args_sizes_get", []uint64{0, 0}},
		{"clock_time_get", []uint64{0, 0, 0}},
		{"clock_res_get", []uint64{0, 0}},
		{"fd_fdstat_get", []uint64{0, 0}},
		{"fd_filestat_get", []uint64{0, 0}},
		{"fd_read", []uint64{0, 0, 0, 0}},
		{"fd_write", []uint64{1, 0, 0, 0}},
		{"poll_oneoff", []uint64{0, 0, 1, 0}},
		{"random_get", []uint64{0, 0}},
	} {
		if e := errno(g, t, m, c.function, c.args...); e != fault {
			t.Errorf("%s = %d, want %d", c.function, e, fault)
		}
	}
}

func TestFrequentCallsDoNotAllocate(t *testing.T) {
	m := ours(t, 1)
	load(t, m, image(places))
	g := &guest{Context: t.Context(), out: make([]byte, 0, 1<<20)}
	stack := make([]uint64, 4)
	allocations := func(function string, args ...uint64) float64 {
		f := m.ExportedFunction(function)
		return testing.AllocsPerRun(100, func() {
			g.in = places[text]
			copy(stack, args)
			if err := f.CallWithStack(g, stack); err != nil || stack[0] != 0 {
				t.Fatalf("%s: errno %d, %v", function, stack[0], err)
			}
		})
	}
	idle := allocations("sched_yield") // what wazero takes for any call
	for _, c := range []struct {
		function string
		args     []uint64
	}{
		{"fd_read", []uint64{0, vectors, 3, result}},
		{"fd_write", []uint64{1, vectors, 3, result}},
		{"clock_time_get", []uint64{1, 0, result}},
		{"random_get", []uint64{room, 64}},
	} {
		if n := allocations(c.function, c.args...); n > idle {
			t.Errorf("%s allocates %v times, where a call of nothing does %v times", c.function, n, idle)
		}
	}
}

func BenchmarkCall(b *testing.B) {
	m := ours(b, 1)
	load(b, m, image(places))
	g := &counting{guest: guest{Context: b.Context()}}
	stack := make([]uint64, 4)
	for _, c := range []struct {
		function string
		args     []uint64
	}{
		{"sched_yield", nil},
		{"fd_write", []uint64{1, vectors, 3, result}},
		{"clock_time_get", []uint64{1, 0, result}},
		{"random_get", []uint64{room, 64}},
	} {
		f := m.ExportedFunction(c.function)
		b.Run("function="+c.function, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				copy(stack, c.args)
				if err := f.CallWithStack(g, stack); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// FuzzFunctions calls any function with anything on any memory: it must return
// an error number or exit, and pay for what it moves.
func FuzzFunctions(f *testing.F) {
	defs := definitions(newRuntime(f, wazero.NewRuntimeConfig(), true))
	for _, tr := range trials() {
		i := slices.IndexFunc(defs, func(d api.FunctionDefinition) bool { return d.Name() == tr.function })
		a := append(slices.Clone(tr.args), make([]uint64, 9)...)
		f.Add(uint8(i), a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], image(places)[:0x2000])
	}
	m := ours(f, 2)
	known := map[uint64]bool{success: true, badf: true, fault: true, inval: true, nosys: true, notdir: true, notsock: true, spipe: true}
	f.Fuzz(func(t *testing.T, function uint8, a, b, c, d, e, h, i, j, k uint64, content []byte) {
		def := defs[int(function)%len(defs)]
		args := []uint64{a, b, c, d, e, h, i, j, k}[:len(def.ParamTypes())]
		mem, _ := m.Memory().Read(0, 2*pageSize)
		clear(mem)
		copy(mem, content)
		g := &counting{guest: guest{Context: t.Context(), args: standardArgs, environ: standardEnviron, in: make([]byte, 1<<20), limit: 1 << 20}}
		results, err := m.ExportedFunction(def.Name()).Call(g, args...)
		if exit, ok := errors.AsType[*sys.ExitError](err); ok && def.Name() == "proc_exit" && exit.ExitCode() == uint32(a) {
			err, results = nil, []uint64{success}
		}
		if err == nil {
			results[0] = uint64(uint32(results[0])) // wazero leaves what was above it
		}
		switch {
		case errors.Is(err, errEnded) && g.spent > g.limit:
		case err != nil:
			t.Fatalf("%s%#x: %v", def.Name(), args, err)
		case !known[results[0]]:
			t.Fatalf("%s%#x = %d", def.Name(), args, results[0])
		case def.Name() == "random_get" && results[0] == success && g.spent < int64(uint32(b)):
			t.Fatalf("%d random bytes for %d fuel", b, g.spent)
		}
		if g.most > maxPiece || int64(g.moved) > 8*g.spent+maxPiece {
			t.Fatalf("%s%#x moves %d bytes at once, %d for %d fuel", def.Name(), args, g.most, g.moved, g.spent)
		}
	})
}
