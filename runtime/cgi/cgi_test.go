package cgi_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/runtime/cgi"
	"github.com/marketprism/prismrt/runtime/task"
)

func TestARequestIsSaidInVariables(t *testing.T) {
	r := httptest.NewRequest("POST", "http://localhost:8080/x/shop/a%2Fb%20c?q=1&r=%20", nil)
	r.RemoteAddr = "[::1]:4711"
	r.Header = http.Header{
		"Content-Type": {"text/csv"}, "X-Many": {"one", "two"}, "Accept-Language": {"en"},
		"Proxy": {"evil"}, "Authorization": {"Bearer key"}, "Cookie": {"a=b"}, "Proxy-Authorization": {"x"}, "Te": {"trailers"}, "Upgrade": {"h2c"},
		"Connection": {"close, X-Mine"}, "X-Mine": {"hop"}, "X_many": {"spoofed"},
	}
	got, err := cgi.Environ(r, "/x/shop", 7)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"GATEWAY_INTERFACE=CGI/1.1", "SERVER_SOFTWARE=prismrt", "SERVER_PROTOCOL=HTTP/1.1", "SERVER_NAME=localhost", "SERVER_PORT=8080",
		"REQUEST_METHOD=POST", "REQUEST_URI=/x/shop/a%2Fb%20c?q=1&r=%20", "SCRIPT_NAME=/x/shop", "PATH_INFO=/a/b c", "QUERY_STRING=q=1&r=%20",
		"REMOTE_ADDR=::1", "REMOTE_HOST=::1", "REMOTE_PORT=4711", "CONTENT_TYPE=text/csv", "CONTENT_LENGTH=7",
		"HTTP_HOST=localhost:8080", "HTTP_ACCEPT_LANGUAGE=en", "HTTP_X_MANY=one, two",
	}
	if !slices.Equal(got, want) {
		t.Errorf("it is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, v := range got {
		if name, _, _ := strings.Cut(v, "="); !cgi.IsMetaVariable(name) {
			t.Errorf("%s is not known as the request's", name)
		}
	}
}

func TestWhatCannotBeAVariableIsRefused(t *testing.T) {
	r := httptest.NewRequest("GET", "/x/shop/a", nil)
	for path, want := range map[string]task.Kind{"/x/shop/a\x00b": task.KindInvalid, "/x/shop/a\r\nSet-Cookie: a=b": task.KindInvalid, "/x/shop/ä": ""} {
		r.URL.Path = path
		if _, err := cgi.Environ(r, "/x/shop", 0); (err == nil) != (want == "") || err != nil && task.FaultOf(err).Kind != want {
			t.Errorf("%q: %v", path, err)
		}
	}
	r.URL.Path = "/x/shop"
	r.Header.Set("X-Long", strings.Repeat("x", cgi.MaxEnviron))
	if _, err := cgi.Environ(r, "/x/shop", 0); err == nil || task.FaultOf(err).Kind != task.KindTooLarge {
		t.Errorf("long headers: %v", err)
	}
}

func TestOutputIsTakenForAnAnswer(t *testing.T) {
	for name, tt := range map[string]struct {
		output, method string
		status         int
		header         http.Header
		body           string
	}{
		"a document":           {"Content-Type: text/plain\n\nhello", "GET", 200, http.Header{"Content-Type": {"text/plain"}, "Content-Length": {"5"}}, "hello"},
		"as in HTTP":           {"content-type:\ttext/plain \r\nStatus: 404 Not Found\r\n\r\n\r\n", "GET", 404, http.Header{"Content-Type": {"text/plain"}, "Content-Length": {"2"}}, "\r\n"},
		"a redirect":           {"Location: https://example.com/a\n\n", "GET", 302, http.Header{"Location": {"https://example.com/a"}, "Content-Length": {"0"}}, ""},
		"one within":           {"Location: /x/shop/b\n\n", "GET", 302, http.Header{"Location": {"/x/shop/b"}, "Content-Length": {"0"}}, ""},
		"one with a status":    {"Status: 308\nLocation: /b\n\n", "GET", 308, http.Header{"Location": {"/b"}, "Content-Length": {"0"}}, ""},
		"only a status":        {"Status: 200\n\n", "GET", 200, http.Header{"Content-Length": {"0"}}, ""},
		"nothing to say":       {"Status: 204\nContent-Type: text/plain\n\nignored", "GET", 204, http.Header{"Content-Type": {"text/plain"}}, ""},
		"HEAD of nothing":      {"Status: 204\nContent-Type: text/plain\nContent-Length: 7\n\nignored", "HEAD", 204, http.Header{"Content-Type": {"text/plain"}}, ""},
		"more of a name":       {"Content-Type: text/plain\nVary: A\nvary: B\n\n", "GET", 200, http.Header{"Content-Type": {"text/plain"}, "Vary": {"A", "B"}, "Content-Length": {"0"}}, ""},
		"with its length":      {"Content-Type: text/plain\nContent-Length: 1\n\n!", "GET", 200, http.Header{"Content-Type": {"text/plain"}, "Content-Length": {"1"}}, "!"},
		"HEAD with a body":     {"Content-Type: text/plain\n\nhello", "HEAD", 200, http.Header{"Content-Type": {"text/plain"}, "Content-Length": {"5"}}, ""},
		"HEAD with a length":   {"Content-Type: text/plain\nContent-Length: 9\n\n", "HEAD", 200, http.Header{"Content-Type": {"text/plain"}, "Content-Length": {"9"}}, ""},
		"HEAD with neither":    {"Content-Type: text/plain\n\n", "HEAD", 200, http.Header{"Content-Type": {"text/plain"}}, ""},
		"what the server does": {"Content-Type: text/plain\nX-Content-Type-Options: nosniff\n\n", "GET", 200, http.Header{"Content-Type": {"text/plain"}, "Content-Length": {"0"}}, ""},
	} {
		got, err := cgi.Parse([]byte(tt.output), tt.method)
		if err != nil || got.Status != tt.status || string(got.Body) != tt.body || !equal(got.Header, tt.header) {
			t.Errorf("%s: %+v, %v; want %d %v %q", name, got, err, tt.status, tt.header, tt.body)
		}
	}
}

