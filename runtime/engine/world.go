package engine

import (
	"crypto/rand"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// world is what all programs of a module are born into, in one namespace: it is the
// same for all their instances, so that these become equal, and nobody outside can
// know it.
type world struct {
	place    place
	epoch    time.Time
	seed     [32]byte
	programs int // that live in it; guarded by Engine.mu
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
		w = &world{place: at, epoch: time.Now().Truncate(time.Second)}
		_, _ = rand.Read(w.seed[:]) // never fails: it would crash the process
		e.worlds[at] = w
	}
	w.programs++
	return w
}

// leave ends it with its last program.
func (e *Engine) leave(w *world) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w.programs--; w.programs == 0 {
		delete(e.worlds, w.place)
	}
}

func (w *world) birth() *birth { return newBirth(w.epoch, w.seed) }
