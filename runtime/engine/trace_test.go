package engine_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm/lines/linestest"
)

func TestAStackNamesFunctionsAndLinesOfSource(t *testing.T) {
	e := newEngine(t, engine.Options{})
	for _, flags := range []string{"-g -O0", "-g -O2", "-gdwarf-5 -O2"} {
		module := linestest.Compile(t, filepath.Join("testdata", "trap"), flags+" -mexec-model=command -fdebug-compilation-dir=/src")
		p := compile(t, e, task.ABICommand, module)
		for _, tt := range []struct {
			input   string
			timeout time.Duration
			kind    task.Kind
			stack   []string // how its lines begin
		}{
			{"", time.Minute, task.KindTrap, []string{
				"average(i32,i32) i32", "  /src/trap.c:5:", "  /src/trap.c:12:", "__original_main() i32", "  /src/trap.c:29:",
			}},
			{"spin", 200 * time.Millisecond, task.KindDeadline, []string{
				"spin(i32) i32", "  /src/trap.c:1", "__original_main() i32", "  /src/trap.c:28:",
			}},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
			_, err := run(ctx, t, p, "", tt.input)
			cancel()
			f, ok := errors.AsType[*task.Fault](err)
			if !ok || f.Kind != tt.kind || len(f.Stack) < len(tt.stack) {
				t.Errorf("%s, input %q: got %v, want a %s fault with a stack", flags, tt.input, err, tt.kind)
				continue
			}
			for i, begin := range tt.stack {
				if !strings.HasPrefix(f.Stack[i], begin) {
					t.Errorf("%s, input %q: the stack is\n%s\nwant\n%s", flags, tt.input, strings.Join(f.Stack, "\n"), strings.Join(tt.stack, "\n"))
					break
				}
			}
		}
	}
}
