package engine

import (
	"slices"
	"strings"
)

// Bounds on what a fault shows of the guest's log: a crash tells why first and
// where last, so both ends are kept.
const (
	maxLogHead  = 2 << 10 // bytes
	maxLogTail  = 6 << 10
	maxLogLines = 40 // ten of the head where there are more
)

// guestLog keeps the beginning and the end of what a guest logs. Its zero value
// is ready.
type guestLog struct {
	head, tail []byte
	dropped    bool
}

// Write appends.
func (l *guestLog) Write(p []byte) {
	n := min(len(p), maxLogHead-len(l.head))
	l.head, p = append(l.head, p[:n]...), p[n:]
	if len(p) > maxLogTail {
		p, l.dropped = p[len(p)-maxLogTail:], true
	}
	// Twice the bound, so that dropping the oldest is a copy now and then only.
	if len(l.tail)+len(p) > 2*maxLogTail {
		l.tail = append(l.tail[:0], l.tail[len(l.tail)-(maxLogTail-len(p)):]...)
		l.dropped = true
	}
	l.tail = append(l.tail, p...)
}

// clone is a log that goes on after what is there.
func (l *guestLog) clone() guestLog {
	return guestLog{head: slices.Clip(l.head), tail: slices.Clone(l.tail), dropped: l.dropped}
}

// Lines returns both ends as valid UTF-8, with "[...]" where something is left out.
func (l *guestLog) Lines() []string {
	tail := l.tail
	if len(tail) > maxLogTail {
		tail, l.dropped = tail[len(tail)-maxLogTail:], true
	}
	text := string(l.head) + string(tail)
	if l.dropped {
		text = string(l.head) + "\n[...]" + string(tail) // the cut line keeps its rest
	}
	text = strings.TrimRight(strings.ToValidUTF8(text, "\uFFFD"), "\n")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	if len(lines) > maxLogLines {
		lines = append(append(lines[:10:10], "[...]"), lines[len(lines)-(maxLogLines-10):]...)
	}
	return lines
}
