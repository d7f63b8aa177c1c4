package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// endpoint is a CGI program in C that does what PATH_INFO says.
func endpoint(t *testing.T) []byte {
	t.Helper()
	if _, err := exec.LookPath("clang"); err != nil {
		t.Skip("the guest is written in C and there is no clang; sdk/c/tools.sh, which make test runs, installs it")
	}
	file := filepath.Join(folder, "cgi-c.wasm")
	return build(t, file, nil, "clang", "--target=wasm32-wasi", "-O2", "-Wall", "-Wextra", "-Werror", "-o", file, "testdata/cgi/c/main.c")
}

// serveCGI uploads a program as a CGI one.
func (s *server) serveCGI(name string, module []byte, manifest string) {
	s.t.Helper()
	body, contentType := form(s.t, module, "abi = \"cgi\"\n"+manifest)
	if status, answer := s.do("PUT", "/v1/plugins/"+name, body, "Content-Type", contentType); status != http.StatusCreated {
		s.t.Fatalf("upload: %d %s", status, answer)
	}
}

// begins is what calls of the plugin's live version begin with.
func (s *server) begins(name string) string {
	s.t.Helper()
	_, answer := s.do("GET", "/v1/plugins/"+name, nil)
	for _, begins := range []string{"checkpoint", "start", "anew"} {
		if bytes.Contains(answer, []byte(`"begins":"`+begins+`"`)) || bytes.Contains(answer, []byte(`"begins": "`+begins+`"`)) {
			return begins
		}
	}
	s.t.Fatalf("nothing is said of what calls begin with: %s", answer)
	return ""
}

func TestAProgramAnswersRequests(t *testing.T) {
	s := start(t, t.TempDir())
	s.serveCGI("c", endpoint(t), "")
	if got := s.begins("c"); got != "checkpoint" {
		t.Errorf("calls begin with %q, want its first look at its environment", got)
	}
	everything := make([]byte, 100_000)
	for n := range everything {
		everything[n] = byte(n * n / 7)
	}
	for range 2 { // nothing is left of a request
		resp, answer, err := s.send("PATCH", "/x/c/echo?a=b;c&unknown", everything, "Content-Type", "image/x-noise")
		if err != nil || resp.StatusCode != 200 || !bytes.Equal(answer, everything) {
			t.Fatalf("%v, %v; %d bytes", resp, err, len(answer))
		}
		h := resp.Header
		if h.Get("Content-Type") != "image/x-noise" || h.Get("X-Served") != "1" || h.Get("Content-Length") != "100000" ||
			h.Get("Content-Security-Policy") != "sandbox allow-scripts allow-forms allow-downloads" || h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Prism-Version"), "1 ") {
			t.Errorf("headers %v", h)
		}
	}
	for variable, want := range map[string]string{
		"REQUEST_METHOD": "GET", "SCRIPT_NAME": "/x/c", "PATH_INFO": "/get/PATH_INFO", "QUERY_STRING": "q=%20;", "SERVER_PROTOCOL": "HTTP/1.1",
		"GATEWAY_INTERFACE": "CGI/1.1", "REMOTE_ADDR": "127.0.0.1", "HTTP_X_TAG": "a, b", "CONTENT_LENGTH": "",
		"HTTP_PROXY": "", "HTTP_AUTHORIZATION": "", "HTTP_COOKIE": "", "HTTP_CONNECTION": "",
	} {
		status, answer := s.do("GET", "/x/c/get/"+variable+"?q=%20;", nil,
			"X-Tag", "a, b", "Proxy", "http://evil", "Authorization", "Bearer x", "Cookie", "a=b")
		if status != 200 || string(answer) != want {
			t.Errorf("%s is %d %q, want %q", variable, status, answer, want)
		}
	}
	if status, answer := s.do("GET", "/x/c", nil); status != 404 || string(answer) != "nothing at \n" {
		t.Errorf("the program's own 404: %d %q", status, answer)
	}
	for path, length := range map[string]string{"/x/c/get/REQUEST_METHOD": "4", "/x/c": "12"} {
		resp, answer, err := s.send("HEAD", path, nil)
		if err != nil || len(answer) != 0 || resp.Header.Get("Content-Length") != length {
			t.Errorf("HEAD %s: %v %q, %v", path, resp, answer, err)
		}
	}
}

