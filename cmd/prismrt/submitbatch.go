package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
	"sync/atomic"
	"unicode/utf8"

	"github.com/marketprism/prismrt/sdk/client"
)

const (
	// awaitedAtOnce is how many results are waited for at the same time.
	awaitedAtOnce = 64

	// mostComplaints is of how many lines that were not taken the reason is told.
	mostComplaints = 10
)

// submitBatch submits a task for each line of a file.
type submitBatch struct {
	plugin  string
	options client.SubmitOptions
	wait    bool // for the results
	json    bool

	server   *client.Client
	terminal *terminal

	sent   atomic.Int64 // lines
	total  int64        // of the file; -1: that is not known
	broken error        // why the lines ended early; read once all were answered

	all    int // answers
	failed int
	fates  []fate // of all, while the results are wanted
}

// fate is what became of a line: it is a task, or why it is none.
type fate struct {
	id      string
	problem *client.Problem
}

// run submits the lines of the file at path, or of standard input for "-".
func (b *submitBatch) run(ctx context.Context, path string) error {
	lines, err := b.open(path)
	if err != nil {
		return err
	}
	defer lines.Close()
	out := bufio.NewWriter(b.terminal.out)
	err = b.submit(ctx, lines, out)
	if err == nil && b.wait {
		err = b.results(ctx, out)
	}
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	switch {
	case err != nil:
		return fmt.Errorf("the batch broke off after %d tasks: %w", b.all, err)
	case b.broken != nil:
		return misuse{fmt.Errorf("cannot read the lines: %w", b.broken)}
	case b.failed > 0 && b.wait:
		return fmt.Errorf("%d of %d tasks failed", b.failed, b.all)
	case b.failed > 0:
		return fmt.Errorf("%d of %d tasks were not taken", b.failed, b.all)
	}
	return nil
}

// open opens the file, and counts the lines of one that can be read twice.
func (b *submitBatch) open(path string) (io.ReadCloser, error) {
	b.total = -1
	if path == "-" {
		return io.NopCloser(b.terminal.in), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, misuse{fmt.Errorf("cannot read the lines: %w", err)}
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && b.terminal.watched {
		b.total = countLines(f)
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, misuse{fmt.Errorf("cannot read the lines: %w", err)}
		}
	}
	return f, nil
}

// countLines counts lines, blank ones included: that is near enough for a bar. What cannot be
// read tells when it is read again.
func countLines(r io.Reader) (n int64) {
	block := make([]byte, 1<<20)
	for {
		filled, err := r.Read(block)
		n += int64(bytes.Count(block[:filled], []byte("\n")))
		if err != nil {
			return n
		}
	}
}

// tasks makes a task of each line.
func (b *submitBatch) tasks(lines io.Reader) iter.Seq[client.Submission] {
	return func(yield func(client.Submission) bool) {
		in := bufio.NewReaderSize(lines, 1<<20)
		for number := 1; ; number++ {
			line, err := in.ReadBytes('\n')
			line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
			if len(bytes.TrimSpace(line)) > 0 {
				s := client.Submission{Plugin: b.plugin, Input: line, SubmitOptions: b.options}
				if s.Key != "" {
					s.Key += "-" + strconv.Itoa(number)
				}
				b.sent.Add(1)
				if !yield(s) {
					return
				}
			}
			if err != nil {
				if err != io.EOF {
					b.broken = err
				}
				return
			}
		}
	}
}

// submit submits all lines, and prints what became of each unless the results are wanted.
func (b *submitBatch) submit(ctx context.Context, lines io.Reader, out *bufio.Writer) error {
	bar := b.bar("submitting")
	defer bar.stop()
	var last *client.Problem
	for s, err := range b.server.SubmitBatch(ctx, b.tasks(lines)) {
		problem, refused := errors.AsType[*client.Problem](err)
		if err != nil && !refused {
			return err
		}
		b.all++
		bar.progress(int64(b.all), b.total)
		if last = problem; refused {
			b.complain(problem)
		}
		switch {
		case b.wait:
			b.fates = append(b.fates, fate{s.ID, problem})
			continue
		case b.json && refused:
			err = encode(out, map[string]any{"error": problem})
		case b.json:
			err = encode(out, s)
		case refused:
			continue
		default:
			_, err = out.WriteString(s.ID + "\n")
		}
		if err == nil && int64(b.all) == b.sent.Load() { // no more is on its way
			err = out.Flush()
		}
		if err != nil {
			return err
		}
	}
	if last != nil && int64(b.all) < b.sent.Load() {
		return last // which is of the batch as a whole
	}
	return nil
}

func encode(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// complain tells why a task was not taken, or failed.
func (b *submitBatch) complain(p *client.Problem) {
	switch b.failed++; {
	case b.failed <= mostComplaints:
		b.terminal.complain("task %d: %s\n", b.all, p.Summary())
	case b.failed == mostComplaints+1:
		b.terminal.complain("and so on\n")
	}
}

// results prints what each task comes to, in the order of the lines.
func (b *submitBatch) results(ctx context.Context, out *bufio.Writer) error {
	bar := b.bar("waiting")
	defer bar.stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.all, b.failed = 0, 0
	coming := make(chan chan ending, awaitedAtOnce)
	go func() {
		defer close(coming)
		for _, f := range b.fates {
			one := make(chan ending, 1)
			select {
			case coming <- one:
			case <-ctx.Done():
				return
			}
			go func() { one <- b.endingOf(ctx, f) }()
		}
	}()
	for one := range coming {
		o := <-one
		if o.broke != nil {
			return o.broke
		}
		if b.all++; o.Error != nil {
			b.failed++
		}
		bar.progress(int64(b.all), int64(len(b.fates)))
		if err := encode(out, &o); err != nil {
			return err
		}
		if len(coming) == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// ending is what a task came to.
type ending struct {
	ID           string          `json:"id,omitempty"`
	Output       any             `json:"output,omitempty"` // JSON as it is, other text as a string
	OutputBase64 []byte          `json:"output_base64,omitempty"`
	Error        *client.Problem `json:"error,omitempty"`

	broke error // why it is not known
}

func (b *submitBatch) endingOf(ctx context.Context, f fate) ending {
	o := ending{ID: f.id, Error: f.problem}
	if o.Error != nil {
		return o
	}
	result, err := resultOf(ctx, b.server, f.id)
	if problem, failed := errors.AsType[*client.Problem](err); failed {
		o.Error = problem
		return o
	}
	switch {
	case err != nil:
		o.broke = err
	case !utf8.Valid(result.Output):
		o.OutputBase64 = result.Output
	case json.Valid(result.Output):
		o.Output = json.RawMessage(result.Output)
	default:
		o.Output = string(result.Output)
	}
	return o
}

// bar returns a bar, which nobody sees who does not look at it or sees the results instead.
func (b *submitBatch) bar(description string) *bar {
	w := b.terminal.err
	if !b.terminal.watched || b.terminal.shown {
		w = io.Discard
	}
	return newTaskBar(w, description)
}
