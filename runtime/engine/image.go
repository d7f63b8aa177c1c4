package engine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/tetratelabs/wazero/api"

	"github.com/marketprism/prismrt/runtime/memory"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

// image is the state of an instance that is ready for a call: what each call
// begins with. It is taken once and never changes.
type image struct {
	memory  *memory.Image // nil for a module without memory
	globals []uint64      // in the order of wasm.Rewritten.Globals
	files   [3]uint32     // what WASI knows of descriptors 0 to 2

	// stack is what the meter had left at the checkpoint, in bytes.
	stack uint64
}

// take makes an image of the instance as it is.
func (i *Instance) take() (*image, error) {
	m := &image{globals: make([]uint64, len(i.globals)), files: i.files, stack: i.stack.Get()}
	for n, g := range i.globals {
		m.globals[n] = g.Get()
	}
	if i.memory == nil {
		return m, nil
	}
	newImage := memory.NewImage
	if in := i.program.interpreter; in != nil {
		newImage = in.base.memory.Delta // what is as in the interpreter is shared with it
	}
	var err error
	if m.memory, err = i.program.usage.opened(newImage(i.contents())); err != nil {
		return nil, fmt.Errorf("take the image of a guest: %w", err)
	}
	return m, nil
}

// contents is the guest's memory, good until the guest runs again.
func (i *Instance) contents() []byte {
	m := i.module.Memory()
	b, _ := m.Read(0, m.Size())
	return b
}

// equals tells whether the instance's state is the image's.
func (m *image) equals(i *Instance) bool {
	for n, g := range i.globals {
		if g.Get() != m.globals[n] {
			return false
		}
	}
	return i.files == m.files && i.stack.Get() == m.stack && (m.memory == nil || bytes.Equal(m.memory.Bytes(), i.contents()))
}

// adopt makes the image what the instance goes back to. The instance is in that
// state, or its module has not yet asked for memory.
func (i *Instance) adopt(m *image) error {
	i.image = m
	if i.memory == nil {
		return nil
	}
	if err := i.memory.Adopt(m.memory); err != nil {
		return fmt.Errorf("begin a guest with its image: %w", err)
	}
	if i.module != nil {
		i.resize()
	}
	return nil
}

// resize has wazero ask for the memory's length anew, which it does where it grows.
func (i *Instance) resize() { i.module.Memory().Grow(1) }

// restore puts back what is not memory.
func (m *image) restore(i *Instance) {
	for n, g := range i.globals {
		g.Set(m.globals[n])
	}
	i.files = m.files
}

// ErrSpent is Rewind's answer for an instance that can serve no other call.
var ErrSpent = errors.New("the instance cannot be rewound")

// Rewind puts the instance back to its image, so that nothing is left of the call
// it served. It returns how many pages it put back. After an error, which is
// ErrSpent where that was to be expected, the instance must be closed.
func (i *Instance) Rewind() (pages int, err error) {
	m := i.image
	if m == nil || i.module.IsClosed() || i.isSpoilt() {
		return 0, ErrSpent
	}
	others, err := i.rewindLinked()
	if err != nil {
		return others, err
	}
	defer func() { pages += others }()
	if i.memory != nil {
		rewound, err := i.memory.Rewind(i.resize)
		if err != nil {
			return 0, fmt.Errorf("rewind a guest: %w", err)
		}
		pages = rewound.Pages
		if rewound.Way == memory.Drop {
			i.setPrivate(0)
		} else {
			i.setPrivate(int64(pages * pageSize))
		}
	}
	m.restore(i)
	if !i.releaseStacks() {
		return pages, ErrSpent
	}
	verify(i)
	return pages, nil
}

// Trim gives back memory that the instance, which was rewound, keeps for its next call,
// where that is more than some 100 KiB. It returns the pages that are still its own, -1
// when that is not known.
func (i *Instance) Trim() (pages int) {
	if i.memory == nil || i.image == nil {
		return 0
	}
	if pages = i.memory.Trim(); pages >= 0 {
		i.setPrivate(int64(pages * pageSize))
	}
	for _, other := range i.linked {
		if n := other.Trim(); pages >= 0 && n >= 0 {
			pages += n
		} else {
			pages = -1
		}
	}
	return pages
}

var pageSize = os.Getpagesize()

// maxStack is how large, in bytes, a native stack may be that an instance keeps. A
// call that nests deep makes it grow, and wazero never shrinks it.
const maxStack = 256 << 10

// releaseStacks drops functions whose native stack has grown, to be looked up
// anew. It reports false where one cannot be dropped, since a run is to go on in it.
func (i *Instance) releaseStacks() bool {
	var kept int64
	for n := len(i.functions) - 1; n >= 0; n-- {
		stack := i.functions[n].stack
		if stack == nil {
			continue
		}
		// What a snapshot restores is a little longer than what it was taken of.
		if len(*stack) <= max(maxStack, i.atRest+1024) {
			kept += int64(len(*stack))
			continue
		}
		if i.checkpoint != nil {
			return false
		}
		i.functions = slices.Delete(i.functions, n, n+1)
	}
	i.setStacks(kept)
	return true
}

// differs says in what the instance's state is not its image's, "" in nothing.
func (i *Instance) differs() string {
	m := i.image
	for n, g := range i.globals {
		if got := g.Get(); got != m.globals[n] {
			return fmt.Sprintf("%s is %d and not %d", i.program.rewritten.Globals[n], got, m.globals[n])
		}
	}
	if i.files != m.files {
		return fmt.Sprintf("descriptors are %v and not %v", i.files, m.files)
	}
	if i.memory == nil {
		return ""
	}
	if offset, differs := i.memory.Differs(); differs {
		return fmt.Sprintf("the memory differs at %d", offset)
	}
	if got, want := len(i.contents()), m.memory.Len(); got != want {
		return fmt.Sprintf("the memory has %d bytes and not %d", got, want)
	}
	return ""
}

// setUp writes what the module's memory begins with, and runs its start function.
func (i *Instance) setUp(c *call) *task.Fault {
	r := i.program.rewritten
	for _, d := range r.Data {
		if !i.module.Memory().Write(d.Offset, d.Bytes) {
			return task.Faultf(task.KindTrap, "while it started, the guest trapped: its data at %d does not fit into its memory", d.Offset)
		}
	}
	if !r.Start {
		return nil
	}
	if err := c.run(nil, i.module.ExportedFunction(wasm.StartFunction)); c.outcome(err) != nil {
		return c.started(err)
	}
	return nil
}

// mutable looks up an export.
func mutable(m api.Module, name string) api.MutableGlobal {
	return m.ExportedGlobal(name).(api.MutableGlobal)
}

// isSpoilt tells whether the instance has changed what an image does not carry.
func (i *Instance) isSpoilt() bool { return i.entangled || i.spoilt != nil && i.spoilt.Get() != 0 }

// close gives up the image's memory.
func (m *image) close(u *usage) error {
	if m.memory == nil {
		return nil
	}
	return u.closeImage(m.memory)
}