func TestAProgramsOutputCannotPassForTheServers(t *testing.T) {
	s := start(t, t.TempDir())
	s.serveCGI("c", endpoint(t), "[limits]\noutput = \"200KiB\"\n")
	for output, want := range map[string]string{
		"hello": "no blank line",
		"Content-Type: text/plain\r\nX-A: b\rSet-Cookie: c=d\r\n\r\n":                   "control character",
		"Content-Type: text/plain\nSet-Cookie: session=stolen\n\n":                      "its header Set-Cookie is not passed on",
		"Content-Type: text/plain\nTransfer-Encoding: chunked\n\n0\r\n\r\nHTTP/1.1 200": "its header Transfer-Encoding is not passed on",
		"Content-Type: text/plain\nContent-Length: 2\n\nHTTP/1.1 200 OK":                "its Content-Length is 2",
		"Status: 1000\n\n": "write a number from 200 to 599",
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n":         "write Status: 200 instead",
		"Content-Type: a/b\nX: " + strings.Repeat("x", 70_000) + "\n": "over 65536 bytes",
	} {
		s.fails(502, "guest", want, "POST", "/x/c/raw", []byte(output))
	}
	resp, answer, err := s.send("POST", "/x/c/raw", []byte("Status: 418 teapot\nContent-Type: text/html\nContent-Security-Policy: default-src 'none'\nX-Content-Type-Options: no\n\n<p>"))
	if err != nil || resp.StatusCode != 418 || string(answer) != "<p>" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v %q, %v", resp, answer, err)
	}
	if got := resp.Header.Values("Content-Security-Policy"); len(got) != 2 || !strings.HasPrefix(got[1], "sandbox") || strings.Contains(got[1], "allow-same-origin") {
		t.Errorf("policies %q; want the program's and the server's", got)
	}
	status, answer := s.do("POST", "/x/c/raw", append([]byte("Content-Type: a/b\n\n"), bytes.Repeat([]byte("x"), 150_000)...))
	if status != 200 || len(answer) != 150_000 {
		t.Errorf("a long body: %d and %d bytes", status, len(answer))
	}
	s.fails(502, "too_large", "limits.output", "POST", "/x/c/raw", append([]byte("Content-Type: a/b\n\n"), bytes.Repeat([]byte("x"), 250_000)...))
}

func TestAProgramThatFailsIsABadGateway(t *testing.T) {
	s := start(t, t.TempDir())
	s.serveCGI("c", endpoint(t), "[limits]\ntimeout = \"300ms\"\ninput = \"64KiB\"\n")
	s.fails(502, "trap", "unreachable", "GET", "/x/c/trap", nil)
	if p := s.fails(502, "exit", "exit code 3", "GET", "/x/c/exit", nil); len(p.Log) != 1 || p.Log[0] != "no such luck" {
		t.Errorf("the log is %q", p.Log)
	}
	s.fails(504, "deadline", "300ms", "GET", "/x/c/loop", nil)
	s.fails(504, "deadline", "50ms", "GET", "/x/c/loop", nil, "Prism-Timeout", "50ms")
	s.fails(413, "too_large", "limits.input", "POST", "/x/c/echo", make([]byte, 65<<10))
	s.fails(431, "too_large", "64KiB", "GET", "/x/c/echo", nil, "X-Long", strings.Repeat("x", 70_000))
	s.fails(400, "invalid", "control character", "GET", "/x/c/a%0d%0ab", nil)
	s.fails(403, "forbidden", "another origin", "POST", "/x/c/echo", nil, "Sec-Fetch-Site", "cross-site")
	s.fails(404, "not_found", "no plugin", "GET", "/x/nobody/at/all", nil)
	if status, answer := s.do("GET", "/x/c/get/PATH_INFO", nil); status != 200 || string(answer) != "/get/PATH_INFO" {
		t.Errorf("after all that: %d %q", status, answer)
	}

	s.fails(400, "invalid", "call it at /x/c", "POST", "/v1/plugins/c/invoke", []byte("x"))
	s.fails(400, "invalid", "runs no tasks; call it at /x/c", "POST", "/v1/tasks?plugin=c", []byte("x"))
	s.fails(400, "invalid", "runs no tasks; call it at /x/c", "PUT", "/v1/schedules/hourly", []byte(`{"plugin": "c", "every_ms": 3600000}`))
	s.upload("tell", telling(1))
	s.fails(404, "not_found", "tell is no CGI program (its abi is prism); call it with POST /v1/plugins/tell/invoke", "GET", "/x/tell", nil)
	for manifest, want := range map[string]string{
		"[health]\ninput = \"\"\n":                   "CGI programs do not get",
		"[grants.config]\nHTTP_X_USER = \"admin\"\n": `the key "HTTP_X_USER", which CGI has`,
		"function = \"handle\"\n":                    "is a command, which has none",
	} {
		body, contentType := form(t, endpoint(t), "abi = \"cgi\"\n"+strings.Replace(manifest, "\n[", "\n\n[", 1))
		s.fails(400, "invalid", want, "PUT", "/v1/plugins/bad", body, "Content-Type", contentType)
	}
}

