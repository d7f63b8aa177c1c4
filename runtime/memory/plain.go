//go:build !linux

package memory

import "errors"

// Where memory is not known by page, an image is plain bytes, and rewinding is
// copying all of them.

type backing struct{ delta bool }

const noReserve = 0 // not everywhere known, nor needed

type scanner struct{}

type region struct{ start, end uint64 }

func (i *Image) fill(base *Image, contents []byte) error {
	i.delta = base != empty
	i.view = append([]byte(nil), contents...)
	return base.release() // nothing is shared
}

func (m *Memory) lay(i *Image) error {
	clear(m.bytes[copy(m.bytes, i.view):max(m.high, m.image.length, i.length)])
	return nil
}

func (i *Image) isDelta() bool { return i.delta }
func (i *Image) ownBytes() int { return len(i.view) }

func (i *Image) dispose() error {
	i.view = nil
	return nil
}

func advise([]byte) {}

func method() Way { return Copy }

func (*Memory) scan(int) (found []region, next int, err error) { return nil, 0, errors.ErrUnsupported }

func faults() int64 { return 0 }

func (*Memory) drop() error { return errors.ErrUnsupported }
