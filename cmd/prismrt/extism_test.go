package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/BurntSushi/toml"
)

// extismModules is the Go module in which Extism's own test plug-ins are.
const extismModules = "github.com/extism/go-sdk@v1.7.1"

// extismFolder is where it was downloaded to, without being required.
var extismFolder = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(folder, "extism")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module plugins\ngo 1.26\n"), 0o600); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "mod", "download", "-json", extismModules)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	var module struct{ Dir string }
	err = json.Unmarshal(out, &module)
	return filepath.Join(module.Dir, "wasm"), err
})

func extismPlugin(t *testing.T, name string) []byte {
	t.Helper()
	dir, err := extismFolder()
	if err != nil {
		t.Skipf("%s cannot be had: %v", extismModules, err)
	}
	if name == "throw.wasm" { // which is not there
		return extismGuest(t, "throw")
	}
	module, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// extismGuest is one of testdata/extism.
func extismGuest(t *testing.T, name string) []byte {
	file := filepath.Join(folder, "extism-"+name+".wasm")
	return build(t, file, nil, "clang", "--target=wasm32-wasi", "-O2", "-std=c11", "-Wall", "-Wextra", "-Werror", "-mexec-model=reactor",
		"-nostdlib", "-Wl,--no-entry", "-o", file, "testdata/extism/"+name+".c")
}

// extismCase is one of shared/extism/cases.json.
type extismCase struct {
	ID        string
	Wasm      []string
	WasmNames []string `json:"wasm_names"`
	Config    map[string]string
	Functions []string             `json:"host_functions"`
	Hosts     []string             `json:"allowed_hosts"`
	Paths     map[string]string    `json:"allowed_paths"`
	LogLevel  string               `json:"log_level"`
	TimeoutMS int                  `json:"timeout_ms"`
	MaxVars   *int                 `json:"max_var_bytes"`
	Vars      map[string][]byte    `json:"vars_before_b64"`
	Elsewhere *struct{ Skip bool } `json:"expected_elsewhere"`
	Calls     []struct {
		Function, Input, Output, Error, Stdout string
		OutputLen                              int    `json:"output_len"`
		OutputB64                              []byte `json:"output_b64"`
		RC                                     uint32
		Logs                                   []string
		Vars                                   map[string][]byte `json:"vars_after_b64"`
	}
}

// deviations are the cases that come out otherwise here, with what comes instead.
var deviations = map[string]struct{ why, upload, kind, detail string }{
	"observe_c":         {why: "the host module dylibso_observe is no part of the ABI", upload: "instrumented for Dylibso's Observe SDK"},
	"http_denied_other": {why: "anybody may own a name under google.*", upload: `grants.http: "google.*" cannot be a host`},
	"fs_tinygo":         {why: "the sandbox has no directories", kind: "guest", detail: "returned 1"},
	"fs_std_go_reactor": {why: "the sandbox has no directories", kind: "guest", detail: "returned 1"},
	"fs_ro":             {why: "the sandbox has no directories", kind: "guest", detail: "failed to find a pre-opened file descriptor"},
	"fs_rw":             {why: "the sandbox has no directories", kind: "guest", detail: "failed to find a pre-opened file descriptor"},
}

// manifest is what the case asks of its host.
func (c *extismCase) manifest() string {
	log := c.LogLevel
	if log == "" {
		log = "off"
	}
	timeout := 30_000
	if c.TimeoutMS > 0 {
		timeout = c.TimeoutMS
	}
	m := map[string]any{"abi": "extism", "log": log, "limits": map[string]any{"timeout": fmt.Sprintf("%dms", timeout)}}
	grants := map[string]any{"http": c.Hosts}
	if c.Config != nil {
		grants["config"] = c.Config
	}
	if c.MaxVars != nil {
		grants["vars"] = fmt.Sprintf("%dB", *c.MaxVars)
	}
	m["grants"] = grants
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(m); err != nil {
		panic(err)
	}
	return b.String()
}

// parts are the modules of the case: the plug-in, and what it is linked with.
func (c *extismCase) parts(t *testing.T) map[string][]byte {
	parts := make(map[string][]byte)
	for n, file := range c.Wasm {
		name := "module"
		if n < len(c.Wasm)-1 {
			name += "." + c.WasmNames[n]
		}
		parts[name] = extismPlugin(t, file)
	}
	for _, f := range c.Functions {
		module := f[:strings.LastIndex(f, ".")]
		parts["module."+module] = extismGuest(t, "functions")
	}
	return parts
}

func formOf(t *testing.T, parts map[string][]byte) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		part, err := w.CreateFormField(name)
		if err != nil {
			t.Fatal(err)
		}
		part.Write(parts[name])
	}
	w.Close()
	return b.Bytes(), w.FormDataContentType()
}

