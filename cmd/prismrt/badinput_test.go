package main_test

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// form makes an upload of a module and a manifest.
func form(t *testing.T, module []byte, manifest string) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, content := range map[string][]byte{"module": module, "manifest": []byte(manifest)} {
		if content == nil {
			continue
		}
		part, err := w.CreateFormFile(name, name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), w.FormDataContentType()
}

// start of a module that exports _start: (type () -> ()), one function.
var startOnly = slices.Concat([]byte{0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 7, 10, 1, 6}, []byte("_start"), []byte{0, 0})

// hugeLocals declares four billion locals, which the compiler cannot survive.
var hugeLocals = slices.Concat(startOnly, []byte{10, 10, 1, 8, 1, 0xf0, 0xff, 0xff, 0xff, 0x0f, 0x7f, 0x0b})

func TestTheCompilersProcessIsConfined(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	run := func(module []byte, args ...string) (string, int) {
		cmd := exec.CommandContext(t.Context(), path, append([]string{"compile-module"}, append(args, t.TempDir())...)...)
		var out bytes.Buffer
		cmd.Stderr = &out
		stdin, err := cmd.StdinPipe() // stays open until Wait, as the server's does
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_, _ = stdin.Write(append(length(len(module)), module...))
		_ = cmd.Wait()
		return out.String(), cmd.ProcessState.ExitCode()
	}
	if out, code := run(telling(1), "--memory", "4294967296", "--cpu", "10s"); code != 0 {
		t.Errorf("a good module: exit code %d, %s", code, out)
	}
	if out, code := run(hugeLocals, "--memory", "4294967296", "--cpu", "10s"); code != 2 || !strings.Contains(out, "memory") {
		t.Errorf("four billion locals: exit code %d, %.300s", code, out)
	}
}

// length is a module's length as the compiler reads it.
func length(n int) []byte { return []byte{0, 0, 0, 0, 0, 0, byte(n >> 8), byte(n)} }

