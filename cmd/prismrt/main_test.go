package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shell runs commands against a server that answers the given routes.
type shell struct {
	t   *testing.T
	url string

	stdin string
	typed bool // a person sits at standard input

	// What the last command wrote.
	out, err string
}

func newShell(t *testing.T, routes map[string]http.HandlerFunc) *shell {
	t.Helper()
	t.Setenv("PRISM_URL", "")
	t.Setenv("PRISM_KEY", "")
	mux := http.NewServeMux()
	for pattern, handler := range routes {
		mux.HandleFunc(pattern, handler)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("unexpected request %s %s", r.Method, r.URL)
		http.NotFound(w, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return &shell{t: t, url: server.URL}
}

// run runs one command and checks its exit code.
func (s *shell) run(want int, args ...string) {
	s.t.Helper()
	s.runBare(want, append([]string{"--url", s.url}, args...)...)
}

// runBare is run without naming the server.
func (s *shell) runBare(want int, args ...string) {
	s.t.Helper()
	var out, err bytes.Buffer
	got := run(s.t.Context(), &terminal{in: strings.NewReader(s.stdin), out: &out, err: &err, typed: s.typed}, args)
	s.out, s.err = out.String(), err.String()
	if got != want {
		s.t.Fatalf("prismrt %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, want, s.out, s.err)
	}
}

// contains checks that text holds every part.
func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in:\n%s", part, text)
		}
	}
}

