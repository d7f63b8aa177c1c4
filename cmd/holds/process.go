package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/marketprism/prismrt/sdk/client"
)

const (
	startTime = 30 * time.Second // for a server to listen and be ready
	stopTime  = 30 * time.Second // for it to end after SIGTERM
	tailLines = 20               // of a server's log, shown when it fails

	connections = 4 * crowd // that are kept for the next call
)

// process is a server that was started: prismrt, or the plain one of this program.
type process struct {
	*client.Client
	pid int

	cmd    *exec.Cmd
	http   *http.Client
	output output
	done   chan struct{} // closed when it has ended
	exit   error         // how; read it after done
}

// startPrismrt starts a server of its own, with its data in a new folder. The
// settings are a runtime.toml.
func startPrismrt(ctx context.Context, binary, settings string) (p *process, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "prismrt-holds-")
	if err != nil {
		return nil, nil, err
	}
	file := filepath.Join(dir, "runtime.toml")
	if err = os.WriteFile(file, []byte(settings), 0o600); err == nil {
		p, err = startProcess(ctx, binary, "serve", "--config", file, "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data"))
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("start prismrt; has it been built? %w", err), os.RemoveAll(dir))
	}
	return p, func() error { return errors.Join(p.stop(), os.RemoveAll(dir)) }, nil
}

// startProcess starts a server and waits until it is ready.
func startProcess(ctx context.Context, argv ...string) (*process, error) {
	p := &process{done: make(chan struct{}), http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}}
	p.output.address = make(chan string, 1)
	// ctx ends the wait and not the server, which is told to stop and not killed.
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), argv[0], argv[1:]...)
	p.cmd.Stderr = &p.output
	p.cmd.WaitDelay = 5 * time.Second            // for a child of the server that outlives it with its log in hand
	if _, err := p.cmd.StdinPipe(); err != nil { // by its end the plain server knows that nobody wants it any more
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.pid = p.cmd.Process.Pid
	go func() {
		p.exit = p.cmd.Wait()
		close(p.done)
	}()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := p.ready(ctx); err != nil {
		p.kill()
		return nil, fmt.Errorf("%w%s", err, p.output.tail())
	}
	return p, nil
}

func (p *process) ready(ctx context.Context) (err error) {
	select {
	case address := <-p.output.address:
		if p.Client, err = client.New(address, client.Options{HTTPClient: p.http}); err != nil {
			return err
		}
	case <-p.done:
		return fmt.Errorf("the server ended before it listened: %w", p.exit)
	case <-ctx.Done():
		return fmt.Errorf("the server does not listen: %w", ctx.Err())
	}
	for {
		if err = p.Ready(ctx); err == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-p.done:
			return fmt.Errorf("the server ended before it was ready: %w", p.exit)
		case <-ctx.Done():
			return fmt.Errorf("the server is not ready: %w", err)
		}
	}
}

// ended reports whether the process is gone.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill ends the process the hard way. One that has ended is left alone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop asks the process to end, waits for it, and kills it when that takes too
// long. It returns an error unless it ended in good order. What was killed
// before is gone, and no error.
func (p *process) stop() error {
	if p.ended() {
		return nil
	}
	// A server waits for those that were opened and not used: net/http, "Server.Shutdown".
	p.http.CloseIdleConnections()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(stopTime):
		p.kill()
		return fmt.Errorf("the server did not end within %v and was killed%s", stopTime, p.output.tail())
	}
	if p.exit != nil {
		return fmt.Errorf("the server ended badly: %w%s", p.exit, p.output.tail())
	}
	return nil
}

// output takes in what a server writes to standard error: it finds the address
// and keeps the last lines.
type output struct {
	address chan string // receives the address once; holds one

	mu      sync.Mutex
	partial []byte // of a line without its end
	lines   []string
	found   bool
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
	}
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
