package engine

import (
	"errors"
	"slices"
	"testing"
)

func TestATrapIsTakenApart(t *testing.T) {
	const begin = "\nwasm stack trace:\n\t"
	for name, tt := range map[string]struct {
		text, message string
		stack         []string
	}{
		"without lines": {
			"wasm error: unreachable" + begin + ".explode(i32,i32) i32\n\tmod.outer()\n\t.$7()", "unreachable",
			[]string{"explode(i32,i32) i32", "mod.outer()", "$7()"},
		},
		"with lines": {
			"wasm error: integer divide by zero" + begin +
				".divide(i32)\n\t\t0x1e: /src/trap.c:7:11\n\t.outer()\n\t\t0x1f4a: /src/other file.c:20", "integer divide by zero",
			[]string{"divide(i32)", "  /src/trap.c:7:11", "outer()", "  /src/other file.c:20"},
		},
		"inlined": {
			"wasm error: integer divide by zero" + begin +
				".outer()\n\t\t0xabc: /src/inline.h:6:11 (inlined)\n\t\t       /src/0x1: odd.c:20:3 (inlined)\n\t\t       C:\\src\\trap.c:9:2\n\t._start()", "integer divide by zero",
			[]string{"outer()", "  /src/inline.h:6:11 (inlined)", "  /src/0x1: odd.c:20:3 (inlined)", "  C:\\src\\trap.c:9:2", "_start()"},
		},
		"ended by the host": {
			errEnded.Error() + " (recovered by wazero)" + begin + meterFrame + "\n\t.spin(i32)\n\t\t0x10: /src/trap.c:3:1", errEnded.Error(),
			[]string{"spin(i32)", "  /src/trap.c:3:1"},
		},
		"with a Go stack": {
			"out of range (recovered by wazero)" + begin + ".outer()\n\t\t0x10: /src/trap.c:3:1\n\nGo runtime stack trace:\ngoroutine 1", "out of range",
			[]string{"outer()", "  /src/trap.c:3:1"},
		},
		"cut off": {
			"wasm error: stack overflow" + begin + ".deeper()\n\t\t0x10: a.c:3\n\t" + omittedFrames, "stack overflow",
			[]string{"deeper()", "  a.c:3", omittedFrames},
		},
		"without a trace": {"no such file", "no such file", nil},
	} {
		message, stack := splitTrap(errors.New(tt.text))
		if message != tt.message || !slices.Equal(stack, tt.stack) {
			t.Errorf("%s: got %q and %q, want %q and %q", name, message, stack, tt.message, tt.stack)
		}
	}
}
