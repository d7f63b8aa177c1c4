package wasi_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

func TestFunctionsAndTypesAreThoseOfWazero(t *testing.T) {
	describe := func(r wazero.Runtime) []string {
		var all []string
		for _, d := range definitions(r) {
			all = append(all, fmt.Sprintf("%s %x -> %x", d.Name(), d.ParamTypes(), d.ResultTypes()))
		}
		return all
	}
	mine := describe(newRuntime(t, wazero.NewRuntimeConfig(), true))
	theirs := describe(newRuntime(t, wazero.NewRuntimeConfig(), false))
	if len(mine) != 46 || !slices.Equal(mine, theirs) {
		t.Errorf("functions:\n%q, want\n%q", mine, theirs)
	}
}

// Places in the image that the trials below run on.
const (
	vectors   = 0x100 // three: 5 bytes, none, 7 bytes
	nowhere   = 0x120 // one: no bytes, outside
	strays    = 0x140 // two: 5 bytes, then some outside
	distant   = 0x180 // one, at the end of the memory: its last 4 bytes
	over      = 0x1c0 // one, of which the last byte is outside
	wrapping  = 0x200 // one whose pointer and length add up to 2^32 + 8
	text      = 0x400
	name      = 0x480 // a path
	result    = 0x500
	second    = 0x508
	room      = 0x600 // for values and events; zero
	sleeps    = 0x1000
	soonest   = 0x1100 // three clocks, the middle one first
	at        = 0x1200 // an absolute time that has passed
	reading   = 0x1300
	writing   = 0x1400
	closedOne = 0x1500 // reads descriptor 7
	odd       = 0x1600 // no such event
	oddFlags  = 0x1700
	mixed     = 0x1800 // a clock and what is ready
	forever   = 0x1900
	outside   = pageSize
	negative  = math.MaxUint32 // -1 as an i32
	wide      = math.MaxUint64 // -1 as an i64
)

var places = map[int][]byte{
	vectors:   iovecs(text, 5, text, 0, text+5, 7),
	nowhere:   iovecs(outside+1, 0),
	strays:    iovecs(text, 5, pageSize-3, 4),
	distant:   iovecs(pageSize-4, 4),
	over:      iovecs(pageSize-4, 5),
	wrapping:  iovecs(negative-7, 16),
	text:      []byte("hello, world"),
	name:      []byte("a/b"),
	room:      make([]byte, 0x200),
	sleeps:    clock(77, 1, 5e6, 0),
	soonest:   slices.Concat(clock(1, 0, 9e6, 0), clock(2, 1, 5e6, 0), clock(3, 1, 5e6+1, 0)),
	at:        clock(5, 1, 1, 1),
	reading:   stream(0x1122334455667788, 1, 0),
	writing:   stream(9, 2, 1),
	closedOne: stream(9, 1, 7),
	odd:       stream(9, 3, 1),
	oddFlags:  clock(9, 0, 1, 2),
	mixed:     slices.Concat(clock(1, 0, 9e6, 0), stream(2, 1, 0), stream(3, 2, 2)),
	forever:   clock(4, 0, math.MaxUint64, 0),
}

// trial is a call that both must answer alike, with the same memory afterwards,
// unless it says why not.
type trial struct {
	function string
	args     []uint64
	errno    uint64 // of ours, where they differ
	why      string
	memory   bool // the errno is the same, it is what is left behind that differs
	std      bool // it is alike while the descriptors are open
}

func same(function string, args ...uint64) trial { return trial{function: function, args: args} }

func (tr trial) differs(errno uint64, why string) trial {
	tr.errno, tr.why = errno, why
	return tr
}

func (tr trial) leaves(errno uint64, why string) trial {
	tr.memory = true
	return tr.differs(errno, why)
}

func (tr trial) open() trial {
	tr.std = true
	return tr
}

