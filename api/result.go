package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// taskResult answers with what a task came to, if it has ended within the wait.
func (s *server) taskResult(w http.ResponseWriter, r *request) error {
	var wait time.Duration
	if text := r.URL.Query().Get("wait"); text != "" {
		var err error
		if wait, err = parseSpan("wait", text); err != nil {
			return err
		}
		if wait > mostWait {
			return task.Faultf(task.KindInvalid, "wait is %v and may be %v at most; ask again after that", wait, mostWait)
		}
	}
	id := r.taskID()
	if wait == 0 {
		return s.answerResult(w, r, id)
	}
	ending := s.Queue.Ending(namespace, id)
	defer ending.Stop()
	return s.awaitResult(w, r, id, ending, wait)
}

// awaitResult answers with what a task came to, if it ends within the wait and while the
// server serves.
func (s *server) awaitResult(w http.ResponseWriter, r *request, id task.ID, ending *queue.Ending, wait time.Duration) error {
	waiting, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	defer s.Events.AfterClose(cancel)()
	t, err := ending.Wait(waiting)
	switch {
	case err == nil:
		return s.writeResult(w, r, &t)
	case r.Context().Err() != nil:
		return context.Cause(r.Context())
	case waiting.Err() != nil:
		return s.answerResult(w, r, id)
	}
	return err
}

// answerResult answers with what a task has come to by now.
func (s *server) answerResult(w http.ResponseWriter, r *request, id task.ID) error {
	t, err := s.Queue.Task(r.Context(), namespace, id, store.WithOutput)
	if err != nil {
		return err
	}
	return s.writeResult(w, r, &t)
}

// writeResult writes what a task came to: the output, the fault of its last attempt, 410
// where there is no result any more, or 202 where there is none yet.
func (s *server) writeResult(w http.ResponseWriter, r *request, t *queue.Task) error {
	r.plugin = t.Plugin
	header := w.Header()
	header["Cache-Control"] = noStore
	switch {
	case !t.State.Ended():
		header["Location"] = []string{taskPath(t.ID)}
		header.Set("Retry-After", strconv.Itoa(retryAfter(time.Until(t.Due))))
		return s.writeJSON(w, http.StatusAccepted, taskDocOf(t))
	case t.State == task.Canceled:
		return s.writeFault(w, r, t, http.StatusGone, task.Faultf(task.KindCanceled, "the task was canceled and has no result; POST %s/retry sends it again", taskPath(t.ID)))
	case t.State == task.Dead:
		f := faultOf(t)
		return s.writeFault(w, r, t, Status(f.Kind), f)
	case !t.Expires.IsZero() && t.Expires.Before(time.Now()):
		return s.writeFault(w, r, t, http.StatusGone, task.Faultf(task.KindNotFound, "the result was kept until %s", t.Expires.UTC().Format(time.RFC3339)))
	}
	accountTask(header, t)
	header["Content-Type"] = octets
	s.write(w, http.StatusOK, t.Output)
	return nil
}

var noStore = []string{"no-store"}

// faultOf is why a task is dead.
func faultOf(t *queue.Task) *task.Fault {
	if len(t.Attempts) == 0 {
		return task.Faultf(task.KindInternal, "the task was given up, and nothing is known of its attempts")
	}
	last := &t.Attempts[len(t.Attempts)-1]
	kind, message := last.Kind, last.Message
	if kind == "" {
		kind, message = task.KindInternal, cmp.Or(message, fmt.Sprintf("attempt %d was cut off, as the server ended or was overloaded, and was the last", last.Number))
	}
	f := task.Faultf(kind, "%s", message)
	f.Stack, f.Log = last.Stack, last.Log
	return f
}

// writeFault writes what became of a task as a problem document. It is the answer that was
// asked for rather than a failure to answer, so there is nothing to log, and no use in
// trying again.
func (s *server) writeFault(w http.ResponseWriter, r *request, t *queue.Task, status int, f *task.Fault) error {
	p := problemFor(f, status)
	p.RequestID, p.Task, p.Plugin = r.id, t.ID, t.Plugin
	if n := len(t.Attempts); n > 0 {
		p.Version = t.Attempts[n-1].Version
	}
	accountTask(w.Header(), t)
	w.Header()["Content-Type"] = []string{"application/problem+json"}
	s.write(w, status, append(p.document(), '\n'))
	return nil
}

// accountTask writes what is known of a task's last attempt, as invocations have it.
func accountTask(header http.Header, t *queue.Task) {
	if len(t.Attempts) == 0 {
		return
	}
	a := &t.Attempts[len(t.Attempts)-1]
	if a.Version != 0 {
		header.Set("Prism-Version", strconv.Itoa(a.Version)+" "+a.Digest.Short())
	}
	if a.CutOff {
		return
	}
	header.Set("Prism-Fuel", strconv.FormatInt(a.Fuel, 10))
	timing := appendMilliseconds([]byte("queue;dur="), a.Queue)
	timing = appendMilliseconds(append(timing, ", run;dur="...), a.Run)
	header.Set("Server-Timing", string(timing))
}
