package memory

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// everyWay runs a test once for each way that this system has.
func everyWay(t *testing.T, test func(*testing.T, Way)) {
	for _, way := range []Way{Scan, Copy, Drop} {
		t.Run(way.String(), func(t *testing.T) {
			if way == Scan && Method() != Scan {
				t.Skip("this kernel does not name private pages")
			}
			test(t, way)
		})
	}
}

func imageOf(t testing.TB, contents []byte) *Image {
	t.Helper()
	i, err := NewImage(contents)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

func deltaOf(t testing.TB, base *Image, contents []byte) *Image {
	t.Helper()
	i, err := base.Delta(contents)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

// reserved makes a memory that rewinds in the given way.
func reserved(t testing.TB, way Way, limit int) *Memory {
	t.Helper()
	Method() // which opens what Scan needs
	m, err := newMemory(limit, way)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	return m
}

func adopt(t testing.TB, m *Memory, i *Image) {
	t.Helper()
	if err := m.Adopt(i); err != nil {
		t.Fatal(err)
	}
	if b := m.Reallocate(1); len(b) != i.Len() || cap(b) != i.Len() {
		t.Fatalf("the first length is %d (capacity %d), want the image's, %d", len(b), cap(b), i.Len())
	}
}

func rewind(t testing.TB, m *Memory) Rewound {
	t.Helper()
	r, err := m.Rewind(func() { m.Reallocate(uint64(m.length) + wasmPage) })
	if err != nil {
		t.Fatal(err)
	}
	if at, differs := m.Differs(); differs {
		t.Fatalf("after %+v the memory differs from its image at %d", r, at)
	}
	return r
}

// patches gives contents of some wasm pages where random stretches are not zero.
func patches(r *rand.Rand, pages int) []byte {
	b := make([]byte, pages*wasmPage)
	for range r.IntN(2*pages + 1) {
		scribble(r, b)
	}
	return b
}

// scribble writes random bytes in a row, now and then some 256 over many pages.
func scribble(r *rand.Rand, b []byte) {
	if len(b) == 0 {
		return
	}
	from, n := r.IntN(len(b)), 1+r.IntN(64)
	if r.IntN(20) == 0 {
		n = r.IntN(len(b))
	}
	for k := from; k < min(from+n, len(b)); k += 1 + n/256 {
		b[k] = byte(r.Uint32())
	}
}

// Whatever is done to a memory, a rewind makes it the image.
func TestRewindIsTheImageAgain(t *testing.T) {
	everyWay(t, func(t *testing.T, way Way) {
		const limit = 48 * wasmPage // beyond what is always copied
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))

		var images []*Image
		var contents [][]byte
		for range 5 {
			c := patches(r, r.IntN(32))
			base := imageOf(t, c)
			for range 2 {
				d := make([]byte, max(0, len(c)+wasmPage*(r.IntN(12)-6)))
				copy(d, c)
				for range r.IntN(40) {
					scribble(r, d)
				}
				images, contents = append(images, deltaOf(t, base, d)), append(contents, d)
			}
			if r.IntN(2) == 0 {
				base.Close()
			} else {
				images, contents = append(images, base), append(contents, c)
			}
		}
		for k, i := range images {
			if i.Len() != len(contents[k]) || !bytes.Equal(i.Bytes(), contents[k]) {
				t.Fatalf("image %d is not its contents", k)
			}
		}

		m := reserved(t, way, limit)
		k := 0
		adopt(t, m, images[k])
		for step := range 1500 {
			switch r.IntN(10) {
			case 0:
				k = r.IntN(len(images))
				adopt(t, m, images[k])
				if at, differs := m.Differs(); differs {
					t.Fatalf("step %d: adopted, but differs at %d", step, at)
				}
			case 1:
				m.Reallocate(uint64(r.IntN(limit/wasmPage+1)) * wasmPage)
			case 2, 3, 4:
				rewind(t, m)
				if at, differs := difference(m.bytes, images[k].Bytes()); differs { // to the limit
					t.Fatalf("step %d: a rewind left something at %d", step, at)
				}
			default:
				scribble(r, m.bytes[:m.length])
			}
		}
	})
}

func TestDiffersNoticesOneByteAndTheLength(t *testing.T) {
	everyWay(t, func(t *testing.T, way Way) {
		r := rand.New(rand.NewPCG(1, 2))
		i := imageOf(t, patches(r, 4))
		m := reserved(t, way, 8*wasmPage)
		adopt(t, m, i)
		check := func(want int) {
			t.Helper()
			if at, differs := m.Differs(); !differs || at != want {
				t.Errorf("Differs() = %d, %t, want %d, true", at, differs, want)
			}
		}

		m.Reallocate(7 * wasmPage) // so that pages beyond the image can be written
		check(4 * wasmPage)
		m.length = 3 * wasmPage
		check(3 * wasmPage)
		m.length = i.Len()
		if at, differs := m.Differs(); differs {
			t.Errorf("differs at %d before anything was written", at)
		}

		offsets := []int{0, 1, pageSize - 1, pageSize, 4*wasmPage - 1, 4 * wasmPage, 7*wasmPage - 1}
		for range 200 {
			offsets = append(offsets, r.IntN(7*wasmPage))
		}
		for _, at := range offsets {
			m.bytes[at] ^= 1 << r.IntN(8)
			check(at)
			rewind(t, m)
			m.Reallocate(7 * wasmPage)
			m.length = i.Len()
		}
	})
}

