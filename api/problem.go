package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/marketprism/prismrt/runtime/task"
)

// statuses maps kinds to HTTP: 4xx is for the caller and for what the guest did
// with the input, 5xx for the operator.
var statuses = map[task.Kind]int{
	task.KindInvalid:      http.StatusBadRequest,
	task.KindUnauthorised: http.StatusUnauthorized,
	task.KindForbidden:    http.StatusForbidden,
	task.KindNotFound:     http.StatusNotFound,
	task.KindConflict:     http.StatusConflict,
	task.KindTooLarge:     http.StatusRequestEntityTooLarge,
	task.KindFuel:         http.StatusUnprocessableEntity,
	task.KindMemory:       http.StatusUnprocessableEntity,
	task.KindTrap:         http.StatusUnprocessableEntity,
	task.KindExit:         http.StatusUnprocessableEntity,
	task.KindGuest:        http.StatusUnprocessableEntity,
	task.KindCanceled:     499, // nobody reads it; the word is nginx's, "client closed request"
	task.KindBusy:         http.StatusServiceUnavailable,
	task.KindUnavailable:  http.StatusServiceUnavailable,
	task.KindDeadline:     http.StatusGatewayTimeout,
	task.KindInternal:     http.StatusInternalServerError,
}

// Status returns the HTTP status of a fault's kind.
func Status(k task.Kind) int { return statuses[k] }

// titles are the short words for each kind (RFC 9457, "title").
var titles = map[task.Kind]string{
	task.KindInvalid:      "The request is not valid",
	task.KindUnauthorised: "A key is needed",
	task.KindForbidden:    "Not allowed",
	task.KindNotFound:     "Not found",
	task.KindConflict:     "Not possible now",
	task.KindTooLarge:     "Too large",
	task.KindFuel:         "Out of fuel",
	task.KindMemory:       "Out of memory",
	task.KindTrap:         "The guest trapped",
	task.KindExit:         "The program failed",
	task.KindGuest:        "The plugin refused the input",
	task.KindCanceled:     "The call was given up",
	task.KindBusy:         "Too busy",
	task.KindUnavailable:  "Not available",
	task.KindDeadline:     "The deadline passed",
	task.KindInternal:     "Internal error",
}

// problem is the body of every error (RFC 9457).
type problem struct {
	Type      string    `json:"type"`
	Title     string    `json:"title"`
	Status    int       `json:"status"`
	Detail    string    `json:"detail"`
	Kind      task.Kind `json:"kind"`
	RequestID task.ID   `json:"request_id"`
	Task      task.ID   `json:"task,omitempty"` // whose fault it is, rather than the request's
	Plugin    string    `json:"plugin,omitempty"`
	Version   int       `json:"version,omitempty"`
	Stack     []string  `json:"stack,omitempty"`
	Log       []string  `json:"log,omitempty"`
}

// httpFault is a fault for which HTTP has a status of its own.
type httpFault struct {
	status int
	fault  *task.Fault
}

func (f *httpFault) Error() string { return f.fault.Error() }
func (f *httpFault) Unwrap() error { return f.fault }

// request is a request with the id it is known by.
type request struct {
	*http.Request
	id      task.ID
	plugin  string // that it is about, where the path does not say so
	version int    // of the plugin that was called, once known

	values [5]string // of headers, which are slices of it
}

// set sets a header by its canonical name, to a value that is kept at a place of its own.
func (r *request) set(header http.Header, name string, place int, value string) {
	r.values[place] = value
	header[name] = r.values[place : place+1 : place+1]
}

// param returns a part of the path.
func (r *request) param(name string) string { return chi.URLParam(r.Request, name) }

// handler answers a request, or says why not with an error that leads to a fault.
type handler func(http.ResponseWriter, *request) error

// handle makes an http.HandlerFunc of a handler that knows the given query
// parameters. It names the request, writes errors as problem documents and logs
// those of ours.
func (s *server) handle(h handler, query ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, hr *http.Request) {
		r := &request{Request: hr, id: task.NewID()}
		r.set(w.Header(), "Prism-Request-Id", 0, string(r.id))
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			s.writeProblem(w, r, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}()
		if err := checkQuery(hr, query); err != nil {
			s.writeProblem(w, r, err)
			return
		}
		if err := h(w, r); err != nil {
			s.writeProblem(w, r, err)
		}
	}
}

// retryAfter is a Retry-After in seconds (RFC 9110, section 10.2.3), of at least one and
// at most a minute: what was measured is not good for longer.
func retryAfter(d time.Duration) int {
	return int(min(max(d+time.Second-1, time.Second), time.Minute) / time.Second)
}

func (s *server) writeProblem(w http.ResponseWriter, r *request, err error) {
	fault := task.FaultOf(err)
	p := s.problemOf(r, r.id, err)
	p.Version = r.version
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests || fault.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter(fault.RetryAfter)))
	}
	w.Header().Set("Content-Type", "application/problem+json")
	s.write(w, p.Status, append(p.document(), '\n'))
}

// problemOf returns the problem document for what became of a call or a task, of no version
// yet, and logs it if it is ours.
func (s *server) problemOf(r *request, id task.ID, err error) *problem {
	fault := task.FaultOf(err)
	status := Status(fault.Kind)
	if f, ok := errors.AsType[*httpFault](err); ok {
		status = f.status
	}
	if fault.Kind == task.KindInternal {
		s.Log.Error("a request failed", slog.String("request_id", string(id)),
			slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Any("error", err))
	}
	p := problemFor(fault, status)
	p.RequestID, p.Plugin = id, cmp.Or(r.plugin, r.param("name"))
	return p
}

func problemFor(f *task.Fault, status int) *problem {
	return &problem{
		Type: "urn:prismrt:fault:" + string(f.Kind), Title: titles[f.Kind], Status: status, Detail: f.Message,
		Kind: f.Kind, Stack: f.Stack, Log: f.Log,
	}
}

func (p *problem) document() []byte {
	document, err := json.Marshal(p)
	if err != nil {
		panic("api: a problem document does not encode: " + err.Error())
	}
	return document
}