const (
	whyVectors  = "more than 1024 iovecs are work without end: IOV_MAX"
	whyPosition = "streams have no positions: POSIX says ESPIPE, where wazero knows no such method"
	whyStream   = "the descriptor is not open for that, whatever the iovecs say"
	whyPreopen  = "a stream is no directory that was opened beforehand; wazero says it is one without a name"
	whyPath     = "a path that leads nowhere is not looked at: it is work to be paid"
	whySocket   = "the descriptor is open, but no socket"
	whyReady    = "events are those that are ready, and what is ready is not slept on"
	whyWriting  = "output takes whatever comes; wazero does not support to wait for it"
	whyFlags    = "flags that can be set can be read again"
)

func trials() []trial {
	all := []trial{
		same("args_get", room, room+0x80),
		same("args_get", outside-4, room),
		same("args_get", room, outside-4),
		same("args_get", negative-3, room),
		same("args_get", room, negative-3),
		same("args_sizes_get", result, second),
		same("args_sizes_get", outside-3, second),
		same("args_sizes_get", result, negative).leaves(fault, "nothing is written where not all can be"),
		same("environ_get", room, room+0x80),
		same("environ_get", outside, outside),
		same("environ_sizes_get", result, second),
		same("environ_sizes_get", result, outside-3).leaves(fault, "nothing is written where not all can be"),
		same("clock_res_get", 0, result),
		same("clock_res_get", 1, result),
		same("clock_res_get", 2, result),
		same("clock_res_get", 3, result),
		same("clock_res_get", negative, outside),
		same("clock_res_get", 0, outside-7),
		same("clock_time_get", 2, 0, result),
		same("clock_time_get", 3, 0, result),
		same("clock_time_get", 4, 0, outside),
		same("clock_time_get", 0, 0, outside-7),
		same("clock_time_get", 1, 0, negative),
		same("random_get", outside, 0),
		same("random_get", outside+1, 0),
		same("random_get", outside-1, 2),
		same("random_get", 8, negative),
		same("random_get", negative, negative),
		same("sched_yield"),
		same("proc_raise", 0),
		same("proc_raise", 9),
		same("proc_exit", 0),
		same("proc_exit", 3),
		same("proc_exit", negative),
		same("fd_renumber", 7, 1),
		same("fd_renumber", 1, 7).differs(badf, "there are three descriptors, which may be renumbered"),
		same("fd_renumber", 1, negative),
		same("fd_renumber", 2, 1).differs(success, "a program may turn its log into its output"),
		same("fd_renumber", 1, 1).differs(success, "a descriptor is moved to where it is"),
		same("fd_read", 0, vectors, 3, result),
		same("fd_read", 0, vectors, 1, result),
		same("fd_read", 0, vectors, 0, result),
		same("fd_read", 0, nowhere, 1, result),
		same("fd_read", 0, distant, 1, result),
		same("fd_read", 0, over, 1, result),
		same("fd_read", 0, wrapping, 1, result),
		same("fd_read", 0, outside-15, 2, result),
		same("fd_read", 0, outside, 1, result),
		same("fd_read", 0, negative-7, 1, result),
		same("fd_read", 0, vectors, 1, outside-3).leaves(fault, "nothing is read where its length cannot be told"),
		same("fd_read", 0, strays, 2, result),
		same("fd_read", 0, vectors, 1025, result).differs(inval, whyVectors),
		same("fd_read", 0, vectors, 1<<29+1, result).differs(inval, whyVectors+"; in wazero they wrap to 1"),
		same("fd_read", 1, vectors, 3, result),
		same("fd_read", 1, vectors, 0, result).differs(badf, whyStream),
		same("fd_read", 1, outside, 1, result).differs(badf, whyStream),
		same("fd_write", 1, vectors, 3, result),
		same("fd_write", 2, vectors, 3, result),
		same("fd_write", 1, vectors, 0, result),
		same("fd_write", 1, nowhere, 1, result).differs(success, "no bytes are nowhere, as in wazero's fd_read"),
		same("fd_write", 1, distant, 1, result),
		same("fd_write", 1, over, 1, result),
		same("fd_write", 1, wrapping, 1, result),
		same("fd_write", 1, strays, 2, result),
		same("fd_write", 1, outside-15, 2, result),
		same("fd_write", 1, negative-7, 1, result),
		same("fd_write", 1, strays, 1, outside-3).leaves(fault, "nothing is written where its length cannot be told"),
		same("fd_write", 1, vectors, 1025, result).differs(inval, whyVectors),
		same("fd_write", 1, vectors, 1<<29, result).differs(inval, whyVectors+"; in wazero they wrap to 0"),
		same("fd_write", 0, vectors, 3, result),
		same("fd_write", 0, vectors, 0, result).differs(badf, whyStream),
		same("fd_fdstat_get", 0, negative-23),
		same("fd_filestat_get", 0, outside-63),
		same("fd_fdstat_get", 7, outside-23),
		same("poll_oneoff", sleeps, room, 1, result),
		same("poll_oneoff", sleeps, room, 0, result),
		same("poll_oneoff", reading, room, 1, result).open(),
		same("poll_oneoff", closedOne, room, 1, result).leaves(success, "who waits for no descriptor is told at once; wazero sleeps 292 years"),
		same("poll_oneoff", odd, room, 1, result).leaves(inval, "a count of events is for events"),
		same("poll_oneoff", oddFlags, room, 1, result).leaves(inval, "a count of events is for events"),
		same("poll_oneoff", outside-47, room, 1, result),
		same("poll_oneoff", sleeps, outside-31, 1, result),
		same("poll_oneoff", sleeps, room, 1, outside-3),
		same("poll_oneoff", negative-47, room, 1, result),
		same("poll_oneoff", sleeps, negative-31, 1, result),
		same("poll_oneoff", 0, 0, 1025, result).differs(inval, "more than 1024 subscriptions are work without end"),
		same("poll_oneoff", 0, 0, 1<<28, result).differs(inval, "more than 1024 subscriptions; in wazero their sizes wrap to 0"),
		same("poll_oneoff", at, room, 1, result).differs(success, "absolute times: CPython sleeps by them"),
		same("poll_oneoff", writing, room, 1, result).leaves(success, whyWriting),
		same("poll_oneoff", soonest, room, 3, result).leaves(success, whyReady),
		same("poll_oneoff", mixed, room, 3, result).leaves(success, whyReady),
		same("poll_oneoff", forever, room, 1, result).leaves(success, "a time past all times is waited for; in wazero it is negative"),
		same("path_symlink", name, 3, 0, name, 3),
		same("path_symlink", name, 3, 7, name, 3),
		same("path_symlink", outside, 3, 0, name, 3),
		same("path_open", 0, 0, outside, 3, 0, 0, 0, 0, result).differs(notdir, whyPath),
		same("path_open", 0, 0, name, 0, 0, 0, 0, 0, result),
		same("path_readlink", 0, name, 0, room, 0, result).differs(notdir, whyPath),
		same("path_filestat_set_times", 0, 0, name, 3, 0, 0, 3).differs(notdir, whyPath),
		same("sock_send", 0, vectors, 1, 1, result).differs(notsock, whySocket),
	}
	for _, fd := range []uint64{0, 1, 2, 3, 7, 64, negative, math.MaxInt32} {
		std := fd <= 2
		on := func(differs bool, errno uint64, why, function string, args ...uint64) {
			tr := same(function, append([]uint64{fd}, args...)...)
			if differs {
				tr = tr.differs(errno, why)
			}
			all = append(all, tr)
		}
		on(false, 0, "", "fd_close")
		on(false, 0, "", "fd_sync")
		on(false, 0, "", "fd_datasync")
		for _, advice := range []uint64{0, 5, 6, 256} {
			on(false, 0, "", "fd_advise", 0, 0, advice)
		}
		on(false, 0, "", "fd_allocate", 0, 0)
		on(false, 0, "", "fd_allocate", 5, 5)
		on(false, 0, "", "fd_allocate", math.MaxInt64, 1)
		on(false, 0, "", "fd_allocate", wide, 1)
		on(false, 0, "", "fd_fdstat_get", result)
		on(false, 0, "", "fd_fdstat_get", outside-23)
		on(false, 0, "", "fd_filestat_get", result)
		on(false, 0, "", "fd_filestat_get", outside)
		for _, flags := range []uint64{0, 1, 2, 8, 16, 18, 32} {
			on(false, 0, "", "fd_fdstat_set_flags", flags)
		}
		on(std, success, whyFlags, "fd_fdstat_set_flags", 4)
		on(false, 0, "", "fd_fdstat_set_rights", 0, 0)
		on(false, 0, "", "fd_filestat_set_size", 0)
		on(false, 0, "", "fd_filestat_set_size", wide)
		on(std, nosys, "wazero crashes on streams", "fd_filestat_set_times", 1, 2, 0)
		on(false, 0, "", "fd_filestat_set_times", 1, 2, 3)
		on(false, 0, "", "fd_filestat_set_times", 1, 2, 12)
		on(std, spipe, whyPosition, "fd_pread", vectors, 3, 0, result)
		on(std, spipe, whyPosition, "fd_pwrite", vectors, 3, 0, result)
		on(std, spipe, whyPosition, "fd_seek", 0, 1, result)
		on(std, spipe, whyPosition, "fd_tell", result)
		on(std, badf, whyPreopen, "fd_prestat_get", result)
		on(std, badf, whyPreopen, "fd_prestat_dir_name", name, 0)
		on(std, notdir, "POSIX says so, and wazero of paths", "fd_readdir", room, 64, 0, result)
		on(true, map[bool]uint64{true: notdir, false: badf}[std], "the descriptor comes first", "fd_readdir", room, 23, 0, result)
		on(false, 0, "", "path_create_directory", name, 3)
		on(false, 0, "", "path_filestat_get", 0, name, 3, result)
		on(false, 0, "", "path_filestat_set_times", 0, name, 3, 1, 2, 0)
		on(false, 0, "", "path_link", 0, name, 3, 0, name, 3)
		on(false, 0, "", "path_open", 0, name, 3, 0, 0, 0, 0, result)
		on(false, 0, "", "path_readlink", name, 3, room, 64, result)
		on(false, 0, "", "path_remove_directory", name, 3)
		on(false, 0, "", "path_rename", name, 3, 0, name, 3)
		on(false, 0, "", "path_unlink_file", name, 3)
		on(std, notsock, whySocket, "sock_accept", 0, result)
		on(std, notsock, whySocket, "sock_recv", vectors, 3, 0, result, second)
		on(std, notsock, whySocket, "sock_send", vectors, 3, 0, result)
		on(std, notsock, whySocket, "sock_shutdown", 1)
	}
	return all
}

