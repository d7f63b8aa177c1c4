package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/sdk/client"
)

// answers is a server without a network: a script of what each request is answered with.
type answers struct {
	t     *testing.T
	begun time.Time

	mu    sync.Mutex
	steps []func(*http.Request) (*http.Response, error)
	asked []string        // query and Last-Event-ID
	at    []time.Duration // when that was
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, strings.TrimSpace(r.URL.RawQuery+" "+r.Header.Get("Last-Event-ID")))
	a.at = append(a.at, time.Since(a.begun))
	if len(a.steps) == 0 {
		a.t.Errorf("one request too many: %s", r.URL)
		return nil, errors.New("too many")
	}
	step := a.steps[0]
	a.steps = a.steps[1:]
	return step(r)
}

// stream answers with a stream that then ends with an error, nil: it goes on in silence.
func stream(text string, end error) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		rest := silentBody{r.Context(), end}
		return &http.Response{StatusCode: 200, Request: r, Header: http.Header{}, Body: io.NopCloser(io.MultiReader(strings.NewReader(text), rest))}, nil
	}
}

type silentBody struct {
	ctx context.Context
	end error
}

func (b silentBody) Read([]byte) (int, error) {
	if b.end != nil {
		return 0, b.end
	}
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

func refusal(status int, body string, headers ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{"Content-Type": {"application/problem+json"}}
		for n := 0; n < len(headers); n += 2 {
			h.Set(headers[n], headers[n+1])
		}
		return &http.Response{StatusCode: status, Request: r, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func unreachable(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }

func sent(n int) string {
	return fmt.Sprintf("id: L-%d\nevent: version.live\ndata: {\"id\":\"L-%d\",\"type\":\"version.live\",\"plugin\":\"p\",\"version\":%d}\n\n", n, n, n)
}

// collect ranges over events until there are some, or an error.
func collect(events func(func(client.Event, error) bool), most int) (ids []string, err error) {
	for e, err := range events {
		if err != nil {
			return ids, err
		}
		ids = append(ids, e.ID)
		if len(ids) == most {
			break
		}
	}
	return ids, nil
}

func TestEventsGoOnOverBrokenConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &answers{t: t, begun: time.Now(), steps: []func(*http.Request) (*http.Response, error){
			stream("retry: 1000\nid: L-4\n\n"+sent(5)+sent(6)+"id: L-7\nevent: version.live\ndata: {\"id\":", io.ErrUnexpectedEOF),
			unreachable, unreachable, unreachable,
			refusal(503, `{"kind":"busy","status":503}`, "Retry-After", "40"),
			stream(sent(7)+": nothing new\nid: L-90\n\n", nil), // and then nothing more
			stream(sent(91), io.EOF),
			stream("data: {\"id\":\"M-0\",\r\ndata: \"type\":\"gap\",\"count\":3}\r\nid: M-0\r\n\r\n"+sent(1), io.EOF),
		}}
		c := newClient(t, "http://server", client.Options{HTTPClient: &http.Client{Transport: a}})
		ids, err := collect(c.Events(t.Context(), client.EventOptions{Types: []string{"version", "call.failed"}, Plugin: "p", Version: 2, Since: "now", Follow: true}), 6)
		if want := []string{"L-5", "L-6", "L-7", "L-91", "M-0", "L-1"}; err != nil || !slices.Equal(ids, want) {
			t.Errorf("got %v, %v, want %v", ids, err, want)
		}
		const query = "follow=true&plugin=p&since=now&type=version&type=call.failed&version=2"
		if want := []string{query, query + " L-6", query + " L-6", query + " L-6", query + " L-6", query + " L-6", query + " L-90", query + " L-91"}; !slices.Equal(a.asked, want) {
			t.Errorf("asked was\n%s", strings.Join(a.asked, "\n"))
		}
		// 1, 2, 4, 8 seconds, then what the server asked for; the last began anew.
		for n, most := range []time.Duration{0, 1, 2, 4, 8, 40, 46, 1} {
			if n == 0 {
				continue
			}
			if waited, most := a.at[n]-a.at[n-1], most*time.Second; waited > most || waited < most*4/5 {
				t.Errorf("before request %d it waited %v, want up to a fifth less than %v", n, waited, most)
			}
		}
	})
}

