// Package wasi offers guests WASI preview 1 in a sandbox without files or
// sockets: descriptor 0 is the input, 1 the output and 2 the log; then there are
// arguments, environment, clocks, randomness, sleep and exit.
//
// All 46 functions are there, so that whatever was linked against preview 1
// instantiates. None does more for a guest than it has paid for: work is done in
// pieces of at most maxPiece bytes with a Spend for each.
package wasi

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/marketprism/prismrt/runtime/task"
)

// Module is the name guests import the functions from.
const Module = "wasi_snapshot_preview1"

// Waits are the functions in which a guest may wait.
var Waits = []string{"poll_oneoff"}

// Guest is the instance and the call that a guest's system calls act on. The
// context that reaches the functions must have one under task.CallKey. Between two
// calls the package itself keeps nothing.
type Guest interface {
	// Args and Environ ("key=value") are the guest's for the whole call.
	Args() []string
	Environ() []string

	// Read gives of standard input; fewer bytes than asked for are its last, and
	// 0 is its end.
	Read(p []byte) int
	// Write takes standard output. After an error the next Spend ends the call.
	Write(p []byte) (int, error)
	// WriteLog takes standard error.
	WriteLog(p []byte)

	// WriteFailure takes why a script failed: a line, and under it its traceback. It is what
	// is written to standard input, since descriptors above 2 are a library's own in some
	// interpreters. It answers false for guests that do not say it so.
	WriteFailure(p []byte) bool

	// Now is the guest's time in nanoseconds: since 1970, and on a clock that only
	// goes ahead.
	Now() (realtime, monotonic uint64)
	// Sleep waits, but not past the end of the call.
	Sleep(d time.Duration)
	// Random fills p with numbers that nobody can foresee, once the guest serves
	// calls.
	Random(p []byte)

	// Awaiting reports whether Await is wanted. It is asked at each look at the
	// input, since again takes an allocation.
	Awaiting() bool
	// EnvironAwaiting is Awaiting for a look at the environment, which may be the call's as
	// its input is.
	EnvironAwaiting() bool
	// Await is called when the guest is about to look at its input: the first time,
	// that is its checkpoint. again does the interrupted system call anew, for the
	// call that the context has, which is to be of the same instance, and returns
	// its result. Await returns where the guest is to go on at once.
	Await(again func(context.Context) uint64)

	// Exit ends the program with a code. It does not return.
	Exit(code uint32)

	// Spend pays for work done for the guest. It panics, which ends the call,
	// where its time or its fuel is over.
	Spend(fuel int64)
	// Descriptors belong to the instance and outlive the call.
	Descriptors() *Descriptors
}

// What work costs, in fuel: instructions that take about as long.
const (
	fuelCall         = 100
	bytesPerFuel     = 8 // copied
	fuelRandomByte   = 1
	fuelVector       = 2 // an iovec, a value of the arguments or the environment
	fuelSubscription = 10
	fuelLine         = 1_000 // of standard error, as prism's log takes for a message
)

// maxPiece bounds, in bytes, what is done between two Spends.
const maxPiece = 64 << 10

// fuelCopy is the price of copying n bytes.
func fuelCopy(n int) int64 { return (int64(n) + bytesPerFuel - 1) / bytesPerFuel }

// function acts for a guest on its memory, with the parameters in stack.
type function func(g Guest, mem memory, stack []uint64) errno

type params = []api.ValueType

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

