package engine

import (
	"path/filepath"

	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// Lines finds lines of source by the offsets that samples have (task.Frame), in a module
// that was compiled. It is nil where the module has no lines, or was forgotten.
func (e *Engine) Lines(d task.Digest) func(offset uint64) (file string, line int) {
	defer e.use(d)()
	var kept wasm.Rewritten
	if !recall(filepath.Join(e.cacheDir(d), "rewritten"), &kept) {
		return nil
	}
	return wasm.Lines(kept.Module)
}
