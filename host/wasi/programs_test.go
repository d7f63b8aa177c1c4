package wasi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/sys"
)

// program runs a command on a WASI and says what it did.
type program struct {
	module  []byte
	args    []string
	environ []string
	in      string
	cache   wazero.CompilationCache
}

func (p program) run(t *testing.T, mine bool) (report string) {
	config := wazero.NewRuntimeConfig()
	if p.cache != nil {
		config = config.WithCompilationCache(p.cache)
	}
	r := newRuntime(t, config, mine)
	compiled, err := r.CompileModule(t.Context(), p.module)
	if err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	ctx := t.Context()
	g := &guest{
		Context: ctx, args: p.args, environ: p.environ, in: []byte(p.in),
		asleep: func(d time.Duration) {
			select {
			case <-time.After(d):
			case <-ctx.Done():
			}
		},
	}
	module := wazero.NewModuleConfig()
	if mine {
		ctx = g
	} else {
		module = module.WithArgs(p.args...).WithStdin(strings.NewReader(p.in)).WithStdout(&out).WithStderr(&log).
			WithSysWalltime().WithSysNanotime().WithSysNanosleep()
		for _, e := range p.environ {
			key, value, _ := strings.Cut(e, "=")
			module = module.WithEnv(key, value)
		}
	}
	m := instantiate(t, r, compiled, module)
	_, err = m.ExportedFunction("_start").Call(ctx)
	code := uint32(0)
	if exit, ok := errors.AsType[*sys.ExitError](err); ok {
		code, err = exit.ExitCode(), nil
	}
	if mine {
		out.Write(g.out)
		log.Write(g.log)
	}
	return fmt.Sprintf("exit code %d, error %v\noutput:\n%s\nlog:\n%s", code, err, out.String(), log.String())
}

// alike runs a program on both and looks for what must be in its report.
func (p program) alike(t *testing.T, want ...string) {
	p.args, p.environ, p.in = standardArgs, standardEnviron, strings.Repeat(standardInput+"\n", 10_000)
	p.cache = wazero.NewCompilationCache()
	t.Cleanup(func() { p.cache.Close(context.Background()) })
	mine, theirs := p.run(t, true), p.run(t, false)
	if mine != theirs {
		t.Errorf("the program did:\n%.4000s\nwant:\n%.4000s", shown(mine), shown(theirs))
	}
	for _, want := range want {
		if !strings.Contains(mine, want) {
			t.Errorf("its report has no %q:\n%.4000s", want, shown(mine))
		}
	}
}

// shown is a report without its long lines.
func shown(report string) string {
	var b strings.Builder
	for line := range strings.Lines(report) {
		if len(line) < 500 && !strings.HasPrefix(line, "INPUT FOR") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func build(t *testing.T, name string, args ...string) []byte {
	out := filepath.Join(t.TempDir(), "program.wasm")
	cmd := exec.Command(name, append(args, "-o", out)...)
	if name == "go" {
		cmd = exec.Command(name, append([]string{"build", "-o", out}, args...)...)
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	}
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, msg)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func TestGoProgramDoesTheSame(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a program in Go")
	}
	program{module: build(t, "go", "./testdata/program")}.alike(t, "exit code 7", "slept: true true", "random: true true", "long: 320000 <nil>", "a line of log")
}

func buildC(t *testing.T) []byte {
	const headers = "/usr/include/wasm32-wasi/stdio.h"
	if _, err := exec.LookPath("clang"); err != nil {
		t.Skip("there is no clang (sdk/c/tools.sh installs one)")
	} else if _, err := os.Stat(headers); err != nil {
		t.Skip("there is no wasi-libc (sdk/c/tools.sh installs it)")
	}
	return build(t, "clang", "--target=wasm32-wasi", "-O1", "-Wall", "-Wextra", "testdata/program.c")
}

func TestCProgramDoesTheSame(t *testing.T) {
	program{module: buildC(t)}.alike(t, "exit code 9", "slept: 0 1 1", "random: 0 0 1", "descriptor 1: tty 0", "at exit", "a line of log")
}

// wazero's own WASI refuses absolute times.
func TestCProgramSleepsUntilATime(t *testing.T) {
	p := program{module: buildC(t), args: []string{"program", "until"}}
	const want = "exit code 0, error <nil>\noutput:\nrealtime: 0 1\nmonotonic: 0 1\n\nlog:\n"
	if got := p.run(t, true); got != want {
		t.Errorf("the program did:\n%s\nwant:\n%s", got, want)
	}
}

// time.sleep is not tried: wasi-vfs, which this CPython keeps its library in,
// refuses poll_oneoff before it reaches the host.
func TestPythonRuns(t *testing.T) {
	if testing.Short() || race {
		t.Skip("compiles CPython")
	}
	module, err := os.ReadFile("../../bench/build/python.wasm")
	if err != nil {
		t.Skipf("no CPython (make -C bench python gets it): %v", err)
	}
	const script = "import json,re,sys,time,os; t=time.monotonic(); print(json.loads('[1]'), re.sub('a', 'b', 'aa'), time.monotonic() >= t); " +
		"print(sys.stdin.read().upper(), os.isatty(1), len(os.urandom(9)), sys.argv, os.environ['KEY']); sys.exit(3)"
	p := program{module: module, args: []string{"python", "-c", script, "x"}, environ: standardEnviron, in: "grüße"}
	const want = "exit code 3, error <nil>\noutput:\n[1] bb True\nGRÜSSE False 9 ['-c', 'x'] value\n\nlog:\n"
	if got := p.run(t, true); got != want {
		t.Errorf("Python did:\n%s\nwant:\n%s", got, want)
	}
}