// extismAnswer is what a call came to.
type extismAnswer struct {
	status int
	output []byte
	problem
	logs   []string // "LEVEL: text"
	stdout string
}

// invoked calls at once; logs are not told of.
func (s *server) invoked(plugin, function string, input []byte, session string) (a extismAnswer) {
	s.t.Helper()
	headers := []string{}
	if session != "" {
		headers = []string{"Prism-Session", session}
	}
	s.await("a turn", func() bool { // which a server that has too much to do refuses
		a.status, a.output = s.do("POST", "/v1/plugins/"+plugin+"/invoke/"+function, input, headers...)
		return a.status != http.StatusServiceUnavailable
	})
	if a.status != http.StatusOK {
		if err := json.Unmarshal(a.output, &a.problem); err != nil {
			s.t.Errorf("%s: %v in %s", plugin, err, a.output)
		}
		a.output = nil
	}
	return a
}

// queued has a durable task do it.
func (s *server) queued(query string, input []byte, session string) (a extismAnswer) {
	s.t.Helper()
	var submitted struct{ ID string }
	status, answer := s.do("POST", "/v1/tasks?retries=0&"+query, input, "Prism-Session", session)
	if err := json.Unmarshal(answer, &submitted); err != nil || status != http.StatusAccepted {
		s.t.Errorf("submit %s: %d %s", query, status, answer)
		return a
	}
	a.status, a.output = s.do("GET", "/v1/tasks/"+submitted.ID+"/result?wait=60s", nil)
	if a.status != http.StatusOK {
		if err := json.Unmarshal(a.output, &a.problem); err != nil {
			s.t.Errorf("%s: %d %s", query, a.status, a.output)
		}
		a.output = nil
	}
	var events []struct{ Type, Level, Message string }
	_, all := s.do("GET", "/v1/tasks/"+submitted.ID+"/events", nil, "Accept", "application/json")
	if err := json.Unmarshal(all, &events); err != nil {
		s.t.Errorf("%s: %s", query, all)
	}
	for _, e := range events {
		// Of a task that has ended, the level is in the message.
		level, text, levelled := strings.Cut(e.Message, ": ")
		switch {
		case e.Type != "log":
		case e.Level == "" && levelled && slices.Contains([]string{"trace", "debug", "info", "warn", "error"}, level):
			a.logs = append(a.logs, strings.ToUpper(level)+": "+text)
		case e.Level == "":
			a.stdout += e.Message + "\n"
		default:
			a.logs = append(a.logs, strings.ToUpper(e.Level)+": "+e.Message)
		}
	}
	return a
}

// run does the calls of a case in a session of its own, and compares.
func (c *extismCase) run(t *testing.T, s *server, session string, durably bool) {
	errorf := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s, session %s: %s", c.ID, session, fmt.Sprintf(format, args...))
	}
	for name, value := range c.Vars {
		if a := s.queued("version=1&function=set&plugin="+c.ID, slices.Concat([]byte(name), []byte{0}, value), session); a.status != http.StatusOK {
			errorf("set %s: %+v", name, a)
		}
	}
	for n, call := range c.Calls {
		var a extismAnswer
		if durably {
			a = s.queued("plugin="+c.ID+"&function="+call.Function, []byte(call.Input), session)
			if !slices.Equal(a.logs, call.Logs) || a.stdout != call.Stdout {
				errorf("call %d logged %q and printed %q, want %q and %q", n, a.logs, a.stdout, call.Logs, call.Stdout)
			}
		} else {
			a = s.invoked(c.ID, call.Function, []byte(call.Input), session)
		}
		c.judge(errorf, n, a)
		for name, want := range call.Vars {
			if a := s.queued("version=1&function=get&plugin="+c.ID, []byte(name), session); !bytes.Equal(a.output, want) {
				errorf("call %d left %s as %q (%+v), want %q", n, name, a.output, a.problem, want)
			}
		}
	}
}

