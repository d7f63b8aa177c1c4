package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/api"
	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/task"
)

// pipes is a network of its own, in which time is a test's.
type pipes struct {
	conns chan net.Conn
	ended chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.ended) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.ended:
		return nil, errors.New("nobody listens")
	}
}

// eventServer serves a log of events to a client until the test ends.
type eventServer struct {
	t      *testing.T
	log    *event.Log
	server *http.Server
	client *http.Client
}

func serveEvents(t *testing.T, o event.Options) *eventServer {
	s := &eventServer{t: t, log: event.New(o)}
	network := &pipes{conns: make(chan net.Conn), ended: make(chan struct{})}
	s.server = &http.Server{
		Handler:     api.New(api.Options{Monitor: monitor.New(monitor.Sources{}), Events: s.log, BodyTimeout: time.Minute, Log: slog.New(slog.DiscardHandler)}),
		ReadTimeout: 10 * time.Second,
	}
	s.client = &http.Client{Transport: &http.Transport{DialContext: network.dial}}
	served := make(chan error)
	go func() { served <- s.server.Serve(network) }()
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		s.server.Close()
		<-served
	})
	return s
}

func (s *eventServer) publish(n int) {
	for range n {
		s.log.Publish(event.Event{Type: event.VersionFenced, Ref: task.Ref{Namespace: "default", Plugin: "p", Version: 1}, Message: "it\ntrapped"})
	}
}

// get makes a request whose answer's body the test ends. Headers come in pairs.
func (s *eventServer) get(ctx context.Context, method, path string, headers ...string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for n := 0; n < len(headers); n += 2 {
		req.Header.Set(headers[n], headers[n+1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp
}

// block reads a stream of events up to the next empty line.
func block(r *bufio.Reader) (lines []string, err error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == "\n" {
			return lines, err
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
}

// next reads the next event and checks its form.
func next(t *testing.T, r *bufio.Reader) (id string, typ event.Type) {
	t.Helper()
	lines, err := block(r)
	if err != nil || len(lines) != 3 {
		t.Fatalf("got %q, %v, want an event", lines, err)
	}
	var e struct {
		ID   string
		Type event.Type
	}
	id, typ = strings.TrimPrefix(lines[0], "id: "), event.Type(strings.TrimPrefix(lines[1], "event: "))
	if err := json.Unmarshal([]byte(strings.TrimPrefix(lines[2], "data: ")), &e); err != nil || e.ID != id || e.Type != typ {
		t.Fatalf("got %q, %v", lines, err)
	}
	return id, typ
}

// follow opens a stream and reads past its beginning.
func (s *eventServer) follow(ctx context.Context, query string, headers ...string) *bufio.Reader {
	s.t.Helper()
	resp := s.get(ctx, "GET", "/v1/events"+query, headers...)
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || got != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		s.t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	r := bufio.NewReader(resp.Body)
	if lines, err := block(r); err != nil || len(lines) != 2 || lines[0] != "retry: 1000" || !strings.HasPrefix(lines[1], "id: ") {
		s.t.Fatalf("it begins with %q, %v", lines, err)
	}
	return r
}

func TestAStreamHasWhatIsKeptAndThenWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveEvents(t, event.Options{Events: 10})
		s.publish(3)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := s.follow(ctx, "")
		var last string
		for n := range 5 {
			if n == 3 {
				synctest.Wait() // it has been sent all there was
				s.publish(2)
			}
			id, typ := next(t, r)
			if want := fmt.Sprintf("%v-%d", s.log.Last().Life, n+1); id != want || typ != event.VersionFenced {
				t.Fatalf("got %s %s, want %s", typ, id, want)
			}
			last = id
		}
		s.publish(12)
		if lines, err := block(s.follow(ctx, "?since="+last)); err != nil || !strings.Contains(lines[2], `"type":"gap","count":2`) {
			t.Errorf("since a few more than are kept: %q, %v", lines, err)
		}
		for _, r := range []*bufio.Reader{
			s.follow(ctx, "", "Last-Event-ID", strings.TrimSuffix(last, "5")+"16"),
			s.follow(ctx, "?since=now", "Last-Event-ID", strings.TrimSuffix(last, "5")+"16"), // a browser repeats its query
			s.follow(ctx, "?since="+strings.TrimSuffix(last, "5")+"16"),
		} {
			if id, _ := next(t, r); !strings.HasSuffix(id, "-17") {
				t.Errorf("after 16 comes %s", id)
			}
		}
		r = s.follow(ctx, "?since=now&type=version.fenced,call&type=server&plugin=p&version=1")
		s.publish(1)
		if id, _ := next(t, r); !strings.HasSuffix(id, "-18") {
			t.Errorf("what comes from now on begins with %s", id)
		}
	})
}

func TestAQuietStreamHasAHeartbeatAndOutlivesTheServersPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveEvents(t, event.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := s.follow(ctx, "?type=server")
		s.publish(7) // of others
		begun := time.Now()
		for n := range 40 { // ten minutes
			lines, err := block(r)
			if want := fmt.Sprintf("[: nothing new id: %v]", s.log.Last()); err != nil || fmt.Sprint(lines) != want {
				t.Fatalf("beat %d: %q, %v, want %s", n, lines, err, want)
			}
		}
		if took := time.Since(begun); took != 10*time.Minute {
			t.Errorf("40 beats took %v", took)
		}
		s.log.Publish(event.Event{Type: event.ServerReady})
		if id, _ := next(t, r); !strings.HasSuffix(id, "-8") {
			t.Errorf("then came %s", id)
		}
	})
}

