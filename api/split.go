package api

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// splitter finds the items of a batch in its bytes, however these come in.
type splitter interface {
	// take uses bytes of b, at least one, and appends what the current item has of them
	// to dst. Once a cut is not cutMore the item is over, and dst ends as that says. An
	// item of more than limit bytes is not kept.
	take(dst, b []byte, limit int) (grown []byte, used int, c cut)

	// end is told that there is no more. An item that lacks nothing but that is whole.
	end(dst []byte, limit int) (grown []byte, c cut)

	// missing says what the item lacks of which only a part has come.
	missing() string
}

// cut is how a piece of a stream ends.
type cut int

const (
	cutMore     cut = iota // in the middle of an item, or before one
	cutWhole               // with an item, which dst now ends in
	cutTooLarge            // with an item that was too large, of which dst has nothing
	cutLost                // in an item so large that nothing after it is looked for
	cutShort               // in the middle of an item, and there is no more
)

// mostSkipped is how many bytes of an item that is too large are skipped to find the one
// after it.
const mostSkipped = 64 << 20

// lines splits at line feeds. A carriage return before one belongs to it, and lines of
// blanks are no items.
type lines struct {
	got     int  // bytes of the line at the end of dst
	over    bool // it is too large
	skipped int  // bytes of it that are not in dst
}

func (l *lines) take(dst, b []byte, limit int) ([]byte, int, cut) {
	n := bytes.IndexByte(b, '\n')
	part := b
	if n >= 0 {
		part = b[:n]
	}
	switch {
	case l.over:
		l.skipped += len(part)
	case l.got+len(part) > limit+1: // it may end in a carriage return
		l.over, l.skipped = true, l.got+len(part)
		dst = dst[:len(dst)-l.got]
	default:
		dst = append(dst, part...)
		l.got += len(part)
	}
	if n < 0 {
		if l.over && l.skipped > mostSkipped {
			return dst, len(b), cutLost
		}
		return dst, len(b), cutMore
	}
	dst, c := l.end(dst, limit)
	return dst, n + 1, c
}

func (l *lines) end(dst []byte, limit int) ([]byte, cut) {
	was := *l
	*l = lines{}
	if was.over {
		return dst, cutTooLarge
	}
	if was.got > 0 && dst[len(dst)-1] == '\r' {
		dst = dst[:len(dst)-1]
		was.got--
	}
	line := dst[len(dst)-was.got:]
	switch {
	case was.got > limit:
		return dst[:len(dst)-was.got], cutTooLarge
	case isBlank(line):
		return dst[:len(dst)-was.got], cutMore
	}
	return dst, cutWhole
}

func (*lines) missing() string { return "the end of a line" }

func isBlank(line []byte) bool {
	for _, b := range line {
		if b != ' ' && b != '\t' && b != '\r' {
			return false
		}
	}
	return true
}

// frames splits by lengths: each item comes after its own, a u32 with the least
// significant byte first.
type frames struct {
	length [4]byte
	got    int   // bytes of the length
	left   int64 // bytes of the item that are still to come, once the length is there
	size   int64 // of the item
}

func (f *frames) take(dst, b []byte, limit int) ([]byte, int, cut) {
	used := 0
	if f.got < len(f.length) {
		used = copy(f.length[f.got:], b)
		if f.got += used; f.got < len(f.length) {
			return dst, used, cutMore
		}
		f.size = int64(binary.LittleEndian.Uint32(f.length[:]))
		f.left = f.size
	}
	over := f.size > int64(limit)
	if over && f.size > mostSkipped {
		return dst, used, cutLost
	}
	n := int(min(f.left, int64(len(b)-used)))
	f.left -= int64(n)
	if !over {
		dst = append(dst, b[used:used+n]...)
	}
	used += n
	switch {
	case f.left > 0:
		return dst, used, cutMore
	case over:
		f.got = 0
		return dst, used, cutTooLarge
	}
	f.got = 0
	return dst, used, cutWhole
}

func (f *frames) end(dst []byte, _ int) ([]byte, cut) {
	if f.got == 0 {
		return dst, cutMore
	}
	return dst, cutShort
}

func (f *frames) missing() string {
	if f.got < len(f.length) {
		return fmt.Sprintf("%d of the 4 bytes of a length", len(f.length)-f.got)
	}
	return fmt.Sprintf("%d of the %d bytes of a frame", f.left, f.size)
}
