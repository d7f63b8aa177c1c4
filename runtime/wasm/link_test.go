package wasm_test

import (
	"bytes"
	"testing"

	"github.com/marketprism/prismrt/runtime/wasm"
)

// empty is the least module there is.
var empty = []byte("\x00asm\x01\x00\x00\x00")

func TestWhatIsLinkedComesApartAgain(t *testing.T) {
	other := append(bytes.Clone(empty), 0, 3, 2, 'h', 'i') // a custom section
	both := wasm.Link(wasm.Link(other, wasm.Linked{Name: "a:b/c", Module: empty}), wasm.Linked{Name: "", Module: other})
	if _, err := wasm.Parse(both); err != nil {
		t.Fatalf("what carries others is no module: %v", err)
	}
	without, linked := wasm.Unlink(append(both, 0, 1, 0)) // and there may be more behind
	if !bytes.Equal(without, append(bytes.Clone(other), 0, 1, 0)) || len(linked) != 2 ||
		linked[0].Name != "a:b/c" || !bytes.Equal(linked[0].Module, empty) || linked[1].Name != "" || !bytes.Equal(linked[1].Module, other) {
		t.Errorf("%x, %+v", without, linked)
	}
	if without, linked := wasm.Unlink(other); !bytes.Equal(without, other) || linked != nil {
		t.Errorf("a module that carries none: %x, %+v", without, linked)
	}
}

func FuzzUnlink(f *testing.F) {
	f.Add(empty)
	f.Add(wasm.Link(empty, wasm.Linked{Name: "lib", Module: empty}))
	f.Fuzz(func(t *testing.T, module []byte) {
		without, linked := wasm.Unlink(module)
		size := len(without)
		for _, l := range linked {
			size += len(l.Name) + len(l.Module)
		}
		if size > len(module) {
			t.Fatalf("%d bytes came apart into %d", len(module), size)
		}
		if _, again := wasm.Unlink(without); again != nil {
			t.Fatal("it still carries others")
		}
	})
}