// functions are those of preview 1, in the order of its specification. All
// return an errno but proc_exit, which does not return.
var functions = []struct {
	name   string
	call   function
	params params
}{
	{"args_get", argsGet, params{i32, i32}},
	{"args_sizes_get", argsSizesGet, params{i32, i32}},
	{"environ_get", environGet, params{i32, i32}},
	{"environ_sizes_get", environSizesGet, params{i32, i32}},
	{"clock_res_get", clockResGet, params{i32, i32}},
	{"clock_time_get", clockTimeGet, params{i32, i64, i32}},
	{"fd_advise", fdAdvise, params{i32, i64, i64, i32}},
	{"fd_allocate", fdAllocate, params{i32, i64, i64}},
	{"fd_close", fdClose, params{i32}},
	{"fd_datasync", answer(0, errnoSuccess), params{i32}},
	{"fd_fdstat_get", fdFdstatGet, params{i32, i32}},
	{"fd_fdstat_set_flags", fdFdstatSetFlags, params{i32, i32}},
	{"fd_fdstat_set_rights", unsupported, params{i32, i64, i64}},
	{"fd_filestat_get", fdFilestatGet, params{i32, i32}},
	{"fd_filestat_set_size", answer(0, errnoNosys), params{i32, i64}},
	{"fd_filestat_set_times", fdFilestatSetTimes, params{i32, i64, i64, i32}},
	{"fd_pread", answer(0, errnoSpipe), params{i32, i32, i32, i64, i32}},
	{"fd_prestat_get", noPreopen, params{i32, i32}},
	{"fd_prestat_dir_name", noPreopen, params{i32, i32, i32}},
	{"fd_pwrite", answer(0, errnoSpipe), params{i32, i32, i32, i64, i32}},
	{"fd_read", fdRead, params{i32, i32, i32, i32}},
	{"fd_readdir", answer(0, errnoNotdir), params{i32, i32, i32, i64, i32}},
	{"fd_renumber", fdRenumber, params{i32, i32}},
	{"fd_seek", answer(0, errnoSpipe), params{i32, i64, i32, i32}},
	{"fd_sync", answer(0, errnoSuccess), params{i32}},
	{"fd_tell", answer(0, errnoSpipe), params{i32, i32}},
	{"fd_write", fdWrite, params{i32, i32, i32, i32}},
	{"path_create_directory", answer(0, errnoNotdir), params{i32, i32, i32}},
	{"path_filestat_get", answer(0, errnoNotdir), params{i32, i32, i32, i32, i32}},
	{"path_filestat_set_times", answer(0, errnoNotdir), params{i32, i32, i32, i32, i64, i64, i32}},
	{"path_link", answer(0, errnoNotdir), params{i32, i32, i32, i32, i32, i32, i32}},
	{"path_open", answer(0, errnoNotdir), params{i32, i32, i32, i32, i32, i64, i64, i32, i32}},
	{"path_readlink", answer(0, errnoNotdir), params{i32, i32, i32, i32, i32, i32}},
	{"path_remove_directory", answer(0, errnoNotdir), params{i32, i32, i32}},
	{"path_rename", answer(0, errnoNotdir), params{i32, i32, i32, i32, i32, i32}},
	{"path_symlink", answer(2, errnoNotdir), params{i32, i32, i32, i32, i32}},
	{"path_unlink_file", answer(0, errnoNotdir), params{i32, i32, i32}},
	{"poll_oneoff", pollOneoff, params{i32, i32, i32, i32}},
	{"proc_exit", procExit, params{i32}},
	{"proc_raise", unsupported, params{i32}},
	{"sched_yield", schedYield, nil},
	{"random_get", randomGet, params{i32, i32}},
	{"sock_accept", answer(0, errnoNotsock), params{i32, i32, i32}},
	{"sock_recv", answer(0, errnoNotsock), params{i32, i32, i32, i32, i32, i32}},
	{"sock_send", answer(0, errnoNotsock), params{i32, i32, i32, i32, i32}},
	{"sock_shutdown", answer(0, errnoNotsock), params{i32, i32}},
}

func guestOf(ctx context.Context) Guest { return ctx.Value(task.CallKey{}).(Guest) }

// Instantiate offers the functions to the guests of r.
func Instantiate(ctx context.Context, r wazero.Runtime) error {
	b := r.NewHostModuleBuilder(Module)
	for _, f := range functions {
		results := []api.ValueType{i32}
		if f.name == "proc_exit" {
			results = nil
		}
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
			g := guestOf(ctx)
			g.Spend(fuelCall)
			stack[0] = uint64(f.call(g, memoryOf(m), stack))
		}), f.params, results).Export(f.name)
	}
	_, err := b.Instantiate(ctx)
	return err
}
