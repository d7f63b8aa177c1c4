package engine

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// maxLine bounds a line of standard error that a task.Listener is told of, in bytes, as
// prism's log bounds its messages. What is longer is told in pieces.
const maxLine = 4096

// lineCutter cuts what a guest writes to standard error into lines. Its zero value is
// ready.
type lineCutter struct {
	rest []byte // of a line that has not ended; at most maxLine bytes
}

// write tells of the lines that end in p.
func (l *lineCutter) write(p []byte, tell func(line string)) {
	for {
		part, after, ended := bytes.Cut(p, []byte{'\n'})
		for len(l.rest)+len(part) > maxLine {
			n := maxLine - len(l.rest)
			l.rest = append(l.rest, part[:n]...)
			part = part[n:]
			// A character is not cut in two.
			whole := wholeCharacters(l.rest)
			left := bytes.Clone(l.rest[whole:])
			l.rest = l.rest[:whole]
			l.end(tell)
			l.rest = append(l.rest, left...)
		}
		l.rest = append(l.rest, part...)
		if !ended {
			return
		}
		if len(l.rest) == 0 {
			tell("")
		}
		l.end(tell)
		p = after
	}
}

// end tells of what is left.
func (l *lineCutter) end(tell func(line string)) {
	if len(l.rest) == 0 {
		return
	}
	line := bytes.TrimSuffix(l.rest, []byte{'\r'})
	tell(strings.ToValidUTF8(string(line), "\uFFFD"))
	l.rest = l.rest[:0]
}

// wholeCharacters is how many bytes of b are before a character that is cut off at its end.
func wholeCharacters(b []byte) int {
	for n := len(b) - 1; n >= max(0, len(b)-utf8.UTFMax); n-- {
		if utf8.RuneStart(b[n]) {
			if utf8.FullRune(b[n:]) {
				break
			}
			return n
		}
	}
	return len(b)
}
