package callback_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/marketprism/prismrt/runtime/callback"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/storetest"
	"github.com/marketprism/prismrt/runtime/task"
)

func TestAnEndedTaskIsToldAndSigned(t *testing.T) {
	r := newReceiver(t, nil)
	w := newWorld(t, r.host())
	w.run()
	for _, tt := range []struct {
		state        task.State
		output       string
		text, base64 string // of the output that is told
		bytes        int64  // -1: none are
		attempts     int
	}{
		{task.Succeeded, `{"a": 1}`, `{"a":1}`, "", 8, 1},
		{task.Succeeded, "plain", `"plain"`, "", 5, 1},
		{task.Succeeded, "\xff\x00", "", "\xff\x00", 2, 1},
		{task.Succeeded, strings.Repeat("x", 64<<10), `"` + strings.Repeat("x", 64<<10) + `"`, "", 64 << 10, 1},
		{task.Succeeded, strings.Repeat("x", 64<<10+1), "", "", 64<<10 + 1, 1},
		{task.Dead, "", "", "", -1, 1},
		{task.Canceled, "", "", "", -1, 0},
	} {
		before := len(r.all())
		id := w.end(1, r.URL+"/hook?token=1", tt.state, tt.output)[0]
		until(t, "it is told", func() bool { return len(r.all()) > before && w.owed() == 0 })
		g := r.all()[before]
		m := read(t, g)
		bytes := int64(-1)
		if m.Data.Bytes != nil {
			bytes = *m.Data.Bytes
		}
		if m.Type != "task."+string(tt.state) || m.Data.ID != id || m.Data.State != tt.state || m.Data.Plugin != "p" || string(m.Data.Output) != tt.text || string(m.Data.Base64) != tt.base64 ||
			bytes != tt.bytes || m.Data.Attempts != tt.attempts || !m.Timestamp.Equal(m.Data.EndedAt) || m.Timestamp.IsZero() || m.Data.CreatedAt.IsZero() {
			t.Errorf("%s with %.20q: %.300s", tt.state, tt.output, g.body)
		}
		if dead := tt.state == task.Dead; dead != (m.Data.Fault != nil && m.Data.Fault.Kind == "trap" && m.Data.Fault.Message == "it trapped") || strings.Contains(string(g.body), "secret log") {
			t.Errorf("%s: %s", tt.state, g.body)
		}
		verify, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify.Verify(g.body, g.header); err != nil {
			t.Errorf("the signature: %v", err)
		}
		if verify.Verify(append(g.body, ' '), g.header) == nil {
			t.Error("another body has the same signature")
		}
		if g.header.Get("Content-Type") != "application/json" || !strings.HasPrefix(g.header.Get("Webhook-Id"), string(id)+"-") || strings.Contains(g.header.Get("Webhook-Id"), ".") {
			t.Errorf("headers %v", g.header)
		}
	}
	time.Sleep(50 * time.Millisecond)
	if n := len(r.all()); n != 7 {
		t.Errorf("%d calls, want 7", n)
	}
}

func TestWhatIsNotTakenIsToldAgain(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request, int){
		"errors": func(w http.ResponseWriter, _ *http.Request, n int) {
			w.WriteHeader([]int{500, 404, 302, 200}[min(n, 3)])
		},
		"broken connections": func(w http.ResponseWriter, _ *http.Request, n int) {
			if n < 3 {
				panic(http.ErrAbortHandler)
			}
		},
		"redirects": func(w http.ResponseWriter, r *http.Request, n int) {
			if n < 3 {
				http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			}
		},
	} {
		r := newReceiver(t, answer)
		w := newWorld(t, r.host())
		id := w.end(1, r.URL, task.Succeeded, "out")[0]
		w.run()
		until(t, "it is told", func() bool { return w.owed() == 0 })
		all := r.all()
		if len(all) != 4 || r.ids(t)[id] != 4 {
			t.Errorf("%s: told %d times", name, len(all))
		}
		for n, g := range all[1:] {
			if g.header.Get("Webhook-Id") != all[0].header.Get("Webhook-Id") || !slicesEqual(g.body, all[0].body) {
				t.Errorf("%s: try %d is another message", name, n+2)
			}
			if waited := g.at.Sub(all[n].at); waited < w.options.Backoff<<n/2 {
				t.Errorf("%s: try %d came after %v", name, n+2, waited)
			}
		}
	}
}

