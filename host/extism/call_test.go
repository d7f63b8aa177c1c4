package extism

import (
	"context"
	"log/slog"
	"slices"
	"testing"

	"github.com/marketprism/prismrt/runtime/task"
)

// fake is a call without an engine.
type fake struct {
	context.Context
	version task.Version
	in      task.Invocation
	held    task.Held
	logged  []string
	spent   int64
}

func (f *fake) Version() *task.Version                  { return &f.version }
func (f *fake) Invocation() *task.Invocation            { return &f.in }
func (f *fake) Config(key string) (string, bool)        { v, ok := f.version.Config[key]; return v, ok }
func (f *fake) Log(_ slog.Level, message string)        { f.logged = append(f.logged, message) }
func (f *fake) Held() task.Held                         { return f.held }
func (f *fake) Hold(h task.Held)                        { f.held = h }
func (f *fake) Spend(fuel int64)                        { f.spent += fuel }
func (f *fake) Stop(fault *task.Fault)                  { panic(fault) }
func (f *fake) Wait(_, _ string, do func() error) error { return do() }

func newHost(t testing.TB, o Options) *Host {
	t.Helper()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// newCall makes one of a plug-in with little memory.
func newCall(t testing.TB, input string) *fake {
	return &fake{
		Context: t.Context(), in: task.Invocation{Input: []byte(input)},
		version: task.Version{Ref: task.Ref{Namespace: "default", Plugin: "p", Version: 1}, Limits: task.Limits{Memory: 1 << 20}, Vars: task.MostVars},
	}
}

// do calls a function of the ABI as a guest would. A fault comes back.
func do(h *Host, c Call, name string, params ...uint64) (result uint64, fault *task.Fault) {
	defer func() {
		if r := recover(); r != nil {
			fault = r.(*task.Fault) // anything else is a mistake
		}
	}()
	for _, f := range functions {
		if f.name == name {
			stack := append(slices.Clone(params), 0)
			f.call(h.state(c), c, stack)
			return stack[0], nil
		}
	}
	panic("there is no " + name)
}

// must is do for what is to succeed.
func must(t testing.TB, h *Host, c Call, name string, params ...uint64) uint64 {
	t.Helper()
	result, fault := do(h, c, name, params...)
	if fault != nil {
		t.Fatalf("%s%v: %v", name, params, fault)
	}
	return result
}

// made makes a block that holds a text.
func made(t testing.TB, h *Host, c Call, text string) uint64 {
	t.Helper()
	return put(h.state(c), c, text)
}

// read is the text in a block.
func read(t testing.TB, h *Host, c Call, offset uint64) string {
	t.Helper()
	return string(h.state(c).block(offset))
}
