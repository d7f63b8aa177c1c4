package served

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
)

// output takes in what a server writes to standard error: it finds the address
// and keeps the last lines.
type output struct {
	address chan string // receives the address once; holds one

	mu      sync.Mutex
	partial []byte // of a line without its end
	lines   []string
	found   bool
	to      io.Writer // where lines go on to; nil: nowhere
}

var listening = regexp.MustCompile(`listening on (http://[^\s"]+)`)

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.partial = append(o.partial, b...)
	for {
		line, rest, whole := bytes.Cut(o.partial, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		o.partial = rest
		if o.lines = append(o.lines, string(line)); len(o.lines) > tailLines {
			o.lines = o.lines[1:]
		}
		if match := listening.FindSubmatch(line); match != nil && !o.found {
			o.found = true
			o.address <- string(match[1])
		}
		if o.to != nil {
			// The log is for someone who looks on; nothing depends on it.
			_, _ = fmt.Fprintf(o.to, "%s\n", line)
		}
	}
}

// forward passes the lines to come on to w.
func (o *output) forward(w io.Writer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.to = w
}

// tail returns the last lines, each on a line of its own and indented.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var b strings.Builder
	for _, line := range o.lines {
		b.WriteString("\n  " + line)
	}
	return b.String()
}