func TestRequestsBesideEachOtherDoNotMix(t *testing.T) {
	s := start(t, t.TempDir())
	s.serveCGI("c", endpoint(t), "[grants.config]\nREGION = \"eu\"\n")
	var clients sync.WaitGroup
	for client := range 8 {
		clients.Go(func() {
			for n := range 50 {
				tag := fmt.Sprintf("%d-%d", client, n)
				if status, answer := s.do("GET", "/x/c/get/HTTP_X_TAG", nil, "X-Tag", tag); status != 200 || string(answer) != tag {
					t.Errorf("%s: %d %q", tag, status, answer)
				}
			}
		})
	}
	clients.Wait()
	if status, answer := s.do("GET", "/x/c/get/REGION", nil); status != 200 || string(answer) != "eu" {
		t.Errorf("what the operator granted: %d %q", status, answer)
	}
	if status, answer := s.do("GET", "/x/c/get/HTTP_X_TAG", nil); status != 200 || len(answer) != 0 {
		t.Errorf("a header of nobody: %d %q", status, answer)
	}
}

func TestAProgramThatKnowsOnlyCGIIsServedAsItIs(t *testing.T) {
	file := filepath.Join(folder, "cgi-go.wasm")
	module := build(t, file, wasip1, "go", "build", "-o", file, "./testdata/cgi/go")
	config := filepath.Join(t.TempDir(), "runtime.toml")
	writeFile(t, config, "[default]\ntimeout = \"30s\"\n")
	s := start(t, t.TempDir(), "--config", config)
	s.serveCGI("go", module, "")
	if got := s.begins("go"); got != "checkpoint" {
		t.Errorf("calls begin with %q", got)
	}
	var clients sync.WaitGroup
	for client := range 4 {
		clients.Go(func() {
			tag := fmt.Sprint("t", client)
			resp, answer, err := s.send("POST", "/x/go/a%20b?q="+tag, []byte("body of "+tag), "X-Tag", tag)
			want := "1 POST " + s.url + "/x/go/a%20b?q=" + tag + " tag=" + tag + " body of " + tag
			if err != nil || resp.StatusCode != http.StatusAccepted || string(answer) != want || resp.Header.Get("X-Tag") != tag {
				t.Errorf("%v %q, %v; want %q", resp, answer, err, want)
			}
		})
	}
	clients.Wait()
}

func TestARequestWithAPathThatNoClientWouldSendHarmsNothing(t *testing.T) {
	s := start(t, t.TempDir())
	s.serveCGI("c", endpoint(t), "")
	for _, target := range []string{"/x/c/../../v1/plugins", "/x/c//", "/x/c/%2e%2e/%2e%2e/v1", "/x/../v1/plugins", "/x/", "/x//a", "/x/%63/get/A"} {
		conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", target)
		answer, err := io.ReadAll(conn)
		conn.Close()
		if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.0 404")) {
			t.Errorf("%s: %.200q, %v", target, answer, err)
		}
	}
}