func TestEventsEndWithWhatTryingAgainWouldNotCure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notThere := refusal(400, `{"kind":"invalid","detail":"no such type","status":400}`)
		for name, tt := range map[string]struct {
			steps  []func(*http.Request) (*http.Response, error)
			follow bool
			ids    int
			says   string
		}{
			"a server that is not there":         {[]func(*http.Request) (*http.Response, error){unreachable}, true, 0, "refused"},
			"a request that is wrong":            {[]func(*http.Request) (*http.Response, error){notThere}, true, 0, "no such type"},
			"one that has become so":             {[]func(*http.Request) (*http.Response, error){stream(sent(1), io.EOF), notThere}, true, 1, "no such type"},
			"one event that is none":             {[]func(*http.Request) (*http.Response, error){stream("data: {\n\n", nil)}, true, 0, "one that is none"},
			"an event that is too long":          {[]func(*http.Request) (*http.Response, error){stream("data: "+strings.Repeat("x", 2<<20), nil)}, true, 0, "over 1048576 bytes"},
			"many lines that are too long":       {[]func(*http.Request) (*http.Response, error){stream(strings.Repeat("data: xxxxxxxxxxxxxxxxxxxxx\n", 1<<16), nil)}, true, 0, "over 1048576 bytes"},
			"what is kept":                       {[]func(*http.Request) (*http.Response, error){stream(sent(1)+sent(2), io.EOF)}, false, 2, ""},
			"what is kept, of which a part came": {[]func(*http.Request) (*http.Response, error){stream(sent(1), io.ErrUnexpectedEOF)}, false, 1, "unexpected EOF"},
			"what is kept, of a silent server":   {[]func(*http.Request) (*http.Response, error){stream(sent(1), nil)}, false, 1, "nothing for 45s"},
		} {
			a := &answers{t: t, steps: tt.steps}
			c := newClient(t, "http://server", client.Options{HTTPClient: &http.Client{Transport: a}})
			ids, err := collect(c.Events(t.Context(), client.EventOptions{Follow: tt.follow}), -1)
			if len(ids) != tt.ids || (err != nil) != (tt.says != "") || err != nil && !strings.Contains(err.Error(), tt.says) || len(a.steps) != 0 {
				t.Errorf("%s: %v, %v, want %d and an error that says %q; not asked for: %d", name, ids, err, tt.ids, tt.says, len(a.steps))
			}
		}
	})
}

func TestEventsEndWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reason := errors.New("enough")
		for _, after := range []time.Duration{20 * time.Second, 45*time.Second + 500*time.Millisecond} { // while it reads, and while it waits
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(after, func() { cancel(reason) })
			a := &answers{t: t, steps: []func(*http.Request) (*http.Response, error){stream(sent(1), nil)}}
			c := newClient(t, "http://server", client.Options{HTTPClient: &http.Client{Transport: a}})
			if ids, err := collect(c.Events(ctx, client.EventOptions{Follow: true}), -1); len(ids) != 1 || !errors.Is(err, reason) {
				t.Errorf("after %v: %v, %v", after, ids, err)
			}
		}
	})
}

func TestAnEventHasAllThatTheServerSays(t *testing.T) {
	c := serve(t, "GET /v1/events", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "follow=false" || r.Header.Get("Accept") != "text/event-stream" || r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		fmt.Fprint(w, `data: {"id":"L-1","time":"2026-11-25T09:00:00.005Z","type":"call.failed","namespace":"default","plugin":"p","version":2,`+
			`"kind":"trap","request_id":"01A","count":3,"message":"two\nlines","data":{"a":1},"later":true}`+"\n\n")
	})
	for e, err := range c.Events(t.Context(), client.EventOptions{}) {
		if err != nil || e.ID != "L-1" || !e.Time.Equal(time.Date(2026, 11, 25, 9, 0, 0, 5e6, time.UTC)) || e.Type != "call.failed" || e.Namespace != "default" || e.Plugin != "p" ||
			e.Version != 2 || e.Kind != client.KindTrap || e.RequestID != "01A" || e.Count != 3 || e.Message != "two\nlines" || string(e.Data) != `{"a":1}` {
			t.Errorf("%+v, %v", e, err)
		}
	}
}

// Whatever is in a stream, reading it ends, and what was whole stays so.
func FuzzEvents(f *testing.F) {
	f.Add("retry: 1\nid: L-4\n\n" + sent(5) + sent(6))
	f.Add("data: {\r\ndata: }\r\n\r\n:\n\nid\ndata\n\n")
	f.Add("data:{}\nid: \x00\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		a := &answers{t: t, steps: []func(*http.Request) (*http.Response, error){stream(sent(1)+text, io.EOF)}}
		ids, _ := collect(newClient(t, "http://server", client.Options{HTTPClient: &http.Client{Transport: a}}).Events(t.Context(), client.EventOptions{}), -1)
		if len(ids) == 0 || ids[0] != "L-1" {
			t.Errorf("got %q", ids)
		}
	})
}
