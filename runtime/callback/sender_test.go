package callback_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/marketprism/prismrt/runtime/callback"
	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/outbound"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/storetest"
	"github.com/marketprism/prismrt/runtime/store/volatile"
	"github.com/marketprism/prismrt/runtime/task"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="

// told is a request that a receiver got.
type told struct {
	header http.Header
	body   []byte
	at     time.Time
}

// message is its body, as receivers know it.
type message struct {
	Type      string
	Timestamp time.Time
	Data      struct {
		ID        task.ID
		Plugin    string
		State     task.State
		EndedAt   time.Time `json:"ended_at"`
		Attempts  int
		Version   int
		Fuel      int64
		Fault     *struct{ Kind, Message string }
		Output    json.RawMessage
		Base64    []byte    `json:"output_base64"`
		Bytes     *int64    `json:"output_bytes"`
		CreatedAt time.Time `json:"created_at"`
	}
}

// receiver is a server that is told, and answers as it likes.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []told
	answer func(w http.ResponseWriter, r *http.Request, n int) // n requests came before; nil: 204
}

func newReceiver(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int)) *receiver {
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		body, _ := io.ReadAll(hr.Body)
		r.mu.Lock()
		n := len(r.got)
		r.got = append(r.got, told{hr.Header, body, time.Now()})
		r.mu.Unlock()
		if r.answer != nil {
			r.answer(w, hr, n)
		} else {
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) host() string { return strings.TrimPrefix(r.URL, "http://") }

func (r *receiver) all() []told {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got[:len(r.got):len(r.got)]
}

// ids counts how often each task was told.
func (r *receiver) ids(t *testing.T) map[task.ID]int {
	counts := map[task.ID]int{}
	for _, g := range r.all() {
		counts[read(t, g).Data.ID]++
	}
	return counts
}

func read(t *testing.T, g told) (m message) {
	t.Helper()
	if err := json.Unmarshal(g.body, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// world has tasks that end.
type world struct {
	t       *testing.T
	store   *volatile.Store
	keeps   storetest.Store // what the sender sees of it
	events  *event.Log
	options callback.Options
}

func newWorld(t *testing.T, hosts ...string) *world {
	t.Helper()
	w := &world{t: t, store: volatile.New(), events: event.New(event.Options{})}
	w.keeps = w.store
	signer, err := callback.ParseSecrets(secret)
	if err != nil {
		t.Fatal(err)
	}
	w.options = callback.Options{Signer: signer, Backoff: 20 * time.Millisecond, Poll: 5 * time.Millisecond, Publish: w.events.Publish, Log: slog.New(slog.DiscardHandler)}
	w.allow(false, hosts...)
	return w
}

func (w *world) allow(private bool, hosts ...string) {
	w.t.Helper()
	var err error
	reach := outbound.Listed
	if private {
		reach = outbound.Anywhere
	}
	if w.options.Hosts, err = outbound.ParseHosts(hosts, reach); err != nil {
		w.t.Fatal(err)
	}
}

// run runs a sender until it is stopped, or the test ends.
func (w *world) run() (stop func()) {
	o := w.options
	o.Store, o.Records = w.keeps, w.keeps
	s := callback.New(o)
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// end has tasks end that are to be told to a URL.
func (w *world) end(n int, url string, state task.State, output string) (ids []task.ID) {
	w.t.Helper()
	ctx := context.Background()
	var tasks []store.Task
	for range n {
		t := store.Task{ID: task.NewID(), Namespace: "default", Plugin: "p", Created: time.Now(), Terms: task.Terms{Callback: url}, Input: []byte("in")}
		tasks, ids = append(tasks, t), append(ids, t.ID)
	}
	if _, err := w.store.Submit(ctx, tasks); err != nil {
		w.t.Fatal(err)
	}
	if state == task.Canceled {
		if _, err := w.store.Cancel(ctx, ids, time.Now(), time.Now().Add(time.Hour)); err != nil {
			w.t.Fatal(err)
		}
		return ids
	}
	leases, err := w.store.Lease(ctx, []store.Want{{Lane: store.Lane{Namespace: "default", Plugin: "p"}, Most: n}}, time.Now().Add(time.Hour))
	if err != nil || len(leases) != n {
		w.t.Fatalf("%d leases, %v", len(leases), err)
	}
	var outcomes []store.Outcome
	for _, l := range leases {
		o := store.Outcome{ID: l.ID, Attempt: l.Attempt, State: state, Last: store.Attempt{Number: l.Attempt, Ended: time.Now(), Version: 3, Fuel: 77}, Expires: time.Now().Add(time.Hour)}
		if state == task.Succeeded {
			o.Output = []byte(output)
		} else {
			o.Last.Kind, o.Last.Message, o.Last.Log = task.KindTrap, "it trapped", []string{"secret log"}
		}
		outcomes = append(outcomes, o)
	}
	if _, err := w.store.Finish(ctx, outcomes); err != nil {
		w.t.Fatal(err)
	}
	return ids
}

// owed is how many URLs are yet to be told.
func (w *world) owed() int {
	due, _, err := w.store.Callbacks(context.Background(), time.Now().Add(1000*time.Hour), 1e6)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(due)
}

func (w *world) failures() (found []event.Event) {
	w.events.Close()
	r := w.events.Follow(event.ID{}, event.Filter{Types: []event.Type{event.CallbackFailed}})
	for {
		e, err := r.Next(context.Background())
		if err != nil {
			return found
		}
		found = append(found, e)
	}
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for begun := time.Now(); !holds(); time.Sleep(time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatalf("after a minute it is not so that %s", what)
		}
	}
}

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