func TestBadUploadsAreRefusedAndHarmNothing(t *testing.T) {
	config := filepath.Join(t.TempDir(), "runtime.toml")
	writeFile(t, config, "[upload]\nstart_timeout = \"300ms\"\n")
	s := start(t, t.TempDir(), "--config", config)
	s.upload("tell", telling(1))

	endless := []byte{
		0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 7, 10, 1, 6, '_', 's', 't', 'a', 'r', 't', 0, 0,
		8, 1, 0, 10, 9, 1, 7, 0, 3, 0x40, 0x0c, 0, 0x0b, 0x0b,
	}
	unknownImport := slices.Concat([]byte{0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 2, 12, 1, 3}, []byte("env\x04boom"), []byte{0, 0},
		[]byte{3, 2, 1, 0, 7, 10, 1, 6}, []byte("_start"), []byte{0, 1, 10, 4, 1, 2, 0, 0x0b})
	for name, tt := range map[string]struct {
		module       []byte
		status       int
		kind, detail string
	}{
		"empty":            {nil, 400, "invalid", "the module is empty"},
		"text":             {[]byte("console.log('hello')"), 400, "invalid", "upload the .wasm file"},
		"truncated":        {telling(1)[:40], 400, "invalid", "truncated"},
		"cut in its code":  {telling(1)[:len(telling(1))-20], 400, "invalid", "truncated"},
		"a component":      {[]byte("\x00asm\x0d\x00\x01\x00"), 400, "invalid", "component"},
		"unknown import":   {unknownImport, 400, "invalid", "env.boom"},
		"invalid code":     {slices.Concat(startOnly, []byte{10, 5, 1, 3, 0, 0x6a, 0x0b}), 400, "invalid", "does not compile"},
		"4 billion locals": {hugeLocals, 400, "invalid", "4294967280 locals are over the limit"},
		"endless start":    {endless, 504, "deadline", "while it started"},
		"over the limit":   {make([]byte, 64<<20+1), 413, "too_large", "64MiB"},
	} {
		t.Log(name)
		s.fails(tt.status, tt.kind, tt.detail, "PUT", "/v1/plugins/bad", tt.module)
	}

	manifested := func(status int, kind, detail, manifest string) {
		t.Helper()
		body, contentType := form(t, telling(1), manifest)
		s.fails(status, kind, detail, "PUT", "/v1/plugins/bad", body, "Content-Type", contentType)
	}
	manifested(400, "invalid", "unknown key limits.feul", "[limits]\nfeul = 1")
	manifested(400, "invalid", "unknown key limits.feul", `{"limits": {"feul": 1}}`)
	manifested(400, "invalid", "line 1", "this is no TOML")
	manifested(400, "invalid", "limits.memory is 2TiB", "[limits]\nmemory = \"2TiB\"")
	manifested(400, "invalid", `name is "other"`, `name = "other"`)
	manifested(413, "too_large", "64KiB", "# "+strings.Repeat("x", 64<<10))
	body, contentType := form(t, nil, "")
	s.fails(400, "invalid", `no part "module"`, "PUT", "/v1/plugins/bad", body, "Content-Type", contentType)
	s.fails(400, "invalid", "the form cannot be read", "PUT", "/v1/plugins/bad", body, "Content-Type", "multipart/form-data")

	s.fails(404, "not_found", "holds no slash", "PUT", "/v1/plugins/a/b", telling(1))
	s.fails(400, "invalid", "cannot name a plugin", "PUT", "/v1/plugins/a%2Fb", telling(1))
	s.fails(400, "invalid", "cannot name a plugin", "PUT", "/v1/plugins/Upper", telling(1))
	s.fails(400, "invalid", "cannot name a plugin", "PUT", "/v1/plugins/"+strings.Repeat("x", 64), telling(1))
	s.fails(400, "invalid", `window is "1h"; write a duration from 1s to 15m0s`, "GET", "/v1/bottlenecks?window=1h", nil)
	s.fails(400, "invalid", `window is "now"`, "GET", "/v1/bottlenecks?window=now", nil)
	s.fails(400, "invalid", `unknown query parameter "lvie"`, "PUT", "/v1/plugins/bad?lvie=false", telling(1))
	s.fails(400, "invalid", "write true or false", "PUT", "/v1/plugins/bad?live=maybe", telling(1))

	s.fails(404, "not_found", `no plugin "bad"`, "GET", "/v1/plugins/bad", nil)
	if status, answer := s.do("POST", "/v1/plugins/tell/invoke", nil); status != http.StatusOK || string(answer) != "0001" {
		t.Errorf("after all that a good plugin answers %d %s", status, answer)
	}
}

