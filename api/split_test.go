package api

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// cuts describes what a splitter finds in a stream that comes in pieces.
func cuts(s splitter, pieces [][]byte, limit int) (found []string) {
	var dst []byte
	from := 0
	add := func(c cut) {
		switch c {
		case cutMore:
			return
		case cutWhole:
			found = append(found, fmt.Sprintf("%q", dst[from:]))
		case cutTooLarge:
			found = append(found, "too large")
		case cutLost:
			found = append(found, "lost")
		case cutShort:
			found = append(found, "lacks "+s.missing())
		}
		from = len(dst)
	}
	for _, b := range pieces {
		for len(b) > 0 {
			var used int
			var c cut
			dst, used, c = s.take(dst, b, limit)
			if used == 0 {
				panic("nothing was used")
			}
			if add(c); c == cutLost {
				return found
			}
			b = b[used:]
		}
	}
	var c cut
	dst, c = s.end(dst, limit)
	add(c)
	return found
}

// linesOf and framesOf say what cuts should find in a stream, in another way.
func linesOf(stream []byte, limit int) (found []string) {
	for line := range bytes.SplitSeq(stream, []byte("\n")) {
		line = bytes.TrimSuffix(line, []byte("\r"))
		switch {
		case len(line) > limit:
			found = append(found, "too large")
		case len(bytes.Trim(line, " \t\r")) > 0:
			found = append(found, fmt.Sprintf("%q", line))
		}
	}
	return found
}

func framesOf(stream []byte, limit int) (found []string) {
	for len(stream) > 0 {
		if len(stream) < 4 {
			return append(found, fmt.Sprintf("lacks %d of the 4 bytes of a length", 4-len(stream)))
		}
		size := int(binary.LittleEndian.Uint32(stream))
		stream = stream[4:]
		switch {
		case size > limit && size > mostSkipped:
			return append(found, "lost")
		case len(stream) < size:
			return append(found, fmt.Sprintf("lacks %d of the %d bytes of a frame", size-len(stream), size))
		case size > limit:
			found = append(found, "too large")
		default:
			found = append(found, fmt.Sprintf("%q", stream[:size]))
		}
		stream = stream[size:]
	}
	return found
}

// However a stream comes in, the same items are in it.
func FuzzSplit(f *testing.F) {
	for _, stream := range []string{
		"", "\n", "a", "a\nb\n", "a\r\nb", " \t\r\n\n{}\r", "\r\r\n", "123456789\n1234567890\n12345678\r\n12345678\r\r\nx",
		"\x01\x00\x00\x00a\x00\x00\x00\x00", "\x01\x00\x00\x00", "\x01\x00", "\x09\x00\x00\x00123456789\x01\x00\x00\x00b",
		"\x00\x00\x00\x04", "\x01\x00\x00\x04x", "\xff\xff\xff\xff", "\x08\x00\x00\x001234567",
	} {
		f.Add([]byte(stream), uint64(1), 8)
		f.Add([]byte(stream), uint64(0x0123456789abcdef), 8)
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64, limit int) {
		if limit < 1 || limit > 1<<20 {
			return
		}
		var pieces [][]byte
		for rest := stream; len(rest) > 0; seed = seed*6364136223846793005 + 1442695040888963407 {
			n := min(len(rest), 1+int(seed>>33%7))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		if got, want := cuts(new(lines), pieces, limit), linesOf(stream, limit); !slices.Equal(got, want) {
			t.Errorf("lines %s, want %s", got, want)
		}
		if got, want := cuts(new(frames), pieces, limit), framesOf(stream, limit); !slices.Equal(got, want) {
			t.Errorf("frames %s, want %s", got, want)
		}
	})
}

func TestALineWithoutAnEndIsGivenUpAndNotKept(t *testing.T) {
	piece := []byte(strings.Repeat("x", 1<<20))
	var l lines
	var dst []byte
	for n := 1; ; n++ {
		var c cut
		if dst, _, c = l.take(dst, piece, 100); len(dst) > 0 {
			t.Fatalf("%d bytes of a line that is too large are kept", len(dst))
		}
		if c == cutLost {
			if n<<20 <= mostSkipped || n > 100 {
				t.Errorf("it is given up after %d MiB", n)
			}
			return
		}
	}
}

func FuzzQuoted(f *testing.F) {
	for _, text := range []string{"", "plain", "a\"b\\c\n\r\t\x00\x1f\x7f", "grüße \u2028"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		line := ndjson{}.end(append(ndjson{}.begin([]byte("before")), text...), len("before"))
		checkLine(t, string(line[len("before"):]), text)
	})
}
