package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// folder is where the programs and guests are that the tests build.
var folder string

// binary is the program the tests run, built once the way it is shipped, but that
// it compares all of an instance with its image after each call.
var binary = sync.OnceValues(func() (string, error) { return builtAs("verifying", "-tags", "verify") })

// shipped is the program as it is shipped, for tests of what takes time.
var shipped = sync.OnceValues(func() (string, error) { return builtAs("shipped") })

func builtAs(name string, flags ...string) (string, error) {
	path := filepath.Join(folder, name)
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), ".")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
}

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "prismrt-test-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// server is a running prismrt of its own.
type server struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	log  bytes.Buffer // complete once exited is closed
	exit chan struct{}
	gone chan struct{} // closed when the processes it started have ended, too
}

// start runs prismrt on the data folder until the test ends.
func start(t *testing.T, data string, args ...string) *server {
	t.Helper()
	return startAs(t, binary, data, args...)
}

// startAs is start for a certain build.
func startAs(t *testing.T, build func() (string, error), data string, args ...string) *server {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, exit: make(chan struct{}), gone: make(chan struct{})}
	s.cmd = exec.Command(path, append([]string{"serve", "--listen", "127.0.0.1:0", "--data", data}, args...)...)
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	// The server and all it starts hold one end of a pipe.
	alive, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.ExtraFiles = []*os.File{held}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	held.Close()
	go func() {
		defer close(s.gone)
		_, _ = io.Copy(io.Discard, alive)
		alive.Close()
	}()
	address := make(chan string, 1)
	go func() {
		defer close(s.exit)
		lines := bufio.NewScanner(io.TeeReader(stderr, &s.log))
		for lines.Scan() {
			if _, after, ok := strings.Cut(lines.Text(), "listening on "); ok {
				url, _, _ := strings.Cut(after, `"`)
				address <- url
			}
		}
		_ = s.cmd.Wait()
	}()
	t.Cleanup(func() {
		s.kill()
		<-s.gone // a compiler may still be writing to the data folder
	})
	select {
	case s.url = <-address:
	case <-s.exit:
		t.Fatalf("prismrt did not start:\n%s", &s.log)
	}
	s.await("the server to be ready", func() bool {
		status, _ := s.do("GET", "/readyz", nil)
		return status == http.StatusOK
	})
	return s
}

// kill ends the server the hard way.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.exit
}

// stop ends the server the way an operator does, and returns its exit code.
func (s *server) stop() int {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.exit
	return s.cmd.ProcessState.ExitCode()
}

