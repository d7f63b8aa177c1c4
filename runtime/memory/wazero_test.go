package memory_test

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/marketprism/prismrt/runtime/memory"
)

var _ experimental.LinearMemory = (*memory.Memory)(nil)

const wasmPage = 64 << 10

// An instance is born with the image, and wazero's own Grow puts its length back.
func TestAnInstanceOfWazeroIsRewound(t *testing.T) {
	ctx := t.Context()
	i, err := memory.NewImage(append(make([]byte, 2*wasmPage-1), 7))
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	var m *memory.Memory
	ctx = experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(func(_, most uint64) experimental.LinearMemory {
		if m, err = memory.Reserve(int(most)); err != nil {
			t.Fatal(err)
		}
		if err := m.Adopt(i); err != nil {
			t.Fatal(err)
		}
		return m
	}))
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer runtime.Close(context.WithoutCancel(ctx))
	guest, err := runtime.Instantiate(ctx, []byte("\x00asm\x01\x00\x00\x00"+
		"\x05\x04\x01\x01\x01\x04"+ // (memory 1 4)
		"\x07\x0a\x01\x06memory\x02\x00")) // (export "memory" (memory 0))
	if err != nil {
		t.Fatal(err)
	}
	mem := guest.Memory()
	resize := func() { mem.Grow(1) }

	if mem.Size() != 2*wasmPage {
		t.Fatalf("born with %d bytes, want the image's %d", mem.Size(), 2*wasmPage)
	}
	mem.WriteByte(5, 5)
	mem.Grow(1)
	mem.WriteByte(2*wasmPage+5, 5)
	if _, err := m.Rewind(resize); err != nil {
		t.Fatal(err)
	}
	if at, differs := m.Differs(); differs || mem.Size() != 2*wasmPage {
		t.Errorf("differs %t at %d, %d bytes", differs, at, mem.Size())
	}
	if b, _ := mem.ReadByte(2*wasmPage - 1); b != 7 {
		t.Errorf("the image's last byte is %d", b)
	}

	// Of a memory at its maximum wazero asks nothing more.
	mem.Grow(2)
	if _, err := m.Rewind(resize); err == nil {
		t.Error("no error though wazero kept the longer slice")
	}
}
