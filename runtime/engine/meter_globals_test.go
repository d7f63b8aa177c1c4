package engine_test

import (
	"slices"
	"testing"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
)

// Behind the globals that a module has lie, once it is rewritten, those of the meter:
// its fuel, its stack and whether its tables are spoilt. No code may name them.
func TestGlobalsOfTheMeterAreOutOfReach(t *testing.T) {
	e := newEngine(t, engine.Options{})
	for name, code := range map[string][]byte{
		"reading its fuel":           {0x23, 0, 0xa7},
		"giving itself fuel":         slices.Concat([]byte{0x42, 0xff, 0, 0x24, 0}, constant(0)),
		"giving itself stack":        slices.Concat([]byte{0x42, 0xff, 0, 0x24, 1}, constant(0)),
		"clearing that it is spoilt": slices.Concat(constant(1), []byte{0x25, 0, 0xd1, 0x45}, constant(1), []byte{0xd2, 0, 0x26, 0}, constant(0), []byte{0x24, 2}),
	} {
		module := slices.Concat([]byte("\x00asm\x01\x00\x00\x00"), section(1, []byte{0x60, 0, 1, 0x7f}), section(3, []byte{0}), section(4, []byte{0x70, 0, 2}),
			section(7, named("handle", 0, 0)), section(9, []byte{3, 0, 1, 0}), section(10, body([]byte{0}, code)))
		p, err := e.Compile(t.Context(), version(task.ABIPrism, module), module)
		if f := task.FaultOf(err); err == nil || f.Kind != task.KindInvalid {
			t.Errorf("%s: %v, want an invalid fault", name, err)
		}
		if p != nil {
			closes(t, p)
		}
	}
}
