package memory

import (
	"bytes"
	"testing"
)

func TestAnImageOutlivesItsCloseWhileItIsUsed(t *testing.T) {
	everyWay(t, func(t *testing.T, way Way) {
		contents := ones(4 * wasmPage)
		base := imageOf(t, contents)
		changed := bytes.Clone(contents)
		changed[2*wasmPage+7] = 9
		delta := deltaOf(t, base, changed)
		base.Close()

		m := reserved(t, way, 6*wasmPage)
		adopt(t, m, delta)
		delta.Close()
		delta.Close()
		for at := range m.bytes[:4*wasmPage] {
			m.bytes[at]++
		}
		rewind(t, m)
		if !bytes.Equal(m.bytes[:4*wasmPage], changed) {
			t.Error("not the image any more")
		}
		m.Free()
		if base.holds.Load() != 0 || delta.holds.Load() != 0 {
			t.Errorf("held by %d and %d at the end", base.holds.Load(), delta.holds.Load())
		}

		for _, i := range []*Image{base, delta} {
			if i.Bytes() != nil || i.OwnBytes() != 0 {
				t.Error("a closed image has bytes")
			}
			if err := reserved(t, way, 6*wasmPage).Adopt(i); err == nil {
				t.Error("adopted an image that is gone")
			}
		}
		if _, err := base.Delta(changed); err == nil {
			t.Error("made a delta of an image that is gone")
		}
	})
}

func TestWhatImagesAreMadeOf(t *testing.T) {
	if _, err := NewImage(make([]byte, wasmPage+1)); err == nil {
		t.Error("an image of a length that no memory has")
	}
	contents := ones(2 * wasmPage)
	i := imageOf(t, contents)
	contents[0] = 2
	if i.Bytes()[0] != 1 {
		t.Error("the image changed with what it was made of")
	}
	d := deltaOf(t, i, contents)
	if _, err := d.Delta(contents); err == nil {
		t.Error("a delta of a delta")
	}
	same := deltaOf(t, i, i.Bytes())
	none := deltaOf(t, i, nil)
	if !bytes.Equal(same.Bytes(), i.Bytes()) || len(none.Bytes()) != 0 {
		t.Error("deltas that change nothing, or leave nothing, are not what they were made of")
	}
}
