package extism

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// echo answers with what it was asked.
func echo(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/teapot":
			w.WriteHeader(http.StatusTeapot)
		case "/away":
			http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
		case "/large":
			w.Write(make([]byte, 2<<20))
		case "/hang":
			<-r.Context().Done()
		default:
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("X-Case", "prism")
			w.Header().Add("X-Many", "a")
			w.Header().Add("X-Many", "b")
			fmt.Fprintf(w, "%s %s body=%s h=%s", r.Method, r.URL.Path, body, r.Header.Get("X-In"))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func port(s *httptest.Server) string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return port
}

// ask makes a request.
func ask(t *testing.T, h *Host, c *fake, r request, body string) (string, *task.Fault) {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var block uint64
	if body != "" {
		block = made(t, h, c, body)
	}
	answer, fault := do(h, c, "http_request", made(t, h, c, string(text)), block)
	if fault != nil {
		return "", fault
	}
	return read(t, h, c, answer), nil
}

func TestRequestsGoToAllowedHosts(t *testing.T) {
	s := echo(t)
	h, c := newHost(t, Options{AllowPrivate: true}), newCall(t, "")
	if must(t, h, c, "http_status_code") != 0 || must(t, h, c, "http_headers") != 0 {
		t.Error("there is an answer before any request")
	}
	c.version.HTTP = []string{"127.0.0.1:" + port(s)}
	got, fault := ask(t, h, c, request{URL: s.URL + "/a", Method: "post", Headers: map[string]string{"X-In": "in"}}, "some")
	if fault != nil || got != "POST /a body=some h=in" || must(t, h, c, "http_status_code") != 200 {
		t.Errorf("%q, %v", got, fault)
	}
	headers := make(map[string]string)
	if err := json.Unmarshal([]byte(read(t, h, c, must(t, h, c, "http_headers"))), &headers); err != nil || headers["x-case"] != "prism" || headers["x-many"] != "a,b" {
		t.Errorf("headers %v, %v", headers, err)
	}
	if got, fault = ask(t, h, c, request{URL: s.URL + "/away?to=/b"}, ""); got != "GET /b body= h=" {
		t.Errorf("a redirect within: %q, %v", got, fault)
	}
	if got, fault = ask(t, h, c, request{URL: s.URL + "/teapot"}, ""); fault != nil || got != "" || must(t, h, c, "http_status_code") != http.StatusTeapot {
		t.Errorf("a teapot: %q, %v", got, fault)
	}
}

func TestRequestsGoNowhereElse(t *testing.T) {
	s, other := echo(t), echo(t)
	allowed := "127.0.0.1:" + port(s)
	for name, tt := range map[string]struct {
		url     string
		private bool
		list    []string
		want    string
	}{
		"nothing is allowed":       {s.URL, true, nil, "is not allowed"},
		"another host":             {"http://example.com/", true, []string{allowed}, "is not allowed"},
		"another port":             {other.URL, true, []string{allowed}, "is not allowed"},
		"another name for it":      {"http://localhost:" + port(s), true, []string{allowed}, "is not allowed"},
		"a redirect elsewhere":     {s.URL + "/away?to=" + other.URL, true, []string{allowed}, "is not allowed"},
		"a redirect to a file":     {s.URL + "/away?to=file:///etc/passwd", true, []string{allowed}, "it must be a URL with https or http"},
		"redirects without an end": {s.URL + "/away?to=/away%3Fto=/away", true, []string{allowed}, ""},
		"a private address":        {s.URL, false, []string{allowed}, "not a public address"},
		"a name for one":           {"http://localhost:" + port(s), false, []string{"localhost:" + port(s)}, "not a public address"},
		"a file":                   {"file:///etc/passwd", true, []string{allowed}, "is not allowed"},
		"no URL":                   {"::", true, []string{allowed}, "is not allowed"},
		"more than fits":           {s.URL + "/large", true, []string{allowed}, "larger than what limits.memory leaves"},
	} {
		h, c := newHost(t, Options{AllowPrivate: tt.private}), newCall(t, "")
		c.version.HTTP = tt.list
		_, fault := ask(t, h, c, request{URL: tt.url}, "")
		if tt.want != "" && (fault == nil || fault.Kind != task.KindTrap || !strings.Contains(fault.Message, tt.want)) {
			t.Errorf("%s: %v, want one that says %q", name, fault, tt.want)
		}
	}
	h, c := newHost(t, Options{}), newCall(t, "")
	for _, text := range []string{"", "{", "[]", strings.Repeat("{", 300<<10)} {
		if _, fault := do(h, c, "http_request", made(t, h, c, text), 0); fault == nil || fault.Kind != task.KindTrap {
			t.Errorf("%.20q: %v", text, fault)
		}
	}
}

func TestARequestEndsWithItsCall(t *testing.T) {
	s := echo(t)
	for name, end := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 20*time.Millisecond)
		},
		"cancel": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(20*time.Millisecond, cancel)
			return ctx, cancel
		},
	} {
		h, c := newHost(t, Options{AllowPrivate: true}), newCall(t, "")
		c.version.HTTP = []string{"127.0.0.1:" + port(s)}
		ctx, cancel := end(t.Context())
		c.Context = ctx
		if _, fault := ask(t, h, c, request{URL: s.URL + "/hang"}, ""); fault == nil {
			t.Errorf("%s: it was answered", name)
		}
		cancel()
	}
}
