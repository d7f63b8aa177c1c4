package callback_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

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