func TestBadCallsAreRefusedAndHarmNothing(t *testing.T) {
	s := start(t, t.TempDir())
	body, contentType := form(t, obedient(t), "[limits]\ninput = \"1KiB\"\noutput = \"64KiB\"\nmemory = \"16MiB\"\ntimeout = \"4s\"\nfuel = 10_000_000_000_000\n[grants]\nconfig = {REGION = \"eu\"}")
	if status, answer := s.do("PUT", "/v1/plugins/guest", body, "Content-Type", contentType); status != http.StatusCreated {
		t.Fatalf("upload: %d %s", status, answer)
	}
	const invoke = "/v1/plugins/guest/invoke"
	s.fails(404, "not_found", `no plugin "absent"`, "POST", "/v1/plugins/absent/invoke", nil)
	s.fails(404, "not_found", "is a command", "POST", invoke+"/other", []byte("upper a"))
	s.fails(413, "too_large", "limits.input of guest, which is 1KiB", "POST", invoke, make([]byte, 1025))
	s.fails(413, "too_large", "limit of 64KiB", "POST", invoke, []byte("flood"))
	s.fails(504, "deadline", "100ms", "POST", invoke, []byte("loop"), "Prism-Timeout", "100ms")
	s.fails(504, "deadline", "100ms", "POST", invoke, []byte("sleep 1h"), "Prism-Timeout", "100ms")
	s.fails(504, "deadline", "4s", "POST", invoke, []byte("loop"), "Prism-Timeout", "10h")
	s.fails(422, "memory", "16MiB", "POST", invoke, []byte("grow"))
	s.fails(400, "invalid", "Prism-Timeout", "POST", invoke, nil, "Prism-Timeout", "100")
	s.fails(400, "invalid", "Prism-Timeout", "POST", invoke, nil, "Prism-Timeout", "-1s")
	s.fails(400, "invalid", "none are known here", "POST", invoke+"?x=1", nil)
	s.fails(405, "invalid", "GET is not possible", "GET", invoke, nil)
	s.fails(404, "not_found", "under /v1", "GET", "/v2/plugins", nil)

	p := s.fails(422, "exit", "exit code 2", "POST", invoke, []byte("panic ouch"))
	if len(p.Log) == 0 || !strings.Contains(p.Log[0], "panic: ouch") || p.Version != 1 {
		t.Errorf("a panic's problem %+v", p)
	}

	s.fails(404, "not_found", "has no version 7", "POST", "/v1/plugins/guest/live", []byte(`{"version": 7}`))
	s.fails(400, "invalid", `unknown field "shaer"`, "POST", "/v1/plugins/guest/live", []byte(`{"version": 1, "shaer": 0.1}`))
	s.fails(400, "invalid", "give a share", "POST", "/v1/plugins/guest/live", []byte(`{"version": 1, "judge": true}`))
	s.fails(400, "invalid", "from 0.0001 to 0.9999", "POST", "/v1/plugins/guest/live", []byte(`{"version": 1, "share": 1}`))
	s.fails(409, "conflict", "version 1 is the live one", "POST", "/v1/plugins/guest/live", []byte(`{"version": 1, "share": 0.1}`))
	s.fails(400, "invalid", "must name a version", "POST", "/v1/plugins/guest/live", []byte(`{}`))
	s.fails(400, "invalid", "not the JSON", "POST", "/v1/plugins/guest/live", []byte(`two`))
	s.fails(400, "invalid", "not the number", "GET", "/v1/plugins/guest/versions/two/module", nil)

	if status, answer := s.do("POST", invoke, []byte("env REGION")); status != http.StatusOK || string(answer) != "eu guest" {
		t.Errorf("after all that a good call answers %d %s", status, answer)
	}
}

func TestATrapTellsTheGuestsStack(t *testing.T) {
	s := start(t, t.TempDir())
	// (func $explode unreachable) (func $outer call $explode), named.
	trapping := slices.Concat(
		[]byte{0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 3, 2, 0, 0},
		[]byte{7, 10, 1, 6}, []byte("_start"), []byte{0, 1},
		[]byte{10, 10, 2, 3, 0, 0x00, 0x0b, 4, 0, 0x10, 0, 0x0b},
		[]byte{0, 24, 4}, []byte("name"), []byte{1, 17, 2, 0, 7}, []byte("explode"), []byte{1, 5}, []byte("outer"),
	)
	s.upload("trap", trapping)
	p := s.fails(422, "trap", "unreachable", "POST", "/v1/plugins/trap/invoke", nil)
	if !slices.Equal(p.Stack, []string{"explode()", "outer()"}) {
		t.Errorf("stack %q", p.Stack)
	}
}

func TestWebPagesOfOthersCannotUseTheServer(t *testing.T) {
	s := start(t, t.TempDir())
	s.upload("tell", telling(1))
	s.fails(403, "forbidden", "another origin", "POST", "/v1/plugins/tell/invoke", nil, "Sec-Fetch-Site", "cross-site")
	s.fails(403, "forbidden", "another origin", "POST", "/v1/plugins/tell/invoke", nil, "Origin", "https://example.com")

	// A name that was made to point here (DNS rebinding).
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/v1/plugins", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "rebound.example.com"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("another name's page got %d", resp.StatusCode)
	}
}

func TestASlowBodyIsNotWaitedForForEver(t *testing.T) {
	config := filepath.Join(t.TempDir(), "runtime.toml")
	writeFile(t, config, "[server]\nbody_timeout = \"200ms\"\n")
	s := start(t, t.TempDir(), "--config", config)
	s.upload("tell", telling(1))
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/plugins/tell/invoke HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64)
	n, err := conn.Read(b)
	if !strings.HasPrefix(string(b[:n]), "HTTP/1.1 408 ") {
		t.Errorf("answer %q, %v", b[:n], err)
	}
}
