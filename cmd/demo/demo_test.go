package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/marketprism/prismrt/sdk/client"
)

// The test binary stands for prismrt: started as "demo.test serve ...", it acts
// as the variable says.
const act = "DEMO_TEST_SERVER"

func TestMain(m *testing.M) {
	if role := os.Getenv(act); role != "" && len(os.Args) > 1 && os.Args[1] == "serve" {
		os.Exit(actAsServer(role, os.Args[2:]))
	}
	os.Exit(m.Run())
}

// actAsServer is a server in as many lines as the demo needs.
func actAsServer(role string, args []string) int {
	if role == "broken" {
		fmt.Fprintln(os.Stderr, "cannot open the store")
		return 3
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if len(args) != 4 || args[0] != "--listen" || args[2] != "--data" {
		fmt.Fprintln(os.Stderr, "unexpected arguments", args)
		return 2
	}
	if err := os.WriteFile(filepath.Join(args[3], "store"), nil, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	mux := http.NewServeMux()
	var asked atomic.Int64
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("PUT /v1/plugins/{name}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"name":%q,"version":1,"live":true,"abi":"prism"}`, r.PathValue("name"))
	})
	mux.HandleFunc("POST /v1/plugins/normalise/invoke", func(w http.ResponseWriter, r *http.Request) {
		input, _ := io.ReadAll(r.Body)
		switch role {
		case "good":
			w.Header().Set("Server-Timing", "pool;dur=0.010, run;dur=0.250")
			_, _ = fmt.Fprintf(w, "{\"exchange\":\"okx\",\"type\":\"trade\",\"of\":%q}\n", input)
		case "stuck":
			<-r.Context().Done()
		default:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = io.WriteString(w, `{"kind":"guest","detail":"no price"}`)
		}
	})
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(listener) }()
	fmt.Fprintf(os.Stderr, "starting\nlistening on http://%s\n", listener.Addr())
	<-ctx.Done()
	if err := server.Close(); err != nil {
		return 1
	}
	if role == "sore loser" {
		fmt.Fprintln(os.Stderr, "the store is torn")
		return 4
	}
	return 0
}

// stage prepares a demo against a server of a role, with its own folder for
// temporary files.
func stage(t *testing.T, role string) options {
	t.Helper()
	t.Setenv(act, role)
	t.Setenv("TMPDIR", t.TempDir())
	dir := t.TempDir()
	write := func(path, text string) string {
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("testdata/market/b.ndjson", "{\"n\":2}\n\n  {\"n\":3}")
	write("testdata/market/a.ndjson", "{\"n\":1}\n")
	write("testdata/market/NOTICE", "not a message\n")
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return options{
		server: binary,
		plugin: write("normalise.wasm", "\x00asm"),
		data:   []string{filepath.Join(dir, "not-there"), filepath.Join(dir, "testdata/market")},
	}
}

// nothingLeft checks that the folder for temporary files is empty.
func nothingLeft(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		t.Errorf("%s was left behind", entry.Name())
	}
}

func TestTheDemoRunsFromStartToEndAndLeavesNothing(t *testing.T) {
	o := stage(t, "good")
	var out, log bytes.Buffer
	if err := demo(t.Context(), o, &out, &log); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	for _, part := range []string{
		"3 messages from " + o.data[1] + ", the sample of this repository",
		"normalise version 1: prism",
		"okx       trade         3       3        21",
		"server    p50 10µs waiting for an instance, 250µs running the plugin",
		"faults    none",
		"in   {\"n\":1}\n",
		`out  {"exchange":"okx","type":"trade","of":"{\"n\":1}"}`,
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q is missing in\n%s", part, out.String())
		}
	}
	nothingLeft(t)
}

func TestAFaultMakesTheDemoFail(t *testing.T) {
	o := stage(t, "faulty")
	var out, log bytes.Buffer
	err := demo(t.Context(), o, &out, &log)
	if err == nil || err.Error() != "of 3 messages 3 faulted and 0 came back without an event" {
		t.Errorf("the error is %v", err)
	}
	if !strings.Contains(out.String(), "faults    3; the first: guest: no price") {
		t.Errorf("the first fault is not named:\n%s", out.String())
	}
	nothingLeft(t)
}

func TestAServerThatFailsIsReportedWithItsLog(t *testing.T) {
	for role, want := range map[string][]string{
		"broken":     {"the server ended before it listened", "exit status 3", "\n  cannot open the store"},
		"sore loser": {"the server ended badly", "exit status 4", "\n  the store is torn"},
	} {
		t.Run(role, func(t *testing.T) {
			o := stage(t, role)
			var out, log bytes.Buffer
			err := demo(t.Context(), o, &out, &log)
			for _, part := range want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("the error is %v, want %q in it", err, part)
				}
			}
			nothingLeft(t)
		})
	}
}

func TestAnInterruptEndsTheServerToo(t *testing.T) {
	o := stage(t, "stuck")
	ctx, interrupt := context.WithCancel(t.Context())
	var out callback = func([]byte) { interrupt() } // what is printed first comes before the calls
	if err := demo(ctx, o, out, io.Discard); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("the error is %v", err)
	}
	nothingLeft(t)
}

// callback is a writer that is told of every write.
type callback func([]byte)

func (c callback) Write(b []byte) (int, error) {
	c(b)
	return len(b), nil
}

func TestAKeptServerRunsUntilTheInterrupt(t *testing.T) {
	o := stage(t, "good")
	o.keep = true
	t.Chdir(t.TempDir())
	if err := os.Mkdir(".data", 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var out bytes.Buffer
	var mu sync.Mutex
	var probe callback = func(b []byte) {
		mu.Lock()
		defer mu.Unlock()
		out.Write(b)
		_, rest, kept := strings.Cut(string(b), "the server goes on at ")
		if !kept {
			return
		}
		address, _, _ := strings.Cut(rest, ";")
		c, err := client.New(address, client.Options{})
		if err == nil {
			err = c.Ready(ctx)
		}
		if err != nil {
			t.Errorf("the kept server does not answer: %v", err)
		}
		interrupt()
	}
	if err := demo(ctx, o, probe, io.Discard); err != nil {
		t.Errorf("the demo failed: %v", err)
	}
	if want := "head -1 '" + filepath.Join(o.data[1], "a.ndjson") + "' | curl -sS --data-binary @- http://127.0.0.1:"; !strings.Contains(out.String(), want) {
		t.Errorf("%q is missing in\n%s", want, out.String())
	}
	if _, err := os.Stat(".data/store"); err != nil {
		t.Errorf("the data of a kept server are gone: %v", err)
	}
}

func TestTheNextCommandRunsInAShell(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's a $folder")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "a.ndjson")
	if err := os.WriteFile(file, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	command, _, _ := strings.Cut(tryNext(file, "http://h"), "| curl")
	if got, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil || string(got) != "one\n" {
		t.Errorf("%s prints %q, %v", command, got, err)
	}
}
