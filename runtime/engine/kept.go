package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/marketprism/prismrt/runtime/memory"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// keptState is a state as it is kept on disk, so that a restart neither compiles
// nor initialises. Those of commands with a checkpoint are not: stacks hold addresses.
type keptState struct {
	Length  int         // of the memory
	Pieces  []wasm.Data // of it, that are not zero
	Globals []uint64
	Files   [3]uint32
	Stack   uint64
	Why     string
}

// stateFile names the file of a program's state by all that it depends on besides
// the module: what the guest could see while it started.
func (p *Program) stateFile() string {
	v := &p.version
	key, err := json.Marshal([]any{1, v.Ref, v.ABI, p.args, p.environ, v.LogLevel, v.Vars, p.memory, v.Limits.Stack, v.Limits.Fuel})
	if err != nil {
		panic("engine: a version does not encode: " + err.Error())
	}
	sum := sha256.Sum256(key)
	return filepath.Join(p.engine.cacheDir(p.version.Digest), "state-"+hex.EncodeToString(sum[:8]))
}

// keepState keeps how instances begin, where that is of use to another process.
func (p *Program) keepState(s *state) error {
	if s.image == nil || s.checkpointed || s.hasty || len(p.engine.options.Compiler) == 0 {
		return nil
	}
	m := s.image
	k := keptState{Globals: m.globals, Files: m.files, Stack: m.stack, Why: s.why}
	if m.memory != nil {
		b := m.memory.Bytes()
		k.Length = len(b)
		for at := 0; at < len(b); at += wasm.PageSize {
			if part := b[at : at+wasm.PageSize]; bytes.Count(part, []byte{0}) < len(part) {
				k.Pieces = append(k.Pieces, wasm.Data{Offset: uint32(at), Bytes: part})
			}
		}
	}
	return keep(p.stateFile(), k)
}

// recallState finds a state that was kept, nil where there is none.
func (p *Program) recallState() (*state, error) {
	var k keptState
	if p.version.ImageOff || len(p.engine.options.Compiler) == 0 || !recall(p.stateFile(), &k) || len(k.Globals) != len(p.rewritten.Globals) || k.Length > p.memory {
		return nil, nil
	}
	m := &image{globals: k.Globals, files: k.Files, stack: k.Stack}
	if p.rewritten.Memory != nil {
		contents := make([]byte, k.Length)
		for _, d := range k.Pieces {
			if int(d.Offset) > len(contents) {
				return nil, nil
			}
			copy(contents[d.Offset:], d.Bytes)
		}
		var err error
		if m.memory, err = p.usage.opened(memory.NewImage(contents)); err != nil {
			return nil, fmt.Errorf("take up the image of a guest: %w", err)
		}
	}
	return &state{image: m, why: k.Why}, nil
}