func slicesEqual(a, b []byte) bool { return string(a) == string(b) }

func TestAReceiverThatWantsNoMoreIsToldNoMore(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusGone) })
	w := newWorld(t, r.host())
	id := w.end(1, r.URL+"/?secret=1", task.Succeeded, "out")[0]
	w.run()
	until(t, "it is given up", func() bool { return w.owed() == 0 })
	time.Sleep(5 * w.options.Backoff)
	if n := len(r.all()); n != 1 {
		t.Errorf("told %d times", n)
	}
	failed := w.failures()
	if len(failed) != 1 || failed[0].RequestID != id || failed[0].Ref.Plugin != "p" || !strings.Contains(failed[0].Message, "410") || strings.Contains(failed[0].Message+string(failed[0].Data), "secret=1") {
		t.Errorf("%+v", failed)
	}
}

func TestAReceiverIsLeftAloneAsLongAsItAsks(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		for _, date := range []bool{false, true} {
			r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
				if n > 0 {
					return
				}
				w.Header().Set("Retry-After", "1")
				if date {
					w.Header().Set("Retry-After", time.Now().Add(2*time.Second).UTC().Format(http.TimeFormat)) // less than that by what is cut off
				}
				w.WriteHeader(status)
			})
			w := newWorld(t, r.host())
			w.options.PerReceiver = 1
			w.end(3, r.URL, task.Succeeded, "out") // none of the three
			w.run()
			until(t, "all are told", func() bool { return w.owed() == 0 })
			all := r.all()
			if waited := all[1].at.Sub(all[0].at); len(all) != 4 || waited < time.Second-10*time.Millisecond {
				t.Errorf("%d, date %v: told %d times, again after %v", status, date, len(all), waited)
			}
		}
	}
}

func TestItIsGivenUpInTheEnd(t *testing.T) {
	for _, status := range []int{500, 404} { // something is wrong with the receiver, or with its URL
		r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(status) })
		w := newWorld(t, r.host())
		w.options.Within = 300 * time.Millisecond
		w.end(1, r.URL, task.Dead, "")
		w.run()
		until(t, "it is given up", func() bool { return w.owed() == 0 })
		failed := w.failures()
		if n := len(r.all()); n < 2 || n > 10 || len(failed) != 1 || !strings.Contains(failed[0].Message, fmt.Sprint("it answered ", status)) {
			t.Errorf("%d: after %d tries: %+v", status, n, failed)
		}
	}
}

// A name that leads to an address of one's own is not called, whoever resolves it to that.
func TestNoPrivateAddressIsCalledByName(t *testing.T) {
	r := newReceiver(t, nil)
	_, port, err := net.SplitHostPort(r.host())
	if err != nil {
		t.Fatal(err)
	}
	if at, err := net.LookupHost("localhost"); err != nil {
		t.Skip("nothing is known of localhost: ", at, err)
	}
	byName := "http://localhost:" + port
	for _, private := range []bool{false, true} {
		w := newWorld(t)
		w.allow(private, "localhost:"+port)
		w.options.Within = 200 * time.Millisecond
		w.end(1, byName, task.Succeeded, "out")
		stop := w.run()
		until(t, "it is over", func() bool { return w.owed() == 0 })
		stop()
		failed := w.failures()
		if private && len(failed) > 0 || !private && (len(failed) != 1 || !strings.Contains(failed[0].Message, "allow_private")) || len(r.all()) != map[bool]int{true: 1}[private] {
			t.Errorf("private %v: %d calls, %+v", private, len(r.all()), failed)
		}
	}
}

func TestWhatIsNotAllowedAnyMoreIsGivenUp(t *testing.T) {
	r := newReceiver(t, nil)
	w := newWorld(t, "example.com")
	w.end(1, r.URL, task.Succeeded, "out")
	w.end(1, "no URL", task.Succeeded, "out")
	w.run()
	until(t, "they are given up", func() bool { return w.owed() == 0 })
	if failed := w.failures(); len(failed) != 2 || !strings.Contains(failed[0].Message, "not allowed") || len(r.all()) != 0 {
		t.Errorf("%+v", failed)
	}
}

