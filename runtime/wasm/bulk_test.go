package wasm_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/marketprism/prismrt/runtime/wasm"
)

// TestLargePiecesOfMemoryAreFilledAndCopiedAsWritten compares memories after fills
// and copies that metering splits, overlapping both ways and out of bounds.
func TestLargePiecesOfMemoryAreFilledAndCopiedAsWritten(t *testing.T) {
	const pages, piece = 24, 256 << 10
	m := module(
		[]byte{1, 1, 0x60, 3, 0x7f, 0x7f, 0x7f, 0}, []byte{3, 2, 0, 0}, []byte{5, 1, 0, pages},
		slices.Concat([]byte{7, 3, 4}, []byte("fill\x00\x00\x04copy\x00\x01\x03mem\x02\x00")),
		[]byte{10, 2, 11, 0, 0x20, 0, 0x20, 1, 0x20, 2, 0xfc, 11, 0, 0x0b, 12, 0, 0x20, 0, 0x20, 1, 0x20, 2, 0xfc, 10, 0, 0, 0x0b},
	)
	metered, err := wasm.Meter(m)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, []byte("\x00asm\x01\x00\x00\x00"), "metered")
	config := wazero.NewModuleConfig().WithName("")
	a, err := w.runtime.InstantiateWithConfig(t.Context(), m, config)
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.runtime.InstantiateWithConfig(t.Context(), metered, config)
	if err != nil {
		t.Fatal(err)
	}
	size := a.Memory().Size()
	left, _ := a.Memory().Read(0, size)
	right, _ := b.Memory().Read(0, size)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range left {
		left[i] = byte(random.Uint32())
	}
	copy(right, left)

	near := func(n uint32) uint32 { return n + random.Uint32N(5) - 2 }
	trapped, refuels := 0, w.refuels
	for range 400 {
		length := []uint32{near(piece), near(2 * piece), near(3 * piece), random.Uint32N(size), size, 1<<32 - 1, 0, 7}[random.IntN(8)]
		to := []uint32{0, 0, random.Uint32N(size), size - length, near(size - length), size}[random.IntN(6)]
		from := []uint32{0, to + 1, to - 1, to + piece, to - piece + 3, random.Uint32N(size), size - length}[random.IntN(7)]
		name := []string{"fill", "copy"}[random.IntN(2)]
		_, errA := a.ExportedFunction(name).Call(t.Context(), uint64(to), uint64(from), uint64(length))
		_, errB := b.ExportedFunction(name).Call(t.Context(), uint64(to), uint64(from), uint64(length))
		if (errA == nil) != (errB == nil) || errA != nil && message(errA) != message(errB) {
			t.Fatalf("%s %d, %d, %d: %v, metered %v", name, to, from, length, errA, errB)
		}
		if errA != nil {
			trapped++
		}
		if !bytes.Equal(left, right) {
			t.Fatalf("%s %d, %d, %d: the memories differ", name, to, from, length)
		}
	}
	if trapped < 20 || trapped > 350 || w.refuels-refuels < 100 {
		t.Errorf("%d of 400 trapped, %d asked for fuel", trapped, w.refuels-refuels)
	}
}
