package queue

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/marketprism/prismrt/runtime/task"
)

// What is kept of what a guest logs in an attempt: the beginning, and the end.
const (
	headLines, tailLines = 20, 20
	headBytes, tailBytes = 4 << 10, 4 << 10

	// While somebody follows, and for followed after that, the end is longer, so that who
	// reads a little later misses nothing.
	followedLines, followedBytes = 2000, 256 << 10
	followed                     = 10 * time.Second

	mostLine = 1 << 10 // bytes; more is cut off
)

// journal keeps what the guest of an attempt says. It is a task.Listener.
type journal struct {
	mu       sync.Mutex
	head     []Event
	tail     []Event
	headSize int
	tailSize int
	logged   int       // lines in all
	heard    time.Time // when somebody last looked
	told     *Progress
	bell     chan struct{} // closed at the next thing it is told; nil: nobody waits
}

var _ task.Listener = (*journal)(nil)

// Logged is told of a line.
func (j *journal) Logged(level, line string) {
	line = cut(line)
	e := Event{Time: exact(time.Now()), Type: Logged, Level: level, Message: line}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.logged++
	e.ID.N = min(placeBegun+j.logged, placeEnded-1)
	size := len(level) + len(line)
	if len(j.tail) == 0 && len(j.head) < headLines && j.headSize+size <= headBytes {
		j.head, j.headSize = append(j.head, e), j.headSize+size
	} else {
		j.tail, j.tailSize = append(j.tail, e), j.tailSize+size
		j.trimLocked()
	}
	j.ringLocked()
}

// trimLocked forgets the oldest lines of the end that are too many.
func (j *journal) trimLocked() {
	lines, bytes := tailLines, tailBytes
	if !j.heard.IsZero() && time.Since(j.heard) < followed {
		lines, bytes = followedLines, followedBytes
	}
	n := 0
	for len(j.tail)-n > lines || j.tailSize > bytes {
		j.tailSize -= len(j.tail[n].Level) + len(j.tail[n].Message)
		n++
	}
	clear(j.tail[:n])
	j.tail = j.tail[n:]
}

// cut is a copy of a line that is not too long.
func cut(line string) string {
	if len(line) > mostLine {
		end := mostLine - len("...")
		for end > 0 && !utf8.RuneStart(line[end]) {
			end--
		}
		return line[:end] + "..."
	}
	return strings.Clone(line)
}

// Progressed is told how far the guest is.
func (j *journal) Progressed(done, total int64, message string) {
	p := &Progress{Done: done, Total: total, Message: cut(message), Time: exact(time.Now())}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.told = p
	j.ringLocked()
}

func (j *journal) ringLocked() {
	if j.bell != nil {
		close(j.bell)
		j.bell = nil
	}
}

// progress is what the guest told last, nil for nothing.
func (j *journal) progress() *Progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.told
}

// lines is the log as it is stored, nil when there is none.
func (j *journal) lines() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.logged == 0 {
		return nil
	}
	tail, size := j.tail, j.tailSize
	for len(tail) > tailLines || size > tailBytes {
		size -= len(tail[0].Level) + len(tail[0].Message)
		tail = tail[1:]
	}
	text := make([]string, 0, len(j.head)+1+len(tail))
	write := func(events []Event) {
		for _, e := range events {
			if e.Level != "" {
				e.Message = e.Level + ": " + e.Message
			}
			text = append(text, e.Message)
		}
	}
	write(j.head)
	if missing := j.logged - len(j.head) - len(tail); missing > 0 {
		text = append(text, fmt.Sprintf("(%d lines are left out)", missing))
	}
	write(tail)
	return text
}

// after returns the lines after a place, the progress, and what is closed when there is more.
func (j *journal) after(n int) (lines []Event, p *Progress, more <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.heard = time.Now()
	for _, events := range [][]Event{j.head, j.tail} {
		for _, e := range events {
			if e.ID.N > n {
				lines = append(lines, e)
			}
		}
	}
	if j.bell == nil {
		j.bell = make(chan struct{})
	}
	return lines, j.told, j.bell
}