func TestStreamsAreBoundedAndEndWithTheirClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveEvents(t, event.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		first, leave := context.WithCancel(ctx)
		defer cancel()
		s.follow(first, "")
		for range 63 {
			s.follow(ctx, "")
		}
		refused := func() bool {
			resp := s.get(ctx, "GET", "/v1/events")
			if resp.StatusCode == 200 {
				return false
			}
			var p struct{ Kind, Detail string }
			if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || resp.StatusCode != 503 || p.Kind != "busy" ||
				!strings.Contains(p.Detail, "64 streams of events are open") || resp.Header.Get("Retry-After") == "" {
				t.Errorf("%d %+v, %v", resp.StatusCode, p, err)
			}
			resp.Body.Close()
			return true
		}
		for range 3 {
			if !refused() {
				t.Fatal("one more than may be was opened")
			}
		}
		if resp := s.get(ctx, "GET", "/v1/events?follow=false"); resp.StatusCode != 200 {
			t.Errorf("what is kept is answered with %d", resp.StatusCode)
		} else {
			resp.Body.Close()
		}
		leave()
		synctest.Wait()
		if refused() {
			t.Error("one left, and the next was refused")
		}
	})
}

func TestAStreamEndsWithTheLogWhetherItsClientReadsOrNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveEvents(t, event.Options{})
		s.follow(t.Context(), "") // and then does not read, nor leave
		s.publish(4000)
		reading := s.follow(t.Context(), "?since=now")
		synctest.Wait()
		s.log.Publish(event.Event{Type: event.ServerStopping})
		begun := time.Now()
		s.log.Close()
		if _, typ := next(t, reading); typ != event.ServerStopping {
			t.Errorf("the last event is %s", typ)
		}
		if _, err := block(reading); err != io.EOF {
			t.Errorf("it ends with %v", err)
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("it took %v to end", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.server.Shutdown(ctx); err != nil || time.Since(begun) > 2*time.Second {
			t.Errorf("stopping took %v: %v", time.Since(begun), err)
		}
	})
}

func TestAClientThatTakesNothingIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveEvents(t, event.Options{})
		r := s.follow(t.Context(), "")
		begun := time.Now()
		s.publish(4000)
		if took := time.Since(begun); took != 0 {
			t.Errorf("publishing waited %v for it", took)
		}
		time.Sleep(2 * time.Minute)
		for seen := 0; ; seen++ {
			if _, err := block(r); err != nil {
				break
			}
			if seen == 4000 {
				t.Fatal("it was not given up")
			}
		}
	})
}

func TestWhatIsKeptCanBeHadAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveEvents(t, event.Options{})
		get := func(method, query string, headers ...string) (string, string) {
			t.Helper()
			resp := s.get(t.Context(), method, "/v1/events"+query, headers...)
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != 200 {
				t.Errorf("%s: %d %s, %v", query, resp.StatusCode, b, err)
			}
			return resp.Header.Get("Content-Type"), string(b)
		}
		if _, body := get("GET", "?follow=false", "Accept", "application/json"); body != "[]\n" {
			t.Errorf("nothing is %q", body)
		}
		s.publish(2)
		typ, body := get("GET", "?follow=false")
		if typ != "text/event-stream" || strings.Count(body, "event: version.fenced\n") != 2 {
			t.Errorf("as a stream: %s\n%s", typ, body)
		}
		for _, accept := range []string{"application/json", "application/*", "text/event-stream;q=0.5, application/json", "text/*;q=0,*/*;q=0.1"} {
			var events []struct {
				Type, Message, Plugin string
				Version               int
			}
			typ, body := get("GET", "?type=version", "Accept", accept)
			if err := json.Unmarshal([]byte(body), &events); err != nil || typ != "application/json" || len(events) != 2 || events[0].Message != "it\ntrapped" || events[1].Version != 1 {
				t.Errorf("%s: %s %s, %v", accept, typ, body, err)
			}
		}
		for _, accept := range []string{"", "*/*", "text/event-stream", "text/*", "text/html, */*;q=0.8"} {
			if typ, body := get("HEAD", "", "Accept", accept); typ != "text/event-stream" || body != "" {
				t.Errorf("HEAD with %q: %s %q", accept, typ, body)
			}
		}
	})
}

func TestEventsThatCannotBeAskedForAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveEvents(t, event.Options{})
		for query, says := range map[string]string{
			"?type=version.dead":      `no events of type "version.dead"; there are server.started`,
			"?type=":                  `no events of type ""`,
			"?type=gap":               `no events of type "gap"`,
			"?plugin=A":               "cannot name a plugin",
			"?plugin=p&version=0":     "write a number from 1 on",
			"?plugin=p&version=two":   "write a number from 1 on",
			"?version=1":              "add plugin=NAME",
			"?since=yesterday":        `"yesterday" is not the id of an event`,
			"?follow=perhaps":         "write true or false",
			"?follow=true&type=call#": "JSON tells of what is kept and ends",
			"?kind=trap":              `unknown query parameter "kind"`,
		} {
			resp := s.get(t.Context(), "GET", "/v1/events"+query, "Accept", "application/json")
			var p struct{ Kind, Detail string }
			if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || resp.StatusCode != 400 || p.Kind != "invalid" || !strings.Contains(strings.ToLower(p.Detail), strings.ToLower(says)) {
				t.Errorf("%s: %d %+v, %v, want one that says %q", query, resp.StatusCode, p, err, says)
			}
			resp.Body.Close()
		}
		resp := s.get(t.Context(), "GET", "/v1/events", "Last-Event-ID", "7")
		if resp.Body.Close(); resp.StatusCode != 400 {
			t.Errorf("another's Last-Event-ID: %d", resp.StatusCode)
		}
		resp = s.get(t.Context(), "GET", "/v1/events", "Accept", "text/html, application/json;q=0")
		if resp.Body.Close(); resp.StatusCode != 406 {
			t.Errorf("a client that takes neither: %d", resp.StatusCode)
		}
	})
}