// observed is what a call came to.
type observed struct {
	errno    uint64 // or the code it exited with
	exited   bool
	crashed  error
	memory   []byte
	out, log string
	slept    []time.Duration
}

func (o observed) equal(p observed) bool {
	return o.errno == p.errno && o.exited == p.exited && (o.crashed == nil) == (p.crashed == nil) && bytes.Equal(o.memory, p.memory) &&
		o.out == p.out && o.log == p.log && slices.Equal(o.slept, p.slept)
}

func (o observed) String() string {
	return fmt.Sprintf("errno %d (exited: %t, crashed: %v), output %q, log %q, slept %v", o.errno, o.exited, o.crashed, o.out, o.log, o.slept)
}

func (o observed) call(ctx context.Context, t *testing.T, m api.Module, closeAll bool, tr trial) observed {
	o.memory = load(t, m, image(places))
	for fd := uint64(0); closeAll && fd < 3; fd++ {
		if e := errno(ctx, t, m, "fd_close", fd); e != 0 {
			t.Fatalf("fd_close(%d) = %d", fd, e)
		}
	}
	results, err := m.ExportedFunction(tr.function).Call(ctx, tr.args...)
	if exit, ok := err.(*sys.ExitError); ok {
		o.errno, o.exited = uint64(exit.ExitCode()), true
	} else if o.crashed = err; err == nil {
		o.errno = uint64(uint32(results[0]))
	}
	o.memory = bytes.Clone(o.memory)
	return o
}

