// Command demo starts a real server, uploads the sample plugin over HTTP, sends
// it market data as exchanges sent them, and shows what came out and what it
// cost. It cleans up after itself, and ends with 1 if a message was lost.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"

	"github.com/marketprism/prismrt/cmd/internal/replay"
	"github.com/marketprism/prismrt/cmd/internal/served"
	"github.com/marketprism/prismrt/sdk/client"
)

// manifest leaves a slow machine time: eight callers may wait for as many births.
const manifest = "[limits]\ntimeout = \"10s\"\n"

// options are the flags.
type options struct {
	server string   // the prismrt binary
	plugin string   // the module to upload
	data   []string // folders of *.ndjson; the first that exists is used
	keep   bool     // leave the server running until Ctrl-C
}

func main() {
	var o options
	flag.StringVar(&o.server, "server", "bin/prismrt", "the prismrt `binary` to start")
	flag.StringVar(&o.plugin, "plugin", "sdk/go/examples/normalise/normalise.wasm", "the `module` to upload")
	data := flag.String("data", "../shared/data/market,sdk/testdata/market", "`folders` of *.ndjson, by commas; the first that exists is used")
	flag.BoolVar(&o.keep, "keep", false, "leave the server running on port 8080, with its data in .data, until Ctrl-C")
	flag.Parse()
	o.data = strings.Split(*data, ",")

	// SIGHUP, too: a server must not outlive the terminal it was started from.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := demo(ctx, o, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo runs the whole of it. The server has ended and its data are gone when it
// returns, unless they were to be kept.
func demo(ctx context.Context, o options, out, log io.Writer) (err error) {
	set, err := replay.Load(o.data)
	if err != nil {
		return err
	}
	module, err := os.ReadFile(o.plugin)
	if err != nil {
		return fmt.Errorf("read the plugin; has it been built? %w", err)
	}
	listen, folder := "127.0.0.1:8080", ".data"
	if !o.keep {
		listen = "127.0.0.1:0"
		if folder, err = os.MkdirTemp("", "prismrt-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	}
	s, err := served.Start(ctx, o.server, "serve", "--listen", listen, "--data", folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()

	name := strings.TrimSuffix(filepath.Base(o.plugin), ".wasm")
	began := time.Now()
	v, _, err := s.Push(ctx, name, module, client.PushOptions{Manifest: []byte(manifest)})
	if err != nil {
		return fmt.Errorf("push %s: %w", o.plugin, err)
	}
	if _, err := fmt.Fprintf(out, "%s\n%s version %d: %s, checked, compiled and started in %v\n%d calls at once\n\n",
		set, v.Name, v.Number, v.ABI, time.Since(began).Round(time.Millisecond), replay.Callers); err != nil {
		return err
	}
	call := func(ctx context.Context, input []byte) (*client.Result, error) {
		return s.Call(ctx, name, input, client.CallOptions{})
	}
	answers, took := replay.Run(ctx, call, set.Messages, progress(len(set.Messages), log))
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	t := count(set.Messages, answers)
	if err := t.write(out, took); err != nil {
		return err
	}
	if o.keep {
		if err := keep(ctx, s, out, log, tryNext(set.Files[0], s.InvokeURL(name, ""))); err != nil {
			return err
		}
	}
	return t.err()
}

// progress returns what to call for every answer: it moves a bar on a terminal.
func progress(total int, log io.Writer) func() {
	f, ok := log.(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) {
		return func() {}
	}
	bar := progressbar.NewOptions(total,
		progressbar.OptionSetWriter(f),
		progressbar.OptionSetDescription("calling"),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(50*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
	// A terminal that cannot be written to is no reason to end the demo.
	return func() { _ = bar.Add(1) }
}

// keep shows the server's log until ctx ends. It fails if the server ends first.
func keep(ctx context.Context, s *served.Process, out, log io.Writer, try string) error {
	if _, err := fmt.Fprintf(out, "\nthe server goes on at %s; try\n\n  %s\n\nCtrl-C ends it\n", s.Address, try); err != nil {
		return err
	}
	s.Forward(log)
	select {
	case <-ctx.Done():
		return nil
	case <-s.Done():
		return errors.New("the server ended by itself")
	}
}

// tryNext returns a command for a POSIX shell that calls the plugin once more.
func tryNext(file, address string) string {
	quoted := "'" + strings.ReplaceAll(file, "'", `'\''`) + "'"
	return fmt.Sprintf("head -1 %s | curl -sS --data-binary @- %s", quoted, address)
}
