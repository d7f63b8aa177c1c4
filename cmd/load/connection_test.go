package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// to starts a server and returns a connection to it that sends "hello".
func to(t *testing.T, handler http.HandlerFunc) *connection {
	t.Helper()
	server := httptest.NewServer(handler)
	address := strings.TrimPrefix(server.URL, "http://")
	c := newConnection(address, request(address, "p", time.Second, []byte("hello")))
	t.Cleanup(func() {
		c.giveUp()
		server.Close()
	})
	return c
}

func TestConnectionCarriesOneRequestAfterTheOther(t *testing.T) {
	var from atomic.Value
	c := to(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v1/plugins/p/invoke" || r.Header.Get("Prism-Timeout") != "1s" {
			http.Error(w, fmt.Sprint(r.URL.Path, r.Header, err), http.StatusBadRequest)
			return
		}
		if last := from.Swap(r.RemoteAddr); last != nil && last != r.RemoteAddr {
			http.Error(w, "another connection", http.StatusConflict)
			return
		}
		w.Header().Set("Prism-Fuel", "12345")
		w.Header().Set("Content-Length", fmt.Sprint(3000*len(body))) // more than the connection has room for at first
		for range 3000 {
			w.Write(body)
		}
	})
	for range 3 {
		a, err := c.exchange(t.Context())
		if err != nil || a.status != http.StatusOK || a.fuel != 12345 || string(a.body) != strings.Repeat("hello", 3000) {
			t.Fatalf("status %d, fuel %d, %d bytes %.20q, error %v", a.status, a.fuel, len(a.body), a.body, err)
		}
	}
}

func TestConnectionIsMadeAnewWhenTheServerClosesIt(t *testing.T) {
	c := to(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	for range 3 {
		if a, err := c.exchange(t.Context()); err != nil || a.status != http.StatusServiceUnavailable {
			t.Fatalf("status %d, error %v", a.status, err)
		}
	}
}

func TestAnswersThatCannotBeReadAreErrors(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"without a length": func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() },
		"too large": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(largeAnswer))
			w.WriteHeader(http.StatusOK)
		},
		"cut off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		if a, err := to(t, handler).exchange(t.Context()); err == nil {
			t.Errorf("%s: %+v, want an error", name, a)
		}
	}
	for _, header := range []string{"", "HTTP/1.0 200 OK", "HTTP/1.1 2", "HTTP/1.1 abc", "HTTP/1.1 200 OK\r\nno colon", "HTTP/1.1 200 OK\r\nContent-Length: x"} {
		if a, _, _, err := parse([]byte(header + "\r\n\r\n")); err == nil {
			t.Errorf("%q is read as %+v", header, a)
		}
	}
}

func TestGivingUpEndsTheWaitForAnAnswer(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	c := to(t, func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-release
	})
	t.Cleanup(func() { close(release) }) // before the server is closed
	go func() {
		<-asked
		c.giveUp()
	}()
	if _, err := c.exchange(t.Context()); err == nil {
		t.Error("an answer, where there is none")
	}
	if _, err := c.exchange(t.Context()); !errors.Is(err, errClosed) {
		t.Errorf("the next exchange: %v, want %v", err, errClosed)
	}
}
