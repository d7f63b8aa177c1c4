// Package served starts servers in processes of their own, for commands that measure
// them: it waits until they are ready, tells what they take of memory and processor
// time, and ends them.
package served

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/marketprism/prismrt/sdk/client"
)

const (
	startTime = 30 * time.Second // for a server to listen and be ready
	stopTime  = 30 * time.Second // for it to end after SIGTERM
	tailLines = 20               // of a server's log, shown when it fails

	connections = 64 // of the client that are kept for the next call
)

// Process is a server that was started, and a client of it.
type Process struct {
	*client.Client
	Address string // http://host:port
	PID     int

	cmd    *exec.Cmd
	http   *http.Client
	output output
	done   chan struct{} // closed when it has ended
	exit   error         // how; read it after done
}

// Prismrt starts a prismrt with its data in a new folder, which stop removes. The
// settings are a runtime.toml.
func Prismrt(ctx context.Context, binary, settings string) (p *Process, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "prismrt-served-")
	if err != nil {
		return nil, nil, err
	}
	file := filepath.Join(dir, "runtime.toml")
	if err = os.WriteFile(file, []byte(settings), 0o600); err == nil {
		p, err = Start(ctx, binary, "serve", "--config", file, "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data"))
	}
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return p, func() error { return errors.Join(p.Stop(), os.RemoveAll(dir)) }, nil
}

// Start starts a server and waits until it is ready: until it has written "listening
// on" and its address to standard error, and answers /readyz. Its standard input
// ends with this process, so that it need not outlive it.
func Start(ctx context.Context, argv ...string) (*Process, error) {
	p := &Process{done: make(chan struct{}), http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}}
	p.output.address = make(chan string, 1)
	// ctx ends the wait and not the server, which is told to stop and not killed.
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), argv[0], argv[1:]...)
	p.cmd.SysProcAttr = ownGroup()
	p.cmd.Stderr = &p.output
	p.cmd.WaitDelay = 5 * time.Second            // for a child of the server that outlives it with its log in hand
	if _, err := p.cmd.StdinPipe(); err != nil { // by its end the plain server knows that nobody wants it any more
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server; has it been built? %w", err)
	}
	p.PID = p.cmd.Process.Pid
	go func() {
		p.exit = p.cmd.Wait()
		close(p.done)
	}()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := p.ready(ctx); err != nil {
		p.Kill()
		return nil, fmt.Errorf("%w%s", err, p.output.tail())
	}
	return p, nil
}

func (p *Process) ready(ctx context.Context) (err error) {
	select {
	case p.Address = <-p.output.address:
		if p.Client, err = client.New(p.Address, client.Options{HTTPClient: p.http}); err != nil {
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

// Forward passes the lines of its log to come on to w.
func (p *Process) Forward(w io.Writer) { p.output.forward(w) }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Ended reports whether the process is gone.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Exit returns how the process ended, nil also while it has not.
func (p *Process) Exit() error {
	if p.Ended() {
		return p.exit
	}
	return nil
}

// Tail returns the last lines of the log, each on a line of its own and indented.
func (p *Process) Tail() string { return p.output.tail() }

// Kill ends the process the hard way. One that has ended is left alone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Stop asks the process to end, waits for it, and kills it when that takes too
// long. It returns an error unless it ended in good order. What was killed
// before is gone, and no error.
func (p *Process) Stop() error {
	if p.Ended() {
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
		p.Kill()
		return fmt.Errorf("the server did not end within %v and was killed%s", stopTime, p.output.tail())
	}
	if p.exit != nil {
		return fmt.Errorf("the server ended badly: %w%s", p.exit, p.output.tail())
	}
	return nil
}
