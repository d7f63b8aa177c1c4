package wasi_test

import (
	"math"
	"syscall"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
)

// lazyMemory is 4 GiB of addresses, with memory under those that are touched.
type lazyMemory []byte

func (m lazyMemory) Reallocate(size uint64) []byte { return m[:size] }
func (m lazyMemory) Free()                         { _ = syscall.Munmap(m) }

func TestTheEndOfTheLargestMemoryIsOutside(t *testing.T) {
	b, err := syscall.Mmap(-1, 0, 1<<32, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err != nil {
		t.Skipf("4 GiB of addresses: %v", err)
	}
	r := newRuntime(t, wazero.NewRuntimeConfig(), true)
	ctx := experimental.WithMemoryAllocator(t.Context(), experimental.MemoryAllocatorFunc(
		func(_, _ uint64) experimental.LinearMemory { return lazyMemory(b) }))
	m, err := r.InstantiateModule(ctx, forwarder(t, r, 1<<16), wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(ctx)
	g := &guest{Context: t.Context()}
	if e := errno(g, t, m, "random_get", math.MaxUint32-7, 7); e != success {
		t.Errorf("errno = %d", e)
	}
	if e := errno(g, t, m, "random_get", math.MaxUint32-7, 8); e != fault {
		t.Errorf("errno = %d, want %d", e, fault)
	}
}