// judge compares an answer with the case's, by what the cases say of how to.
func (c *extismCase) judge(errorf func(string, ...any), n int, a extismAnswer) {
	call := c.Calls[n]
	if d, deviates := deviations[c.ID]; deviates {
		if a.Kind != d.kind || !strings.Contains(a.Detail, d.detail) {
			errorf("call %d: %d %s %q, want %s and %q, since %s", n, a.status, a.Kind, a.Detail, d.kind, d.detail, d.why)
		}
		return
	}
	if call.RC == 0 {
		want := []byte(call.Output)
		if call.OutputB64 != nil {
			want = call.OutputB64
		}
		if a.status != http.StatusOK || !bytes.Equal(a.output, want) || len(a.output) != call.OutputLen {
			errorf("call %d: %d %q, %s %q; want %q", n, a.status, a.output, a.Kind, a.Detail, want)
		}
		return
	}
	text, _, _ := strings.Cut(call.Error, "\n")
	kind, detail := "guest", text
	switch { // what other hosts say in words of their own
	case strings.HasPrefix(text, "unknown function"):
		kind, detail = "not_found", call.Function
	case strings.Contains(text, "deadline"):
		kind, detail = "deadline", "deadline of"
	case strings.HasPrefix(text, "module closed"):
		kind, detail = "exit", fmt.Sprintf("exit code %d", call.RC)
	case strings.HasPrefix(text, "HTTP request to"):
		kind, detail = "trap", "is not allowed"
	case strings.HasPrefix(text, "Vars are disabled"):
		kind, detail = "trap", "vars are off"
	}
	if a.Kind != kind || !strings.Contains(a.Detail, detail) || kind == "guest" && a.Detail != text {
		errorf("call %d: %d %s %q, want %s and %q", n, a.status, a.Kind, a.Detail, kind, detail)
	}
}

// TestExtismPluginsDoAsElsewhere does all cases: each twice in a row, once more as durable tasks
// and several times side by side.
func TestExtismPluginsDoAsElsewhere(t *testing.T) {
	text, err := os.ReadFile("../../../shared/extism/cases.json")
	if err != nil {
		t.Skipf("the recorded cases are kept beside the repository: %v", err)
	}
	var cases struct{ Cases []*extismCase }
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	s := start(t, t.TempDir())
	for _, c := range cases.Cases {
		t.Run(c.ID, func(t *testing.T) {
			s := *s
			s.t = t
			parts := c.parts(t)
			if c.usesVars() {
				s.upload(c.ID, extismGuest(t, "vars"))
			}
			parts["manifest"] = []byte(c.manifest())
			body, contentType := formOf(t, parts)
			d := deviations[c.ID]
			status, answer := s.do("PUT", "/v1/plugins/"+c.ID, body, "Content-Type", contentType)
			if d.upload != "" {
				if status != http.StatusBadRequest || !strings.Contains(string(answer), strings.ReplaceAll(d.upload, `"`, `\"`)) {
					t.Errorf("upload: %d %s, want one that is refused with %q", status, answer, d.upload)
				}
				t.Logf("not as elsewhere: %s", d.why)
				return
			}
			if status != http.StatusCreated {
				t.Fatalf("upload: %d %s", status, answer)
			}
			c.run(t, &s, "first", false)
			c.run(t, &s, "second", false)
			c.run(t, &s, "task", true)
			var wg sync.WaitGroup
			for n := range 4 {
				wg.Go(func() { c.run(t, &s, fmt.Sprintf("beside %d", n), n == 0) })
			}
			wg.Wait()
			if d.why != "" {
				t.Logf("not as elsewhere: %s", d.why)
			}
		})
	}
	if len(cases.Cases) != 39 {
		t.Errorf("%d cases, want 39", len(cases.Cases))
	}
}

func (c *extismCase) usesVars() bool {
	for _, call := range c.Calls {
		if call.Vars != nil {
			return true
		}
	}
	return c.Vars != nil
}
