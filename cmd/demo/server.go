package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/marketprism/prismrt/sdk/client"
)

const (
	startTime = 30 * time.Second // for the server to listen and be ready
	stopTime  = 30 * time.Second // for it to end after SIGTERM, calls in flight included
	tailLines = 20               // of the server's log, shown when it fails
)

// server is a prismrt process.
type server struct {
	address string // http://host:port

	process *os.Process
	output  *output
	done    chan struct{} // closed when the process has ended
	exit    error         // how it ended; read it after done
}

// startServer starts a server and waits until it listens. When ctx ends before
// that, or the server does, the error holds the last lines of its log.
func startServer(ctx context.Context, binary, listen, data string) (*server, error) {
	out := &output{address: make(chan string, 1)}
	// ctx ends the wait and not the server, which is told to stop and not killed.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), binary, "serve", "--listen", listen, "--data", data)
	cmd.SysProcAttr = ownGroup()
	cmd.Stderr = out
	cmd.WaitDelay = 5 * time.Second // for a child of the server that outlives it with its log in hand
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server; has it been built? %w", err)
	}
	s := &server{process: cmd.Process, output: out, done: make(chan struct{})}
	go func() {
		s.exit = cmd.Wait()
		close(s.done)
	}()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	select {
	case s.address = <-out.address:
		return s, nil
	case <-s.done:
		return nil, s.ended("before it listened")
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("the server does not listen: %w%s", ctx.Err(), out.tail()), s.stop())
	}
}

// ready waits until the server can run plugins.
func (s *server) ready(ctx context.Context, c *client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := c.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-s.done:
			return s.ended("before it was ready")
		case <-ctx.Done():
			return fmt.Errorf("the server is not ready: %w%s", err, s.output.tail())
		}
	}
}

// stop asks the process to end, waits for it, and kills it when that takes too
// long. It returns an error unless the server ended in good order.
func (s *server) stop() error {
	if err := s.process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.done:
	case <-time.After(stopTime):
		err := s.process.Kill()
		<-s.done
		return errors.Join(fmt.Errorf("the server did not end within %v and was killed%s", stopTime, s.output.tail()), err)
	}
	if s.exit != nil {
		return s.ended("badly")
	}
	return nil
}

func (s *server) ended(when string) error {
	how := "exit status 0"
	if s.exit != nil {
		how = s.exit.Error()
	}
	return fmt.Errorf("the server ended %s: %s%s", when, how, s.output.tail())
}

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
		o.lineLocked(string(line))
		o.partial = rest
	}
}

func (o *output) lineLocked(line string) {
	if o.lines = append(o.lines, line); len(o.lines) > tailLines {
		o.lines = o.lines[1:]
	}
	if match := listening.FindStringSubmatch(line); match != nil && !o.found {
		o.found = true
		o.address <- match[1]
	}
	if o.to != nil {
		// The log is for someone who looks on; the demo does not depend on it.
		_, _ = fmt.Fprintln(o.to, line)
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
