package client_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/marketprism/prismrt/sdk/client"
)

// serve answers one route of a server and fails the test on any other request.
func serve(t *testing.T, route string, handler http.HandlerFunc) *client.Client {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc(route, handler)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("unexpected request %s %s", r.Method, r.URL)
		http.NotFound(w, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return newClient(t, server.URL, client.Options{Key: "secret"})
}

func newClient(t *testing.T, url string, opts client.Options) *client.Client {
	t.Helper()
	c, err := client.New(url, opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOnlyTheURLOfAServerMakesAClient(t *testing.T) {
	for _, bad := range []string{"", "127.0.0.1:8080", "localhost:8080", "ftp://host", "http://", "http://h/?a=b", "http://h/#x", "http://h:port"} {
		if _, err := client.New(bad, client.Options{}); err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:8080") {
			t.Errorf("New(%q): error %v, want one that shows how to write it", bad, err)
		}
	}
	for given, want := range map[string]string{
		"http://h:1":         "http://h:1/v1/plugins/a%2Fb/invoke/f",
		"https://h/prism///": "https://h/prism/v1/plugins/a%2Fb/invoke/f",
	} {
		if got := newClient(t, given, client.Options{}).InvokeURL("a/b", "f"); got != want {
			t.Errorf("a client of %s calls %s, want %s", given, got, want)
		}
	}
}

func TestCallSendsTheInputAndReadsOutputAndHeaders(t *testing.T) {
	c := serve(t, "POST /v1/plugins/{name}/invoke/{function}", func(w http.ResponseWriter, r *http.Request) {
		input, _ := io.ReadAll(r.Body)
		if got := r.Header.Get("Authorization"); got != "Bearer secret" {
			t.Errorf("Authorization is %q", got)
		}
		w.Header().Set("Prism-Request-Id", "01J0000000000000000000000")
		w.Header().Set("Prism-Version", "2 9f2c1a7b3d4e")
		w.Header().Set("Prism-Fuel", "1234")
		w.Header().Set("Server-Timing", `pool;dur=0.012, run;desc="the guest";dur=1.482, cache`)
		fmt.Fprintf(w, "%s %s %s %s", r.PathValue("name"), r.PathValue("function"), r.Header.Get("Prism-Timeout"), input)
	})
	got, err := c.Call(t.Context(), "normalise", []byte("in\x00put"), client.CallOptions{Function: "score", Timeout: 1500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if want := "normalise score 1.5s in\x00put"; string(got.Output) != want {
		t.Errorf("output is %q, want %q", got.Output, want)
	}
	if got.RequestID != "01J0000000000000000000000" || got.Version != 2 || got.Digest != "9f2c1a7b3d4e" || got.Fuel != 1234 {
		t.Errorf("headers read as %+v", got)
	}
	if len(got.Timing) != 2 || got.Timing["pool"] != 12*time.Microsecond || got.Timing["run"] != 1482*time.Microsecond {
		t.Errorf("timing reads as %v", got.Timing)
	}
}

func TestCallWithoutOptionsLeavesFunctionAndTimeoutToTheServer(t *testing.T) {
	c := serve(t, "POST /v1/plugins/normalise/invoke", func(w http.ResponseWriter, r *http.Request) {
		if _, sent := r.Header["Prism-Timeout"]; sent {
			t.Error("a timeout was sent")
		}
	})
	got, err := c.Call(t.Context(), "normalise", nil, client.CallOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Output) != 0 || got.Version != 0 || len(got.Timing) != 0 {
		t.Errorf("an answer without headers reads as %+v", got)
	}
}

func TestAProblemKeepsEverythingTheServerSaid(t *testing.T) {
	c := serve(t, "POST /v1/plugins/normalise/invoke", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusUnprocessableEntity)
		io.WriteString(w, `{"type":"about:blank","title":"Unprocessable","status":422,"detail":"unreachable executed",
			"kind":"trap","request_id":"01J","plugin":"normalise","version":2,"stack":["main.handle","runtime.panic"],"log":["a","b"],"new":1}`)
	})
	_, err := c.Call(t.Context(), "normalise", nil, client.CallOptions{})
	p, ok := errors.AsType[*client.Problem](err)
	if !ok {
		t.Fatalf("the error is %T: %v", err, err)
	}
	if p.Kind != client.KindTrap || p.Status != 422 || p.RequestID != "01J" || p.Plugin != "normalise" || p.Version != 2 ||
		p.RetryAfter != 3*time.Second || !slices.Equal(p.Stack, []string{"main.handle", "runtime.panic"}) || !slices.Equal(p.Log, []string{"a", "b"}) {
		t.Errorf("the problem reads as %+v", p)
	}
	if want := "normalise version 2: trap: unreachable executed"; err.Error() != want {
		t.Errorf("Error() = %q, want %q", err, want)
	}
	if p.Retryable() {
		t.Error("a trap is called retryable")
	}
}

func TestAnAnswerFromSomethingElseIsAProblemWithoutAKind(t *testing.T) {
	for name, tt := range map[string]struct{ contentType, body, detail string }{
		"a proxy's page":        {"text/html", "<h1>Bad Gateway</h1>\nnginx", "<h1>Bad Gateway</h1>"},
		"nothing at all":        {"", "", ""},
		"a broken document":     {"application/problem+json", `{"kind":`, `{"kind":`},
		"JSON of another sort":  {"application/json", `{"kind":"trap"}`, `{"kind":"trap"}`},
		"a very long line":      {"text/plain", strings.Repeat("é", 3<<20), strings.Repeat("é", 200) + "..."},
		"bytes that are binary": {"application/octet-stream", "a\xffb", "a?b"},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, "GET /v1/plugins", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				w.Header().Set("Prism-Request-Id", "01J")
				w.WriteHeader(http.StatusBadGateway)
				io.WriteString(w, tt.body)
			})
			_, err := c.Plugins(t.Context())
			p, ok := errors.AsType[*client.Problem](err)
			if !ok {
				t.Fatalf("the error is %T: %v", err, err)
			}
			if p.Kind != "" || p.Status != 502 || p.Title != "Bad Gateway" || p.Detail != tt.detail || p.RequestID != "01J" {
				t.Errorf("the problem reads as %+v", p)
			}
			if !strings.HasPrefix(err.Error(), "the server answered 502 Bad Gateway") {
				t.Errorf("Error() = %q", err)
			}
		})
	}
}

