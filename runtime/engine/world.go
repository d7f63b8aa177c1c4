package engine

import (
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/marketprism/prismrt/runtime/memory"
	"github.com/marketprism/prismrt/runtime/task"
)

// world is what all programs of a module are born into, in one namespace: it is the
// same for all their instances, so that these become equal, and nobody outside can
// know it.
type world struct {
	usage    *usage // the engine's
	place    place
	epoch    time.Time
	seed     [32]byte
	programs int // that live in it; guarded by Engine.mu

	mu   sync.Mutex
	base *memory.Image // of an interpreter, which the images of its scripts share; nil before
}

// place is where a world is found.
type place struct {
	namespace string
	digest    task.Digest
}

// enter finds the world of a module, or makes it.
func (e *Engine) enter(namespace string, d task.Digest) *world {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := place{namespace, d}
	w := e.worlds[at]
	if w == nil {
		w = &world{usage: e.usage, place: at, epoch: time.Now().Truncate(time.Second)}
		_, _ = rand.Read(w.seed[:]) // never fails: it would crash the process
		e.worlds[at] = w
	}
	w.programs++
	return w
}

// leave ends it with its last program.
func (e *Engine) leave(w *world) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w.programs--; w.programs > 0 {
		return nil
	}
	delete(e.worlds, w.place)
	if w.base == nil {
		return nil
	}
	return w.usage.closeImage(w.base)
}

func (w *world) birth() *birth { return newBirth(w.epoch, w.seed) }

// takeBase keeps an interpreter's memory before it has read any script, if nobody
// did before.
func (w *world) takeBase(i *Instance) (err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.base != nil || i.memory == nil {
		return nil
	}
	if w.base, err = w.usage.opened(memory.NewImage(i.contents())); err != nil {
		return fmt.Errorf("take the image of an interpreter: %w", err)
	}
	return nil
}

// image makes an image of a memory, which shares with the base what is equal.
func (w *world) image(contents []byte, ofScript bool) (*memory.Image, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ofScript && w.base != nil {
		return w.base.Delta(contents)
	}
	return memory.NewImage(contents)
}
