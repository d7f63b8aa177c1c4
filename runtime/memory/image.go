package memory

import (
	"errors"
	"fmt"
	"sync/atomic"
)

var errClosed = errors.New("memory: the image is closed")

// Image is what memories start as. It never changes and may be used by many
// goroutines at once. It holds one descriptor, unless it is all zeros.
type Image struct {
	length int
	view   []byte // all of it, to be read
	closed atomic.Bool
	holds  atomic.Int64 // of its owner, and of each Memory and Delta that uses it; 0: it is gone
	backing
}

// empty is the image of a memory that adopted none. It is never closed.
var empty = func() *Image {
	i := new(Image)
	i.holds.Store(1)
	return i
}()

// NewImage takes a copy of contents, whose length is a multiple of 64 KiB and may
// be 0. Long stretches of zeros take no memory.
func NewImage(contents []byte) (*Image, error) { return newImage(empty, contents) }

// Delta makes an image that shares with this one, its base, the pages that are
// equal. It may be longer or shorter and outlives the base's Close. There is no
// Delta of a Delta: each level multiplies the mappings of an instance.
func (i *Image) Delta(contents []byte) (*Image, error) {
	if i.isDelta() {
		return nil, errors.New("make a delta: its base is one")
	}
	return newImage(i, contents)
}

func newImage(base *Image, contents []byte) (*Image, error) {
	if len(contents)%wasmPage != 0 {
		return nil, fmt.Errorf("make an image of %d bytes: not a multiple of %d", len(contents), wasmPage)
	}
	if !base.hold() {
		return nil, errClosed
	}
	i := &Image{length: len(contents)}
	i.holds.Store(1)
	if err := i.fill(base, contents); err != nil {
		_ = i.release()
		return nil, fmt.Errorf("make an image of %d bytes: %w", len(contents), err)
	}
	return i, nil
}

// Len is the image's length in bytes.
func (i *Image) Len() int { return i.length }

// Bytes gives all of the image, for copying from and comparing to. It must not be
// written, which on Linux is a fault, nor be used after Close.
func (i *Image) Bytes() []byte { return i.view }

// OwnBytes is the memory that the image itself takes now, in bytes: a Delta's does
// not count its base. It grows a little when zeros between other pages are read.
func (i *Image) OwnBytes() int { return i.ownBytes() }

// Close gives up the owner's hold. Memories and deltas keep what they use; the
// last of them frees it. A second time it does nothing.
func (i *Image) Close() error {
	if i.closed.Swap(true) {
		return nil
	}
	return i.release()
}

// hold keeps the image until release; it answers false when it is gone.
func (i *Image) hold() bool {
	for {
		n := i.holds.Load()
		if n == 0 {
			return false
		}
		if i.holds.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (i *Image) release() error {
	if i.holds.Add(-1) > 0 {
		return nil
	}
	return i.dispose()
}