func equal(a, b http.Header) bool {
	if len(a) != len(b) {
		return false
	}
	for name, values := range a {
		if !slices.Equal(values, b[name]) {
			return false
		}
	}
	return true
}

func TestOutputThatIsNoAnswerIsToldWhy(t *testing.T) {
	for output, want := range map[string]string{
		"":                     "no blank line",
		"hello":                "no blank line",
		"<html>\n<body>\n\n":   "not a name, a colon and a value",
		"\nhello":              "none of Content-Type, Status and Location",
		"X-A: b\n\nhello":      "none of Content-Type, Status and Location",
		"Status: 200\n\nhello": "no Content-Type that says",
		"HTTP/1.1 200 OK\nContent-Type: text/plain\n\n": "write Status: 200 instead",
		"Status: 99\n\n":                                           "200 to 599",
		"Status: 100 Continue\n\n":                                 "200 to 599",
		"Status: 600\n\n":                                          "200 to 599",
		"Status: two hundred\n\n":                                  "200 to 599",
		"Status: 0200\n\n":                                         "200 to 599",
		"Status: 200\nStatus: 201\n\n":                             "Status twice",
		"Content-Type: a/b\ncontent-type: c/d\n\n":                 "Content-Type twice",
		"Content-Type : text/plain\n\n":                            "not a name",
		"Content-Type: text/plain\n folded\n\n":                    "not a name",
		"Content-Type: a/b\nX-A: b\rSet-Cookie: c=d\n\n":           "control character",
		"Content-Type: a/b\nX-A: \x00\n\n":                         "control character",
		"Content-Type: a/b\nSet-Cookie: a=b\n\n":                   "all plugins",
		"Content-Type: a/b\nAccept-CH: UA-Platform\n\n":            "all plugins",
		"Content-Type: a/b\nSERVICE-WORKER-ALLOWED: /\n\n":         "all plugins",
		"Content-Type: a/b\nTransfer-Encoding: chunked\n\n":        "the connection is the server's",
		"Content-Type: a/b\nWWW-Authenticate: Basic\n\n":           "passwords",
		"Content-Type: a/b\nPrism-Version: 7\n\n":                  "the server sends it",
		"Content-Type: a/b\nx-accel-redirect: /secret\n\n":         "a proxy before the server",
		"Content-Type: a/b\nX-SendFile: /etc/passwd\n\n":           "a proxy before the server",
		"Content-Type: a/b\nContent-Length: 3\n\nhello":            "its body has 5 bytes",
		"Content-Type: a/b\nContent-Length: many\n\nhello":         "no number of bytes",
		"X: " + strings.Repeat("x", cgi.MaxHeader) + "\n\n":        "over 65536 bytes",
		strings.Repeat("X: y\n", cgi.MaxHeader/5+1) + "\n":         "over 65536 bytes",
		"Content-Type: a/b\n" + strings.Repeat("x", 70_000) + "\n": "over 65536 bytes",
	} {
		if _, err := cgi.Parse([]byte(output), "GET"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v; want an error that says %q", output, err, want)
		}
	}
}

func FuzzResponse(f *testing.F) {
	f.Add([]byte("Status: 200\r\nContent-Type: text/plain\r\n\r\nhello"))
	f.Add([]byte("Location: /a\n\n"))
	f.Add([]byte("HTTP/1.1 200 OK\n\n"))
	f.Fuzz(func(t *testing.T, output []byte) {
		r, err := cgi.Parse(output, "GET")
		if err != nil {
			return
		}
		if r.Status < 200 || r.Status > 599 || !bytes.HasSuffix(output, r.Body) {
			t.Fatalf("%+v of %q", r, output)
		}
		for name, values := range r.Header {
			for _, v := range values {
				if strings.ContainsAny(name+v, "\r\n\x00") || name != http.CanonicalHeaderKey(name) || name == "Set-Cookie" {
					t.Fatalf("header %q: %q of %q", name, v, output)
				}
			}
		}
	})
}