func (s *server) await(what string, done func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// send makes a request and returns the whole answer. Headers come in pairs.
func (s *server) send(method, path string, body []byte, headers ...string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp, answer, err
}

// do is send for those who want a status and a body; a failed request is status 0.
func (s *server) do(method, path string, body []byte, headers ...string) (int, []byte) {
	resp, answer, err := s.send(method, path, body, headers...)
	if err != nil {
		return 0, []byte(err.Error())
	}
	return resp.StatusCode, answer
}

// upload puts a module and fails the test unless it becomes a new version.
func (s *server) upload(name string, module []byte) {
	s.t.Helper()
	if status, answer := s.do("PUT", "/v1/plugins/"+name, module); status != http.StatusCreated {
		s.t.Fatalf("upload of %s: %d %s", name, status, answer)
	}
}

// uploadPatient is upload for plugins whose calls may wait on a slow machine.
func (s *server) uploadPatient(name string, module []byte) {
	s.t.Helper()
	body, contentType := form(s.t, module, "[limits]\ntimeout = \"30s\"\n")
	if status, answer := s.do("PUT", "/v1/plugins/"+name, body, "Content-Type", contentType); status != http.StatusCreated {
		s.t.Fatalf("upload of %s: %d %s", name, status, answer)
	}
}

// plugin is what the tests look at of GET /v1/plugins/{name}.
type plugin struct {
	Live   int
	Health struct{ State, Reason string }
	Canary *struct {
		Version int
		Share   float64
		Judge   bool
		Own     *struct{ Calls, Faults int } `json:"canary_calls"`
	}
	Takeover *struct {
		From, To int
		At       time.Time
		Reason   string
	}
	LastCanary *struct {
		Version int
		Live    bool
		Reason  string
	} `json:"last_canary"`
	Versions []struct {
		Version int
		Digest  string
	}
	Pool struct{ Lent, Waiting int }
}

func (s *server) plugin(name string) (p plugin) {
	s.t.Helper()
	status, answer := s.do("GET", "/v1/plugins/"+name, nil)
	if err := json.Unmarshal(answer, &p); err != nil || status != http.StatusOK {
		s.t.Fatalf("GET %s: %d %s", name, status, answer)
	}
	return p
}

// problem is an error's body.
type problem struct {
	Type, Title, Detail, Kind string
	RequestID                 string `json:"request_id"`
	Status, Version           int
	Stack, Log                []string
}

// fails makes a request that must be answered by a problem of that status and
// kind whose detail says what is wanted.
func (s *server) fails(status int, kind, detail, method, path string, body []byte, headers ...string) problem {
	s.t.Helper()
	resp, answer, err := s.send(method, path, body, headers...)
	if err != nil {
		s.t.Errorf("%s %s: %v", method, path, err)
		return problem{}
	}
	var p problem
	if err := json.Unmarshal(answer, &p); err != nil {
		s.t.Errorf("%s %s: %d with a body that is no problem document: %s", method, path, resp.StatusCode, answer)
		return p
	}
	if resp.StatusCode != status || p.Status != status || p.Kind != kind || !strings.Contains(p.Detail, detail) {
		s.t.Errorf("%s %s: %d %s %q, want %d %s that says %q", method, path, resp.StatusCode, p.Kind, p.Detail, status, kind, detail)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
		s.t.Errorf("%s %s: Content-Type %q", method, path, got)
	}
	if id := resp.Header.Get("Prism-Request-Id"); p.RequestID == "" || p.RequestID != id || p.Type == "" || p.Title == "" {
		s.t.Errorf("%s %s: problem %+v, request id in the header %q", method, path, p, id)
	}
	return p
}

// built compiles guests once for all tests.
var built struct {
	sync.Mutex
	modules map[string][]byte
}

// build runs a command that makes the file a module is read from.
func build(t *testing.T, file string, env []string, argv ...string) []byte {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if module := built.modules[file]; module != nil {
		return module
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	module, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if built.modules == nil {
		built.modules = make(map[string][]byte)
	}
	built.modules[file] = module
	return module
}

var wasip1 = []string{"GOOS=wasip1", "GOARCH=wasm"}

// obedient is a command that does what its input says (runtime/engine/testdata/guest).
func obedient(t *testing.T) []byte {
	file := filepath.Join(folder, "guest.wasm")
	return build(t, file, wasip1, "go", "build", "-o", file, "../../runtime/engine/testdata/guest")
}

// telling is a module whose handler answers four digits.
func telling(number int) []byte {
	return slices.Concat(
		[]byte{0, 'a', 's', 'm', 1, 0, 0, 0},
		[]byte{1, 10, 2, 0x60, 2, 0x7f, 0x7f, 0, 0x60, 0, 1, 0x7f},
		[]byte{2, 22, 1, 5}, []byte("prism"), []byte{12}, []byte("output_write"), []byte{0, 0},
		[]byte{3, 2, 1, 1, 5, 3, 1, 0, 1},
		[]byte{7, 19, 2, 6}, []byte("memory"), []byte{2, 0, 6}, []byte("handle"), []byte{0, 1},
		[]byte{10, 12, 1, 10, 0, 0x41, 0, 0x41, 4, 0x10, 0, 0x41, 0, 0x0b},
		[]byte{11, 10, 1, 0, 0x41, 0, 0x0b, 4}, fmt.Appendf(nil, "%04d", number),
	)
}

// command runs prismrt and returns what it printed and its exit code.
func command(t *testing.T, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), env...), &out, &errs
	err = cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