// answerJSON writes one JSON value, or a problem document for a status from 400 up.
func answerJSON(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		if status >= 400 {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// writeFile writes a file into dir and returns its path.
func writeFile(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMisuseEndsWithTwoAndSaysWhereHelpIs(t *testing.T) {
	s := newShell(t, nil)
	for _, tt := range []struct {
		args []string
		says []string
	}{
		{nil, []string{`expected one of`, `"prismrt --help"`}},
		{[]string{"frobnicate"}, []string{"frobnicate", `"prismrt --help"`}},
		{[]string{"push"}, []string{"<file>", `"prismrt push --help"`}},
		{[]string{"push", "a.wasm", "--colour"}, []string{"--colour", `"prismrt push --help"`}},
		{[]string{"push", "no/such/file.wasm"}, []string{"no/such/file.wasm"}},
		{[]string{"call", "a", "--timeout", "500"}, []string{"--timeout", "500"}},
		{[]string{"call", "a", "--timeout", "-1s"}, []string{"--timeout"}},
		{[]string{"call", "a", "--data", "@no/such/file"}, []string{"no/such/file"}},
		{[]string{"call", "/handle"}, []string{`"/handle" is not a plugin`}},
		{[]string{"call", "a/"}, []string{`"a/" is not a plugin`}},
		{[]string{"live", "a"}, []string{"<version>"}},
		{[]string{"live", "a", "two"}, []string{"<version>", "two"}},
		{[]string{"live", "a", "0"}, []string{"counted from 1"}},
		{[]string{"runtime", "rm", "cobol"}, []string{`"cobol" is no language`}},
		{[]string{"push", "."}, []string{". is a folder", "prismrt build"}},
		{[]string{"inspect", "."}, []string{". is a folder", "prismrt build"}},
	} {
		s.run(2, tt.args...)
		contains(t, s.err, append(tt.says, "prismrt: ")...)
		if s.out != "" {
			t.Errorf("%q wrote to standard output: %s", tt.args, s.out)
		}
	}
	s.runBare(2, "plugins", "--url", "localhost:8080")
	contains(t, s.err, "PRISM_URL", "localhost:8080", "http://127.0.0.1:8080")
}

func TestHelpIsPrintedAndIsNoFault(t *testing.T) {
	s := newShell(t, nil)
	s.run(0, "--help")
	contains(t, s.out, "push", "call", "plugins", "live", "rm", "version", "PRISM_URL", "PRISM_KEY")
	s.run(0, "push", "--help")
	contains(t, s.out, "Examples:", "prismrt push normalise.wasm", "--no-live", "prism.toml")
	s.run(0, "call", "--help")
	contains(t, s.out, "Examples:", "| prismrt call normalise", "@FILE")
	if s.err != "" {
		t.Errorf("help wrote to standard error: %s", s.err)
	}
}

func TestAServerThatIsNotThereIsNamedWithAWayOut(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	s := newShell(t, nil)
	t.Setenv("PRISM_URL", address)
	s.runBare(1, "plugins")
	want := "prismrt: cannot reach " + address + `: connection refused; is it running? start it with "prismrt serve", or set --url or PRISM_URL` + "\n"
	if s.err != want {
		t.Errorf("it says %q, want %q", s.err, want)
	}
}

func TestAServerThatHangsUpIsNotCalledUnreachable(t *testing.T) {
	s := newShell(t, map[string]http.HandlerFunc{
		"GET /v1/plugins": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	})
	s.run(1, "plugins")
	contains(t, s.err, "prismrt: no answer from "+s.url+": ", "EOF")
}

func TestTheKeyIsSentAndNotShown(t *testing.T) {
	s := newShell(t, map[string]http.HandlerFunc{
		"GET /v1/plugins": func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Authorization"); got != "Bearer hunter2" {
				t.Errorf("Authorization is %q", got)
			}
			answerJSON(401, `{"status":401,"kind":"unauthorised","detail":"no such key"}`)(w, r)
		},
	})
	t.Setenv("PRISM_KEY", "hunter2")
	s.run(1, "plugins")
	contains(t, s.err, "prismrt: unauthorised: no such key")
	s.run(0, "--help")
	if strings.Contains(s.out+s.err, "hunter2") {
		t.Errorf("the key is on the screen:\n%s%s", s.out, s.err)
	}
}

const trap = `{"type":"about:blank","title":"Trapped","status":422,"detail":"unreachable executed","kind":"trap","request_id":"01J",
	"plugin":"a","version":2,"stack":["main.handle","main.parse"],"log":["one","two\u001b[2J"]}`

func TestAFaultShowsKindDetailStackAndLog(t *testing.T) {
	s := newShell(t, map[string]http.HandlerFunc{"POST /v1/plugins/a/invoke": answerJSON(422, trap)})
	s.run(1, "call", "a")
	const want = "prismrt: trap: unreachable executed\n" +
		"  stack\n    main.handle\n    main.parse\n" +
		"  log\n    one\n    two\uFFFD[2J\n" +
		"  a version 2\n  request 01J\n"
	if s.err != want {
		t.Errorf("it says\n%swant\n%s", s.err, want)
	}
	if s.out != "" {
		t.Errorf("a fault wrote to standard output: %q", s.out)
	}
}

func TestAFaultAsJSONIsTheProblemDocument(t *testing.T) {
	s := newShell(t, map[string]http.HandlerFunc{"POST /v1/plugins/a/invoke": answerJSON(422, trap)})
	s.run(1, "call", "a", "--json")
	var got, want any
	if err := json.Unmarshal([]byte(s.out), &got); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, s.out)
	}
	if err := json.Unmarshal([]byte(trap), &want); err != nil {
		t.Fatal(err)
	}
	gotText, _ := json.Marshal(got)
	wantText, _ := json.Marshal(want)
	if !bytes.Equal(gotText, wantText) {
		t.Errorf("the document is\n%s\nwant\n%s", gotText, wantText)
	}
	if s.err != "" {
		t.Errorf("it wrote to standard error, too: %s", s.err)
	}
}

func TestAStackIsCutForPeopleAndWholeForPrograms(t *testing.T) {
	name := strings.Repeat("é", 160)
	s := newShell(t, map[string]http.HandlerFunc{
		"POST /v1/plugins/a/invoke": answerJSON(422, `{"kind":"trap","status":422,"detail":"no","stack":["`+name+`","`+name+`é"]}`),
	})
	s.run(1, "call", "a", "--data", "x")
	contains(t, s.err, "    "+name+"\n", "    "+name+"...\n")
	s.run(1, "call", "a", "--data", "x", "--json")
	contains(t, s.out, name+`é"`)
}
