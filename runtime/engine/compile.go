package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/marketprism/prismrt/runtime/task"
)

// CompileInto compiles a module and leaves the code in dir, from where a
// Program of the same module loads it. It is what the Compiler command runs:
// RATIONALE.md, "Why is a module compiled in another process?".
func CompileInto(ctx context.Context, dir string, module []byte) error {
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return fmt.Errorf("folder for compiled code: %w", err)
	}
	defer cache.Close(ctx)
	r := wazero.NewRuntimeWithConfig(ctx, runtimeConfig().WithCompilationCache(cache))
	defer r.Close(ctx)
	_, err = r.CompileModule(experimental.WithCompilationWorkers(ctx, goruntime.GOMAXPROCS(0)), module)
	return err
}

// ReadModule is how the Compiler command gets its module. What follows on r does
// not end while the engine lives: where it does, nobody wants the code any more.
func ReadModule(r io.Reader) ([]byte, error) {
	var length [8]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err := io.CopyN(&b, r, int64(binary.BigEndian.Uint64(length[:])&math.MaxInt64))
	return b.Bytes(), err
}

// ensureCompiled makes sure that compiling module here is a matter of loading.
func (e *Engine) ensureCompiled(ctx context.Context, d task.Digest, module []byte) error {
	dir := e.cacheDir(d)
	if len(e.options.Compiler) == 0 || isCompiled(dir) {
		return nil
	}
	select {
	case e.compile <- struct{}{}:
		defer func() { <-e.compile }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if isCompiled(dir) { // by the one that had the place before
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("folder for compiled code: %w", err)
	}

	limited, cancel := context.WithTimeout(ctx, e.options.CompileTimeout)
	defer cancel()
	argv := e.options.Compiler
	cmd := exec.CommandContext(limited, argv[0], append(argv[1:len(argv):len(argv)], dir)...)
	var stderr head
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe() // Wait closes it
	if err != nil {
		return fmt.Errorf("start the compiler: %w", err)
	}
	if err = cmd.Start(); err == nil {
		go func() {
			// One that ends before it has read says so by its exit code.
			_, _ = stdin.Write(binary.BigEndian.AppendUint64(nil, uint64(len(module))))
			_, _ = stdin.Write(module)
		}()
		err = cmd.Wait()
	}
	if err == nil {
		return nil
	}
	return errors.Join(e.refusal(ctx, limited, err, stderr.b.String()), e.removeCode(d))
}

// refusal says why the Compiler command ended with err.
func (e *Engine) refusal(ctx, limited context.Context, err error, said string) error {
	exit, exited := errors.AsType[*exec.ExitError](err)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case limited.Err() != nil:
		return task.Faultf(task.KindInvalid, "compiling the module took longer than %v; "+
			"it is too large or too deeply nested", e.options.CompileTimeout)
	case !exited:
		return fmt.Errorf("run the compiler: %w", err)
	case exit.ExitCode() > 2: // 2 is how a Go program dies; others come from what should have started it
		return fmt.Errorf("start the compiler: %w: %s", err, said)
	case exit.ExitCode() == 1:
		return task.Faultf(task.KindInvalid, "the module does not compile: %s", strings.TrimSpace(said))
	case strings.Contains(said, "out of memory"), strings.Contains(said, "cannot allocate memory"):
		return task.Faultf(task.KindInvalid, "compiling the module needs more memory than a module may take; "+
			"a function declares too many locals or is too large")
	}
	return task.Faultf(task.KindInvalid, "the module brings the compiler down (%v)", exit).
		CausedBy(fmt.Errorf("%w: %s", err, said))
}

// isCompiled tells whether a finished piece of code lies in dir: wazero writes
// under a temporary name and renames.
func isCompiled(dir string) bool {
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
	for _, f := range files {
		if !strings.HasSuffix(f, ".tmp") {
			return true
		}
	}
	return false
}

// head keeps the first 4 KiB written to it, enough for a reason.
type head struct{ b bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	h.b.Write(p[:min(len(p), 4096-h.b.Len())])
	return len(p), nil
}