func TestAnAnswerIsNotReadToItsEnd(t *testing.T) {
	var written atomic.Int64
	ended := make(chan struct{})
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		defer close(ended)
		piece := make([]byte, 1<<20)
		for range 1000 {
			n, err := w.Write(piece)
			if written.Add(int64(n)); err != nil {
				return
			}
		}
	})
	w := newWorld(t, r.host())
	w.end(1, r.URL, task.Succeeded, "out")
	w.run()
	until(t, "it is told", func() bool { return w.owed() == 0 })
	<-ended
	if n := written.Load(); n > 100<<20 { // what sockets hold
		t.Errorf("%d bytes were taken", n)
	}
}

// The sender is killed at any moment, by a store that fails at any moment: each task is told
// at least once, and none is owed in the end.
func TestEachTaskIsToldAtLeastOnce(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n%7 == 3 {
			w.WriteHeader(429)
		}
	})
	w := newWorld(t, r.host())
	w.keeps = storetest.NewFaulty(w.store, storetest.Faults{Seed: 1, Share: 0.2})
	ids := w.end(400, r.URL, task.Succeeded, "out")
	for n := 0; w.owed() > 0; n++ {
		stop := w.run()
		before := len(r.all())
		begun := time.Now()
		until(t, "some are told", func() bool {
			return len(r.all()) > before+20 || w.owed() == 0 || time.Since(begun) > 100*time.Millisecond
		})
		stop()
	}
	counts, more := r.ids(t), 0
	for _, id := range ids {
		if counts[id] == 0 {
			t.Errorf("%s was not told", id)
		}
		more += counts[id] - 1
	}
	t.Logf("%d tasks, told %d times more", len(ids), more)
}

func TestATaskThatWasSentAgainIsToldOfOnceMore(t *testing.T) {
	r := newReceiver(t, nil)
	w := newWorld(t, r.host())
	id := w.end(1, r.URL, task.Dead, "")[0]
	stop := w.run()
	until(t, "it is told", func() bool { return w.owed() == 0 })
	stop()
	ctx := context.Background()
	if errs, err := w.store.Revive(ctx, []store.Revival{{ID: id}}); err != nil || errs[0] != nil {
		t.Fatal(errs, err)
	}
	if _, err := w.store.Cancel(ctx, []task.ID{id}, time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.run()
	until(t, "it is told", func() bool { return w.owed() == 0 })
	all := r.all()
	if len(all) != 2 || all[0].header.Get("Webhook-Id") == all[1].header.Get("Webhook-Id") || read(t, all[1]).Data.State != task.Canceled {
		t.Errorf("told %d times: %v", len(all), all)
	}
}

// The task is sent again and ends again while its first end is being told.
func TestAnEndThatComesWhileAnotherIsToldIsToldToo(t *testing.T) {
	ends := make(chan struct{})
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 0 {
			ends <- struct{}{}
			<-ends
		}
		w.WriteHeader(http.StatusNoContent)
	})
	w := newWorld(t, r.host())
	id := w.end(1, r.URL, task.Dead, "")[0]
	w.run()
	<-ends
	ctx := context.Background()
	if errs, err := w.store.Revive(ctx, []store.Revival{{ID: id}}); err != nil || errs[0] != nil {
		t.Fatal(errs, err)
	}
	if _, err := w.store.Cancel(ctx, []task.ID{id}, time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	ends <- struct{}{}
	until(t, "both are told", func() bool { return w.owed() == 0 })
	all := r.all()
	if len(all) != 2 || read(t, all[0]).Data.State != task.Dead || read(t, all[1]).Data.State != task.Canceled {
		t.Errorf("told %d times: %v", len(all), all)
	}
}

func TestWhatIsWrongWithOptionsIsToldAtOnce(t *testing.T) {
	defer func() {
		message := fmt.Sprint(recover())
		for _, says := range []string{"Store is missing", "Records is missing", "Signer is missing", "Timeout is -1"} {
			if !strings.Contains(message, says) {
				t.Errorf("%q does not say %q", message, says)
			}
		}
	}()
	callback.New(callback.Options{Timeout: -1})
}

func TestAnErrorSaysNothingOfTheURL(t *testing.T) {
	w := newWorld(t, "127.0.0.1:1") // where nobody listens
	w.options.Within = 100 * time.Millisecond
	w.end(1, "http://127.0.0.1:1/?token=hidden", task.Succeeded, "out")
	w.run()
	until(t, "it is given up", func() bool { return w.owed() == 0 })
	failed := w.failures()
	if len(failed) != 1 || strings.Contains(failed[0].Message, "hidden") || !strings.Contains(failed[0].Message, "refused") {
		t.Errorf("%+v", failed)
	}
}