func TestRetryAfterReadsSecondsAndDates(t *testing.T) {
	var header atomic.Value
	c := serve(t, "GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", header.Load().(string))
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, "the store is opening\n")
	})
	for text, want := range map[string][2]time.Duration{
		"7": {7 * time.Second, 7 * time.Second},
		time.Now().Add(time.Hour).UTC().Format(http.TimeFormat):  {59 * time.Minute, time.Hour},
		time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat): {0, 0},
		"soon": {0, 0},
		"-1":   {0, 0},
	} {
		header.Store(text)
		p, ok := errors.AsType[*client.Problem](c.Ready(t.Context()))
		if !ok || p.Detail != "the store is opening" {
			t.Fatalf("a server that is not ready gives %+v", p)
		}
		if p.RetryAfter < want[0] || p.RetryAfter > want[1] {
			t.Errorf("Retry-After %q reads as %v", text, p.RetryAfter)
		}
	}
}

func TestPushOfAModuleAloneSendsItsBytes(t *testing.T) {
	var reported atomic.Int64
	c := serve(t, "PUT /v1/plugins/normalise", func(w http.ResponseWriter, r *http.Request) {
		module, _ := io.ReadAll(r.Body)
		if r.Header.Get("Content-Type") != "application/wasm" || string(module) != "\x00asm" || r.ContentLength != 4 || r.URL.RawQuery != "" {
			t.Errorf("%s?%s %q of %d bytes", r.Header.Get("Content-Type"), r.URL.RawQuery, module, r.ContentLength)
		}
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"namespace":"default","name":"normalise","version":1,"live":true,"digest":"sha256:00","bytes":4,"abi":"prism",
			"functions":["handle"],"limits":{"memory_bytes":65536,"timeout_ms":0.5},"grants":{"config":["region"]},"manifest":{"name":"normalise"},
			"created_at":"2026-11-23T20:00:00.123Z"}`)
	})
	v, created, err := c.Push(t.Context(), "normalise", []byte("\x00asm"), client.PushOptions{
		Progress: func(sent, total int64) {
			if total != 4 {
				t.Errorf("total is %d, want 4", total)
			}
			reported.Store(sent)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !created || v.Number != 1 || !v.Live || v.ABI != "prism" || v.Limits.TimeoutMS != 0.5 ||
		!slices.Equal(v.Grants.Config, []string{"region"}) || string(v.Manifest) != `{"name":"normalise"}` || v.CreatedAt.UnixMilli() != 1795464000123 {
		t.Errorf("the version reads as %+v, created %v", v, created)
	}
	if reported.Load() != 4 {
		t.Errorf("progress ended at %d of 4 bytes", reported.Load())
	}
}

func TestPushWithAManifestSendsAForm(t *testing.T) {
	c := serve(t, "PUT /v1/plugins/normalise", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "live=false" {
			t.Errorf("query is %q", r.URL.RawQuery)
		}
		form, err := r.MultipartReader()
		if err != nil {
			t.Error(err)
			return
		}
		got := map[string]string{}
		for {
			part, err := form.NextPart()
			if err != nil {
				break
			}
			content, _ := io.ReadAll(part)
			got[part.FormName()] = part.Header.Get("Content-Type") + " " + string(content)
		}
		if got["module"] != "application/wasm \x00asm" || got["manifest"] != "application/toml name = \"normalise\"" || len(got) != 2 {
			t.Errorf("the form holds %q", got)
		}
		io.WriteString(w, `{"name":"normalise","version":7}`)
	})
	v, created, err := c.Push(t.Context(), "normalise", []byte("\x00asm"), client.PushOptions{Manifest: []byte(`name = "normalise"`), NotLive: true})
	if err != nil {
		t.Fatal(err)
	}
	if created || v.Number != 7 {
		t.Errorf("version %d, created %v; want the stored version 7", v.Number, created)
	}
}

func TestAnUploadTheServerRefusesIsNotSent(t *testing.T) {
	c := serve(t, "PUT /v1/plugins/big", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		io.WriteString(w, `{"status":413,"kind":"too_large","detail":"at most 64MiB"}`)
	})
	var sent atomic.Int64
	_, _, err := c.Push(t.Context(), "big", make([]byte, 8<<20), client.PushOptions{
		Progress: func(n, _ int64) { sent.Store(n) },
	})
	if p, ok := errors.AsType[*client.Problem](err); !ok || p.Kind != client.KindTooLarge {
		t.Errorf("the error is %v", err)
	}
	if sent.Load() != 0 {
		t.Errorf("%d bytes were sent to a server that wanted none", sent.Load())
	}
}

func TestPluginsAndTheirVersionsAreRead(t *testing.T) {
	c := serve(t, "GET /v1/plugins", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"plugins":[{"namespace":"default","name":"a","live":1,"versions":3,"abi":"command","digest":"sha256:00","bytes":12,"updated_at":"2026-11-23T20:00:00Z"}]}`)
	})
	list, err := c.Plugins(t.Context())
	if err != nil || len(list) != 1 || list[0].Name != "a" || list[0].Live != 1 || list[0].Versions != 3 || list[0].Bytes != 12 {
		t.Errorf("the list reads as %+v, %v", list, err)
	}

	c = serve(t, "POST /v1/plugins/a/live", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) != `{"version":2}` || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s", r.Header.Get("Content-Type"), body)
		}
		io.WriteString(w, `{"name":"a","live":2,"versions":[{"version":2,"live":true},{"version":1}],"pool":{"max":4,"lent":1},"health":{"state":"ready"}}`)
	})
	p, err := c.SetLive(t.Context(), "a", 2)
	if err != nil || p.Live != 2 || len(p.Versions) != 2 || p.Versions[0].Number != 2 || !p.Versions[0].Live || p.Pool == nil || p.Pool.Max != 4 || p.Health.State != "ready" {
		t.Errorf("the plugin reads as %+v, %v", p, err)
	}

	c = serve(t, "DELETE /v1/plugins/a", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	if err := c.Delete(t.Context(), "a"); err != nil {
		t.Error(err)
	}

	c = serve(t, "GET /v1/stats", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"any":["thing"]}`) })
	if stats, err := c.Stats(t.Context()); err != nil || string(stats) != `{"any":["thing"]}` {
		t.Errorf("stats are %s, %v", stats, err)
	}
}

func TestAModuleMustHaveTheAnnouncedDigest(t *testing.T) {
	module := "\x00asm\x01\x00\x00\x00"
	sum := sha256.Sum256([]byte(module))
	served := module
	c := serve(t, "GET /v1/plugins/a/versions/3/module", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"sha256:`+hex.EncodeToString(sum[:])+`"`)
		io.WriteString(w, served)
	})
	if got, err := c.Module(t.Context(), "a", 3); err != nil || string(got) != module {
		t.Errorf("the module is %q, %v", got, err)
	}
	served = "\x00asm\x02\x00\x00\x00"
	if got, err := c.Module(t.Context(), "a", 3); err == nil || !strings.Contains(err.Error(), "digest") {
		t.Errorf("a changed module is accepted as %q, %v", got, err)
	}
}