const standardInput = "input for the guest"

var (
	standardArgs    = []string{"program", "", "argument with spaces"}
	standardEnviron = []string{"KEY=value", "EMPTY="}
)

func TestAnswersAreThoseOfWazero(t *testing.T) {
	mine, theirs := newRuntime(t, wazero.NewRuntimeConfig(), true), newRuntime(t, wazero.NewRuntimeConfig(), false)
	myModule, theirModule := forwarder(t, mine, 1), forwarder(t, theirs, 1)

	run := func(tr trial, closeAll bool) (observed, observed) {
		g := &guest{Context: t.Context(), args: standardArgs, environ: standardEnviron, in: []byte(standardInput)}
		ours := observed{}.call(g, t, instantiate(t, mine, myModule, wazero.NewModuleConfig()), closeAll, tr)
		ours.out, ours.log, ours.slept = string(g.out), string(g.log), g.slept

		var out, log bytes.Buffer
		var slept []time.Duration
		config := wazero.NewModuleConfig().WithArgs(standardArgs...).WithEnv("KEY", "value").WithEnv("EMPTY", "").
			WithStdin(strings.NewReader(standardInput)).WithStdout(&out).WithStderr(&log).
			WithSysWalltime().WithSysNanotime().WithNanosleep(func(ns int64) { slept = append(slept, time.Duration(ns)) })
		bundled := observed{}.call(t.Context(), t, instantiate(t, theirs, theirModule, config), closeAll, tr)
		bundled.out, bundled.log, bundled.slept = out.String(), log.String(), slept
		return ours, bundled
	}

	tried := map[string]bool{"clock_time_get": true, "random_get": true} // by tests of their own too
	for _, tr := range trials() {
		tried[tr.function] = true
		title := fmt.Sprintf("%s%#x", tr.function, tr.args)
		ours, bundled := run(tr, false)
		switch {
		case tr.why == "" && !ours.equal(bundled):
			t.Errorf("%s = %v, want %v; the memory is equal: %t", title, ours, bundled, bytes.Equal(ours.memory, bundled.memory))
		case tr.why != "" && (ours.errno != tr.errno || ours.crashed != nil):
			t.Errorf("%s = %v, want errno %d (%s)", title, ours, tr.errno, tr.why)
		case tr.why != "" && ours.equal(bundled):
			t.Errorf("%s is no different: %s", title, tr.why)
		case tr.memory && ours.errno != bundled.errno:
			t.Errorf("%s = %v, want errno %d", title, ours, bundled.errno)
		}
		if tr.why != "" || tr.std {
			continue
		}
		if ours, bundled := run(tr, true); !ours.equal(bundled) {
			t.Errorf("with its descriptors closed, %s = %v, want %v; the memory is equal: %t", title, ours, bundled, bytes.Equal(ours.memory, bundled.memory))
		}
	}
	for _, d := range definitions(mine) {
		if !tried[d.Name()] {
			t.Errorf("%s is not tried", d.Name())
		}
	}
}

func TestClocksTellTheTimeOfTheGuest(t *testing.T) {
	m := ours(t, 1)
	g := &guest{Context: t.Context(), realtime: 1.8e18 + 1, monotonic: 3}
	mem := load(t, m, image(nil))
	for clock, want := range []uint64{g.realtime, g.monotonic} {
		if e := errno(g, t, m, "clock_time_get", uint64(clock), 0, result); e != 0 {
			t.Fatalf("clock_time_get(%d) = %d", clock, e)
		}
		if got := binary.LittleEndian.Uint64(mem[result:]); got != want {
			t.Errorf("clock %d says %d, want %d", clock, got, want)
		}
	}
}
