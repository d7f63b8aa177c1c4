package wasi_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero/experimental"
)

var errAwaited = errors.New("unwound by the test")

func TestTheFirstLookAtTheInputIsAwaited(t *testing.T) {
	type call struct {
		function string
		args     []uint64
	}
	read := func(fd uint64) call { return call{"fd_read", []uint64{fd, vectors, 3, result}} }
	moved := call{"fd_renumber", []uint64{0, 2}}
	shut := call{"fd_close", []uint64{0}}
	events := slices.Concat(clock(1, 0, 0, 0), stream(2, 2, 1), stream(3, 1, 0), clock(4, 0, 9e6, 0))
	poll := call{"poll_oneoff", []uint64{sleeps, room, 4, result}}

	m := ours(t, 1)
	for title, c := range map[string]struct {
		before []call
		call   call
		looks  bool
	}{
		"reading":                 {nil, read(0), true},
		"reading nothing":         {nil, call{"fd_read", []uint64{0, vectors, 0, result}}, true},
		"reading to no bytes":     {nil, call{"fd_read", []uint64{0, nowhere, 1, result}}, true},
		"reading to nowhere":      {nil, call{"fd_read", []uint64{0, outside, 1, outside}}, true},
		"reading where it moved":  {[]call{moved}, read(2), true},
		"reading where it was":    {[]call{moved}, read(0), false},
		"reading what is closed":  {[]call{shut}, read(0), false},
		"reading what moved away": {[]call{moved, {"fd_renumber", []uint64{1, 2}}}, read(2), false},
		"reading the output":      {nil, read(1), false},
		"reading a stranger":      {nil, read(7), false},
		"waiting":                 {nil, poll, true},
		"waiting in vain":         {[]call{shut}, poll, false},
		"waiting where it moved":  {[]call{moved}, call{"poll_oneoff", []uint64{reading, room, 1, result}}, false},
		"waiting for the output":  {nil, call{"poll_oneoff", []uint64{sleeps, room, 2, result}}, false},
		"waiting to write to it":  {nil, call{"poll_oneoff", []uint64{writing, room, 1, result}}, false},
		"writing":                 {nil, call{"fd_write", []uint64{1, vectors, 3, result}}, false},
		"writing to it":           {nil, call{"fd_write", []uint64{0, vectors, 3, result}}, false},
		"its state":               {nil, call{"fd_fdstat_get", []uint64{0, result}}, false},
		"its file":                {nil, call{"fd_filestat_get", []uint64{0, result}}, false},
		"its place":               {nil, call{"fd_seek", []uint64{0, 0, 1, result}}, false},
		"reading at a place":      {nil, call{"fd_pread", []uint64{0, vectors, 3, 0, result}}, false},
		"receiving":               {nil, call{"sock_recv", []uint64{0, vectors, 3, 0, result, second}}, false},
		"moving":                  {nil, moved, false},
		"closing":                 {nil, shut, false},
	} {
		g := &guest{Context: t.Context(), in: []byte(standardInput)}
		g.await = func(func(context.Context) uint64) { panic(errAwaited) }
		begin := image(places)
		copy(begin[sleeps:], events)
		mem := load(t, m, begin)
		for _, b := range c.before {
			errno(g, t, m, b.function, b.args...)
		}
		kept := g.descriptors

		_, err := m.ExportedFunction(c.call.function).Call(g, c.call.args...)
		if looks := errors.Is(err, errAwaited); looks != c.looks || !looks && err != nil {
			t.Errorf("%s: awaited: %t, want %t (%v)", title, looks, c.looks, err)
		}
		if c.looks && (!bytes.Equal(mem, begin) || string(g.in) != standardInput || len(g.slept) > 0 || g.descriptors != kept) {
			t.Errorf("%s does something before it is awaited", title)
		}
	}
}

func TestAnInterruptedCallIsDoneAnewForAnother(t *testing.T) {
	m := ours(t, 1)
	for title, c := range map[string]struct {
		function string
		args     []uint64
	}{
		"reading":         {"fd_read", []uint64{0, vectors, 3, result}},
		"reading nowhere": {"fd_read", []uint64{0, strays, 2, result}},
		"waiting":         {"poll_oneoff", []uint64{mixed, room, 3, result}},
	} {
		f := m.ExportedFunction(c.function)
		call := func(g *guest, args []uint64) uint64 {
			results, err := f.Call(experimental.WithSnapshotter(g), args...)
			if err != nil {
				t.Fatalf("%s: %v", title, err)
			}
			return uint64(uint32(results[0]))
		}
		var again func(context.Context) uint64
		birth, other := &guest{Context: t.Context(), in: []byte("whole")}, &guest{Context: t.Context(), in: []byte("whole")}
		birth.await = func(f func(context.Context) uint64) { again = f }
		load(t, m, image(places))
		if e, want := call(birth, c.args), call(other, c.args); e != want || string(birth.in) != string(other.in) {
			t.Errorf("%s goes on to %d with %q left, want %d and %q", title, e, birth.in, want, other.in)
		}

		for _, in := range []string{"first", "", "more than there is room for"} {
			want, got := &guest{Context: t.Context(), in: []byte(in)}, &guest{Context: t.Context(), in: []byte(in)}
			mem := load(t, m, image(places))
			wanted := call(want, c.args)
			memory := bytes.Clone(mem)

			load(t, m, image(places))
			call(other, []uint64{7, 6, 5, 4}) // on the same stack
			e := again(experimental.WithSnapshotter(got))
			if e != wanted || !bytes.Equal(mem, memory) || !bytes.Equal(got.in, want.in) || got.spent != want.spent {
				t.Errorf("%s %q anew = %d, for %d fuel, with %q left; want %d, %d and %q; the memory is equal: %t",
					title, in, e, got.spent, got.in, wanted, want.spent, want.in, bytes.Equal(mem, memory))
			}
		}
	}
}

func TestALookAtTheEnvironmentIsAwaitedWhereItIsTheCalls(t *testing.T) {
	m := ours(t, 1)
	for title, c := range map[string]struct {
		function string
		args     []uint64
		looks    bool
	}{
		"its size":      {"environ_sizes_get", []uint64{result, second}, true},
		"itself":        {"environ_get", []uint64{room, room + 64}, true},
		"the arguments": {"args_sizes_get", []uint64{result, second}, false},
	} {
		f := m.ExportedFunction(c.function)
		for _, calls := range []bool{false, true} {
			var again func(context.Context) uint64
			birth := &guest{Context: t.Context(), environ: []string{"A=birth"}, environAwaits: calls}
			birth.await = func(f func(context.Context) uint64) { again = f }
			load(t, m, image(places))
			if _, err := f.Call(birth, c.args...); err != nil || (again != nil) != (c.looks && calls) {
				t.Fatalf("%s, of each call: %t, awaited: %t, %v", title, calls, again != nil, err)
			}
			if again == nil {
				continue
			}
			want, got := &guest{Context: t.Context(), environ: []string{"A=the call's"}}, &guest{Context: t.Context(), environ: []string{"A=the call's"}}
			mem := load(t, m, image(places))
			if _, err := f.Call(want, c.args...); err != nil {
				t.Fatal(err)
			}
			memory := bytes.Clone(mem)
			load(t, m, image(places))
			if e := again(got); e != 0 || !bytes.Equal(mem, memory) || got.spent != want.spent {
				t.Errorf("%s anew = %d for %d fuel, want %d; the memory is equal: %t", title, e, got.spent, want.spent, bytes.Equal(mem, memory))
			}
		}
	}
}