func TestTheLengthIsTheImagesAfterARewind(t *testing.T) {
	everyWay(t, func(t *testing.T, way Way) {
		m := reserved(t, way, 8*wasmPage)
		adopt(t, m, imageOf(t, make([]byte, 2*wasmPage)))

		asked := 0
		resize := func() { asked++; m.Reallocate(8 * wasmPage) }
		for _, length := range []uint64{5, 1, 2, 8} {
			m.Reallocate(length * wasmPage)
			if _, err := m.Rewind(resize); err != nil || m.length != 2*wasmPage {
				t.Errorf("from %d pages: length %d, %v", length, m.length, err)
			}
		}
		if asked != 3 {
			t.Errorf("asked to resize %d times, want 3: not when the length had not changed", asked)
		}

		m.Reallocate(3 * wasmPage)
		if _, err := m.Rewind(func() {}); err == nil {
			t.Error("no error though the owner did not learn of the length")
		}
	})
}

func TestPastTheLimitThereIsNoMemory(t *testing.T) {
	m := reserved(t, Method(), 2*wasmPage)
	if b := m.Reallocate(2 * wasmPage); len(b) != 2*wasmPage || m.Refused() {
		t.Errorf("%d bytes, refused %t, at the limit", len(b), m.Refused())
	}
	if b := m.Reallocate(2*wasmPage + 1); b != nil || !m.Refused() {
		t.Errorf("%d bytes, refused %t, past the limit", len(b), m.Refused())
	}
	rewind(t, m) // without an image: to nothing
	if m.Refused() || m.length != 0 {
		t.Errorf("refused %t, %d bytes after a rewind", m.Refused(), m.length)
	}
	if err := m.Adopt(imageOf(t, make([]byte, 3*wasmPage))); err == nil {
		t.Error("adopted an image that is longer than the limit")
	}
	rewind(t, m) // it is still usable

	none := reserved(t, Method(), 0)
	adopt(t, none, imageOf(t, nil))
	rewind(t, none)
}

func TestAFreedMemoryIsNotTouched(t *testing.T) {
	m := reserved(t, Method(), 2*wasmPage)
	i := imageOf(t, ones(wasmPage))
	adopt(t, m, i)
	var all sync.WaitGroup
	for range 8 {
		all.Go(m.Free)
	}
	all.Wait()
	m.Free()
	if _, err := m.Rewind(nil); err == nil {
		t.Error("rewound after Free")
	}
	if m.Adopt(i) == nil {
		t.Error("adopted after Free")
	}
	if m.Reallocate(wasmPage) != nil {
		t.Error("memory after Free")
	}
	if _, differs := m.Differs(); !differs {
		t.Error("a freed memory is as its image")
	}
	if n := i.holds.Load(); n != 1 {
		t.Errorf("%d holds on the image, want the owner's alone", n)
	}
}

// Memories of one image are rewound by many goroutines while images come and go.
func TestMemoriesOfOneImageAtOnce(t *testing.T) {
	everyWay(t, func(t *testing.T, way Way) {
		contents := patches(rand.New(rand.NewPCG(3, 4)), 6)
		base := imageOf(t, contents)
		changed := bytes.Clone(contents)
		changed[3*wasmPage]++
		Method()

		one := func(seed uint64) error {
			r := rand.New(rand.NewPCG(seed, 5))
			m, err := newMemory(12*wasmPage, way)
			if err != nil {
				return err
			}
			defer m.Free()
			for range 40 {
				i := base
				if r.IntN(2) == 0 {
					if i, err = base.Delta(changed); err != nil {
						return err
					}
				}
				if err := m.Adopt(i); err != nil {
					return err
				}
				m.Reallocate(0)
				if i != base {
					i.Close()
				}
				for range 10 {
					scribble(r, m.Reallocate(uint64(6+r.IntN(6))*wasmPage))
					if _, err := m.Rewind(func() { m.Reallocate(0) }); err != nil {
						return err
					}
					if at, differs := m.Differs(); differs {
						return fmt.Errorf("differs at %d", at)
					}
				}
			}
			return nil
		}
		var all sync.WaitGroup
		for seed := range uint64(8) {
			all.Go(func() {
				if err := one(seed); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := base.holds.Load(); n != 1 {
			t.Errorf("%d holds on the base at the end, want the owner's alone", n)
		}
	})
}

func TestRewindingAllocatesNothing(t *testing.T) {
	everyWay(t, func(t *testing.T, way Way) {
		m := reserved(t, way, 4*wasmPage)
		adopt(t, m, imageOf(t, ones(2*wasmPage)))
		n := testing.AllocsPerRun(100, func() {
			m.bytes[0]++
			m.Rewind(nil)
		})
		if n != 0 {
			t.Errorf("%v allocations a rewind", n)
		}
	})
}
