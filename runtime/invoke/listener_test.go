package invoke_test

import (
	"slices"
	"testing"

	"github.com/marketprism/prismrt/runtime/task"
)

// logging is a module whose handler "handle" logs "told" at level 2.
func logging() []byte {
	return slices.Concat(
		[]byte{0, 'a', 's', 'm', 1, 0, 0, 0},
		[]byte{1, 11, 2, 0x60, 3, 0x7f, 0x7f, 0x7f, 0, 0x60, 0, 1, 0x7f},
		[]byte{2, 13, 1, 5}, []byte("prism"), []byte{3}, []byte("log"), []byte{0, 0},
		[]byte{3, 2, 1, 1, 5, 3, 1, 0, 1},
		[]byte{7, 10, 1, 6}, []byte("handle"), []byte{0, 1},
		[]byte{10, 14, 1, 12, 0, 0x41, 2, 0x41, 0, 0x41, 4, 0x10, 0, 0x41, 0, 0x0b},
		[]byte{11, 10, 1, 0, 0x41, 0, 0x0b, 4}, []byte("told"),
	)
}

// heard is a task.Listener that writes down what it is told.
type heard []string

func (h *heard) Logged(level, line string)       { *h = append(*h, level+" "+line) }
func (h *heard) Progressed(_, _ int64, _ string) {}

func TestEachCallHasItsListener(t *testing.T) {
	i, _ := newInvoker(t)
	module := logging()
	v := version(1, module)
	if err := i.Load(t.Context(), v, module); err != nil {
		t.Fatal(err)
	}
	i.Route(v.Ref)
	listeners := make([]heard, 5)
	calls := 0
	next := func(in *task.Invocation) bool {
		if calls == len(listeners) {
			return false
		}
		if in.Listener = &listeners[calls]; calls == 3 {
			in.Listener = nil
		}
		calls++
		return true
	}
	err := i.Series(t.Context(), task.Invocation{Namespace: "default", Plugin: "count"}, next, func(_ *task.Result, err error) {
		if err != nil {
			t.Error(err)
		}
	})
	if _, err := call(t.Context(), i, task.Invocation{Listener: &listeners[3]}); err != nil {
		t.Error(err)
	}
	for n, told := range listeners {
		if !slices.Equal(told, heard{"warn told"}) {
			t.Errorf("listener %d of a series heard %q", n, told)
		}
	}
	if err != nil {
		t.Error(err)
	}
}