func TestErrorsWithoutAnAnswerWrapTheirCause(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	if err := newClient(t, "http://"+free.Addr().String(), client.Options{}).Ready(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a server that is not there: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	c := serve(t, "POST /v1/plugins/slow/invoke", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	})
	if _, err := c.Call(ctx, "slow", []byte("x"), client.CallOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a call given up: %v", err)
	}

	c = serve(t, "GET /v1/plugins/a", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") })
	_, err = c.Plugin(t.Context(), "a")
	if _, isProblem := errors.AsType[*client.Problem](err); err == nil || isProblem {
		t.Errorf("a success that is not JSON: %v", err)
	}
}

func TestCallersAtOnceKeepTheirConnectionsForTheNextCall(t *testing.T) {
	const callers, rounds = 8, 20
	var opened atomic.Int64
	together := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-together // every caller of the round is inside
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	c := newClient(t, server.URL, client.Options{})

	for range rounds {
		var round sync.WaitGroup
		for range callers {
			round.Go(func() {
				if _, err := c.Call(t.Context(), "a", nil, client.CallOptions{}); err != nil {
					t.Error(err)
				}
			})
		}
		for range callers {
			together <- struct{}{}
		}
		round.Wait()
	}
	// One a caller, and a few because a connection may still be on its way back
	// to the idle ones when the next round begins.
	if n := opened.Load(); n > 4*callers {
		t.Errorf("%d callers opened %d connections in %d rounds", callers, n, rounds)
	}
}
