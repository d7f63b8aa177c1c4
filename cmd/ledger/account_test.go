package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// liar is a server that runs tasks as it takes them, and that tells lies of its own.
type liar struct {
	lie string

	mu    sync.Mutex
	tasks map[string]*lied
	keys  map[string]string
	order []string
	runs  int
}

type lied struct {
	doc
	output string
}

// lies are what an account must find.
var lies = map[string]string{
	"loses a task":               "was acknowledged, and is not there",
	"forgets a key":              "with one key, was acknowledged as",
	"keeps two tasks of one key": "with one key, is there as",
	"changes a result":           "and then as 200",
	"changes an input":           "and has",
	"runs again what was done":   "the guest ran",
	"tells of two successes":     "it succeeded with attempt 1, and ran again",
	"has a failure succeed":      "it is succeeded and is to be dead",
	"has a task of nobody's":     "is of nobody",
	"has the log of another run": "its last attempt has the log",
	"leaves a task off its page": "is on no page",
	"goes back on a result":      "was done, and then it was not",
}

func (l *liar) is(lie string) bool { return l.lie == lie }

// take stores a task and runs it.
func (l *liar) take(input string) string {
	id := fmt.Sprintf("%026d", len(l.order)+1)
	l.runs++
	mark := fmt.Sprintf("%024d", l.runs)
	t := &lied{doc: doc{ID: id, State: "succeeded", Input: input}, output: mark + " " + input}
	at := attempt{Number: 1, BegunAt: time.Now(), Log: []string{"info: " + mark}}
	if strings.HasPrefix(input, "fail") && !l.is("has a failure succeed") {
		t.State, at.Fault = "dead", &struct{ Kind string }{"guest"}
	}
	t.Attempts = []attempt{at}
	l.tasks[id], l.order = t, append(l.order, id)
	return id
}

func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Path == "/metrics":
		fmt.Fprintf(w, "# TYPE prismrt_invocations_total counter\nprismrt_invocations_total{outcome=\"ok\"} %d\n", l.runs)
	case r.Method == http.MethodPost:
		input, _ := io.ReadAll(r.Body)
		key := r.Header.Get("Idempotency-Key")
		id, seen := l.keys[key]
		if !seen || l.is("forgets a key") {
			if id = l.take(string(input)); key != "" {
				l.keys[key] = id
			}
		}
		w.Header().Set("Location", "/v1/tasks/"+id)
		w.WriteHeader(http.StatusAccepted)
	case len(path) == 2:
		var page []doc
		for n, id := range l.order {
			if t := l.tasks[id]; t != nil && (n > 0 || !l.is("leaves a task off its page")) {
				page = append(page, t.doc)
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"tasks": page})
	default:
		t := l.tasks[path[2]]
		switch {
		case t == nil:
			w.WriteHeader(http.StatusNotFound)
		case len(path) == 3:
			_ = json.NewEncoder(w).Encode(t.doc)
		case t.State == "succeeded":
			_, _ = io.WriteString(w, t.output)
		case t.State == "dead":
			w.WriteHeader(http.StatusInternalServerError)
			_ = json.NewEncoder(w).Encode(map[string]string{"kind": "guest"})
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	}
}

// falls tells the lie, once all tasks are there and some results were announced.
func (l *liar) falls() {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.tasks[l.order[0]]
	switch l.lie {
	case "loses a task":
		delete(l.tasks, first.ID)
	case "keeps two tasks of one key":
		l.take(first.Input)
	case "has a task of nobody's":
		l.take("done somebody ")
	case "changes a result":
		first.output = "another " + first.Input
	case "changes an input":
		first.Input = "done other "
	case "runs again what was done":
		l.runs++
	case "tells of two successes":
		first.Attempts = append(first.Attempts, attempt{Number: 2, Log: first.Attempts[0].Log})
	case "has the log of another run":
		first.Attempts[0].Log = []string{"info: another"}
	case "goes back on a result":
		first.State = "queued"
	}
}

// audited is what an account finds at a liar.
func audited(t *testing.T, lie string) []string {
	l := &liar{lie: lie, tasks: map[string]*lied{}, keys: map[string]string{}}
	s := httptest.NewServer(l)
	defer s.Close()
	book, err := newBook("")
	if err != nil {
		t.Fatal(err)
	}
	c := newCallers(book, new(sync.Map), new(atomic.Int64), s.URL)
	begun := time.Now().Add(-time.Second)
	for n := range 20 {
		o := &order{entry: &entry{name: fmt.Sprintf("task-%d", n), wish: succeeds, keyed: n%2 == 0}}
		o.input = "done " + o.name + " x"
		if n == 7 {
			o.input, o.wish = "fail "+o.name+" x", fails
		}
		c.orders.Store(o.name, o)
		c.submit(t.Context(), o, false)
		if n == 4 { // as if it had not been answered
			book.lost(o.entry)
			c.submit(t.Context(), o, false)
		}
		if n < 10 {
			if err := c.ask(t.Context(), o.entry, "1s"); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.falls()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if l.is("goes back on a result") {
		if err := c.ask(ctx, book.order[0], "1s"); err != nil {
			t.Fatal(err)
		}
		return book.wrong
	}
	a, err := c.take(ctx, begun)
	if err != nil {
		t.Fatal(err)
	}
	if a.Acknowledged != 20 || a.Wrongs != len(a.Wrong) {
		t.Errorf("%+v", a)
	}
	return a.Wrong
}

func TestAnHonestServersAccountHolds(t *testing.T) {
	if wrong := audited(t, ""); len(wrong) > 0 {
		t.Errorf("there is something wrong: %q", wrong)
	}
}

func TestEachLieIsFound(t *testing.T) {
	for lie, told := range lies {
		t.Run(lie, func(t *testing.T) {
			if wrong := audited(t, lie); !strings.Contains(strings.Join(wrong, "\n"), told) {
				t.Errorf("what was found is %q, and must say %q", wrong, told)
			}
		})
	}
}
